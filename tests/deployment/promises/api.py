"""Requests that go wrong on purpose, for the promises about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
from tests.deployment.api.house import House, question

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer

LONG = " ".join(f"word{number}" for number in range(60))
"""An answer of many pieces."""


def slow_server(**more: Any) -> FakeServer:
    """A provider whose answers take a second or so, piece by piece."""
    return FakeServer(FakeModel("parrot", reply=LONG), token_s=0.02, **more)


def broken(kind: str, **more: Any) -> Callable[[int, ChatRequest], Fault]:
    """A plan by which every request goes wrong alike."""
    return lambda _number, _asked: Fault(kind=kind, **more)  # type: ignore[arg-type]


async def leave_after(house: House, model: str, pieces: int, *, key: str = "ann", **fields: Any) -> int:
    """A client that reads so many pieces of a stream and goes away; how many bytes it has read."""
    size = 0
    headers = house.head(key, **fields.pop("headers", {}))
    # A connection of its own: closing it is how a client goes away.
    async with aiohttp.ClientSession() as session:
        response = await session.post(
            house.gateway.address + "/v1/chat/completions",
            data=orjson.dumps(question(model, stream=True, **fields)),
            headers=headers,
        )
        assert response.status == 200
        for _ in range(pieces):
            size += len(await response.content.readuntil(b"\n\n"))
        response.close()
    return size


async def give_up_after(house: House, model: str, seconds: float, *, key: str = "ann", **fields: Any) -> None:
    """A client that waits for a whole reply and goes away before it comes."""
    headers = house.head(key, **fields.pop("headers", {}))
    async with aiohttp.ClientSession() as session:
        sent = session.post(
            house.gateway.address + "/v1/chat/completions",
            data=orjson.dumps(question(model, **fields)),
            headers=headers,
        )
        try:
            async with asyncio.timeout(seconds):
                async with sent:
                    raise AssertionError("the reply came too soon")
        except TimeoutError:
            return
