"""
A model whose calls are journalled: the one place that retries, reuses and records.

Wraps a `ChatModel` and is asked like one. Steps of a call: look for a stored reply, write the intent, send, store the
raw reply, read it. A retry happens only after a transport or provider failure, never because of what was answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from touchstone.catalog.base import Price
from touchstone.errors import BudgetStop, ModelError, NoReply, OutOfCredit, RateLimited, SettingsError
from touchstone.evaluation.ledger import Ledger, request_key
from touchstone.evaluation.noun_json import to_json
from touchstone.models.base import ChatModel, ChatRequest, Completion, Reply

MAX_ATTEMPTS = 4
"""Sends of one request at most (promises.md, F4)."""

MAX_RESENDS_IN_DOUBT = 1
"""Resends after a request whose reply was lost and that may have been billed (F7)."""

_BACKOFF_BASE_S = 1.0
_BACKOFF_CAP_S = 60.0
_LONGEST_WAIT_S = 120.0
"""A provider that asks for more than this is not waited for inside a cell (F1)."""


OUTPUT_TOKENS_WITHOUT_LIMIT = 4096
"""Reserved for the output of a request without a limit; longer ones can pass the cap by what is in flight."""


@dataclass
class Turn:
    """Whose turn it is to buy the reply to one request."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass
class CallTally:
    """What the calls of a run amounted to, and the one cap on their money."""

    cap_usd: float | None = None
    made: int = 0
    from_cache: int = 0
    retries: int = 0
    in_doubt: int = 0
    spent_usd: float = 0.0
    """Settled cost, calls in doubt at their worst case."""
    held_usd: float = 0.0
    """Reserved for what is in flight."""
    unpriced: int = 0
    """Paid calls whose cost nobody knows."""
    stopped: bool = False
    """Whether the cap ended the run: nothing that costs money is sent after the first request that did not fit, or
    the short cases alone would go on."""
    turns: dict[str, Turn] = field(default_factory=dict, repr=False)
    """Requests that are being bought, by key; two candidates may ask one endpoint the same."""
    _in_flight: int = 0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list, repr=False)

    async def reserve(self, usd: float) -> None:
        """
        Set money aside before a request is sent; one thread, so no two requests reserve the same money.

        Waits while what is in flight holds the money: calls usually cost far less than their worst case.

        Raises:
            BudgetStop: it would pass the cap even if all that is in flight turned out to be free.
        """
        while usd > 0 and self.cap_usd is not None and (self.stopped or self._over(self.cap_usd, usd)):
            if self.stopped or not self._in_flight or self.spent_usd + usd > self.cap_usd:
                self.stopped = True
                raise BudgetStop(
                    "the cap of ${cap:.4f} is reached: ${spent:.4f} spent, ${held:.4f} in flight, ${usd:.4f} at worst "
                    "for the next call; raise it with --max-usd",
                    cap=self.cap_usd,
                    spent=self.spent_usd,
                    held=self.held_usd,
                    usd=usd,
                )
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            await room
        self.held_usd += usd
        self._in_flight += 1

    def _over(self, cap_usd: float, usd: float) -> bool:
        return self.spent_usd + self.held_usd + usd > cap_usd

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Give a reservation back and book what it really cost."""
        self._in_flight -= 1
        # Exactly nothing when nothing is in flight: sums of floats leave a rest behind.
        self.held_usd = self.held_usd - reserved_usd if self._in_flight else 0.0
        self.spent_usd += cost_usd
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            if not room.done():
                room.set_result(None)


@dataclass
class CellCalls:
    """What the calls of one cell amounted to."""

    retries: int = 0
    made: int = 0
    from_cache: int = 0
    in_doubt: bool = False
    retry_usd: float | None = 0.0
    """Booked for sends that brought no answer and may have been billed; None when their price is unknown."""

    def book_lost(self, usd: float | None) -> None:
        """One more send without an answer, at its worst case; None when nobody knows its price."""
        self.retry_usd = None if usd is None or self.retry_usd is None else self.retry_usd + usd


cell_calls: ContextVar[CellCalls | None] = ContextVar("cell_calls", default=None)
"""The tally of the cell that is being answered; the engine sets it, the journal adds to it."""


def worst_case_usd(price: Price | None, request: ChatRequest) -> float | None:
    """The most one call can cost, at one token per byte of input and the output's limit; None without a price."""
    if price is None:
        return None
    size = len(to_json(request, include={"messages", "response_format", "extra"}))
    output = request.max_tokens or OUTPUT_TOKENS_WITHOUT_LIMIT
    # The tokens are fewer than the bytes, so a dearer tier than that of so many tokens may be the one that applies.
    sizes = [size, *(tier.above_input_tokens for tier in price.tiers if tier.above_input_tokens < size)]
    return max(price.cost_usd(tokens, output) or 0.0 for tokens in sizes)


