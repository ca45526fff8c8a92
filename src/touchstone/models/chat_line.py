"""
One request over HTTP: connections, clocks, deadlines, and what a broken one means.

A proxy from the environment (`HTTPS_PROXY`, `NO_PROXY`) is used for addresses outside the private network; `~/.netrc`
never is, because it would replace the key.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from touchstone.catalog.addresses import is_near
from touchstone.catalog.source_address import is_no_server
from touchstone.errors import ModelError, NoReply, ProviderFailed, Unreachable
from touchstone.models.base import Reply
from touchstone.models.chat_failure import Said, failure_of, retry_after_s, shown
from touchstone.models.chat_reply import REGION_HEADERS
from touchstone.models.deadlines import Deadline, Deadlines
from touchstone.models.secret_key import Redaction

if TYPE_CHECKING:
    from touchstone.models.exchange import Way

KEPT_HEADERS = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    *REGION_HEADERS,
    "openai-processing-ms",
    "content-type",
)

KEEP_ALIVE_S = 4.0
"""Shorter than the 5 s of common servers: a request written into a closing connection would be in doubt."""

_DONE = re.compile(rb"data: ?\[DONE\]\s*\Z")
_AFTER_DONE_S = 1.0
"""How long the end of the transfer may take after the end of the stream was read."""


@dataclass(frozen=True)
class Terms:
    """How one endpoint is asked."""

    base_url: str
    place: str
    """Whose reply it is, for errors."""
    stream: bool
    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float
    max_reply_bytes: int
    concurrency: int
    start_hint: str | None


class Connections(aiohttp.TCPConnector):
    """
    Open connections, which tell a call when it has one, for then its request goes out.

    None is used again on which something came that nobody had asked for. The library would take it for the reply to
    the next request: another question's answer, or a proxy's farewell.

    Args:
        calls: The calls under way, by the tasks that they run in.
        protocol: Makes what reads a connection; aiohttp's own by default.
    """

    def __init__(
        self,
        calls: Mapping[asyncio.Task[Any] | None, Call],
        protocol: Callable[[], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.calls = calls
        if protocol is not None:
            self._factory = protocol  # type: ignore[assignment]  # asked the same, it reads in another way

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection that stands; the library writes the request before anything else can happen."""
        found = await super().connect(req, traces, timeout)
        self.calls[asyncio.current_task()].note_sent()
        return found

    async def _get(self, key: Any, traces: list[Any]) -> Any:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None


