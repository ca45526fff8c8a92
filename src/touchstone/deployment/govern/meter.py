"""
The meter: money is held before a request is sent, and what it cost is booked when it has ended.

A hold and the row of its request are one transaction, and the check of the budget is the condition of the update that
takes the money: however many ask at once, from however many processes, nobody comes between check and hold. What is
left of a hold goes back to the window that it was taken from.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import sqlalchemy as sa

from touchstone.deployment.base import Budget, Key, Kind, Status, Usage
from touchstone.deployment.govern.alerts import SHARES, Alert
from touchstone.deployment.govern.meter_sql import MeterSql
from touchstone.deployment.govern.refusals import MeterDown, Refused, no_price, over_budget
from touchstone.deployment.govern.sql import Row
from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import charges
from touchstone.deployment.govern.windows import window_at
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import StoreError
from touchstone.evaluation.noun_json import safe_text

_REFUSALS_S = 1.0
"""Refusals of one key are written down at most this often: who asks in a loop must not fill the disk (A21)."""


class Intent(NamedTuple):
    """A request that is about to be sent."""

    request: str
    key: Key
    endpoint: str
    version: int
    model: str
    kind: Kind
    hold_usd: float | None
    """The most that it may cost (`prices.worst_usd`); None where no price is known."""
    attempt: int = 0
    streamed: bool = False
    shadow: bool = False
    """A copy that answers nobody: it has a row, and touches nobody's budget."""
    judges: bool = False
    """
    Asked by a guard about a text of the request. Its row is marked like a copy, for it is no request of the key's own;
    its money is the key's.
    """


class Hold(NamedTuple):
    """A request that is under way, and the money that is held for it."""

    id: int
    """Of its row."""
    request: str
    key: int
    hold_usd: float | None
    purse: int | None = None
    """Whose budget; None where none is touched."""
    window: int = 0
    cap_usd: float = math.inf


class Ending(NamedTuple):
    """How a request ended."""

    status: Status
    usage: Usage = Usage()
    usd: float | None = None
    """What it cost (`prices.usage_usd`). Where None, a budget is charged what was held: unknown is not free."""
    seconds: float | None = None
    first_token_s: float | None = None
    error: str | None = None
    """A code, never a text of an exception."""
    model: str | None = None
    """Whose reply it is, where the upstream named itself."""


class _Open(NamedTuple):
    row: Row
    usd: float
    key: Key
    budget: Budget
    at_s: float


class _End(NamedTuple):
    row: Row
    hold: Hold
    usd: float


_STATUS, _HOLD = (charges.c.keys().index(name) for name in ("status", "hold_usd"))
"""Places in a row of the table of charges."""


