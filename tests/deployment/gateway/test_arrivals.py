"""The transport that connections write to: what goes out together, and that nothing is kept back for long."""

from __future__ import annotations

import asyncio
from typing import Any

from touchstone.deployment.gateway.arrivals import Line

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Written:
    """A transport that remembers each write."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.calls.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Owner:
    """Somebody who receives nothing further."""

    still_receives = False

    def linger(self) -> None:
        raise AssertionError


def line() -> tuple[Line, Written]:
    """A line and what it writes to."""
    written = Written()
    return Line(written, Owner()), written  # type: ignore[arg-type]  # all of it that is used


async def test_a_head_and_its_body_are_one_write() -> None:
    """A short reply is one call of the system, in its order; what comes later is written at once."""
    found, written = line()
    found.write(HEAD)
    found.write(b"{}")
    found.write(b"more")
    await asyncio.sleep(0)
    assert written.calls == [HEAD + b"{}", b"more"]


async def test_a_head_alone_waits_for_a_turn_of_the_loop() -> None:
    """A stream whose first words are far shows its head meanwhile."""
    found, written = line()
    found.write(HEAD)
    assert written.calls == []
    await asyncio.sleep(0)
    assert written.calls == [HEAD]


async def test_closing_writes_the_head_first() -> None:
    """What was said before the end is said."""
    found, written = line()
    found.write(HEAD)
    found.close()
    await asyncio.sleep(0)
    assert written.calls == [HEAD]
    assert written.closed


async def test_a_long_body_is_not_copied() -> None:
    """Joining large bodies would cost more than a call."""
    found, written = line()
    body = bytes(1 << 20)
    found.write(HEAD)
    found.write(body)
    assert written.calls == [HEAD, body]
    assert written.calls[1] is body
