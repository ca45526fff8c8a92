"""
A request and its reply on a connection of aiohttp's pool, without what its session makes for each.

Connecting, addresses, TLS and the pool stay aiohttp's. Its session, request, response and reader take half the
processor time of a short call and most of that of a stream, for what no request of a gateway has: cookies, redirects,
retries, bodies read from files. What is relied on of its inside stands in `tests/models/test_exchange.py`.

Replies are read by llhttp in its strict mode. What is not taken: a head of more than 64 KiB, a reply that was packed
although nobody asked for that, another protocol, and a connection on which something came that nobody had asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import httptools
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_MOST_OF_A_HEAD = 64 * 1024
_MOST_UNREAD = 128 * 1024
"""Bytes of a reply that wait for their reader; the server waits then, too."""


class Way:
    """
    Where requests of one kind go, and the head that all of them have.

    Args:
        connections: Gives connections whose protocol is `Replies`.
        session: Whose headers they have.
        url: Where to.
        accept: The content type that is asked for.
        loop: The session's.
    """

    __slots__ = ("_connections", "_head", "_loop", "_shape", "_timeout")

    def __init__(
        self,
        connections: aiohttp.BaseConnector,
        session: aiohttp.ClientSession,
        url: str,
        accept: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        headers = session.headers.copy()
        headers["Accept"] = accept
        # The connector asks it where to connect to; it is never sent itself.
        self._shape = shape = aiohttp.ClientRequest(
            "POST", URL(url), headers=headers, data=b"", loop=loop, session=session
        )
        self._connections = connections
        self._timeout = session.timeout
        self._loop = loop
        lines = [f"POST {shape.url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in shape.headers.items() if name.lower() != "content-length"]
        assert not any("\r" in line or "\n" in line for line in lines), "no line ends in a header"
        self._head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("utf-8")

    async def post(self, body: bytes) -> Exchange:
        """
        Send a body; returns when the head of the reply has come.

        Raises:
            aiohttp.ClientError: there is no connection, it broke, or what came is no HTTP.
            OSError: as the system says.
        """
        connection = await self._connections.connect(self._shape, traces=[], timeout=self._timeout)
        exchange = Exchange(connection, self._shape.request_info, self._loop)
        try:
            cast("Replies", connection.protocol).ask(exchange, b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            await exchange.head()
        except BaseException:
            exchange.close()
            raise
        return exchange


class Exchange:
    """
    A reply as it comes; in small what aiohttp's `ClientResponse` and its reader are.

    Args:
        connection: What it comes by; it goes back to the others when the reply is whole.
        about: The request, for errors.
        loop: The connection's.

    Attributes:
        status: HTTP status, once the head has come.
        headers: Of the reply; their names have no case.
    """

    __slots__ = (
        "_about", "_begun", "_connection", "_error", "_lasts", "_loop", "_parser", "_paused", "_pieces", "_size",
        "_unread", "_waiting", "_whole", "headers", "status",
    )  # fmt: skip

    def __init__(self, connection: Connection, about: aiohttp.RequestInfo, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self._about = about
        self._connection: Connection | None = connection
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._begun = self._whole = self._paused = self._lasts = False
        self._size = self._unread = 0
        self._pieces: list[bytes] = []
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    # Reading

    @property
    def content(self) -> Exchange:
        """Its reader, as aiohttp has it."""
        return self

    async def head(self) -> None:
        """Returns when the head has come. Raises `aiohttp.ClientError`, `OSError`."""
        while not self._begun:
            await self._something()

    async def readany(self) -> bytes:
        """What has come of the body; nothing at its end. Raises `aiohttp.ClientError`, `OSError` where it broke off."""
        while not self._pieces:
            if self._whole:
                return b""
            await self._something()
        pieces, self._pieces, self._unread = self._pieces, [], 0
        self._go_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self, most: int) -> bytes:
        """What has come of the body, up to so many bytes. Raises as `readany` does."""
        return (await self.readany())[:most]

    async def _something(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        """End the connection, unless the reply was whole; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # What the connection tells

    def feed(self, data: bytes) -> bool:
        """Bytes of the reply; whether what came is good, so that the connection may be used again after its end."""
        good = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            good = False
            if not self._whole:
                self._fail(error)
        if not self._begun:
            self._size += len(data)
            if self._size > _MOST_OF_A_HEAD:
                good = False
                self._fail(ValueError(f"its head has more than {_MOST_OF_A_HEAD} bytes"))
        if self._whole:
            good = good and self._lasts
        elif self._unread > _MOST_UNREAD and not self._paused and self._connection is not None:
            transport = self._connection.transport
            if transport is not None:
                self._paused = True
                transport.pause_reading()
        self._wake()
        return good

    def lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        ends_so = self._begun and not ("content-length" in self.headers or "transfer-encoding" in self.headers)
        if self._whole or self._error is not None:
            return
        if error is None and ends_so:
            self._whole = True
        elif not self._begun and error is None:
            self._error = aiohttp.ServerDisconnectedError()
        elif isinstance(error, OSError):
            self._error = aiohttp.ClientOSError(*error.args)
        else:
            self._error = aiohttp.ClientPayloadError("the reply is not complete")
        self._wake()

    @property
    def whole(self) -> bool:
        """Whether all of it has come."""
        return self._whole

    def free(self) -> None:
        """Give the connection back to the others."""
        self._go_on()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _go_on(self) -> None:
        """Let the server send again, where it had to wait."""
        if self._paused:
            self._paused = False
            if self._connection is not None and self._connection.transport is not None:
                self._connection.transport.resume_reading()

    def _fail(self, why: Exception) -> None:
        if self._error is None:
            told = str(why.__context__ or why)
            self._error = (
                aiohttp.ClientPayloadError(told)
                if self._begun
                else aiohttp.ClientResponseError(self._about, (), status=400, message=told)
            )

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done() and (self._pieces or self._whole or self._begun or self._error):
            waiting.set_result(None)

    # What the parser finds

    def on_message_begin(self) -> None:
        """A reply begins: the first one, or one after a word in between."""
        if self._whole:
            raise ValueError("there is a second reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; trailers are passed over."""
        if not self._begun:
            self.headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        """The head is there."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise ValueError("it is packed, which it was not asked to be")
        self.status = status
        self._begun = True

    def on_body(self, piece: bytes) -> None:
        """Bytes of the body."""
        self._pieces.append(piece)
        self._unread += len(piece)

    def on_message_complete(self) -> None:
        """The reply is whole; a word in between is forgotten."""
        if self._begun:
            self._whole = True
            self._lasts = self._parser.should_keep_alive()
        else:
            self.headers.clear()


class Replies(asyncio.Protocol):
    """
    One connection, with one request under way at a time; what aiohttp's connector keeps in its pool.

    Args:
        loop: Where it lives.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._exchange: Exchange | None = None
        self._spoilt = False
        self._lost = False
        self._closed: asyncio.Future[None] | None = None

    def ask(self, exchange: Exchange, request: bytes) -> None:
        """Send a request, and tell of what comes."""
        assert self.transport is not None, "a connection that was just given stands"
        assert self._exchange is None, "one request at a time"
        self._exchange = exchange
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something came; what nobody had asked for ends the connection."""
        exchange = self._exchange
        if exchange is None:
            self._spoilt = True
            self.abort()
            return
        if not exchange.feed(data):
            self._spoilt = True
        if exchange.whole:
            self._exchange = None
            exchange.free()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._lost = self._spoilt = True
        self.transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost(exc)
            exchange.free()

    # What the connector asks

    @property
    def should_close(self) -> bool:
        """Whether it cannot be used again."""
        return self._spoilt or self._exchange is not None

    @property
    def closed(self) -> asyncio.Future[Any] | None:
        """Done when the connection is closed; None where it is."""
        if self._closed is None and not self._lost:
            self._closed = self._loop.create_future()
        return self._closed

    def is_connected(self) -> bool:
        """Whether it still stands."""
        return self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        """End it."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None

    def abort(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None
