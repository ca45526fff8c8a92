"""The body of a request: read once, by declared and by counted bytes, counted among all bodies in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from touchstone.deployment.gateway.admission import Seat
from touchstone.deployment.gateway.base import ClientGone, GatewayError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BodyReader:
    """
    Reads the body of one request. How long it may take is the protocol's business.

    Args:
        receive: ASGI's.
        limit: Bytes that it may have at most.
        declared: What `Content-Length` says; None where it comes in chunks.
        seat: Where bodies in memory are counted; None on open routes.
    """

    __slots__ = ("_declared", "_limit", "_receive", "_seat", "_size", "_started")

    def __init__(self, receive: Receive, limit: int, declared: int | None, seat: Seat | None) -> None:
        self._receive = receive
        self._limit = limit
        self._declared = declared
        self._seat = seat
        self._started = False
        self._size = 0

    async def read(self) -> bytes:
        """The whole body. Raises `GatewayError`, `ClientGone`."""
        if self._seat is not None and self._declared:
            self._seat.hold_body(self._declared)
        self._start()
        pieces: list[bytes] = []
        more = True
        while more:
            piece, more = await self._next()
            if self._seat is not None and self._declared is None:
                self._seat.hold_body(len(piece))
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives; nothing of it is kept. Raises `GatewayError`, `ClientGone`."""
        self._start()
        more = True
        while more:
            piece, more = await self._next()
            if piece:
                yield piece

    def _start(self) -> None:
        assert not self._started, "a body is read once"
        self._started = True

    async def _next(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message["body"]
        self._size += len(piece)
        if self._size > self._limit:
            raise GatewayError("body_too_large", limit=self._limit)
        return piece, message["more_body"]
