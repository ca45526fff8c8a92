"""What `protocol.py` relies on of uvicorn's inside; a new uvicorn that turns one of these red wants a look at it."""

from __future__ import annotations

import asyncio
import inspect

import httptools
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

CALLED = (
    "connection_made", "connection_lost", "data_received", "on_message_begin", "on_header", "on_headers_complete",
    "on_body", "on_message_complete", "on_response_complete", "pause_writing", "resume_writing", "shutdown",
    "send_400_response", "_unset_keepalive_if_required",
)  # fmt: skip


async def _app(scope: object, receive: object, send: object) -> None:
    raise AssertionError


def protocol() -> HttpToolsProtocol:
    config = Config(_app, ws="none", lifespan="off", log_config=None, http=HttpToolsProtocol, timeout_keep_alive=1)
    config.load()
    return HttpToolsProtocol(config, ServerState(), {}, asyncio.new_event_loop())


def test_what_is_overridden_is_there() -> None:
    """Every method that is overridden or called exists, with the parameters that it is called with."""
    for name in CALLED:
        assert callable(getattr(HttpToolsProtocol, name)), name
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters)[1:4] == [
        "config", "server_state", "app_state",
    ]  # fmt: skip
    assert list(inspect.signature(HttpToolsProtocol.on_header).parameters) == ["self", "name", "value"]
    assert STATUS_LINE[400] == b"HTTP/1.1 400 Bad Request\r\n"


def test_the_state_of_a_connection_is_where_it_is_looked_for() -> None:
    """The attributes of a protocol and of a request's cycle that are read or set."""
    found = protocol()
    for name in ("parser", "transport", "cycle", "headers", "scope", "client", "server_state", "loop", "flow"):
        assert hasattr(found, name), name
    assert found.cycle is None
    found.on_message_begin()
    assert found.url == b""
    written = inspect.getsource(RequestResponseCycle.__init__)
    for name in ("disconnected", "keep_alive", "response_started", "response_complete", "message_event"):
        assert f"self.{name} = " in written, name
    state = ServerState()
    assert state.connections == set()
    assert state.tasks == set()
    assert state.default_headers == []
    found.loop.close()


def test_a_cycle_ends_as_it_is_expected_to() -> None:
    """`disconnected` makes `receive` tell so and `send` do nothing; `keep_alive` closes; then the protocol is told."""
    receive, send = inspect.getsource(RequestResponseCycle.receive), inspect.getsource(RequestResponseCycle.send)
    assert "if self.disconnected or self.response_complete:" in receive
    assert 'return {"type": "http.disconnect"}' in receive
    assert "await self.message_event.wait()" in receive
    assert "if self.disconnected:\n            return" in send
    assert (
        "if not self.keep_alive:\n                    self.transport.close()\n                self.on_response()"
        in send
    )
    assert "on_response=self.on_response_complete" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.cycle.disconnected = True" in inspect.getsource(HttpToolsProtocol.connection_lost)


def test_the_scope_has_the_path_as_it_came() -> None:
    """The headers are names in small letters, and `raw_path` is not decoded (R6)."""
    written = inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert 'self.scope["raw_path"] = full_raw_path' in written
    assert "raw_path = parsed_url.path" in written
    assert "name = name.lower()" in inspect.getsource(HttpToolsProtocol.on_header)


class Heard:
    """What the parser calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def on_message_begin(self) -> None:
        self.calls.append("begin")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.calls.append(name)

    def on_headers_complete(self) -> None:
        self.calls.append("head")

    def on_message_complete(self) -> None:
        self.calls.append("complete")


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n",
    ],
)
def test_the_parser_refuses_what_is_left_to_it(raw: bytes) -> None:
    """Llhttp without leniencies refuses lengths, chunks and line ends that can be read in two ways."""
    parser = httptools.HttpRequestParser(Heard())
    with pytest.raises(httptools.HttpParserError):
        parser.feed_data(raw)


def test_a_body_with_an_offer_of_another_protocol_is_left_to_us() -> None:
    """The parser ends such a request at its headers and says where; the body is taken by hand from there."""
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    head = b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as offer:
        parser.feed_data(head + b"abc")
    assert offer.value.args[0] == len(head)
    assert heard.calls[-1] == "complete"
    assert parser.should_upgrade()


def test_trailers_come_as_headers_after_the_head() -> None:
    """The parser reports trailers like headers: this is how they are told apart and refused."""
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n")
    assert heard.calls == ["begin", b"Transfer-Encoding", "head", b"X", "complete"]