def socket_to_model(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """
    A socket for an address that a model's name led to: the last look before the connection (promises.md, R13).

    Raises:
        OSError: no model is ever there.
    """
    family, kind, protocol, _, place = info
    if is_no_server(str(place[0])):
        raise OSError(f"{place[0]} is an address where no model is")
    return socket.socket(family, kind, protocol)


class Line:
    """
    What one event loop needs to talk to one endpoint.

    Args:
        terms: How the endpoint is asked.
        key: The key, None when none is needed.
        key_headers: The header that carries it.
    """

    def __init__(self, terms: Terms, key: str | None, key_headers: Mapping[str, str]) -> None:
        self.terms = terms
        self.loop = asyncio.get_running_loop()
        self.free = asyncio.Semaphore(terms.concurrency)
        self.redact = Redaction(key)
        self.deadlines = Deadlines(self.loop)
        self.calls: dict[asyncio.Task[Any] | None, Call] = {}
        self.url = URL(f"{terms.base_url}/chat/completions")
        proxy, proxy_auth = _proxy(terms.base_url)
        self.by_proxy = proxy is not None
        self._ways: dict[tuple[str, str], Way] = {}
        self._straight: Connections | None = None
        """For requests without aiohttp's session; see `exchange.py`."""
        # The key stands in the session, which only this origin's requests use; no redirect leads elsewhere.
        self.session = aiohttp.ClientSession(
            connector=self._connections(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            headers={
                "Content-Type": "application/json",
                "Accept": "text/event-stream" if terms.stream else "application/json",
                # Replies are short, and unpacking them costs more than it saves.
                "Accept-Encoding": "identity",
                "User-Agent": "touchstone",
                **key_headers,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=proxy,
            proxy_auth=proxy_auth,
        )

    async def ask(self, body: bytes, text_bytes: int) -> Reply:
        """One request, when one of the allowed number is free; see `Call.run`."""
        task = asyncio.current_task()
        async with self.free:
            self.calls[task] = call = Call(self)
            try:
                return await call.run(body, text_bytes)
            finally:
                del self.calls[task]

    def way(self, path: str, accept: str) -> Way:
        """How bodies go straight to a path below the base URL, where there is no proxy; paths are ours, so few."""
        found = self._ways.get((path, accept))
        if found is None:
            from touchstone.models.exchange import Replies, Way

            if self._straight is None:
                self._straight = self._connections(partial(Replies, self.loop))
            url = f"{self.terms.base_url}{path}"
            found = self._ways[path, accept] = Way(self._straight, self.session, url, accept, self.loop)
        return found

    def _connections(self, protocol: Callable[[], Any] | None = None) -> Connections:
        return Connections(
            self.calls,
            protocol,
            limit=self.terms.concurrency,
            keepalive_timeout=KEEP_ALIVE_S,
            ttl_dns_cache=300,
            socket_factory=socket_to_model,
        )

    async def close(self) -> None:
        """Close the connections."""
        self._ways.clear()
        straight, self._straight = self._straight, None
        if straight is not None:
            await straight.close()
        await self.session.close()

    def refusal(self, body: bytes, status: int, headers: Mapping[str, str]) -> ModelError | None:
        """What a status other than 200 means; None where the provider's filter blocked the request, an outcome."""
        text = body[:8192].decode("utf-8", "replace")
        try:
            said = Said(orjson.loads(body))
        except orjson.JSONDecodeError:
            said = Said(text)
        if said.blocked and 400 <= status < 500:
            return None
        sentence = shown(self.redact.text(said.message or text))
        return failure_of(said, status, self.terms.place, sentence, retry_after_s(headers, time.time))


class Call:
    """One request and the clocks that run over it."""

    __slots__ = ("deadline", "line", "received", "sent", "sent_at", "terms")

    def __init__(self, line: Line) -> None:
        terms = line.terms
        self.terms = terms
        self.line = line
        self.sent = False
        self.sent_at = 0.0
        self.received: list[bytes] = []
        self.deadline = Deadline(line.deadlines, terms.connect_s, terms.total_s)

    def note_sent(self) -> None:
        """The connection stands and the request goes out: the clock of the latency starts here."""
        self.sent = True
        self.sent_at = time.perf_counter()
        self.deadline.allow(self.terms.first_byte_s)

    async def run(self, body: bytes, text_bytes: int) -> Reply:
        """
        Send a body and receive what comes back.

        Args:
            body: The JSON of the request.
            text_bytes: How much of it is text, for the reply to remember.

        Raises:
            ModelError: as the tree in `errors.py` says.
        """
        line = self.line
        try:
            with self.deadline:
                async with line.session.post(line.url, data=body, allow_redirects=False) as response:
                    return await self._receive(response, text_bytes)
        except TimeoutError:
            raise self.too_slow() from None
        except (aiohttp.ClientError, OSError) as error:
            raise self.broken(error) from None

    async def _receive(self, response: aiohttp.ClientResponse, text_bytes: int) -> Reply:
        terms = self.terms
        content = response.content
        served = 200 <= response.status < 300
        streamed = terms.stream and served
        times: list[tuple[int, float]] = []
        size = 0
        tail = b""
        capped = done = False
        last = time.perf_counter()
        try:
            while chunk := await content.readany():
                last = time.perf_counter()
                self.received.append(chunk)
                size += len(chunk)
                if streamed:
                    times.append((size, last - self.sent_at))
                    tail = (tail + chunk)[-32:]
                    done = _DONE.search(tail) is not None
                if size > terms.max_reply_bytes:
                    capped = True
                    response.close()
                    break
                self.deadline.allow(_AFTER_DONE_S if done else terms.idle_s)
                if content.at_eof():
                    break
        except (asyncio.CancelledError, aiohttp.ClientError, OSError) as error:
            # After the end of the stream was read, how the connection ends is of no interest; unless we are cancelled.
            ours = not isinstance(error, asyncio.CancelledError) or self.deadline.alone
            if not (done and ours):
                raise
            response.close()
        raw = self.line.redact.raw(b"".join(self.received)[: terms.max_reply_bytes])
        headers = {
            name: self.line.redact.text(_utf8(response.headers[name]))
            for name in KEPT_HEADERS
            if name in response.headers
        }
        reply = Reply(
            body=raw,
            streamed=streamed,
            latency_s=last - self.sent_at,
            chunk_times_s=tuple(times),
            headers=headers,
            status=200 if served else response.status,
            request_bytes=text_bytes,
            capped=capped,
        )
        if not served and (refusal := self.line.refusal(reply.body, reply.status, response.headers)) is not None:
            raise refusal
        return reply

    def too_slow(self) -> ModelError:
        """What a deadline that passed means."""
        terms = self.terms
        if not self.sent:
            return Unreachable(
                "{place}: no connection within {seconds:g} s; nothing was sent",
                place=terms.place,
                seconds=min(terms.connect_s, terms.total_s),
            )
        error = NoReply(
            "{place}: no complete reply after {seconds:.1f} s, {bytes} bytes had come; it may have been billed",
            place=terms.place,
            seconds=time.perf_counter() - self.sent_at,
            bytes=sum(map(len, self.received)),
        )
        error.received = self.line.redact.raw(b"".join(self.received))
        return error

    def broken(self, error: Exception) -> ModelError:
        """What a connection that broke, or a reply that is no HTTP, means."""
        terms = self.terms
        if isinstance(error, aiohttp.ClientResponseError):
            failure = ProviderFailed(
                "{place}: the reply is no HTTP ({shown}); check base_url",
                place=terms.place,
                shown=shown(self.line.redact.text(error.message)),
            )
            # Whatever answered has the request, and may have sold something that it could not send.
            failure.maybe_billed = self.sent
            return failure
        reason = shown(self.line.redact.text(_reason(error)))
        if not self.sent:
            if terms.start_hint:
                return Unreachable(
                    "{place}: nobody answers ({reason}); is the server running? Start it with: {command}",
                    place=terms.place,
                    reason=reason,
                    command=terms.start_hint,
                )
            return Unreachable(
                "{place}: no connection ({reason}); check base_url and the network", place=terms.place, reason=reason
            )
        lost = NoReply(
            "{place}: the connection broke after {bytes} bytes of the reply ({reason}); it may have been billed",
            place=terms.place,
            bytes=sum(map(len, self.received)),
            reason=reason,
        )
        lost.received = self.line.redact.raw(b"".join(self.received))
        return lost


def _utf8(header: str) -> str:
    """A header whose bytes that are no UTF-8 stand as escapes: the store could not write them down."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    """What the system said, without addresses or headers."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    inner = getattr(error, "os_error", None) or error
    number = getattr(inner, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return getattr(inner, "strerror", None) or str(inner) or type(error).__name__


def _proxy(base_url: str) -> tuple[str | None, aiohttp.BasicAuth | None]:
    """The proxy that the environment names for an address, as every HTTP tool reads it; none for near addresses."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    named = getproxies_environment().get(parts.scheme)
    if named is None or is_near(base_url) or proxy_bypass(host):
        return None, None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    auth = aiohttp.BasicAuth(proxy.username, proxy.password or "") if proxy.username else None
    return proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl(), auth