@dataclass
class Journal:
    """
    Asks one model, recording every call.

    Args:
        model: Whom to ask.
        ledger: Where intents and replies are kept.
        tally: Shared by all journals of a run.
        purpose: `answer` or `judge`.
        offline: Whether only stored replies may be used.
        sleep: How to wait, seconds; a test passes its own.
    """

    model: ChatModel
    ledger: Ledger
    tally: CallTally = field(default_factory=CallTally)
    purpose: str = "answer"
    offline: bool = False
    sleep: Callable[[float], Awaitable[None]] | None = None
    _pause_until: float = 0.0
    _stopped: ModelError | None = None

    def __post_init__(self) -> None:
        # Here, because every paid call of a run goes through a journal: candidates', judges', a plug-in's.
        cap = self.tally.cap_usd
        if cap is not None and not self.offline and self.model.paid and self.model.price is None:
            raise SettingsError(
                "the price of {name} is unknown, so a cap of ${cap} could not hold; "
                "give it a `price: {{input_usd: …, output_usd: …}}` or run without a cap",
                name=self.model.name,
                cap=cap,
            )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def endpoint(self) -> str:
        """Identity of whom is asked, for the ledger and the report."""
        return self.model.endpoint

    @property
    def price(self) -> Price | None:
        """The price frozen for the run."""
        return self.model.price

    @property
    def paid(self) -> bool:
        """Whether calls are journalled."""
        return self.model.paid

    async def complete(self, request: ChatRequest) -> Completion:
        """
        The model's answer, from the store where it was bought before.

        Raises:
            ModelError: the last attempt's failure, or the failure that stopped this endpoint for good.
        """
        if not self.model.paid:
            self.tally.made += 1
            return self.model.read(await self.model.send(request))
        key = request_key(self.model.endpoint, request)
        # Two cells with the same request wait for each other instead of buying the same reply twice.
        turn = self.tally.turns.setdefault(key, Turn())
        turn.users += 1
        try:
            async with turn.lock:
                return await self._complete(key, request)
        finally:
            turn.users -= 1
            if not turn.users:
                self.tally.turns.pop(key, None)

    async def _complete(self, key: str, request: ChatRequest) -> Completion:
        cell = cell_calls.get() or CellCalls()
        stored = self.ledger.reply(key)
        if stored is not None:
            try:
                completion = self.model.read(stored)
            except ModelError:
                # Kept by a run that was killed before it had read it: no answer, or the failure would last for ever.
                if self.offline:
                    raise
                await self.ledger.keep_unread(key, stored.body)
                await self.ledger.drop_reply(key)
            else:
                self.tally.from_cache += 1
                cell.from_cache += 1
                return completion
        if self.offline:
            raise ModelError("{model}: no stored reply, and this run is offline", model=self.name)
        resends = 0
        for attempt in range(1, MAX_ATTEMPTS + 1):
            await self._wait(self._pause_until - time.monotonic())
            if self._stopped is not None:
                # Without the traceback, which would grow, and keep its frames alive, with every cell.
                raise self._stopped.with_traceback(None)
            try:
                return await self._ask_once(key, request, cell)
            except ModelError as error:
                if error.stops_lane:
                    self._stopped = error
                    raise
                if error.maybe_billed:
                    self.tally.in_doubt += 1
                    cell.in_doubt = True
                    resends += 1
                wait = self._backoff(error, attempt)
                give_up = attempt == MAX_ATTEMPTS or resends > MAX_RESENDS_IN_DOUBT or wait is None
                if not error.retryable or give_up or wait is None:
                    raise
                self.tally.retries += 1
                cell.retries += 1
                if isinstance(error, RateLimited):
                    # The whole account waits, not only this call.
                    self._pause_until = max(self._pause_until, time.monotonic() + wait)
                else:
                    await self._wait(wait)
        raise AssertionError("the loop above returns or raises")

    async def _ask_once(self, key: str, request: ChatRequest, cell: CellCalls) -> Completion:
        worst_usd = worst_case_usd(self.model.price, request)
        hold_usd = worst_usd or 0.0
        await self.tally.reserve(hold_usd)
        booked_usd = 0.0
        try:
            attempt = await self.ledger.intend(key, self.model.endpoint, self.purpose, request, hold_usd)
            self.tally.made += 1
            cell.made += 1
            # From here on a cancelled or lost call may have been billed.
            booked_usd = hold_usd
            reply: Reply | None = None
            try:
                reply = await self.model.send(request)
                await self.ledger.keep_reply(key, reply)
                completion = self.model.read(reply)
            except ModelError as error:
                booked_usd = hold_usd if error.maybe_billed else 0.0
                lost_usd = worst_usd if error.maybe_billed else 0.0
                if lost_usd is None:
                    self.tally.unpriced += 1
                cell.book_lost(lost_usd)
                state = "in_doubt" if error.maybe_billed else "failed"
                received = error.received if isinstance(error, NoReply) else b""
                if reply is not None and not received:
                    received = reply.body
                await self.ledger.settle(attempt, state=state, cost_usd=lost_usd, error=str(error), received=received)
                # What was no answer stays out of the cache, or the failure would be replayed for ever.
                await self.ledger.drop_reply(key)
                raise
            booked_usd = completion.cost_usd or 0.0
            if completion.cost_usd is None:
                self.tally.unpriced += 1
            await self.ledger.settle(attempt, state="replied", cost_usd=completion.cost_usd)
            return completion
        finally:
            self.tally.settle(hold_usd, booked_usd)

    def _backoff(self, error: ModelError, attempt: int) -> float | None:
        """Seconds to wait before the next attempt; None when waiting is pointless."""
        if isinstance(error, OutOfCredit):
            return None
        jitter_s = random.uniform(0, min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2 ** (attempt - 1)))  # noqa: S311 - spreads retries, guards nothing
        if error.retry_after_s is None:
            return jitter_s
        return None if error.retry_after_s > _LONGEST_WAIT_S else error.retry_after_s + min(jitter_s, 1.0)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await (self.sleep or asyncio.sleep)(seconds)

    async def close(self) -> None:
        """Release the model's connections."""
        await self.model.close()
