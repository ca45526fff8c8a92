"""One timer for the deadlines of many calls, on a loop whose clock jumps instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.models.deadlines import Deadline, Deadlines


class Jumping(asyncio.SelectorEventLoop):
    """A loop that never waits for a timer: its clock jumps to it. It remembers the timers it was given."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[asyncio.TimerHandle] = []
        super().__init__(_Impatient(self))

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **context: Any) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, **context)
        self.timers.append(timer)
        return timer

    def armed(self) -> int:
        """Timers that are still to come."""
        return sum(not timer.cancelled() and timer.when() > self.now for timer in self.timers)


class _Impatient(selectors.SelectSelector):
    def __init__(self, loop: Jumping) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "the loop would wait for ever"
            self.loop.now += timeout
        return ready


def run(main: Callable[[Jumping, Deadlines], Coroutine[Any, Any, Any]]) -> Any:
    """What a coroutine returns on such a loop; afterwards no timer and no task may be left."""
    with asyncio.Runner(loop_factory=Jumping) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Jumping)
        found = runner.run(main(loop, Deadlines(loop)))
        assert loop.armed() == 0
        assert asyncio.all_tasks(loop) == set()
        return found


Steps = Sequence[tuple[int, int]]
"""(seconds allowed, seconds taken) of each step of a call; the sums never meet, so that nothing is a tie."""


async def call(loop: Jumping, deadlines: Deadlines, begins: int, steps: Steps, total: int) -> tuple[str, float]:
    """How a call of these steps ended, and when."""
    await asyncio.sleep(begins)
    try:
        with Deadline(deadlines, steps[0][0] + 0.5, total + 0.25) as deadline:
            for allowed, taken in steps:
                deadline.allow(allowed + 0.5)
                await asyncio.sleep(taken)
    except TimeoutError:
        return "late", loop.now
    return "done", loop.now


def expected(begins: int, steps: Steps, total: int) -> tuple[str, float]:
    now = begun = 1000.0 + begins
    for allowed, taken in steps:
        ends = min(now + allowed + 0.5, begun + total + 0.25)
        if now + taken > ends:
            return "late", ends
        now += taken
    return "done", now


seconds = st.integers(0, 12)
calls = st.tuples(seconds, st.lists(st.tuples(seconds, seconds), min_size=1, max_size=3), st.integers(0, 30))


@given(st.lists(calls, min_size=1, max_size=12))
def test_every_call_ends_at_its_own_deadline_and_at_no_other(given: list[tuple[int, Steps, int]]) -> None:
    """Of many calls at once each is stopped at the very moment that its own steps and total say, or not at all."""

    async def main(loop: Jumping, deadlines: Deadlines) -> list[tuple[str, float]]:
        return await asyncio.gather(*[call(loop, deadlines, *one) for one in given])

    assert run(main) == [expected(*one) for one in given]


def test_a_thousand_calls_that_are_in_time_share_one_timer() -> None:
    """The timer is set when the first call begins and not again for those that are allowed more."""

    async def main(loop: Jumping, deadlines: Deadlines) -> int:
        async def one() -> None:
            with Deadline(deadlines, 10, 600) as deadline:
                await asyncio.sleep(0)
                deadline.allow(120)
                await asyncio.sleep(0)
                deadline.allow(60)

        await asyncio.gather(*[one() for _ in range(1000)])
        return len(loop.timers)

    assert run(main) == 1


def test_without_calls_nothing_is_left_on_the_loop() -> None:
    """When the last call has ended, however it did, the timer is gone."""

    async def main(loop: Jumping, deadlines: Deadlines) -> list[int]:
        found = []
        for _ in range(3):
            with Deadline(deadlines, 10, 600):
                found.append(loop.armed())
            found.append(loop.armed())
        with pytest.raises(KeyError), Deadline(deadlines, 10, 600):
            raise KeyError
        found.append(loop.armed())
        with pytest.raises(TimeoutError), Deadline(deadlines, 10, 600):
            await asyncio.get_running_loop().create_future()
        found.append(loop.armed())
        return found

    assert run(main) == [1, 0, 1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_cancellation_by_the_caller_at_the_same_moment_is_heard(ours_first: bool) -> None:
    """Who stops a run stops its calls, also one that is late just then."""

    async def main(loop: Jumping, deadlines: Deadlines) -> tuple[bool, bool]:
        begun: list[Deadline] = []

        async def one() -> None:
            with Deadline(deadlines, 10, 600) as deadline:
                begun.append(deadline)
                await loop.create_future()

        task = asyncio.create_task(one())
        await asyncio.sleep(0)
        for stop in [begun[0].pass_by, task.cancel] if ours_first else [task.cancel, begun[0].pass_by]:
            stop()
        assert not begun[0].alone
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled(), begun[0].passed

    assert run(main) == (True, True)


def test_a_cancellation_by_the_caller_before_the_deadline_is_no_lateness() -> None:
    """A cancelled call raises what it was cancelled with, and its task is cancelled."""

    async def main(loop: Jumping, deadlines: Deadlines) -> bool:
        async def one() -> None:
            with Deadline(deadlines, 10, 600):
                await loop.create_future()

        task = asyncio.create_task(one())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run(main)


def test_a_late_call_leaves_its_task_able_to_go_on() -> None:
    """The cancellation was the deadline's: afterwards the task counts none, and a limit around it does not fire."""

    async def main(loop: Jumping, deadlines: Deadlines) -> tuple[int, float]:
        async with asyncio.timeout(100):
            for _ in range(3):
                with pytest.raises(TimeoutError), Deadline(deadlines, 10, 600):
                    await loop.create_future()
            await asyncio.sleep(5)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling(), loop.now

    assert run(main) == (0, 1035.0)


def test_a_call_within_a_task_that_is_being_cancelled_still_has_its_deadline() -> None:
    """Cleaning up after a cancellation may ask something itself; being late there is being late."""

    async def main(loop: Jumping, deadlines: Deadlines) -> str:
        async def one() -> str:
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                try:
                    with Deadline(deadlines, 10, 600):
                        await loop.create_future()
                except TimeoutError:
                    return "late"
            return "never"

        task = asyncio.create_task(one())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert run(main) == "late"


def test_a_call_that_will_not_stop_is_told_once() -> None:
    """A late task that goes on regardless is not cancelled again and again, and its own result stands."""

    async def main(loop: Jumping, deadlines: Deadlines) -> tuple[int, int]:
        told = 0
        with Deadline(deadlines, 10, 600) as deadline:
            for _ in range(5):
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    told += 1
                deadline.allow(10)
        task = asyncio.current_task()
        assert task is not None
        return told, task.cancelling()

    assert run(main) == (1, 0)
