"""The audit log: who changed what, and what it was before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchstone.deployment.govern.audit import Act, acts_csv, differences, kinds_of_acts, written
from touchstone.errors import TouchstoneError
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Route, Send, Show
from touchstone.web.pages.serving_base import govern_of
from touchstone.web.render import address

_SHOWN = 50
_MOST = 100_000
"""Acts in a file."""


def listing(ask: Ask) -> Answer:
    """Acts, newest first."""
    govern, wanted = govern_of(ask), _wanted(ask)
    before = ask.query.whole("before", None)
    problem = ""
    found: Sequence[Act] = ()
    try:
        found = govern.acts(**wanted, before=before, limit=_SHOWN + 1)
    except TouchstoneError as error:  # such as a day that is none; the form stays as it was filled in
        problem = error.text(_)
    last = found[_SHOWN - 1] if len(found) > _SHOWN else None
    values: dict[str, Any] = {
        "acts": [(act, differences(act)) for act in found[:_SHOWN]],
        "written": written,
        "kinds": kinds_of_acts(govern.engine),
        "query": ask.query,
        "problem": problem,
        "first": address("/audit", **wanted) if before else None,
        "after": address("/audit", **wanted, before=last.id) if last is not None else None,
        "csv": address("/audit/csv", **wanted),
    }
    return Show("audit/list.html.j2", values, status=422 if problem else 200)


def as_csv(ask: Ask) -> Answer:
    """The same as a file."""
    text = acts_csv(govern_of(ask).acts(**_wanted(ask), limit=_MOST))
    return Send(text.encode(), "text/csv; charset=utf-8", file_name="audit.csv")


def _wanted(ask: Ask) -> dict[str, str | None]:
    query = ask.query
    names = ("about", "who", "what", "since", "until")
    return {name: query.text(name, longest=200) or None for name in names}


routes = (
    Route("/audit", listing, "view"),
    Route("/audit/csv", as_csv, "view"),
)
