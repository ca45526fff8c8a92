"""After a crash: what was in flight is found, booked at its worst case, and shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.store_errors import store_errors

_OPEN = sa.text("attempt.state IN ('intent', 'unread')")
"""The very words of the index `attempt_open`: SQLite uses it for nothing else, and would read every attempt."""


@dataclass(frozen=True)
class Unread:
    """A reply that was stored by a run which ended before it had read it."""

    run: str | None
    booked_usd: float | None
    """Its worst case, which stands until it is read; None when its price is unknown."""


def recover(ledger: Ledger) -> int:
    """
    Close what an engine that died left open; returns the number of calls in doubt. Only for whoever holds the lock.

    An intent without a reply is in doubt and costs its worst case. One whose reply is stored waits to be read, and
    costs its worst case until then. Nothing is held afterwards, for nobody is asking.
    """
    attempts, replies, budgets = tables.attempts, tables.replies, tables.budgets
    arrived = replies.c.key.is_not(None)
    query = (
        sa.select(attempts.c.id, attempts.c.run, attempts.c.hold_usd, arrived)
        .select_from(
            attempts.outerjoin(replies, sa.and_(replies.c.key == attempts.c.key, replies.c.attempt == attempts.c.id))
        )
        .where(attempts.c.state == "intent", _OPEN)
    )
    with store_errors(), ledger.writing() as connection:
        lost: dict[str, list[tuple[float | None, bool]]] = defaultdict(list)
        in_doubt = 0
        for number, run, hold_usd, has_reply in connection.execute(query).all():
            connection.execute(
                attempts.update()
                .where(attempts.c.id == number)
                .values(state="unread" if has_reply else "in_doubt", cost_usd=hold_usd)
            )
            in_doubt += not has_reply
            if run is not None:
                lost[run].append((hold_usd, bool(has_reply)))
        for row in connection.execute(sa.select(budgets).where(budgets.c.held_usd != 0)).all():
            lost.setdefault(row.run, [])
        for run, found in lost.items():
            books = connection.execute(sa.select(budgets).where(budgets.c.run == run)).one_or_none()
            before = Balance(run) if books is None else Balance(*books)
            after = before._replace(
                held_usd=0.0,
                spent_usd=before.spent_usd + sum(hold_usd or 0.0 for hold_usd, _ in found),
                in_doubt=before.in_doubt + sum(not has_reply for _, has_reply in found),
                unpriced=before.unpriced + sum(hold_usd is None for hold_usd, _ in found),
            )
            ledger.statements.put_budget.run(connection, [after])
    return in_doubt


def unread(ledger: Ledger) -> Mapping[int, Unread]:
    """Attempts whose reply is stored and was never read, by number."""
    table = tables.attempts
    query = sa.select(table.c.id, table.c.run, table.c.cost_usd).where(table.c.state == "unread", _OPEN)
    with store_errors(), ledger.engine.connect() as connection:
        return {number: Unread(run, booked_usd) for number, run, booked_usd in connection.execute(query)}


def open_budget(ledger: Ledger, run: str, cap_usd: float | None) -> Balance:
    """The balance of a run under this cap; what earlier sessions, and others that share it, spent or hold counts."""
    table = tables.budgets
    with store_errors(), ledger.writing() as connection:
        # Others may be sending already: nothing of the row is written but the cap.
        ledger.statements.open_budget.run(connection, [Balance(run)])
        connection.execute(table.update().where(table.c.run == run).values(cap_usd=cap_usd))
        row = connection.execute(sa.select(table).where(table.c.run == run)).one()
    return Balance(*row)


def balance_of(ledger: Ledger, run: str) -> Balance | None:
    """How a run stands; None when it never sent anything."""
    table = tables.budgets
    with store_errors(), ledger.engine.connect() as connection:
        row = connection.execute(sa.select(table).where(table.c.run == run)).one_or_none()
    return None if row is None else Balance(*row)
