"""Home: the journey and where one stands in it."""

from __future__ import annotations

from touchstone.web.base import Answer, Ask, Route, Show


def home(ask: Ask) -> Answer:
    """Tasks, last decisions and work under way; for a newcomer, where to begin."""
    return Show(
        "home.html.j2",
        {"comparisons": ask.workspace.comparisons()[:5], "live": [view for view in ask.jobs.all() if view.is_live]},
    )


routes = (Route("/", home, "view"),)
