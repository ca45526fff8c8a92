"""What workers promise: never more at once than allowed, nothing lost, and no silent death."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.workers import Workers


class Busy:
    """Counts how much is done at once; ends when it is told to, or after some turns of the loop."""

    def __init__(self, turns: int = 3) -> None:
        self.turns = turns
        self.now = self.most = 0
        self.begun: list[int] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, item: int) -> int:
        self.begun.append(item)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.gate is not None:
                await self.gate.wait()
            for _ in range(self.turns):
                await asyncio.sleep(0)
        finally:
            self.now -= 1
        return -item


async def everything(workers: Workers[int, int]) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(60):
        while workers.busy:
            found += await workers.results()
    return found


@given(items=st.lists(st.integers(1, 99), max_size=40), concurrency=st.integers(1, 9), turns=st.integers(0, 3))
def test_everything_fed_is_done_once_and_no_more_at_once_than_allowed(
    items: list[int], concurrency: int, turns: int
) -> None:
    """Whatever the concurrency, and all of it is used where there is enough to do."""

    async def scenario() -> None:
        work = Busy(turns)
        workers = Workers(work, concurrency)
        workers.feed(items)

        assert sorted(await everything(workers)) == sorted(-item for item in items)
        assert work.most == min(concurrency, len(items)) or turns == 0
        assert work.most <= concurrency
        assert work.begun == items
        assert workers.waiting == 0

    asyncio.run(scenario())


@given(feeds=st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=12), concurrency=st.integers(1, 4))
def test_what_is_fed_later_is_done_as_well(feeds: list[list[int]], concurrency: int) -> None:
    """At any moment: while everybody works, and right when the last of them has nothing left to do."""

    async def scenario() -> None:
        workers = Workers(Busy(turns=0), concurrency)
        found: list[int] = []
        async with asyncio.timeout(60):
            for items in feeds:
                workers.feed(items)
                found += await workers.results()
        found += await everything(workers)
        assert sorted(found) == sorted(-item for items in feeds for item in items)

    asyncio.run(scenario())


async def test_results_come_in_the_order_in_which_they_end() -> None:
    """A slow one holds up nobody."""
    gates = [asyncio.Event() for _ in range(3)]

    async def work(item: int) -> int:
        await gates[item].wait()
        return item

    workers = Workers(work, 3)
    workers.feed(range(3))
    for item in (2, 0, 1):
        gates[item].set()
        async with asyncio.timeout(60):
            assert await workers.results() == [item]
    assert await workers.results() == []
    assert not workers.busy


async def test_a_result_is_there_before_its_worker_has_ended() -> None:
    """While the same worker does the next item already."""
    gate = asyncio.Event()

    async def work(item: int) -> int:
        if item:
            await gate.wait()
        return item

    workers = Workers(work, 1)
    workers.feed(range(2))
    async with asyncio.timeout(60):
        assert await workers.results() == [0]
        assert workers.busy
        gate.set()
        assert await workers.results() == [1]


async def test_without_anything_to_do_there_are_no_results() -> None:
    """`results` returns at once instead of waiting for what nobody does."""
    workers = Workers(Busy(), 4)
    async with asyncio.timeout(60):
        assert await workers.results() == []
    assert not workers.busy


async def refuses(item: int) -> int:
    raise RuntimeError(f"item {item} is broken")


async def cancels_itself(item: int) -> int:
    raise asyncio.CancelledError


async def dies(item: int) -> int:
    raise KeyError(item)


@pytest.mark.parametrize(
    ("work", "kind"), [(refuses, RuntimeError), (dies, KeyError), (cancels_itself, asyncio.CancelledError)]
)
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_an_exception_comes_out(
    work: Callable[[int], Awaitable[int]], kind: type[BaseException], concurrency: int
) -> None:
    """Of `results` and of `leftover`, however often one asks; a cancellation from within too, and nothing hangs."""
    workers = Workers(work, concurrency)
    workers.feed(range(50))
    async with asyncio.timeout(60):
        for _ in range(2):
            with pytest.raises(kind):
                await workers.results()
    with pytest.raises(kind):
        workers.leftover()
    await workers.close()
    assert not workers.busy


async def test_after_an_exception_nothing_further_is_begun() -> None:
    """But for what the others take up in the same moment."""
    begun: list[int] = []

    async def work(item: int) -> int:
        begun.append(item)
        await asyncio.sleep(0)
        if item == 3:
            raise RuntimeError
        return item

    workers = Workers(work, 2)
    workers.feed(range(50))
    with pytest.raises(RuntimeError):
        await everything(workers)
    await asyncio.sleep(0.01)
    assert len(begun) < 10
    await workers.close()


async def test_what_waits_can_be_dropped() -> None:
    """Nothing further is begun; what is being done ends as it would have."""
    work = Busy()
    work.gate = asyncio.Event()
    workers = Workers(work, 2)
    workers.feed(range(1, 10))
    await asyncio.sleep(0)
    assert workers.waiting == 7
    workers.drop_waiting()
    work.gate.set()

    assert sorted(await everything(workers)) == [-2, -1]
    assert work.begun == [1, 2]


async def test_closing_cancels_what_is_being_done_and_waits_for_its_end() -> None:
    """No task is left behind, each had its `finally`, and closing twice is closing once."""
    before = asyncio.all_tasks()
    work = Busy()
    work.gate = asyncio.Event()
    workers = Workers(work, 3)
    workers.feed(range(1, 10))
    await asyncio.sleep(0)
    assert work.now == 3
    for _ in range(2):
        await workers.close()

    assert work.now == 0
    assert not workers.busy
    assert workers.leftover() == []
    assert asyncio.all_tasks() == before


async def test_closing_keeps_what_had_ended() -> None:
    """A result that nobody had looked at yet is still there."""
    work = Busy(turns=0)
    workers = Workers(work, 1)
    workers.feed([1])
    while workers.busy:
        await asyncio.sleep(0)
    await workers.close()

    assert workers.leftover() == [-1]
    assert workers.leftover() == []
