"""Home: the journey and where one stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from touchstone.language import _, ngettext
from touchstone.reporting import numbers
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.workspace.where import Where, where

_LAST = 5


@dataclass(frozen=True)
class Step:
    """One step of the journey, and how far it is."""

    path: str
    name: str
    says: str
    stands: str
    is_done: bool


def home(ask: Ask) -> Answer:
    """Tasks, last decisions and work under way; for a newcomer, where to begin."""
    today = datetime.now(UTC).date()
    now = ask.site.kept(("where", ask.viewer.project), 20.0, lambda: where(ask.workspace, today), times_taken=20)
    live = [view for view in ask.jobs.all() if view.is_live]
    values: dict[str, Any] = {
        "now": now,
        "steps": _steps(now),
        "last": now.comparisons[:_LAST],
        "live": live,
        "demo": next((view for view in live if view.job.verb == "demo"), None),
        "running": sum(1 for one in now.endpoints if not one.is_stopped),
        "sentences": {one.id: one.sentence(_) for one in now.comparisons[:_LAST]},
    }
    return Show("home.html.j2", values)


def demo(ask: Ask) -> Answer:
    """Run the shipped comparison."""
    folder = ask.folder / "demo"
    job = ask.jobs.start(
        "demo",
        "intents",
        f"--folder={folder.absolute()}",
        title=_("The demo: who names best what a customer wants"),
        about="/decisions/latest",
        who=ask.viewer.name,
        language=ask.language,
    )
    return Move(f"/jobs/{job.id}")


def _steps(now: Where) -> Sequence[Step]:
    compared = len(now.comparisons)
    decided = sum(1 for one in now.comparisons if one.verdict in ("winner", "tie"))
    served = len(now.endpoints)
    return (
        Step(
            "/catalog", _("Explore"), _("Which models exist, under which licence, at what price."), "", bool(compared)
        ),
        Step("/shortlist", _("Shortlist"), _("Which of them fit, and why the others do not."), "", bool(compared)),
        Step(
            "/tasks",
            _("Compare"),
            _("On your own cases, with intervals and a money cap."),
            ngettext("{count} comparison", "{count} comparisons", compared).format(count=compared) if compared else "",
            bool(compared),
        ),
        Step("/improve", _("Improve"), _("Prompt, examples, documents, training: which pays."), "", False),
        Step(
            "/decisions",
            _("Decide"),
            _("A memo with evidence, cost and expiry."),
            ngettext("{count} decision", "{count} decisions", decided).format(count=decided) if decided else "",
            bool(decided),
        ),
        Step(
            "/endpoints",
            _("Serve"),
            _("What was measured, behind keys with budgets."),
            ngettext("{count} endpoint", "{count} endpoints", served).format(count=served) if served else "",
            bool(served),
        ),
        Step(
            "/usage",
            _("Watch"),
            _("Who asks, how often, and what it costs."),
            _("{usd} this month").format(usd=numbers.money(now.spend.usd)) if now.spend.usd else "",
            bool(now.spend.serving_usd),
        ),
    )


routes = (
    Route("/", home, "view"),
    Route("/demo", demo, "edit", methods=("POST",)),
)
