"""The money of a session, also where an engine starts in the same store while it is spent."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.ledger import Served
from touchstone.evaluation.purse import Purse
from touchstone.evaluation.store_errors import store_errors


class SessionPurse(Purse):
    """
    The purse of a session, whose calls may be under way while an engine starts in the same store.

    An engine that starts takes every open intent for one that a dead engine left, and books its worst case. What the
    call really cost replaces that here, once it is known.
    """

    def close(self, attempt: int, **how: Any) -> asyncio.Future[Balance]:
        """The end of a call; see `Purse.close`."""
        booked = self._booked_meanwhile(attempt)
        if booked is None:
            return super().close(attempt, **how)
        self._in_flight -= 1
        known = {name: how[name] for name in ("state", "cost_usd", "error", "received", "served") if name in how}
        served: Served | None = known.pop("served", None)
        future = self.ledger.settle(attempt, self.run, correction_usd=booked, served=served, **known)
        future.add_done_callback(self._settled)
        return future

    def _booked_meanwhile(self, attempt: int) -> float | None:
        table = tables.attempts
        query = sa.select(table.c.state, table.c.cost_usd).where(table.c.id == attempt)
        with store_errors(), self.ledger.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None or row.state == "intent" else row.cost_usd or 0.0
