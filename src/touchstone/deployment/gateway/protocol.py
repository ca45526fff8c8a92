"""
One connection: uvicorn's HTTP protocol with deadlines, caps and no tolerance for what can be read in two ways.

What is relied on of uvicorn's inside stands in `tests/deployment/gateway/test_protocol_pins.py`.

llhttp, the parser beneath, refuses two lengths, a length beside `Transfer-Encoding`, bad chunks, bare line feeds and
folded headers by itself. It takes absolute and asterisk targets, other HTTP versions, encodings before `chunked`,
trailers, which uvicorn would add to the headers, and requests that are sent before the reply to the last one: those are
refused here (A7).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from touchstone.deployment.gateway.arrivals import Arrivals, Line, network_of
from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.failures import reply_of

EXTENSION = "touchstone.connection"
"""Where the ASGI scope's extensions name the connection."""

_HOST = re.compile(rb"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/(?!/)[!-\"$-~]*")
"""Origin form, printable ASCII without a fragment; two slashes at its start would name a host to some readers."""
_LENGTH = re.compile(rb"[0-9]{1,18}")

_RAW_FACTOR = 8
"""Bytes on the wire for each byte of a body: chunks may be small, and extensions of chunks are seen by nobody else."""


_SLACK = 1 << 20
"""What may come in one read before the door could say that a route takes more."""

_LINGER_S = 1.0
"""For how long what a client still sends is read and thrown away after the last reply."""


class _Refused(Exception):
    """Leaves the parser's callbacks; why is kept by the protocol."""


