"""What was sent for a request, and what came back: looked up for people, long after the run."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.store_errors import store_errors

_NEAR = 5_000
"""Sends before the one that brought the reply among which its earlier tries are looked for."""
_LAST = 20_000
"""Newest sends among which a request without a reply is looked for: no index leads from a request to its sends."""


class Send(NamedTuple):
    """One try of a call."""

    purpose: str
    state: str
    """`intent`, `unread`, `replied`, `failed` or `in_doubt`."""
    retry: bool
    sent_at: str
    hold_usd: float | None
    cost_usd: float | None
    error: str | None
    served_model: str | None
    system_fingerprint: str | None
    region: str | None
    received: bytes | None
    """What came and was no answer."""


def sends_of(ledger: Ledger, key: str, attempt: int | None) -> tuple[Send, ...]:
    """
    The sends of a request, the first try first.

    Args:
        key: Of the request.
        attempt: Which send brought the stored reply; None where there is none.
    """
    table = tables.attempts
    if attempt is None:
        newest = sa.select(table.c.id).order_by(table.c.id.desc()).limit(_LAST).subquery()
        near: Any = table.c.id.in_(sa.select(newest.c.id))
    else:
        near = sa.and_(table.c.id <= attempt, table.c.id > attempt - _NEAR)
    columns = [table.c[name] for name in Send._fields]
    query = sa.select(*columns).where(near, table.c.key == key).order_by(table.c.id)
    with store_errors(), ledger.engine.connect() as connection:
        return tuple(
            Send(**{**row, "received": None if row["received"] is None else bytes(row["received"])})
            for row in connection.execute(query).mappings()
        )
