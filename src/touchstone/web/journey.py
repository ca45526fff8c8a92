"""The places of the site, in the order of the journey: explore, shortlist, compare, improve, decide, serve, watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.web.base import Ask

_PLACES = (
    ("/", N_("Home"), ""),
    ("/catalog", N_("Catalog"), N_("Explore")),
    ("/benchmarks", N_("Benchmarks"), ""),
    ("/shortlist", N_("Shortlist"), ""),
    ("/tasks", N_("Tasks"), N_("Measure")),
    ("/playground", N_("Playground"), ""),
    ("/improve", N_("Improve"), ""),
    ("/decisions", N_("Decisions"), ""),
    ("/endpoints", N_("Endpoints"), N_("Serve")),
    ("/keys", N_("Keys"), ""),
    ("/usage", N_("Usage"), ""),
    ("/safety", N_("Safety"), ""),
    ("/audit", N_("Audit log"), ""),
    ("/jobs", N_("Jobs"), N_("This site")),
    ("/settings", N_("Settings"), ""),
)


@dataclass(frozen=True)
class Place:
    """A place that one can go to."""

    path: str
    name: str
    group: str
    """The part of the journey that begins with it; empty within one."""
    is_here: bool


def places(ask: Ask) -> Sequence[Place]:
    """All places, in the reader's language; the one that is shown is marked."""
    here = "/" + ask.path.split("/", 2)[1] if ask.path.startswith("/") else "/"
    return [Place(path, _(name), _(group) if group else "", path == here) for path, name, group in _PLACES]
