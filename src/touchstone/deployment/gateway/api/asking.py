"""
One upstream asked with its money held: the whole reply or its beginning, past the guard, and the account settled.

Until something is returned the client was sent nothing: an error then ends the account, and another upstream may be
asked. A stream takes the account along and settles it itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from touchstone.deployment.base import Answered, Flow, Ready, Status, Usage
from touchstone.deployment.gateway.api.account import Account
from touchstone.deployment.gateway.api.base import Request
from touchstone.deployment.gateway.api.failing import billed_usd, code_of
from touchstone.deployment.gateway.api.streamed import Keeps, StreamedReply
from touchstone.deployment.gateway.base import ClientGone, GatewayError
from touchstone.deployment.govern.refusals import Refused
from touchstone.deployment.safety.screen import Screen, Screened
from touchstone.errors import ModelError, NoReply, ProviderFailed, SafetyUnavailable


class Asking:
    """
    Asks one upstream.

    Args:
        request: What is asked.
        account: Holds its money.
        ready: As the upstream prepared it.
        screens: What the reply passes, in order.
        keeps: What is kept of it.
    """

    def __init__(
        self, request: Request, account: Account, ready: Ready, screens: Sequence[Screen], keeps: Keeps
    ) -> None:
        self._request = request
        self._account = account
        self._ready = ready
        self._screens = screens
        self._keeps = keeps

    async def whole(self) -> Answered:
        """
        The whole reply as the route writes it; it is settled.

        Raises:
            ModelError: there is none.
            GatewayError: the guard blocks it.
            SafetyUnavailable: the guard cannot tell.
            Refused: what the guard would ask is not paid for; the reply itself is.
        """
        request, account = self._request, self._account
        name = request.incoming.request
        answered: Answered | None = None
        try:
            answered = await account.upstream.answer(self._ready)
            body = answered.body
            for screen in self._screens:
                body = passed(await screen.reply(body, answered.content_type, name))
            answered = answered if body is answered.body else answered._replace(body=body)
            written = self._written(answered)
        except BaseException as error:
            self._settle(error, answered)
            raise
        gone = request.incoming.disconnected.is_set()
        account.settle(
            "client_closed" if gone else "done", answered.usage, model=answered.model, finish=answered.finish
        )
        self._keeps.whole(account, answered)
        if request.promise is not None:
            request.promise.keep(written.body, written.content_type)
        return written

    def _written(self, answered: Answered) -> Answered:
        request = self._request
        try:
            return request.form.write(answered, request.body, request.incoming.request)
        except (LookupError, TypeError, AttributeError) as error:
            # The provider's own shape is passed on as it is; one that is translated must be what it claims.
            raise ProviderFailed("{place}: the reply has another shape than asked for", place=answered.model) from error

    async def streamed(self) -> StreamedReply:
        """
        A stream whose first events have come; with a guard, all of them. Raises as `whole` does.
        """
        request, account = self._request, self._account
        flow: Flow | None = None
        try:
            flow = await account.upstream.open(self._ready)
            pieces = aiter(flow)
            first = await _first(pieces, account.upstream.model)
            held: list[bytes] | None = None
            for screen in self._screens:
                if screen.looks("out"):
                    given = _with_first(first, pieces) if held is None else _given(held)
                    held = passed(await screen.stream(given, request.incoming.request))
        except BaseException as error:
            self._settle(error, None if flow is None else Answered(b"", flow.usage, flow.model))
            if flow is not None:
                await flow.close()
            raise
        if held is None:
            return StreamedReply(request, account, flow, pieces, first=first, keeps=self._keeps)
        return StreamedReply(request, account, flow, _given(held), first=None, keeps=self._keeps)

    def _settle(self, error: BaseException, answered: Answered | None) -> None:
        """Book a request of which the client was sent nothing."""
        account = self._account
        usage, model = (Usage(), None) if answered is None else (answered.usage, answered.model)
        if isinstance(error, ModelError):
            if answered is None or usage.estimated:
                # Nothing that came can be counted: what the failure says of money holds.
                usd = billed_usd(error)
                account.settle("failed", Usage(0, 0) if usd == 0 else Usage(), usd=usd, error=code_of(error))
            else:
                account.settle("failed", usage, error=code_of(error), model=model)
        elif isinstance(error, GatewayError | SafetyUnavailable | Refused):
            account.settle("blocked", usage, error=error.code, model=model)
        elif isinstance(error, asyncio.CancelledError | ClientGone):
            gone = self._request.incoming.disconnected.is_set()
            status: Status = "client_closed" if gone else "cut"
            cut = self._request.incoming.cut
            code = cut if gone else cut or "shutting_down"
            if answered is None:
                # It was sent, and nobody knows how far it came: a budget is charged what was held.
                account.settle(status, Usage(), usd=None, error=code)
            else:
                account.settle(status, usage, error=code, model=model)
        else:
            account.settle("failed", usage, usd=None, error="internal_error", model=model)


def passed(found: Screened) -> Any:
    """What a guard let pass. Raises `GatewayError` where it let nothing pass."""
    if found.action == "block":
        raise GatewayError("content_blocked")
    return found.body


async def _first(pieces: AsyncIterator[bytes], place: str) -> bytes:
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        raise NoReply("{place}: the stream ended before it began", place=place) from None


async def _with_first(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _given(held: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in held:
        yield piece
