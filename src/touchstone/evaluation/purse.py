"""The purse of a run: every paid call, a candidate's or a judge's, takes its money from here before it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

from touchstone.errors import BudgetStop, TouchstoneError
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.ledger import Ledger, Served
from touchstone.evaluation.recovery import Unread, open_budget, unread

_LOOK_AGAIN_S = 0.05
"""How often a process looks whether others that share the cap have freed money."""

_LONGEST_WAIT_S = 600.0
"""A hold that others keep for so long will not come free: whoever held it is gone."""


class Stopped(TouchstoneError):
    """The run was told to stop; nothing further is sent."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("the run was told to stop; the same command goes on from there")


class NotStored(TouchstoneError):
    """An offline run asked for a reply that was never bought; the cell stays open."""

    def __init__(self, *, model: str) -> None:
        super().__init__("{model}: no stored reply, and this run is offline", model=model)


@dataclass
class Turn:
    """Whose turn it is to buy the reply to one request."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Purse:
    """
    One cap for a whole run: answers, judges, retries, earlier sessions of the same run, other processes that share it.

    Args:
        ledger: Where the balance lies.
        run: Whose it is; a new one by default.
        cap_usd: None caps nothing.
    """

    def __init__(self, ledger: Ledger, run: str | None = None, *, cap_usd: float | None = None) -> None:
        self.ledger = ledger
        self.run = run or uuid4().hex[:12]
        self.balance = Balance(self.run, cap_usd=cap_usd)
        self.unread: dict[int, Unread] = {}
        """Replies that were stored and never read, by attempt; their cost is known once they are read."""
        self._is_open = False
        self.exhausted: BudgetStop | None = None
        """Why nothing that costs money is sent any more: after the first request that did not fit the short cases
        alone would go on."""
        self.stopping = False
        """Whether the run was told to stop: nothing is sent any more."""
        self.turns: dict[str, Turn] = {}
        """Requests that are being bought, by key; two answers that say the same are judged by the same request."""
        self._in_flight = 0
        self._freed = asyncio.Event()

    def open(self, run: str | None = None) -> None:
        """Take over what earlier sessions of the run spent; done by the first call where nobody does it before."""
        self.run = run or self.run
        self.balance = open_budget(self.ledger, self.run, self.balance.cap_usd)
        self.unread = dict(unread(self.ledger))
        self._is_open = True

    @property
    def cap_usd(self) -> float | None:
        """The cap, None without one."""
        return self.balance.cap_usd

    @property
    def in_flight(self) -> int:
        """Calls that were sent and have not ended."""
        return self._in_flight

    @property
    def spent_usd(self) -> float | None:
        """Spent so far, calls in doubt at their worst case; None when the price of a call is unknown."""
        return None if self.balance.unpriced else self.balance.spent_usd

    async def take(
        self, key: str, endpoint: str, purpose: str, request: bytes, worst_usd: float | None, *, retry: bool
    ) -> int:
        """
        Hold the worst case of a call and record that it is about to be sent; returns the attempt's number.

        Waits while what is in flight holds the money: calls usually cost far less than their worst case.

        Raises:
            BudgetStop: it would pass the cap even if all that is in flight turned out to be free.
            Stopped: the run was told to stop.
        """
        usd = worst_usd or 0.0
        waited_s = 0.0
        if not self._is_open:
            self.open()
        while True:
            if self.stopping:
                raise Stopped
            if self.exhausted is not None and usd > 0:
                raise self.exhausted.with_traceback(None)
            self._freed.clear()
            attempt, balance = await self.ledger.intend(
                self.run, key, endpoint, purpose, request, worst_usd, retry=retry
            )
            self._know(balance)
            if attempt is not None:
                self._in_flight += 1
                return attempt
            others_hold = balance.held_usd > 0 and not self._in_flight
            if not balance.could_cover(usd) or balance.held_usd <= 0 or (others_hold and waited_s > _LONGEST_WAIT_S):
                self.exhausted = BudgetStop(
                    "the cap of ${cap:.4f} is reached: ${spent:.4f} spent, ${held:.4f} in flight, ${usd:.4f} at worst "
                    "for the next call; raise it with --max-usd",
                    cap=balance.cap_usd,
                    spent=balance.spent_usd,
                    held=balance.held_usd,
                    usd=usd,
                )
                self._freed.set()
                continue
            try:
                await asyncio.wait_for(self._freed.wait(), _LOOK_AGAIN_S if others_hold else None)
            except TimeoutError:
                waited_s += _LOOK_AGAIN_S

    def close(
        self,
        attempt: int,
        *,
        state: str,
        held_usd: float | None,
        cost_usd: float | None,
        unpriced: bool = False,
        error: str | None = None,
        received: bytes = b"",
        served: Served | None = None,
    ) -> asyncio.Future[Balance]:
        """The end of a call: free what was held, book what it cost; see `Ledger.settle`."""
        self._in_flight -= 1
        if state == "unread":
            self.unread[attempt] = Unread(self.run, cost_usd)
        future = self.ledger.settle(
            attempt,
            self.run,
            state=state,
            released_usd=held_usd or 0.0,
            cost_usd=cost_usd,
            unpriced=unpriced,
            error=error,
            received=received,
            served=served,
        )
        future.add_done_callback(self._settled)
        return future

    def read_late(
        self,
        attempt: int,
        state: str,
        cost_usd: float | None,
        *,
        error: str | None = None,
        served: Served | None = None,
    ) -> None:
        """A reply that nobody had read was read at last: its cost replaces the worst case that was booked for it."""
        found = self.unread.pop(attempt)
        run = found.run or self.run
        future = self.ledger.settle(
            attempt,
            run,
            state=state,
            cost_usd=cost_usd,
            correction_usd=found.booked_usd,
            error=error,
            served=served,
        )
        if run == self.run:
            future.add_done_callback(self._settled)

    def _settled(self, done: asyncio.Future[Balance]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._know(done.result())
        self._freed.set()

    def _know(self, balance: Balance) -> None:
        self.balance = balance

    def stop(self) -> None:
        """Send nothing any more; what is in flight goes on."""
        self.stopping = True
        self._freed.set()
