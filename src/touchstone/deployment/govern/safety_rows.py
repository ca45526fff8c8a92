"""What guards decided, read out of the store again: for people who look after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
import sqlalchemy as sa

from touchstone.deployment.govern.tables import safety_records
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun


class Place(Noun):
    """Where a rule found something; never what."""

    rule: str
    place: str | None = None
    """Where in the request or reply, such as `messages[0].content`."""
    start: int | None = None
    end: int | None = None


class DecisionRow(Noun):
    """One decision about one request or reply."""

    id: int
    request: str
    endpoint: str
    way: str
    """`in` or `out`."""
    status: str
    """`passed`, `masked`, `blocked`, `unavailable` or `not_checked`."""
    findings: tuple[Place, ...] = ()
    not_checked: tuple[str, ...] = ()
    reason: str | None = None
    at: str


def decisions(
    engine: sa.Engine,
    *,
    endpoint: str | None = None,
    status: str | None = None,
    way: str | None = None,
    before: tuple[str, int] | None = None,
    limit: int = 50,
) -> Sequence[DecisionRow]:
    """
    The newest decisions of guards, newest first.

    Args:
        endpoint: Of this one only.
        status: Of this one only.
        way: `in` or `out` only.
        before: Moment and number of the last row of the page before.
        limit: At most so many.
    """
    table = safety_records.c
    query = sa.select(safety_records).order_by(table.at.desc(), table.id.desc()).limit(limit)
    for column, wanted in ((table.endpoint, endpoint), (table.action, status), (table.way, way)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        at, number = before
        query = query.where(table.at <= at, sa.or_(table.at < at, table.id < number))
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        DecisionRow(
            id=row.id,
            request=row.request,
            endpoint=row.endpoint,
            way=row.way,
            status=row.action,
            findings=_places(bytes(row.findings)),
            not_checked=() if row.not_checked is None else tuple(orjson.loads(bytes(row.not_checked))),
            reason=row.reason,
            at=row.at,
        )
        for row in rows
    ]


def _places(document: bytes) -> tuple[Place, ...]:
    found = orjson.loads(document).get("findings", ())
    names = Place.model_fields
    return tuple(Place.model_validate({key: one[key] for key in names if key in one}) for one in found)


def decided_counts(engine: sa.Engine, since: str) -> Mapping[str, Mapping[str, int]]:
    """How many decisions of which status each endpoint's guard has made since a moment, ISO 8601 in UTC."""
    table = safety_records.c
    query = (
        sa.select(table.endpoint, table.action, sa.func.count())
        .where(table.at >= since)
        .group_by(table.endpoint, table.action)
    )
    found: dict[str, dict[str, int]] = {}
    with store_errors(), engine.connect() as connection:
        for name, status, number in connection.execute(query):
            found.setdefault(name, {})[status] = number
    return found
