"""
After a gateway ended without saying goodbye: what was under way is found, booked at its hold, and shown (A3).

Nobody knows what became of such requests. Each costs what was held for it until an admin, who has looked at the
provider's bill, gives it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from touchstone.deployment.govern.audit import note_act
from touchstone.deployment.govern.state import writing
from touchstone.deployment.govern.tables import charges, idempotent, key_windows, unsettled
from touchstone.errors import UnknownName
from touchstone.evaluation.store_errors import store_errors
from touchstone.language import N_


@dataclass(frozen=True)
class Doubt:
    """A request of which nobody knows whether it was answered."""

    id: int
    request: str
    attempt: int
    key: int
    endpoint: str
    version: int
    model: str
    usd: float | None
    """What it counts as: its hold. None where no price was known."""
    started_at: str


def recover(engine: sa.Engine, owner: str) -> int:
    """
    Book what earlier gateways left open; returns how many requests are in doubt now. Only for whoever holds the lock.

    Takes time by the number of requests that were under way, not by the number of rows. Replies that were promised to
    an idempotency key will not come: their keys are free again.

    Args:
        engine: The store.
        owner: The meter that works from now on, whose own rows are left alone.
    """
    query = (
        sa.select(charges.c.id, charges.c.purse, charges.c.window, charges.c.hold_usd)
        .where(unsettled)
        .where(charges.c.status == "running", charges.c.owner != owner)
    )
    with writing(engine) as connection:
        rows = connection.execute(query).all()
        lost: dict[tuple[int, int], float] = defaultdict(float)
        for row in rows:
            if row.purse is not None:
                lost[row.purse, row.window] += row.hold_usd or 0.0
        if rows:
            connection.execute(
                charges.update()
                .where(charges.c.id == sa.bindparam("b_id"), charges.c.status == "running")
                .values(status="in_doubt", usd=charges.c.hold_usd, error="gateway_ended"),
                [{"b_id": row.id} for row in rows],
            )
        for (purse, window), usd in lost.items():
            _book(connection, purse, window, held_usd=-usd, spent_usd=usd)
        running = sa.select(charges.c.id).where(unsettled).where(charges.c.status == "running").limit(1)
        if connection.execute(running).first() is None:
            # Nobody is asking, so nothing is held: what is left are rests of sums.
            connection.execute(key_windows.update().where(key_windows.c.held_usd != 0.0).values(held_usd=0.0))
        connection.execute(idempotent.delete().where(idempotent.c.state == "running", idempotent.c.owner != owner))
    return len(rows)


def doubts(engine: sa.Engine, *, project: str | None = None, limit: int = 1_000) -> Sequence[Doubt]:
    """Requests in doubt, newest first; of one project where it is named."""
    columns = ("id", "request", "attempt", "key", "endpoint", "version", "model", "usd", "started_at")
    query = sa.select(*(charges.c[name] for name in columns)).where(unsettled).where(charges.c.status == "in_doubt")
    if project is not None:
        query = query.where(charges.c.project == project)
    with store_errors(), engine.connect() as connection:
        # Sorted here: asked to sort, SQLite goes through all rows by their time, of which few are in doubt.
        rows = connection.execute(query).all()
    return sorted((Doubt(*row) for row in rows), key=lambda doubt: doubt.started_at, reverse=True)[:limit]


def release(engine: sa.Engine, request: str, *, who: str) -> float:
    """
    Give back what a request in doubt counted as, in the window that it was held in; returns how much, USD.

    Raises:
        UnknownName: no request of this id is in doubt.
    """
    query = sa.select(charges).where(charges.c.request == request, charges.c.status == "in_doubt")
    with writing(engine) as connection:
        rows = connection.execute(query).all()
        if not rows:
            known = sa.select(charges.c.request).where(unsettled).where(charges.c.status == "in_doubt").limit(50)
            raise UnknownName(
                kind=N_("request in doubt"), name=request, known=connection.execute(known).scalars().all()
            )
        for row in rows:
            connection.execute(charges.update().where(charges.c.id == row.id).values(status="released", usd=0.0))
            if row.purse is not None:
                _book(connection, row.purse, row.window, held_usd=0.0, spent_usd=-(row.usd or 0.0))
        back_usd = sum(row.usd or 0.0 for row in rows)
        note_act(
            connection,
            who=who,
            what="charge.release",
            about=f"request {request}",
            before={"status": "in_doubt", "usd": back_usd, "key": rows[0].key},
            after={"status": "released", "usd": 0.0, "key": rows[0].key},
        )
    return back_usd


def _book(connection: sa.Connection, purse: int, window: int, *, held_usd: float, spent_usd: float) -> None:
    held, spent = key_windows.c.held_usd + held_usd, key_windows.c.spent_usd + spent_usd
    connection.execute(
        key_windows.update()
        .where(key_windows.c.key == purse, key_windows.c.window == window)
        .values(held_usd=sa.case((held > 0.0, held), else_=0.0), spent_usd=sa.case((spent > 0.0, spent), else_=0.0))
    )
