"""Requests on aiohttp's connections without its session: what a server may send, and what of that is not taken."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from touchstone.errors import ModelError, NoReply, ProviderFailed
from touchstone.models.exchange import Exchange, Replies
from touchstone.models.openai_compatible import OpenAICompatible

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """Answers each request with the next bytes of a list; None closes the connection instead."""

    def __init__(self, *replies: bytes | None, closes: bool = False) -> None:
        self.replies = list(replies)
        self.closes = closes
        self.requests: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                self.requests.append(head + await reader.readexactly(int(length.split(b":")[1])))
                reply = self.replies.pop(0) if self.replies else GOOD
                if reply is not None:
                    writer.write(reply)
                    await writer.drain()
                if reply is None or self.closes:
                    self.closes = False
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@asynccontextmanager
async def asked(server: Server, **parameters: Any) -> AsyncIterator[OpenAICompatible]:
    """A model that asks the server."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    model = OpenAICompatible("m", f"http://127.0.0.1:{port}/v1", **parameters)
    try:
        yield model
    finally:
        await model.close()
        listening.close()


async def body_of(model: OpenAICompatible) -> bytes:
    """What the server answers."""
    return (await model.relay().ask("/chat/completions", b'{"a":1}')).body


async def test_requests_share_a_connection_and_have_one_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is one request line, each header once, and the body; the next one goes over the same connection."""
    monkeypatch.setenv("SOME_KEY", "sk-abc")
    server = Server()
    async with asked(server, key_env="SOME_KEY") as model:
        assert [await body_of(model) for _ in range(3)] == [b"{}"] * 3
    assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == b"POST /v1/chat/completions HTTP/1.1"
    assert body == b'{"a":1}'
    named = {one.split(b": ")[0].lower(): one.split(b": ")[1] for one in headers}
    assert sorted(named) == sorted(one.split(b": ")[0].lower() for one in headers)
    assert named.pop(b"host").startswith(b"127.0.0.1:")
    assert named == {
        b"content-type": b"application/json", b"accept": b"application/json", b"accept-encoding": b"identity",
        b"user-agent": b"touchstone", b"authorization": b"Bearer sk-abc", b"content-length": b"7",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "body", "connections"),
    [
        (GOOD, b"{}", 1),
        (CHUNKED + b"2\r\n{}\r\n3;a=b\r\nabc\r\n0\r\nContent-Type: x\r\n\r\n", b"{}abc", 1),
        (b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + GOOD, b"{}", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", 1),
        (GOOD.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), b"{}", 2),
        (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"), b"{}", 2),
    ],
    ids=["length", "chunks", "words in between", "204", "empty", "last", "old"],
)
async def test_a_good_reply_is_read_to_its_end(reply: bytes, body: bytes, connections: int) -> None:
    """By length or in chunks, with words before it and trailers after it; a connection that may last is used again."""
    server = Server(reply)
    async with asked(server) as model:
        assert await body_of(model) == body
        assert await body_of(model) == b"{}"
    assert server.connections == connections


async def test_a_reply_may_end_with_its_connection() -> None:
    """Where neither a length nor chunks were announced, closing is the end."""
    async with asked(Server(b"HTTP/1.1 200 OK\r\n\r\nsome text", closes=True)) as model:
        assert await body_of(model) == b"some text"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", ProviderFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", ProviderFailed),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"{}", ProviderFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}", ProviderFailed),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", ModelError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, ProviderFailed),
        (CHUNKED + b"zz\r\n{}\r\n", NoReply),
        (None, NoReply),
    ],
    ids=["no HTTP", "two lengths", "length and chunks", "packed", "upgrade", "long head", "bad chunk", "closed"],
)
async def test_a_bad_reply_is_refused(reply: bytes | None, error: type[Exception]) -> None:
    """What can be read in two ways is not read, and its connection is not used again."""
    server = Server(reply)
    async with asked(server, first_byte_s=5.0) as model:
        with pytest.raises(error):
            await body_of(model)
        assert await body_of(model) == b"{}"
    assert server.connections == 2


@pytest.mark.parametrize("begun", [GOOD[:-1], CHUNKED + b"2\r\n{}\r\n"], ids=["length", "chunks"])
async def test_a_reply_that_was_cut_is_none(begun: bytes) -> None:
    """A connection that ends before the announced end is no end."""
    async with asked(Server(begun, closes=True)) as model:
        with pytest.raises(NoReply):
            await body_of(model)


@pytest.mark.parametrize("more", [GOOD, b"x"], ids=["a reply", "a letter"])
async def test_what_comes_after_a_reply_is_nobodys(more: bytes) -> None:
    """Bytes behind a reply, at once or later, are never the answer to the next request."""
    server = Server(GOOD + more)
    async with asked(server) as model:
        assert await body_of(model) == b"{}"
        assert await body_of(model) == b"{}"
        assert server.connections == 2
        server.writers[-1].write(more)
        await asyncio.sleep(0.05)
        assert await body_of(model) == b"{}"
    assert server.connections == 3


async def test_a_proxy_is_asked_by_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far address behind a proxy is none that a connection leads to: the request goes to the proxy, in full."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    model = OpenAICompatible("m", "http://models.example/v1")
    assert await body_of(model) == b"{}"
    await model.close()
    listening.close()
    assert server.requests[0].startswith(b"POST http://models.example/v1/chat/completions HTTP/1.1\r\n")


async def test_a_server_waits_for_a_slow_reader() -> None:
    """What nobody has read yet stays with the server, apart from what fits into the buffers of the system."""
    size = 64 << 20
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    async with asked(server, max_reply_bytes=size) as model:
        stream = await model.relay().open("/chat/completions", b"{}")
        await asyncio.sleep(0.3)
        assert server.writers[0].transport.get_write_buffer_size() > size // 2
        assert sum([len(piece) async for piece in stream]) == size
        await stream.close()


class _Kept:
    """A connection that only counts."""

    transport = None

    def __init__(self) -> None:
        self.said: list[str] = []

    def release(self) -> None:
        self.said.append("release")

    def close(self) -> None:
        self.said.append("close")


async def _fed(pieces: Sequence[bytes]) -> bytes:
    address = URL("http://a/")
    about = aiohttp.RequestInfo(address, "POST", CIMultiDictProxy(CIMultiDict()), address)
    exchange = Exchange(_Kept(), about, asyncio.get_running_loop())  # type: ignore[arg-type]  # all of it that is used
    for piece in pieces:
        assert exchange.feed(piece)
    await exchange.head()
    found = b""
    while more := await exchange.readany():
        found += more
    return found


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.data())
def test_how_bytes_arrive_does_not_matter(chunks: list[bytes], data: st.DataObject) -> None:
    """A reply in chunks says the same however the network cuts it."""
    raw = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=8)))
    pieces = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert asyncio.run(_fed(pieces)) == b"".join(chunks)


def test_what_is_used_of_aiohttp_is_there() -> None:
    """A new aiohttp that turns this red wants a look at `exchange.py`."""
    assert list(inspect.signature(aiohttp.BaseConnector.connect).parameters) == ["self", "req", "traces", "timeout"]
    written = inspect.getsource(aiohttp.connector)
    assert "self._factory = functools.partial(ResponseHandler" in written
    assert "self._factory,\n" in written
    for name in ("transport", "should_close", "closed", "is_connected", "close", "abort"):
        assert hasattr(Replies, name) or name == "transport", name
        assert hasattr(ResponseHandler, name) or name == "transport", name
    used = {one.split("(")[0].split(",")[0].strip() for one in written.split("proto.")[1:]}
    assert {name for name in used if name.isidentifier()} <= {
        "close", "abort", "closed", "transport", "is_connected", "should_close", "connection_made",
    }  # fmt: skip
