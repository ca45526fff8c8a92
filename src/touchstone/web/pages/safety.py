"""Safety: what each endpoint looks for, what its guard decided, how good the rules are, and one text through them."""

from __future__ import annotations

import time
from typing import Any

from touchstone.deployment.base import SafetyPolicy
from touchstone.deployment.govern.safety_rows import decided_counts, decisions
from touchstone.deployment.govern.usage_report import days_until
from touchstone.errors import TouchstoneError
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Route, Show
from touchstone.web.pages.serving_base import by_field, govern_of, today
from touchstone.web.render import address
from touchstone.workspace.endpoints import registry
from touchstone.workspace.safety import check_text, evaluate_safety, marked_text

STATUSES = {
    "passed": N_("passed"),
    "masked": N_("masked"),
    "blocked": N_("blocked"),
    "not_checked": N_("passed, not all looked at"),
    "unavailable": N_("refused, nobody could tell"),
}
"""What guards decide."""

_DAYS = 30
_KEPT_S = 30.0
_SHOWN = 50
_DAY_S = 86_400.0
LONGEST = 50_000
"""Characters of a text that is tried."""


def _tabs(here: str) -> list[tuple[str, str, bool]]:
    rows = [("", _("Endpoints and decisions")), ("/rules", _("How good the rules are")), ("/try", _("Try a text"))]
    return [(f"/safety{path}", words, path == here) for path, words in rows]


def overview(ask: Ask) -> Answer:
    """The policy of each endpoint, and decisions, newest first."""
    engine, query = govern_of(ask).engine, ask.query
    wanted = {
        "endpoint": query.text("endpoint", longest=100) or None,
        "status": query.choice("status", STATUSES, "") or None,
        "way": query.choice("way", ("in", "out"), "") or None,
    }
    at, number = query.text("at", longest=40), query.whole("number", None)
    before = (at, number) if at and number is not None else None
    rows = decisions(engine, **wanted, before=before, limit=_SHOWN + 1)
    last = rows[_SHOWN - 1] if len(rows) > _SHOWN else None
    since = days_until(time.time(), _DAYS)
    values: dict[str, Any] = {
        "tabs": _tabs(""),
        "endpoints": registry(ask.workspace, "").all(),
        "counts": ask.site.kept(("decided", ask.viewer.project), _KEPT_S, lambda: decided_counts(engine, since)),
        "rows": rows[:_SHOWN],
        "statuses": STATUSES,
        "query": query,
        "first": address("/safety", **wanted) if before else None,
        "after": address("/safety", **wanted, at=last.at, number=last.id) if last is not None else None,
    }
    return Show("safety/overview.html.j2", values)


def rules(ask: Ask) -> Answer:
    """Precision, recall and false positives on the labelled set."""
    day = today()
    found = ask.site.kept(("rules", day), _DAY_S, evaluate_safety)
    return Show("safety/rules.html.j2", {"tabs": _tabs("/rules"), "found": found})


def try_form(ask: Ask) -> Answer:
    """A text to look at; nothing is asked, kept or sent."""
    return _try(ask, {})


def try_text(ask: Ask) -> Answer:
    """What the rules make of it."""
    form = ask.form
    text = form.raw("text", longest=LONGEST)
    problems: dict[str, str] = {}
    try:
        name = form.text("as", longest=100)
        policy = next((one.policy.safety for one in registry(ask.workspace, "").all() if one.name == name), None)
        if policy is None:
            policy = SafetyPolicy(
                pii=form.choice("pii", ("off", "mask", "block"), "mask"),
                injection=form.choice("injection", ("off", "flag", "block"), "flag"),
                blocked=tuple(line.strip() for line in form.raw("blocked").splitlines() if line.strip()),
            )
        found = check_text(text, policy)
    except TouchstoneError as error:
        problems["form"] = error.text(_)
        return _try(ask, {"problems": by_field(problems)}, 422)
    return _try(ask, {"found": found, "marked": marked_text(text, found.findings)})


def _try(ask: Ask, more: dict[str, Any], status: int = 200) -> Answer:
    form = ask.form
    values = {
        "tabs": _tabs("/try"),
        "endpoints": [one.name for one in registry(ask.workspace, "").all() if one.policy.safety.checks],
        "text": form.raw("text", longest=LONGEST),
        "now": {
            "as": form.text("as", longest=100),
            "pii": form.text("pii", "mask", longest=10),
            "injection": form.text("injection", "flag", longest=10),
            "blocked": form.raw("blocked"),
        },
        "found": None,
        "marked": (),
        "problems": by_field({}),
        **more,
    }
    return Show("safety/try.html.j2", values, block="found", status=status)


routes = (
    Route("/safety", overview, "view"),
    Route("/safety/rules", rules, "view"),
    Route("/safety/try", try_form, "view"),
    Route("/safety/try", try_text, "view", methods=("POST",)),
)
