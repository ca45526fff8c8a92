"""The ladder of a stored comparison: which way pays, for whose volume, over which time."""

from __future__ import annotations

from typing import Any

from touchstone.errors import SettingsError, UserError
from touchstone.language import _
from touchstone.reporting.improve_page import improve_page
from touchstone.web.base import Answer, Ask, Route, Show
from touchstone.web.pages.decisions import comparison_of
from touchstone.web.pages.improve_base import tabs, task_folder
from touchstone.workspace.improve_stored import Terms, stored_ladder, usual_terms

_FIELDS = ("requests_per_month", "months", "facts_change_days")


def ladder(ask: Ask) -> Answer:
    """Every way in one order; what is asked about changes as fields do."""
    one = comparison_of(ask)
    asked = any(ask.query.text(name) for name in (*_FIELDS, "baseline"))
    wait = ask.is_fragment or asked or ask.query.flag("show")
    usual, names = usual_terms(ask.workspace, one.id)
    stored = stored_ladder(ask.workspace, one.id, wait=wait)
    own, _folder = task_folder(ask, one)
    problem, status, page, terms = "", 200, None, Terms()
    if stored is not None:
        try:
            terms = _terms(ask)
            page = improve_page(stored.at(ask.workspace, terms))
        except UserError as error:
            problem, status, terms = error.text(_), 422, Terms()
            page = improve_page(stored.at(ask.workspace, terms))
    values: dict[str, Any] = {
        "one": one,
        "own": own,
        "tabs": tabs(one.id, ""),
        "page": page,
        "problem": problem,
        "typed": _typed(ask, usual),
        "names": [(name, name) for name in names],
        "sides": None if stored is None else stored.sides,
        "volume": terms.requests_per_month or usual.requests_per_month,
        "months": terms.months or usual.months,
        "other": {name: ask.query.text(name) for name in ("facts_change_days", "baseline")},
    }
    return Show("improve/ladder.html.j2", values, block="results", status=status)


def _terms(ask: Ask) -> Terms:
    """What is asked about. Raises `SettingsError`."""
    query = ask.query
    volume = query.number("requests_per_month", low=0.001, high=1e12)
    months = query.number("months", low=0.1, high=600)
    days = query.number("facts_change_days", low=0.1, high=36_500)
    if days is not None and months is not None and months * 30.5 / days > 10_000:
        raise SettingsError("facts that change every {days:g} days would change too often in that time", days=days)
    return Terms(
        requests_per_month=volume,
        months=months,
        facts_change_days=days,
        baseline=query.text("baseline", longest=300) or None,
    )


def _typed(ask: Ask, usual: Terms) -> dict[str, str]:
    """What stands in the fields: what was typed, else what the task file says."""
    found = {}
    for name in _FIELDS:
        value = getattr(usual, name)
        found[name] = ask.query.text(name) or ("" if value is None else f"{value:.12g}")
    found["baseline"] = ask.query.text("baseline") or usual.baseline or ""
    return found


routes = (Route("/improve/ladders/{comparison}", ladder, "view"),)
