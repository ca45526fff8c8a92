"""A client that takes little itself: raw connections, each with one request under way."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST = b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """Sends a request and waits for the whole reply."""

    def __init__(self) -> None:
        self._waiting = b""
        self._done: asyncio.Future[bytes] | None = None
        self._total = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where requests go."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own are none by class

    def data_received(self, data: bytes) -> None:
        """Look whether the reply is whole."""
        self._waiting += data
        if not self._total:
            end = self._waiting.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._waiting, 0, end + 2)
            self._total = end + 4 + int(length[1]) if length else -1
        whole = len(self._waiting) >= self._total if self._total > 0 else data.endswith(_LAST)
        if whole and self._done is not None and not self._done.done():
            self._done.set_result(self._waiting)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody will answer."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the connection was closed"))

    async def ask(self, request: bytes) -> bytes:
        """One request and its reply, as bytes."""
        self._waiting, self._total = b"", 0
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._done


def request_of(port: int, secret: str, *, stream: bool, max_tokens: int = 64) -> bytes:
    """A chat request, as bytes."""
    text = "Which of these is the capital of France? (A) Lyon (B) Paris (C) Nice (D) Lille. Answer with one letter."
    body = (
        b'{"model":"bench","messages":[{"role":"system","content":"You answer multiple choice questions."},'
        b'{"role":"user","content":"'
        + text.encode()
        + b'"}],"max_tokens":%d' % max_tokens
        + (b',"stream":true' if stream else b"")
    ) + b"}"
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nUser-Agent: bench\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n"
        % (port, secret.encode(), len(body))
    ) + body


async def connect(port: int) -> Connection:
    """A new connection."""
    _transport, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def load(port: int, request: bytes, *, requests: int, at_once: int) -> float:
    """Ask so often, with so many under way; returns the seconds that it took. Raises `RuntimeError` for a refusal."""
    numbers: Iterator[int] = iter(range(requests))

    async def client() -> None:
        connection = await connect(port)
        for _ in numbers:
            reply = await connection.ask(request)
            if not reply.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(reply[:1000].decode("latin-1"))
        connection.transport.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return time.perf_counter() - started


async def latencies(ports: dict[str, tuple[int, bytes]], *, requests: int, per_second: float) -> dict[str, list[float]]:
    """Seconds per request at a steady rate, one place after the other in turn, so that all see the same machine."""
    connections = {name: await connect(port) for name, (port, _request) in ports.items()}
    found: dict[str, list[float]] = {name: [] for name in ports}
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(requests + 5):
        for name, (_port, request) in ports.items():
            due += 1 / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
            started = time.perf_counter()
            await connections[name].ask(request)
            if number >= 5:  # the first ones open connections
                found[name].append(time.perf_counter() - started)
    for connection in connections.values():
        connection.transport.close()
    return found
