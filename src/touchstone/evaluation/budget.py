"""
The money of a run as it stands in the store: one cap, what is held for calls in flight, what is spent.

A hold and the intent it pays for are one transaction, and so are a reply and the end of its hold. Whoever shares the
store shares the cap: the check and the reservation are one step that nobody can come between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from touchstone.evaluation.statements import Row, Statements


class Balance(NamedTuple):
    """One row of the `budget` table."""

    run: str
    cap_usd: float | None = None
    held_usd: float = 0.0
    """Reserved for what is in flight, at its worst case."""
    spent_usd: float = 0.0
    """Settled cost, calls in doubt at their worst case."""
    made: int = 0
    """Requests sent."""
    retries: int = 0
    """Of these, repetitions of an attempt that had failed."""
    in_doubt: int = 0
    """Of these, sent without a whole reply and perhaps billed."""
    unpriced: int = 0
    """Paid requests whose cost nobody knows."""

    def covers(self, usd: float) -> bool:
        """Whether so much more may be held, whatever the calls in flight turn out to cost."""
        return usd <= 0 or self.cap_usd is None or self.spent_usd + self.held_usd + usd <= self.cap_usd

    def could_cover(self, usd: float) -> bool:
        """Whether it might be held later, if what is in flight turned out to be free."""
        return usd <= 0 or self.cap_usd is None or self.spent_usd + usd <= self.cap_usd


@dataclass(slots=True)
class Hold:
    """A request that is about to be sent: its intent, and the money it may cost at worst."""

    run: str
    usd: float
    retry: bool
    row: Row
    """Of the `attempt` table."""


@dataclass(slots=True)
class Settle:
    """The end of an attempt: what was held comes free, what it cost is booked."""

    run: str
    released_usd: float
    booked_usd: float
    in_doubt: bool
    unpriced: bool
    row: Row
    """Of the statement `settle_attempt`."""
    sent: bool = True
    """False where nothing was sent after all; the attempt is then no call."""
    retry: bool = False
    """Whether what was not sent was to be a retry."""


class Books:
    """The balances that one transaction changes; read when first needed, written back once."""

    def __init__(self, connection: sa.Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._open: dict[str, Balance] = {}

    def balance(self, run: str) -> Balance:
        """How a run stands now."""
        found = self._open.get(run)
        if found is None:
            rows = self._statements.find_budget.find(self._connection, (run,))
            found = self._open[run] = Balance(*rows[0]) if rows else Balance(run)
        return found

    def hold(self, item: Hold) -> bool:
        """Reserve the money; False, and nothing is changed, when the cap does not cover it."""
        before = self.balance(item.run)
        if not before.covers(item.usd):
            return False
        self._open[item.run] = before._replace(
            held_usd=before.held_usd + item.usd, made=before.made + 1, retries=before.retries + item.retry
        )
        return True

    def settle(self, item: Settle) -> None:
        """Free what was held and book what it cost."""
        before = self.balance(item.run)
        held_usd = before.held_usd - item.released_usd
        self._open[item.run] = before._replace(
            held_usd=held_usd if held_usd > _NOTHING_USD else 0.0,
            spent_usd=before.spent_usd + item.booked_usd,
            made=before.made - (not item.sent),
            retries=before.retries - (item.retry and not item.sent),
            in_doubt=before.in_doubt + item.in_doubt,
            unpriced=before.unpriced + item.unpriced,
        )

    def write(self) -> None:
        """Write back what was changed."""
        if self._open:
            self._statements.put_budget.run(self._connection, list(self._open.values()))


_NOTHING_USD = 1e-9
"""Sums of floats leave a rest behind that no call holds, and who waits for it would wait for ever."""
