"""Every address of the site, gathered from the modules of its places."""

from __future__ import annotations

from touchstone.web.base import Route
from touchstone.web.pages import (
    answers,
    audit,
    benchmarks,
    catalog,
    decisions,
    endpoints,
    home,
    improve,
    jobs,
    keys,
    playground,
    safety,
    session,
    settings,
    settings_keys,
    settings_people,
    settings_projects,
    shortlist,
    static,
    tasks,
    usage,
)
from touchstone.web.paths import Table

MODULES = (
    static,
    session,
    settings,
    settings_keys,
    settings_people,
    settings_projects,
    home,
    jobs,
    shortlist,
    tasks,
    answers,
    playground,
    decisions,
    catalog,
    benchmarks,
    endpoints,
    keys,
    usage,
    safety,
    audit,
    improve,
)


def all_routes() -> tuple[Route, ...]:
    """All of them, each with its scope."""
    return tuple(route for module in MODULES for route in module.routes)


def table() -> Table:
    """What finds a route."""
    return Table(all_routes())