class Meter:
    """
    Opens and settles the rows of requests, many in one transaction.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
        clock: Wall clock, seconds since 1970, by which budgets have windows.
        monotonic: Clock by which holds age.
        on_alert: Told on the event loop, once, that a share of a budget was spent.
        owner: Name of this meter in its rows; a random one by default.
    """

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        on_alert: Callable[[Alert], None] = lambda _alert: None,
        owner: str | None = None,
    ) -> None:
        self.owner = owner or secrets.token_hex(16)
        self._writer = writer
        self._clock = clock
        self._monotonic = monotonic
        self._on_alert = on_alert
        self._sql = MeterSql(engine.dialect)
        # Random, then a sequence: no two meters give the same number.
        self._numbers = count(int.from_bytes(os.urandom(4), "big") >> 1 << 32)
        self._running: dict[int, tuple[Hold, float]] = {}
        self._purses: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        self._told: dict[tuple[int, int], int] = {}
        self._refused: dict[int, float] = {}
        self._alerts: list[Alert] = []

    @property
    def in_flight(self) -> int:
        """Requests that were opened and not settled."""
        return len(self._running)

    async def open(self, intent: Intent) -> Hold:
        """
        Hold the money of a request and write its row; returns when both are committed. Settle what it returns, always.

        Raises:
            OverBudget: its key's budget does not cover it; nobody may be asked.
            NoPrice: its key has a budget and nobody knows what it may cost.
            MeterDown: the store takes no rows.
        """
        budget = None if intent.shadow else intent.key.budget
        if budget is not None and intent.hold_usd is None:
            raise self._refuse(intent, no_price(intent.endpoint, judges=intent.judges))
        number, at_s = next(self._numbers), self._clock()
        row = self._row(number, intent, at_s, Ending("running"))
        if budget is None:
            hold = Hold(number, intent.request, intent.key.id, intent.hold_usd)
            future = self._writer.enqueue(self, row)
        else:
            usd = intent.hold_usd or 0.0
            hold = Hold(number, intent.request, intent.key.id, usd, intent.key.id, 0, budget.usd)
            future = self._writer.enqueue(self, _Open(row, usd, intent.key, budget, at_s))
        try:
            place = await future
        except asyncio.CancelledError:
            # Nothing will be sent; what was held in the same moment must come free all the same.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._take_back(hold, future.result())
            raise
        except StoreError as error:
            raise MeterDown("the request cannot be metered, so it is not sent: {reason}", reason=error) from error
        if budget is not None:
            purse, window, granted = place
            if not granted:
                over = over_budget(intent.hold_usd or 0.0, budget, window, at_s, judges=intent.judges)
                raise self._refuse(intent, over)
            hold = hold._replace(purse=purse, window=window)
        self._running[number] = (hold, self._monotonic())
        return hold

    def settle(self, hold: Hold, ending: Ending) -> asyncio.Future[bool]:
        """
        End a request: its hold comes free, what it cost is booked, its row is filled in.

        The future need not be awaited: what is told here is written even if the store fails for a while. It is False
        where the request had been settled before; nothing is booked twice.
        """
        if self._running.pop(hold.id, None) is None:
            answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            answer.set_result(False)
            return answer
        usd = _sane(ending.usd)
        if usd is None and hold.purse is not None:
            usd = hold.hold_usd
        row = (
            ending.status, usd, *ending.usage[:4], ending.usage.estimated, ending.seconds, ending.first_token_s,
            _text(ending.error), _text(ending.model), hold.id,
        )  # fmt: skip
        return self._writer.enqueue(self, _End(row, hold, usd or 0.0), must=True)

    def note(self, intent: Intent, ending: Ending) -> asyncio.Future[Any]:
        """Write the whole row of a request that asked nobody, such as one that was answered from the cache."""
        row = self._row(next(self._numbers), intent, self._clock(), ending)
        return self._writer.enqueue(self, row)

    def note_refusal(self, intent: Intent, refusal: Refused) -> None:
        """Write the row of a request that was refused, unless one of the same key was written a moment ago."""
        now = self._monotonic()
        if now - self._refused.get(intent.key.id, -math.inf) >= _REFUSALS_S:
            self._refused[intent.key.id] = now
            self.note(intent, Ending("refused", usd=0.0, error=refusal.code))

    def give_up(self, lease_s: float) -> int:
        """
        Book what has been under way for longer than any request may take as in doubt, at its hold; how many.

        A hold whose request was forgotten would keep its money for ever. An admin may release it (`recovery.release`).
        """
        late = [hold for hold, since in self._running.values() if self._monotonic() - since > lease_s]
        for hold in late:
            self.settle(hold, Ending("in_doubt", usd=hold.hold_usd, error="lease_ended"))
        return len(late)

    async def drain(self, timeout_s: float = 30.0) -> None:
        """Returns when everything told so far is committed. Raises `StoreError`."""
        await self._writer.drain(timeout_s)

    # On the way to the store

    def _row(self, number: int, intent: Intent, at_s: float, ending: Ending) -> Row:
        key = intent.key
        return (
            number, intent.request, intent.attempt, key.id, key.project, intent.endpoint, intent.version,
            safe_text(ending.model or intent.model), intent.kind, ending.status, intent.streamed, intent.hold_usd,
            ending.usd, *ending.usage[:4], ending.usage.estimated, stamp(at_s), ending.seconds, ending.first_token_s,
            _text(ending.error), intent.shadow or intent.judges, None, None, self.owner,
        )  # fmt: skip

    def _refuse(self, intent: Intent, refusal: Refused) -> Refused:
        if not intent.judges:  # whoever asked the guard writes it down as what became of the request itself
            self.note_refusal(intent, refusal)
        return refusal

    def _take_back(self, hold: Hold, place: Any) -> None:
        if place is not None:
            purse, window, granted = place
            if not granted:
                return
            hold = hold._replace(purse=purse, window=window)
        self._running[hold.id] = (hold, self._monotonic())
        self.settle(hold, Ending("client_closed", usd=0.0, error="not_sent"))

    def unheard(self, item: Any, result: Any) -> None:
        """What was opened for somebody who has left comes free; see `Work`."""
        if type(item) is _Open:
            number, request = item.row[:2]
            self._take_back(Hold(number, request, item.key.id, item.usd, item.key.id, 0, item.budget.usd), result)
        elif type(item) is tuple and item[_STATUS] == "running":
            self._take_back(Hold(item[0], item[1], item[3], item[_HOLD]), None)

    def committed(self) -> None:
        """Say the alerts of what was committed; see `Work`."""
        said, self._alerts = self._alerts, []
        for alert in said:
            self._told[alert.key, alert.window] = alert.percent
            if alert.new:
                self._on_alert(alert)

    # In a transaction

    def apply(self, connection: sa.Connection, items: Sequence[Any]) -> Sequence[Any]:
        """Settlements first, for what comes free can be held at once; then holds in their order; see `Work`."""
        results: list[Any] = [None] * len(items)
        self._alerts = []  # of a transaction that failed
        rows: list[Row] = []
        wishes: dict[tuple[int, float, str], list[int]] = {}
        ends: list[int] = []
        for place, item in enumerate(items):
            if type(item) is _End:
                ends.append(place)
            elif type(item) is _Open:
                budget = item.budget
                key = (self._purse(connection, item.key), budget.usd, budget.window)
                wishes.setdefault(key, []).append(place)
            else:
                rows.append(item)
        if ends:
            self._end(connection, items, ends, results)
        for (purse, cap_usd, _kind), places in wishes.items():
            window, granted = self._grant(connection, purse, cap_usd, [items[place] for place in places])
            for place, has_it in zip(places, granted, strict=True):
                results[place] = (purse, window, has_it)
                if has_it:
                    rows.append((*items[place].row[:-3], purse, window, self.owner))
        self._sql.put_charge.run_all(connection, rows)
        return results

    def _purse(self, connection: sa.Connection, key: Key) -> int:
        if key.replaces is None:
            return key.id
        if key.id not in self._purses:
            found = self._sql.find_purse.find(connection, (key.id,))
            self._purses[key.id] = key.id if found is None or found[0] is None else int(found[0])
        return self._purses[key.id]

    def _grant(
        self, connection: sa.Connection, purse: int, cap_usd: float, wishes: Sequence[_Open]
    ) -> tuple[int, Sequence[bool]]:
        """The window in which money is held now, and who got theirs: all at once where that fits, else in turn."""
        kind = wishes[0].budget.window
        wanted = max(window_at(kind, wish.at_s) for wish in wishes)
        window = max(wanted, self._newest.get(purse, wanted))
        total_usd = sum(wish.usd for wish in wishes)

        def take(usd: float) -> bool:
            return self._sql.take.run(connection, (usd, purse, window, cap_usd)) == 1

        if take(total_usd):
            self._newest[purse] = window
            return window, [True] * len(wishes)
        # Either the money is short, or this is not the window that is open: ask which one that is.
        found = self._sql.newest.find(connection, (purse,))
        window = wanted if found is None or found[0] is None else max(wanted, int(found[0]))
        self._sql.put_window.run(connection, (purse, window, 0.0, 0.0))
        self._newest[purse] = window
        if len(wishes) > 1 and take(total_usd):
            return window, [True] * len(wishes)
        return window, [take(wish.usd) for wish in wishes]

    def _end(self, connection: sa.Connection, items: Sequence[Any], ends: Sequence[int], results: list[Any]) -> None:
        sums: dict[tuple[int, int, float], tuple[float, float]] = {}
        settle = self._sql.settle
        for place in ends:
            item: _End = items[place]
            results[place] = found = settle.run(connection, item.row) == 1
            hold = item.hold
            if found and hold.purse is not None:
                key = (hold.purse, hold.window, hold.cap_usd)
                held_usd, usd = sums.get(key, (0.0, 0.0))
                sums[key] = (held_usd + (hold.hold_usd or 0.0), usd + item.usd)
        for (purse, window, cap_usd), (held_usd, usd) in sums.items():
            self._sql.book.run(connection, (held_usd, usd, purse, window))
            told = self._told.get((purse, window), 0)
            if usd > 0 and told < SHARES[-1]:
                self._watch(connection, purse, window, cap_usd, told)

    def _watch(self, connection: sa.Connection, purse: int, window: int, cap_usd: float, told: int) -> None:
        """Write down which further shares of a budget are spent."""
        spent_usd = float(self._sql.spent.find(connection, (purse, window))[0])
        for percent in SHARES:
            if told < percent <= 100 * spent_usd / cap_usd + 1e-9:
                at = stamp(self._clock())
                new = self._sql.put_alert.run(connection, (purse, window, percent, spent_usd, cap_usd, at)) == 1
                self._alerts.append(Alert(purse, window, percent, spent_usd, cap_usd, at, new))


def _sane(usd: float | None) -> float | None:
    """A cost that can be added up; what is none is unknown."""
    return usd if usd is not None and math.isfinite(usd) and usd >= 0 else None


def _text(said: str | None) -> str | None:
    return None if said is None else safe_text(said)
