"""Every address of the site, gathered from the modules of its places."""

from __future__ import annotations

from touchstone.web.base import Route
from touchstone.web.pages import home, jobs, session, static
from touchstone.web.paths import Table

MODULES = (static, session, home, jobs)


def all_routes() -> tuple[Route, ...]:
    """All of them, each with its scope."""
    return tuple(route for module in MODULES for route in module.routes)


def table() -> Table:
    """What finds a route."""
    return Table(all_routes())
