"""One upstream's part in a request: the money that is held for it, and the row that says what became of it."""

from __future__ import annotations

import time
from typing import Any

from touchstone.deployment.base import Ready, Status, Upstream, Usage
from touchstone.deployment.gateway.api.base import Chosen, Request
from touchstone.deployment.govern.meter import Ending, Hold, Intent, Meter
from touchstone.deployment.govern.prices import usage_usd, worst_usd

_NOTHING = Usage(0, 0)
_OF_PRICE: Any = object()


def intent_of(request: Request, chosen: Chosen, *, model: str, hold_usd: float | None = None) -> Intent:
    """A request as its row names it."""
    key = request.incoming.key
    assert key is not None, "the routes of the API let nobody in without a key"
    return Intent(
        request.incoming.request,
        key,
        chosen.endpoint.name,
        chosen.version.number,
        model,
        request.form.kind,
        hold_usd,
        chosen.attempt,
        request.stream,
    )


def finish_of(status: Status, error: str | None, said: tuple[str, ...] = ()) -> tuple[str, ...]:
    """
    Why the answers of a request ended.

    Args:
        status: What became of it.
        error: Its code.
        said: What the reply itself says, which holds where the client was given all of it that came.
    """
    if status == "blocked" and error == "content_blocked":
        return ("content_filter",)
    return ("error",) if status in ("failed", "cut", "blocked") else said


def most_usd(upstream: Upstream, ready: Ready) -> float | None:
    """The most that a request costs; None where no price is known."""
    if upstream.price is None:
        return None
    return worst_usd(upstream.price, ready.input_tokens, ready.output_tokens)


class Account:
    """
    A hold from its beginning to its one end.

    Args:
        request: Whose it is.
        chosen: Who is asked.
        upstream: Answers.
        lease: Keeps the upstream open; ended with the account.
        meter: Books it.
    """

    __slots__ = ("_hold", "_lease", "_meter", "_request", "_started", "chosen", "settled", "upstream")

    def __init__(self, request: Request, chosen: Chosen, upstream: Upstream, lease: Any, meter: Meter) -> None:
        self._request = request
        self.chosen = chosen
        self.upstream = upstream
        self.settled = False
        self._lease = lease
        self._meter = meter
        self._hold: Hold | None = None
        self._started = time.perf_counter()

    @property
    def id(self) -> int:
        """Of its row."""
        assert self._hold is not None, "open was called"
        return self._hold.id

    async def open(self, ready: Ready) -> None:
        """
        Take the tokens and hold the money.

        Raises:
            GatewayError: so many tokens are not left in this minute.
            Refused: the budget does not cover it, no price is known, or nothing can be metered.
        """
        incoming = self._request.incoming
        if incoming.visit is not None:
            incoming.visit.take_tokens(ready.input_tokens + ready.output_tokens)
        self._started = time.perf_counter()
        intent = intent_of(
            self._request, self.chosen, model=self.upstream.model, hold_usd=most_usd(self.upstream, ready)
        )
        try:
            self._hold = await self._meter.open(intent)
        except BaseException:
            if incoming.visit is not None:
                incoming.visit.settle_tokens(0)
            raise
        facts = incoming.facts
        facts.model = self.upstream.model
        facts.attempts = self.chosen.attempt + 1

    def settle(
        self,
        status: Status,
        usage: Usage = _NOTHING,
        *,
        usd: float | None = _OF_PRICE,
        error: str | None = None,
        model: str | None = None,
        first_token_s: float | None = None,
        finish: tuple[str, ...] = (),
    ) -> None:
        """
        Book how it ended, once; further calls do nothing.

        Args:
            usage: What it took.
            usd: What it cost, None where nobody knows; by default the usage at the version's price.
            error: A code.
            model: Who answered, where the upstream named itself.
            first_token_s: Seconds to the first content.
            finish: Why the answers ended, as the reply says.
        """
        if self.settled:
            return
        self.settled = True
        if self._hold is None:
            return
        if usd is _OF_PRICE:
            usd = usage_usd(self.upstream.price, usage)
        seconds = time.perf_counter() - self._started
        self._meter.settle(self._hold, Ending(status, usage, usd, seconds, first_token_s, error, model))
        incoming = self._request.incoming
        facts = incoming.facts
        facts.input_tokens, facts.output_tokens, facts.usd = usage.input_tokens, usage.output_tokens, usd
        facts.first_token_s, facts.replied_by = first_token_s, model
        facts.error, facts.finish = error, finish_of(status, error, finish)
        if incoming.visit is not None and usage.input_tokens is not None and usage.output_tokens is not None:
            incoming.visit.settle_tokens(usage.input_tokens + usage.output_tokens)

    async def close(self) -> None:
        """Let go of the upstream; what was not settled is booked as failed here."""
        if not self.settled:
            self.settle("failed", Usage(), usd=None, error="internal_error")
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.__aexit__(None, None, None)
