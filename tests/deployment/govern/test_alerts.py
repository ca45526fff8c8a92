"""Alerts: half, four fifths, all of a budget, each once in a window, and where they are sent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.deployment.govern.books import DAY_S, Books, a_key

from touchstone.deployment.govern.alerts import Alarm, Alert, told
from touchstone.errors import SettingsError

ALERT = Alert(3, 20000, 80, 8.0, 10.0, "2026-11-27T12:00:00.000+00:00")


async def test_each_share_is_told_once(books: Books) -> None:
    """In the order in which it is reached; those that one request passes together are told together."""
    key = a_key(cap_usd=1.0, window="day")
    for _ in range(10):
        await books.ask(key, 0.1, 0.1)

    assert [(alert.percent, round(alert.spent_usd, 6)) for alert in books.alerts] == [(50, 0.5), (80, 0.8), (100, 1.0)]
    books.clock.at_s += DAY_S
    await books.ask(key, 1.0, 0.9)
    assert [alert.percent for alert in books.alerts][3:] == [50, 80]


async def test_a_restart_says_nothing_again(books: Books) -> None:
    """What was told stands in the store."""
    key = a_key(cap_usd=1.0)
    await books.ask(key, 0.6, 0.6)
    books.meter = books.another()
    await books.ask(key, 0.1, 0.1)
    await books.ask(key, 0.1, 0.1)

    assert [alert.percent for alert in books.alerts] == [50, 80]
    assert [alert.percent for alert in told(books.engine, key=1)] == [80, 50]
    assert list(told(books.engine, key=2)) == []


async def test_money_that_is_only_held_is_no_alert(books: Books) -> None:
    """It may come back."""
    await books.open(a_key(cap_usd=1.0), 0.9)

    assert books.alerts == []


class Receiver:
    """A receiver of webhooks on this machine, on a real socket."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.reply = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        self.bodies.append(await reader.readexactly(int(length)))
        writer.write(self.reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/1?token=abc"
    server.close()
    await server.wait_closed()


async def test_an_alert_is_logged_and_sent(receiver: tuple[Receiver, str], caplog: pytest.LogCaptureFixture) -> None:
    """One JSON object with a sentence for chat programs and the numbers for others."""
    place, url = receiver
    alarm = Alarm(url)
    with caplog.at_level(logging.WARNING, "touchstone.alerts"):
        alarm(ALERT)
        await alarm.close()

    [body] = [json.loads(body) for body in place.bodies]
    assert (body["key"], body["percent"], body["spent_usd"], body["cap_usd"]) == (3, 80, 8.0, 10.0)
    assert "80 %" in body["text"]
    assert caplog.messages == ["key 3 has spent 80 % of its budget: 8.0000 of 10.0000 USD"]


@pytest.mark.parametrize(
    ("reply", "lines"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", 2),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 2),
        (b"", 2),
    ],
)
async def test_a_receiver_that_fails_harms_nothing(
    receiver: tuple[Receiver, str], caplog: pytest.LogCaptureFixture, reply: bytes, lines: int
) -> None:
    """The log says that it could not be sent, without the address, whose path may be a secret; 204 is a success."""
    place, url = receiver
    place.reply = reply
    alarm = Alarm(url)
    with caplog.at_level(logging.WARNING, "touchstone.alerts"):
        alarm(ALERT)
        await alarm.close()

    assert len(caplog.messages) == lines
    assert "abc" not in caplog.text


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "https://user:word@host/x"])
def test_an_address_that_cannot_be_used_is_told_at_the_start(url: str) -> None:
    """Not when the first alert is lost."""
    with pytest.raises(SettingsError):
        Alarm(url)