class StrictProtocol(HttpToolsProtocol):
    """
    One connection. A request is received in the states `idle`, `header`, `body` and `idle` again.

    Args:
        arrivals: Shared by all connections of the server.
    """

    def __init__(self, config: Config, server_state: ServerState, arrivals: Arrivals) -> None:
        super().__init__(config, server_state, {})
        # Data after `Connection: close` is no request.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self.arrivals = arrivals
        self.limits = arrivals.limits
        self.address = ""
        self.on_lost: Callable[[], object] | None = None
        self._state = "idle"
        self._deaf = False
        """Whether what still comes is thrown away, because it cannot be read or nobody will answer it."""
        self._why: GatewayError | None = None
        self._received = 0
        """Bytes of the request that is being received, as they came."""
        self._most = 0
        self._body_s = 0.0
        self._length = 0
        """What `Content-Length` says of the request that is being received."""
        self._by_hand = 0
        """Bytes of its body that the parser does not read, because an upgrade was offered with it."""
        self._counted_in = False
        self._wait: asyncio.TimerHandle | None = None
        self._wait_write: asyncio.TimerHandle | None = None

    # The connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Count it in; who is too many is told so and closed."""
        super().connection_made(Line(transport, self))  # type: ignore[arg-type]  # all of one that is used
        self.address = network_of(self.client[0]) if self.client else ""
        self._counted_in = True
        refusal = self.arrivals.enter(self.address)
        if refusal is None:
            self._await_header()
        else:
            self._refuse(GatewayError(refusal))

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out, and tell the door."""
        self._stop_waiting()
        self._stop_waiting_to_write()
        self._unset_keepalive_if_required()
        if self._counted_in:
            self._counted_in = False
            self.arrivals.leave(self.address)
        super().connection_lost(exc)
        told, self.on_lost = self.on_lost, None
        if told is not None:
            told()

    def data_received(self, data: bytes) -> None:
        """Read what can be read, and see to it that whatever is awaited next has a deadline."""
        self._unset_keepalive_if_required()
        self._received += len(data)
        if self._deaf:
            if self._received > self._most:
                self.transport.abort()
            return
        try:
            if self._by_hand:
                self._take_body(data)
            else:
                self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # The offer to speak another protocol is not taken up, so what follows is the body, if there is one. What
            # follows that could be either, and is not read.
            if self._by_hand:
                self._take_body(data[offer.args[0] :])
            else:
                self._end_after_reply()
        except httptools.HttpParserError:
            self._refuse(self._why or GatewayError("bad_request"))
            return
        if self._state == "header" and self._received > self.limits.header_bytes:
            self._refuse(GatewayError("headers_too_large", limit=self.limits.header_bytes))
        elif self._state == "body" and self._received > self._most:
            self._refuse(GatewayError("body_too_large", limit=self.limits.body_bytes))
        elif self._wait is None and not self._deaf:
            if self._state == "body":
                self._wait = self.loop.call_later(self._body_s, self._late)
            elif self._state == "header" or self._is_free():
                self._await_header()

    def _take_body(self, data: bytes) -> None:
        body = data[: self._by_hand]
        self._by_hand -= len(body)
        if body:
            self.on_body(body)
        if not self._by_hand:
            self._length = 0
            self.on_message_complete()
            self._end_after_reply()

    def _is_free(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    # What the parser finds ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._is_free():
            # Nobody who is honest sends a request before the last reply; who does is answered once and closed.
            raise self._cannot(GatewayError("bad_request"))
        super().on_message_begin()
        self._state = "header"

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, never a trailer."""
        if self._state != "header":
            raise self._cannot(GatewayError("trailers"))
        if len(self.headers) >= self.limits.header_count:
            raise self._cannot(GatewayError("too_many_headers", limit=self.limits.header_count))
        # As uvicorn does it, without another call for each header.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head can be judged, and the door told."""
        self._check_head()
        self._stop_waiting()
        self._state = "body"
        self._most = self.limits.header_bytes + _RAW_FACTOR * self.limits.body_bytes + _SLACK
        self._body_s = self.limits.body_s
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # ASGI's are mappings; ours is the connection itself
        super().on_headers_complete()
        # Whoever waits to be told may send the body anyway, or never: the connection cannot be used again.
        if self.expect_100_continue or self.arrivals.stopping or self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def _check_head(self) -> None:
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise self._cannot(GatewayError("bad_version"))
        if _TARGET.fullmatch(self.url) is None:
            raise self._cannot(GatewayError("bad_target"))
        size = len(self.url)
        hosts = lengths = encodings = 0
        self._length = 0
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts += 1
                if _HOST.fullmatch(value) is None:
                    raise self._cannot(GatewayError("bad_host"))
            elif name == b"content-length":
                lengths += 1
                if _LENGTH.fullmatch(value) is None:
                    raise self._cannot(GatewayError("bad_framing"))
                self._length = int(value)
            elif name == b"transfer-encoding":
                encodings += 1
                plain = value.lower() == b"chunked" and not self.parser.should_upgrade()
                if not plain or self.parser.get_http_version() != "1.1":
                    raise self._cannot(GatewayError("bad_framing"))
        if size > self.limits.header_bytes:
            raise self._cannot(GatewayError("headers_too_large", limit=self.limits.header_bytes))
        if hosts != 1:
            raise self._cannot(GatewayError("bad_host"))
        if lengths + encodings > 1:
            raise self._cannot(GatewayError("bad_framing"))

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._length and self.parser.should_upgrade():
            self._by_hand = self._length  # Java's client offers HTTP/2 with a body; llhttp leaves that to us
            return
        super().on_message_complete()
        self._state = "idle"
        self._received = 0
        self._stop_waiting()

    def on_response_complete(self) -> None:
        """The reply is whole."""
        super().on_response_complete()
        self.on_lost = None
        if self.transport.is_closing():
            # Closing waits until everything is sent, and a client that takes nothing would keep it waiting.
            if self.transport.get_write_buffer_size() > 0:
                self._watch_writing()
        elif self._deaf or self.arrivals.stopping:
            self.transport.close()

    # What the door asks for -----------------------------------------------------------------------------------------

    def allow_body(self, body_bytes: int, body_s: float) -> None:
        """A route with larger bodies than others: until its end, this request may take so many bytes and seconds."""
        self._most = max(self._most, self.limits.header_bytes + _RAW_FACTOR * body_bytes)
        self._body_s = max(self._body_s, body_s)
        if self._state == "body" and self._wait is not None:
            self._stop_waiting()
            self._wait = self.loop.call_later(self._body_s, self._late)

    # Deadlines ------------------------------------------------------------------------------------------------------

    def _await_header(self) -> None:
        self._wait = self.loop.call_later(self.limits.header_s, self._late)

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _late(self) -> None:
        self._wait = None
        if self.transport.is_closing():
            self.transport.abort()
        elif self._state == "body":
            self._refuse(GatewayError("body_timeout", limit=f"{self._body_s:g}"))
        elif self._received == 0:
            self.transport.close()  # a connection that was opened and never used; browsers do so
        else:
            self._refuse(GatewayError("header_timeout", limit=f"{self.limits.header_s:g}"))

    def pause_writing(self) -> None:
        """The client takes less than is sent."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        self._stop_waiting_to_write()
        super().resume_writing()

    def _watch_writing(self) -> None:
        if self._wait_write is None:
            waiting = self.transport.get_write_buffer_size()
            self._wait_write = self.loop.call_later(self.limits.stalled_s, self._stalled, waiting)

    def _stalled(self, before: int) -> None:
        self._wait_write = None
        if self.transport.get_write_buffer_size() < before:
            self._watch_writing()  # it took something; a slow line is no attack as long as it moves
        else:
            self.transport.abort()

    def _stop_waiting_to_write(self) -> None:
        if self._wait_write is not None:
            self._wait_write.cancel()
            self._wait_write = None

    # Refusals -------------------------------------------------------------------------------------------------------

    def _cannot(self, why: GatewayError) -> _Refused:
        self._why = why
        return _Refused()

    def _end_after_reply(self) -> None:
        """Answer what is being answered, hear nothing further, and close."""
        self._deaf = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _refuse(self, why: GatewayError) -> None:
        """Say why this cannot be read, and end the connection; a reply that is under way is never written into."""
        self._stop_waiting()
        self.arrivals.refused(why.code, self.address)
        self._most = max(self._most, self._received) + self.limits.header_bytes
        if self._state == "body" and self.cycle is not None:
            if self.cycle.response_started:
                self.transport.abort()  # nothing can be written into a reply, nor after one
                return
            # The door waits for the body of this request, and there will be none.
            self.cycle.disconnected = True
            self._say(why)
            self.cycle.message_event.set()
        elif self._is_free():
            self._say(why)
        else:
            self._end_after_reply()  # the request that is being answered was whole

    def _say(self, why: GatewayError) -> None:
        self._deaf = True
        reply = reply_of(why)
        assert isinstance(reply.body, bytes)
        head: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"connection", b"close"),
            *((name, value) for name, value in reply.headers if name != b"connection"),
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
        self.transport.write(STATUS_LINE[reply.status] + lines + b"\r\n" + reply.body)
        self.transport.close()

    @property
    def still_receives(self) -> bool:
        """Whether the client may still be sending what belongs to a request that was begun."""
        return self._state == "body" or self._received > 0

    def linger(self) -> None:
        """Read on for a while, for nothing: until the client has closed, or too much has come."""
        self._deaf = True
        self._most = max(self._most, self._received + self.limits.header_bytes)
        self._stop_waiting()
        self._wait = self.loop.call_later(_LINGER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's own refusal, in our shape."""
        self._refuse(GatewayError("bad_request"))
