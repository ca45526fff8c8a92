"""
A reply that is passed on while it comes, and settled exactly once, however it ends.

A plain object instead of a generator: what was never begun is closed all the same, and its hold comes free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

from touchstone.deployment.base import Answered, Flow, Status
from touchstone.deployment.gateway.api.account import Account
from touchstone.deployment.gateway.api.base import END, Request
from touchstone.deployment.gateway.api.failing import code_of
from touchstone.deployment.gateway.api.gathered import whole_of
from touchstone.deployment.gateway.base import EVENTS
from touchstone.errors import ModelError


class Keeps:
    """
    What is kept of a reply once it is whole and good.

    Args:
        keep: Takes the account and the reply in one piece; None keeps nothing.
    """

    nothing: ClassVar[Keeps]

    def __init__(self, keep: Callable[[Account, Answered], None] | None) -> None:
        self._keep = keep

    @property
    def wanted(self) -> bool:
        """Whether anything is kept."""
        return self._keep is not None

    def whole(self, account: Account, answered: Answered) -> None:
        """Keep a reply."""
        if self._keep is not None:
            self._keep(account, answered)


Keeps.nothing = Keeps(None)


class StreamedReply:
    """
    The body of a streamed reply: an asynchronous iterator of whole events, the end mark last.

    The end mark comes after a complete reply and after nothing else (A13): where it breaks off, iterating raises what
    broke it.

    Args:
        request: Whose it is.
        account: Holds the money; settled here.
        flow: The reply upstream; closed here.
        pieces: Its events, those that a guard let pass where there is one.
        first: An event that was read already.
        keeps: What is kept of it.
    """

    __slots__ = ("_account", "_ended", "_events", "_first", "_flow", "_keeps", "_pieces", "_request", "_seen", "_sent")

    def __init__(
        self,
        request: Request,
        account: Account,
        flow: Flow,
        pieces: AsyncIterator[bytes],
        *,
        first: bytes | None,
        keeps: Keeps,
    ) -> None:
        self._request = request
        self._account = account
        self._flow = flow
        self._pieces = pieces
        self._first = first
        self._keeps = keeps
        self._events = request.form.events(request.body, request.incoming.request)
        self._ended = False
        self._seen: list[bytes] | None = [] if keeps.wanted else None
        self._sent: list[bytes] | None = [] if request.promise is not None else None

    @property
    def model(self) -> str:
        """Who answers, as far as the upstream has named itself."""
        return self._flow.model

    def __aiter__(self) -> StreamedReply:
        return self

    async def __anext__(self) -> bytes:
        """The next events. Raises `ModelError` where the reply breaks off."""
        while True:
            if self._ended:
                raise StopAsyncIteration
            first, self._first = self._first, None
            try:
                piece = first if first is not None else await self._pieces.__anext__()
                if self._seen is not None:
                    self._seen.append(piece)
                if self._events is not None:
                    piece = self._events.piece(piece)
            except StopAsyncIteration:
                return self._whole()
            except BaseException as error:
                self._broken(error)
                raise
            if piece:
                if self._sent is not None:
                    self._sent.append(piece)
                return piece

    def _whole(self) -> bytes:
        """The end of a reply that is complete; everything is booked before it is sent."""
        self._ended = True
        flow, account = self._flow, self._account
        usage = flow.usage
        gone = self._request.incoming.disconnected.is_set()
        account.settle(
            "client_closed" if gone else "done",
            usage,
            model=flow.model,
            first_token_s=flow.first_token_s,
            finish=flow.finish,
        )
        if self._seen is not None:
            self._keeps.whole(account, Answered(whole_of(self._seen), usage, flow.model, finish=flow.finish))
        end = END if self._events is None else self._events.end()
        promise = self._request.promise
        if promise is not None and self._sent is not None:
            promise.keep(b"".join((*self._sent, end)), EVENTS.decode("latin-1"))
        return end

    def _broken(self, error: BaseException) -> None:
        self._ended = True
        gone = self._request.incoming.disconnected.is_set()
        flow = self._flow
        status: Status
        code: str | None
        if isinstance(error, ModelError):
            status, code = "cut", code_of(error)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            cut = self._request.incoming.cut
            status, code = ("client_closed", cut) if gone else ("cut", cut or "shutting_down")
        else:
            status, code = "failed", "internal_error"
        self._account.settle(
            status,
            flow.usage,
            error=code,
            model=flow.model,
            first_token_s=flow.first_token_s,
            finish=flow.finish,
        )

    async def aclose(self) -> None:
        """End it, whether it was read or not; may be called twice."""
        if not self._account.settled:
            self._broken(GeneratorExit())
        self._ended = True
        if self._request.promise is not None:
            self._request.promise.drop()
        try:
            await self._flow.close()
        finally:
            await self._account.close()
