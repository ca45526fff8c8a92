"""
What tests of lanes are made of: time that passes at once, failures, and cells that are asked as the journal asks.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from touchstone.errors import (
    AccessDenied,
    ModelError,
    NoReply,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
    Unreachable,
)
from touchstone.evaluation.lane import Lane, LaneClosed, LaneSettings, Send

Result = TypeVar("Result")


class _Impatient(selectors.DefaultSelector):
    """Waits for nothing: time passes at once, and a wait without an end is a mistake."""

    now = 5000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is what its tasks sleep; its clock starts anywhere, like a monotonic one."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.now


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    """The scenario's result, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)


def now() -> float:
    return asyncio.get_running_loop().time()


class Longest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Shortest(random.Random):
    """Always draws the lower end."""

    def uniform(self, a: float, b: float) -> float:
        return a


def lane_of(concurrency: int = 4, *, draws: random.Random | None = None, **fields: Any) -> Lane:
    return Lane(
        "acme",
        concurrency=concurrency,
        clock=asyncio.get_running_loop().time,
        random=draws or Longest(),
        settings=LaneSettings(**fields),
    )


def slow_down(seconds: float | None = None) -> RateLimited:
    return RateLimited("{place}: too many requests for now", place="acme", retry_after_s=seconds)


def broken(seconds: float | None = None) -> ProviderFailed:
    return ProviderFailed("{place}: the provider failed (503)", place="acme", retry_after_s=seconds)


def refused() -> Unreachable:
    return Unreachable("{place}: no connection", place="acme")


def lost() -> NoReply:
    return NoReply("{place}: no complete reply", place="acme")


def penniless() -> OutOfCredit:
    return OutOfCredit("{place}: the account has no credit left; top it up", place="acme")


def denied() -> AccessDenied:
    return AccessDenied("{place}: the key or its rights were not accepted", place="acme/large")


def gone() -> RequestRejected:
    error = RequestRejected("{place}: no such model or address", place="acme/large")
    error.stops_lane = True
    return error


def too_long() -> RequestRejected:
    return RequestRejected("{place}: the request was not accepted (413)", place="acme")


async def goes(lane: Lane, endpoint: str = "small", *, retry: bool = False) -> Send:
    """A send that is let go at once."""
    asked = asyncio.ensure_future(lane.enter(endpoint, retry=retry))
    await settle()
    assert asked.done(), "it has to wait"
    return await asked


async def waits(lane: Lane, endpoint: str = "small", *, retry: bool = False) -> asyncio.Task[Send]:
    """A send that is not let go yet."""
    asked = asyncio.ensure_future(lane.enter(endpoint, retry=retry))
    await settle()
    assert not asked.done(), "it should wait"
    return asked


async def settle() -> None:
    """Whoever can go on now has gone on; no time passes."""
    for _ in range(8):
        await asyncio.sleep(0)


async def meets(lane: Lane, *failures: ModelError | None, endpoint: str = "small") -> None:
    """Sends that are let go at once and end like this, one after the other."""
    for failure in failures:
        lane.leave(await goes(lane, endpoint), failure)


async def closed(lane: Lane, endpoint: str = "small") -> LaneClosed:
    """The refusal that a call meets at once."""
    began = now()
    with pytest.raises(LaneClosed) as caught:
        await lane.enter(endpoint, retry=False)
    assert now() == began
    return caught.value


async def waited_s(asked: Awaitable[Any]) -> float:
    began = now()
    await asked
    return now() - began


@dataclass
class Provider:
    """
    Answers after a while as `says` says, and remembers when it was asked.

    `says` is given the number of the call, from 0, and the seconds since the first.
    """

    says: Callable[[int, float], ModelError | None] = lambda number, seconds: None
    latency_s: float = 1.0
    sends: list[tuple[float, Send]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    most_probes: int = 0
    _probes: int = 0

    async def answer(self, send: Send) -> None:
        failure = self.says(len(self.sends), now() - (self.sends[0][0] if self.sends else now()))
        self.sends.append((now(), send))
        self.in_flight += 1
        self._probes += send.probe
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.most_probes = max(self.most_probes, self._probes)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self.in_flight -= 1
            self._probes -= send.probe
        if failure is not None:
            raise failure


async def cell(lane: Lane, provider: Provider, endpoint: str = "small") -> str:
    """One cell, asked as the journal asks: what became of it."""
    failures = doubtful = 0
    while True:
        try:
            send = await lane.enter(endpoint, retry=failures > 0)
        except LaneClosed as end:
            return end.kind
        try:
            await provider.answer(send)
        except ModelError as error:
            lane.leave(send, error)
            failures += not isinstance(error, RateLimited)
            doubtful += error.maybe_billed
            wait_s = lane.retry_after(error, failures, doubtful)
            if wait_s is None:
                return type(error).__name__
            await asyncio.sleep(wait_s)
        except BaseException:
            lane.abandon(send)
            raise
        else:
            lane.leave(send, None)
            return "answered"


async def cells(lane: Lane, provider: Provider, number: int, tasks: int) -> Counter[str]:
    """What became of so many cells, asked by so many tasks."""
    left = iter(range(number))

    async def work() -> list[str]:
        return [await cell(lane, provider) for _ in left]

    return Counter(end for ends in await asyncio.gather(*(work() for _ in range(tasks))) for end in ends)


async def open_breaker(lane: Lane) -> None:
    """As many retries as the budget has, and one more wanted."""
    await meets(lane, None)
    for _ in range(4):
        if lane.state.breaker == "closed":
            lane.leave(await goes(lane, retry=True), broken())
            assert lane.retry_after(broken(), 2, 0) is not None
    assert lane.state.breaker == "open"
