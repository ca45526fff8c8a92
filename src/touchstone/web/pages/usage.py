"""Usage: who asked how often, and what it cost, by key, project, endpoint, model and day."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from touchstone.deployment.base import Key
from touchstone.deployment.govern.alerts import SHARES, told
from touchstone.deployment.govern.balance import Standing, standing
from touchstone.deployment.govern.recovery import doubts, release
from touchstone.deployment.govern.usage_report import Part, UsageRow, days_until, together, usage, usage_csv
from touchstone.errors import TouchstoneError, UnknownName
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Send, Show
from touchstone.web.pages.serving_base import WINDOWS, govern_of, today
from touchstone.web.render import address
from touchstone.workspace.endpoints import registry
from touchstone.workspace.usage_chart import MEASURES, Measure, usage_picture

PARTS: Mapping[Part, str] = {
    "key": N_("Key"),
    "project": N_("Project"),
    "endpoint": N_("Endpoint"),
    "model": N_("Model"),
    "day": N_("Day"),
    "version": N_("Version"),
    "kind": N_("Kind"),
    "status": N_("Status"),
}
"""By what it can be seen."""

_DAYS = 30
_KEPT_S = 30.0
_SHOWN = 500
"""Rows of the table; the file has all."""
_BUDGETS = 200


def overview(ask: Ask) -> Answer:
    """The sums, a picture and a table; what is left of budgets; what is in doubt."""
    by, measure = _by(ask), _measure(ask)
    problem = ""
    rows: Sequence[UsageRow] = ()
    wanted: Mapping[str, Any] = {"since": days_until(time.time(), _DAYS), "until": None}
    try:
        wanted = _wanted(ask)
        rows = _rows(ask, by, wanted)
    except TouchstoneError as error:
        problem = error.text(_)
    table = list(together(rows, (by,)))
    if by == "day":
        table.reverse()
    else:
        table.sort(key=lambda row: (-row.usd, -row.requests))
    values: dict[str, Any] = {
        "query": ask.query,
        "by": by,
        "measure": measure,
        "parts": PARTS,
        "measures": MEASURES,
        "problem": problem,
        "since": str(wanted["since"])[:10],
        "until": ask.query.text("until", longest=40),
        "total": next(iter(together(rows)), None),
        "picture": usage_picture(rows, None if by == "day" else by, measure, _days(wanted, rows)) if rows else None,
        "table": table[:_SHOWN],
        "more": max(0, len(table) - _SHOWN),
        "tabs": [(_address(ask, "/usage", by=key), _(words), key == by) for key, words in PARTS.items()],
        "csv": _address(ask, "/usage/csv", by=by),
        "names": [(one.name, one.name) for one in registry(ask.workspace, "").all()],
        **_money(ask),
    }
    return Show("usage/overview.html.j2", values, status=422 if problem else 200)


def _by(ask: Ask) -> Part:
    said = ask.query.choice("by", tuple(PARTS), "key")
    return next(part for part in PARTS if part == said)


def _measure(ask: Ask) -> Measure:
    said = ask.query.choice("measure", tuple(MEASURES), "usd")
    return next(measure for measure in MEASURES if measure == said)


def _wanted(ask: Ask) -> dict[str, Any]:
    query, key = ask.query, ask.query.text("key", longest=200)
    return {
        "since": query.text("since", days_until(time.time(), _DAYS), longest=40),
        "until": query.text("until", longest=40) or None,
        "key": govern_of(ask).keys.named(key).id if key else None,
        "project": query.text("project", longest=200) or None,
        "endpoint": query.text("endpoint", longest=100) or None,
    }


def _rows(ask: Ask, by: Part, wanted: Mapping[str, Any]) -> Sequence[UsageRow]:
    """By day and by what is asked for, kept a moment: a store may hold many rows."""
    engine = govern_of(ask).engine
    parts: tuple[Part, ...] = ("day",) if by == "day" else ("day", by)
    key = ("usage", ask.viewer.project, parts, tuple(wanted.items()))
    return ask.site.kept(key, _KEPT_S, lambda: usage(engine, parts, **wanted), times_taken=20)


def _days(wanted: Mapping[str, Any], rows: Sequence[UsageRow]) -> tuple[date, date] | None:
    """The days that were asked for, as far as the picture can show them."""
    first, last = datetime.fromisoformat(str(wanted["since"])).date(), today()
    if wanted["until"]:
        last = datetime.fromisoformat(str(wanted["until"])).date()
    days = [date.fromisoformat(row.parts["day"]) for row in rows]
    first, last = max(first, min(days)) if (last - first).days > 400 else first, max(last, *days)
    return first, last


def _address(ask: Ask, path: str, **changed: str) -> str:
    kept = {
        name: ask.query.text(name, longest=200) for name in ("since", "until", "key", "project", "endpoint", "measure")
    }
    return address(path, **{**kept, **changed})


def _money(ask: Ask) -> dict[str, Any]:
    """Budgets with what is spent of them, the alerts that were given, and requests in doubt."""
    govern = govern_of(ask)
    budgets: dict[int, tuple[Key, Standing]] = {}
    for key in govern.keys.list():
        if key.budget is None or govern.keys.state(key) != "live" or len(budgets) >= _BUDGETS:
            continue
        stands = standing(govern.engine, key)
        assert stands is not None, "it has a budget"
        # Keys of one rotation spend from one budget; the newest of them stands for it.
        budgets[min((key.id, *stands.shared_with))] = (key, stands)
    ordered = sorted(budgets.values(), key=lambda one: -(one[1].spent_usd + one[1].held_usd) / one[1].cap_usd)
    return {
        "budgets": ordered,
        "windows": WINDOWS,
        "alert_shares": SHARES,
        "alerts": told(govern.engine, limit=20),
        "doubts": doubts(govern.engine, limit=100),
        "key_names": {key.id: key.name for key in govern.keys.list()},
    }


def as_csv(ask: Ask) -> Answer:
    """The table as a file, each row a day."""
    by = _by(ask)
    parts: tuple[Part, ...] = ("day",) if by == "day" else ("day", by)
    text = usage_csv(_rows(ask, by, _wanted(ask)), parts)
    return Send(text.encode(), "text/csv; charset=utf-8", file_name=f"usage-by-{by}.csv")


def give_back(ask: Ask) -> Answer:
    """Give back what a request in doubt counts as."""
    request = ask.form.text("request", longest=100)
    try:
        usd = release(govern_of(ask).engine, request, who=ask.viewer.name)
    except UnknownName:
        raise NotHere from None
    return Move("/usage", _("{usd} USD of request {request} are given back").format(usd=f"{usd:.6g}", request=request))


routes = (
    Route("/usage", overview, "view"),
    Route("/usage/csv", as_csv, "view"),
    Route("/usage/release", give_back, "admin", methods=("POST",)),
)
