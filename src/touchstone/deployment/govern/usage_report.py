"""
What was asked and what it cost: sums of the rows of requests, by whatever is of interest.

Every number is a sum over rows, so parts add up to the whole. What is unknown is counted, not taken for nothing: a row
without a price is in `unpriced`, tokens that we counted ourselves are in `estimated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from touchstone.deployment.govern.csv_text import csv_text
from touchstone.deployment.govern.moments import since_s, until_s
from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import api_keys, charges
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

Part = Literal["key", "project", "endpoint", "version", "model", "kind", "status", "day"]
"""By what rows are put together."""

PARTS: tuple[Part, ...] = ("key", "project", "endpoint", "version", "model", "kind", "status", "day")

FAILED = ("failed", "cut")
"""What came to no whole answer through no fault of whoever asked."""


class UsageRow(Noun):
    """Sums over requests that have the same `parts`."""

    parts: Mapping[str, str]
    """What they have in common, by the names that were asked for; a key as its number and name."""
    requests: int
    """Requests that keys made. Copies to a shadow version and second attempts belong to one of them."""
    attempts: int
    """Rows: requests, second attempts and copies."""
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    usd: float
    """Without what is in `unpriced`; requests in doubt at what was held for them."""
    unpriced: int
    """Attempts that ended and whose cost nobody knows."""
    estimated: int
    """Attempts whose tokens were counted by us."""
    failed: int
    client_closed: int
    blocked: int
    refused: int
    cached: int
    in_doubt: int
    running: int


def usage(
    engine: sa.Engine,
    by: Sequence[Part] = (),
    *,
    since: str | None = None,
    until: str | None = None,
    key: int | None = None,
    project: str | None = None,
    endpoint: str | None = None,
) -> Sequence[UsageRow]:
    """
    Sums over requests, one row for each combination of `by` that occurs, in its order; one row in all without `by`.

    Args:
        engine: The store.
        by: By what to put together. Days are days in UTC.
        since: Requests that began then or later, ISO 8601; a day such as `2026-11-01` begins at midnight UTC.
        until: Requests that began before then; a day is counted in whole.
        key: Of one key only.
        project: Of one project only.
        endpoint: Of one endpoint only.

    Raises:
        SettingsError: a moment cannot be read.
        StoreError: the store cannot be read.
    """
    column = charges.c
    groups = [sa.func.substr(column.started_at, 1, 10) if part == "day" else column[part] for part in by]
    own = sa.and_(column.attempt == 0, sa.not_(column.shadow))
    ended = column.status != "running"
    sums: dict[str, sa.ColumnElement[Any]] = {
        "requests": _count(own),
        "attempts": sa.func.count(),
        "input_tokens": _sum(column.input_tokens),
        "output_tokens": _sum(column.output_tokens),
        "cached_input_tokens": _sum(column.cached_input_tokens),
        "reasoning_tokens": _sum(column.reasoning_tokens),
        "usd": sa.func.coalesce(sa.func.sum(column.usd), 0.0),
        "unpriced": _count(sa.and_(ended, column.usd.is_(None))),
        "estimated": _count(column.estimated),
        "failed": _count(column.status.in_(FAILED)),
        **{
            status: _count(column.status == status)
            for status in ("client_closed", "blocked", "refused", "cached", "in_doubt", "running")
        },
    }
    query = sa.select(*groups, *sums.values()).group_by(*groups).order_by(*groups)
    for condition in _conditions(since, until, key, project, endpoint):
        query = query.where(condition)
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(query).all()
        names = _names(connection) if "key" in by else {}
    found = []
    for row in rows:
        parts = {part: _said(part, value, names) for part, value in zip(by, row, strict=False)}
        found.append(UsageRow(parts=parts, **dict(zip(sums, row[len(by) :], strict=True))))
    return found


def together(rows: Sequence[UsageRow], by: Sequence[Part] = ()) -> Sequence[UsageRow]:
    """
    Rows by fewer parts, in the order in which each first occurs: what one look at the store found, seen from several
    sides. One row in all without `by`; none where there are none.

    Args:
        rows: By all parts of `by`, and others.
    """
    groups: dict[tuple[str, ...], list[UsageRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row.parts[part] for part in by), []).append(row)
    sums = [name for name in UsageRow.model_fields if name != "parts"]
    return [
        UsageRow(
            parts=dict(zip(by, key, strict=True)), **{name: sum(getattr(row, name) for row in group) for name in sums}
        )
        for key, group in groups.items()
    ]


def _conditions(
    since: str | None, until: str | None, key: int | None, project: str | None, endpoint: str | None
) -> Iterable[sa.ColumnElement[bool]]:
    if since is not None:
        yield charges.c.started_at >= stamp(since_s("since", since))
    if until is not None:
        yield charges.c.started_at < stamp(until_s("until", until))
    if key is not None:
        yield charges.c.key == key
    if project is not None:
        yield charges.c.project == project
    if endpoint is not None:
        yield charges.c.endpoint == endpoint


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(column), 0)


def _names(connection: sa.Connection) -> Mapping[int, str]:
    return {row.id: row.name for row in connection.execute(sa.select(api_keys.c.id, api_keys.c.name))}


def _said(part: str, value: Any, names: Mapping[int, str]) -> str:
    if part != "key":
        return str(value)
    return f"{value} {names[value]}" if value in names else str(value)


def days_until(now_s: float, days: int) -> str:
    """The first of so many days of which the last is the day of a moment, as `since` takes it."""
    return str((datetime.fromtimestamp(now_s, UTC) - timedelta(days=days - 1)).date())


def usage_csv(rows: Sequence[UsageRow], by: Sequence[Part]) -> str:
    """The rows as CSV with a header; cells that a spreadsheet would run are made harmless (R20)."""
    sums = [name for name in UsageRow.model_fields if name != "parts"]
    table: list[Sequence[object]] = [(*by, *sums)]
    table += [(*(row.parts[part] for part in by), *(getattr(row, name) for name in sums)) for row in rows]
    return csv_text(table)
