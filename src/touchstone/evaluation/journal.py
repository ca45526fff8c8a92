"""
A model whose calls are journalled: the one place that retries, reuses and records.

Wraps a `ChatModel` and is asked like one. Steps of a call: look for a stored reply, hold its worst case and write the
intent, send, store the raw reply, read it. A retry happens only after a transport or provider failure, never because of
what was answered; when it may go is the lane's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from touchstone.catalog.base import Price
from touchstone.errors import ModelError, NoReply, RateLimited, SettingsError
from touchstone.evaluation.crash_points import crash_point
from touchstone.evaluation.lane import Lane
from touchstone.evaluation.ledger import Served, StoredReply, canonical, key_of
from touchstone.evaluation.purse import NotStored, Purse, Stopped, Turn
from touchstone.evaluation.statements import USAGE_SHRANK
from touchstone.models.base import ChatModel, ChatRequest, Completion, Reply
from touchstone.models.picture_tokens import most_input_tokens

OUTPUT_TOKENS_WITHOUT_LIMIT = 4096
"""Reserved for the output of a request without a limit; longer ones can pass the cap by what is in flight."""

_UNPACED = 1024
"""Calls at once in a lane that nobody shares; the engine bounds them."""


@dataclass(slots=True)
class CellCalls:
    """What the calls of one cell amounted to."""

    retries: int = 0
    made: int = 0
    from_cache: int = 0
    queue_s: float = 0.0
    """Waited in our own limiter."""
    retry_usd: float | None = 0.0
    """Booked for sends that brought no answer and may have been billed; None when their price is unknown."""

    def book_lost(self, usd: float | None) -> None:
        """One more send without an answer, at its worst case; None when nobody knows its price."""
        self.retry_usd = None if usd is None or self.retry_usd is None else self.retry_usd + usd


cell_calls: ContextVar[CellCalls | None] = ContextVar("cell_calls", default=None)
"""The tally of the cell that is being answered; the engine sets it, the journal adds to it."""


def worst_case_usd(price: Price | None, input_tokens: int, max_tokens: int | None) -> float | None:
    """
    The most one call can cost; None without a price.

    Args:
        input_tokens: At most so many; see `most_input_tokens`.
        max_tokens: The output's limit; without one `OUTPUT_TOKENS_WITHOUT_LIMIT` are reserved.
    """
    if price is None:
        return None
    output = max_tokens or OUTPUT_TOKENS_WITHOUT_LIMIT
    # There may be fewer of them, so a dearer tier than that of so many tokens may be the one that applies.
    sizes = [input_tokens]
    sizes += [tier.above_input_tokens for tier in price.tiers if tier.above_input_tokens < input_tokens]
    return max(price.cost_usd(tokens, output) or 0.0 for tokens in sizes)


class Journal:
    """
    Asks one model, recording every call.

    Args:
        model: Whom to ask.
        purse: Pays, for all journals of a run.
        lane: Paces all calls of one account; one of its own by default.
        purpose: `answer` or `judge`.
        offline: Whether only stored replies may be used.
        retry_failed: Whether replies that this very run bought, and that turned out to say nothing, are bought anew.
        sleep: How to wait before a retry, seconds; a test passes its own.

    Raises:
        SettingsError: there is a cap and nobody knows the model's price.
    """

    def __init__(
        self,
        model: ChatModel,
        purse: Purse,
        *,
        lane: Lane | None = None,
        purpose: str = "answer",
        offline: bool = False,
        retry_failed: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # Here, because every paid call of a run goes through a journal: candidates', judges', a plug-in's.
        if purse.cap_usd is not None and not offline and model.paid and model.price is None:
            raise SettingsError(
                "the price of {name} is unknown, so a cap of ${cap} could not hold; "
                "give it a `price: {{input_usd: …, output_usd: …}}` or run without a cap",
                name=model.name,
                cap=purse.cap_usd,
            )
        self.model = model
        self.purse = purse
        self.lane = lane or Lane(model.name, concurrency=_UNPACED)
        self.purpose = purpose
        self.offline = offline
        self.retry_failed = retry_failed
        self.sleep = sleep
        self._first: int | None = None
        """The first attempt of this sitting; later ones have higher numbers, see `Ledger`."""
        self._forgotten: set[str] = set()
        """Keys of replies that are bought anew."""

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
            ModelError: the last attempt's failure.
            NotStored: the run is offline and the reply was never bought.
            LaneClosed: nobody at this endpoint or account can be asked for now.
            BudgetStop: the cap does not cover the call.
            Stopped: the run was told to stop.
        """
        if not self.model.paid:
            if self.purse.stopping:
                raise Stopped
            return self.model.read(await self.model.send(request))
        body = canonical(request)
        key = key_of(self.model.endpoint, body)
        # Two cells with the same request wait for each other instead of buying the same reply twice.
        turns = self.purse.turns
        turn = turns.get(key)
        if turn is None:
            turn = turns[key] = Turn()
        turn.users += 1
        try:
            async with turn.lock:
                return await self._complete(key, body, request)
        finally:
            turn.users -= 1
            if not turn.users:
                turns.pop(key, None)

    async def forget(self, requests: Sequence[ChatRequest]) -> bool:
        """
        Told that the replies to these requests say nothing that was asked for; whether asking again may bring others.

        What another run bought is no reply to reuse then (promises.md, F25), and what this run bought stays its own
        until failed cells are asked for again: it goes on, however often, without asking anew. Whatever is forgotten
        stays with the attempt that brought it.
        """
        ledger, found = self.purse.ledger, False
        for request in requests if self.model.paid and not self.offline else ():
            key = key_of(self.model.endpoint, canonical(request))
            stored = None if key in self._forgotten else ledger.reply(key)
            if key in self._forgotten:
                found = True
            elif stored is not None and self._is_old(stored):
                found = True
                self._forgotten.add(key)  # before anything is waited for: another cell may be told of the same reply
                if stored.attempt is not None:
                    await ledger.keep_unread(stored.attempt, stored.reply.body)
                await ledger.drop_reply(key)
        return found

    def _is_old(self, stored: StoredReply) -> bool:
        """Whether a reply comes from another run, or from a sitting whose failures are asked for again."""
        if stored.run != self.purse.run:
            return True
        first, number = self._first, stored.attempt
        now = first is not None and number is not None and number >= first and number >> 32 == first >> 32
        return self.retry_failed and not now

    async def _complete(self, key: str, body: bytes, request: ChatRequest) -> Completion:
        cell = cell_calls.get() or CellCalls()
        completion = await self._stored(key, cell)
        if completion is not None:
            return completion
        if self.offline:
            raise NotStored(model=self.name)
        most = most_input_tokens(self.model, request, len(body))
        worst_usd = worst_case_usd(self.model.price, most, request.max_tokens)
        failures = lost = sends = 0
        while True:
            send = await self.lane.enter(self.model.endpoint, retry=failures > 0)
            cell.queue_s += send.queued_s
            try:
                completion = await self._ask_once(
                    key, body, request, worst_usd, cell, retry=sends > 0 or key in self._forgotten
                )
            except ModelError as error:
                self.lane.leave(send, error)
                if not isinstance(error, RateLimited):
                    failures += 1
                if error.maybe_billed:
                    lost += 1
                wait_s = self.lane.retry_after(error, failures, lost)
                if wait_s is None:
                    raise
                sends += 1
                cell.retries += 1
                if wait_s > 0:
                    await self.sleep(wait_s)
            except BaseException:
                # The cap, a stop or a cancellation: it says nothing about the provider.
                self.lane.abandon(send)
                raise
            else:
                self.lane.leave(send, None)
                return completion

    async def _stored(self, key: str, cell: CellCalls) -> Completion | None:
        """What was bought before; None when there is nothing, or nothing that is an answer."""
        stored = self.purse.ledger.reply(key)
        if stored is None:
            return None
        late = stored.attempt if stored.attempt in self.purse.unread else None
        try:
            completion = self.model.read(stored.reply)
        except ModelError as error:
            # Kept by a run that was killed before it had read it: no answer, or the failure would last for ever.
            if self.offline:
                raise
            if late is not None:
                booked_usd = self.purse.unread[late].booked_usd
                self.purse.read_late(late, _ending(error), _lost_usd(error, booked_usd), error=str(error))
            if stored.attempt is not None:
                await self.purse.ledger.keep_unread(stored.attempt, stored.reply.body)
            await self.purse.ledger.drop_reply(key)
            return None
        if late is not None:
            self.purse.read_late(late, "replied", completion.cost_usd, served=_served(completion))
        if stored.run != self.purse.run and _is_unexplained(completion) and not self.offline:
            # An empty answer that nothing explains is no answer to reuse (promises.md, F11); the run that paid for it
            # does not ask again.
            return None
        if stored.run == self.purse.run:
            cell.made += 1
        else:
            cell.from_cache += 1
        return completion

    async def _ask_once(
        self, key: str, body: bytes, request: ChatRequest, worst_usd: float | None, cell: CellCalls, *, retry: bool
    ) -> Completion:
        purse, ledger = self.purse, self.purse.ledger
        attempt = await purse.take(key, self.model.endpoint, self.purpose, body, worst_usd, retry=retry)
        self._first = attempt if self._first is None else min(self._first, attempt)
        crash_point("after-intent")
        cell.made += 1
        reply: Reply | None = None
        try:
            reply = await self.model.send(request)
            crash_point("after-reply-received")
            await ledger.keep_reply(key, reply, attempt, purse.run)
            crash_point("after-reply-committed")
            completion = self.model.read(reply)
        except ModelError as error:
            lost_usd = _lost_usd(error, worst_usd)
            cell.book_lost(lost_usd)
            received = error.received if isinstance(error, NoReply) else b""
            # Closed before anything is waited for: who is cancelled meanwhile must not keep the money.
            closed = purse.close(
                attempt,
                state=_ending(error),
                held_usd=worst_usd,
                cost_usd=lost_usd,
                unpriced=lost_usd is None,
                error=str(error),
                received=received or (reply.body if reply is not None else b""),
            )
            if reply is not None:
                # What was no answer stays out of the cache, or the failure would be replayed for ever.
                await ledger.drop_reply(key)
            await closed
            raise
        except asyncio.CancelledError:
            # It may have been billed, and its worst case stands: for ever, or until the reply that came is read.
            purse.close(
                attempt,
                state="in_doubt" if reply is None else "unread",
                held_usd=worst_usd,
                cost_usd=worst_usd,
                unpriced=worst_usd is None,
                error="cancelled while it was asked",
            )
            raise
        crash_point("after-read")
        purse.close(
            attempt,
            state="replied",
            held_usd=worst_usd,
            cost_usd=completion.cost_usd,
            unpriced=completion.cost_usd is None,
            error=USAGE_SHRANK if completion.usage.shrank else None,
            received=reply.body if _is_unexplained(completion) else b"",
            served=_served(completion),
        )
        crash_point("after-settle")
        return completion

    async def close(self) -> None:
        """Release the model's connections."""
        await self.model.close()


_TELLING = frozenset({"refusal", "filter", "length", "tool"})


def _is_unexplained(completion: Completion) -> bool:
    """Whether there is no text and nothing that says why."""
    return not completion.text.strip() and completion.finish not in _TELLING and not completion.reasoning


def _served(completion: Completion) -> Served:
    return Served(completion.served_model, completion.system_fingerprint, completion.served_region)


def _ending(error: ModelError) -> str:
    """The state of an attempt that failed like this."""
    return "in_doubt" if error.maybe_billed else "failed"


def _lost_usd(error: ModelError, worst_usd: float | None) -> float | None:
    """What a send that failed like this is booked at; None when nobody knows its price."""
    if error.charged:
        return error.cost_usd
    return worst_usd if error.maybe_billed else 0.0
