"""
Deadlines of many calls with one timer.

`asyncio.timeout` arms a timer for every call and another at every step of it. Here a deadline is a number, and the one
timer of a `Deadlines` is set anew only when a deadline comes before it, which is seldom: most calls move on long before
they are late.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType


class Deadlines:
    """
    Watches over the calls of one event loop; without calls nothing is left on the loop.

    Args:
        loop: The loop whose clock counts and whose tasks are stopped.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    @property
    def idle(self) -> bool:
        """Whether no call is watched over, and nothing waits on the loop."""
        return not self._running and self._timer is None

    def begin(self, deadline: Deadline) -> None:
        """Watch over a call from here on."""
        self._running.add(deadline)
        self.wake(deadline.at)

    def end(self, deadline: Deadline) -> None:
        """Watch over it no longer."""
        self._running.discard(deadline)
        if not self._running:
            self._sleep()

    def wake(self, at: float) -> None:
        """Look at the calls at this time of the loop's clock, or earlier."""
        if at < self._wakes_at:
            self._sleep()
            self._timer, self._wakes_at = self.loop.call_at(at, self._sweep), at

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = None, math.inf

    def _sweep(self) -> None:
        self._sleep()
        now = self.loop.time()
        waiting = []
        for deadline in self._running:
            if deadline.at > now:
                waiting.append(deadline.at)
            else:
                deadline.pass_by()
        if waiting:
            self.wake(min(waiting))


class Deadline:
    """
    The deadline of what the running task does in a `with` block; the block raises `TimeoutError` when it was late.

    Args:
        deadlines: Who watches.
        seconds: How long the first step may take.
        total_s: How long all steps together may take.

    Attributes:
        at: When the step has to be done, by the loop's clock.
        passed: Whether it was not, and the task was cancelled for it.
    """

    __slots__ = ("_cancelled_before", "_deadlines", "_ends_at", "_task", "at", "passed")

    def __init__(self, deadlines: Deadlines, seconds: float, total_s: float) -> None:
        task = asyncio.current_task(deadlines.loop)
        assert task is not None
        now = deadlines.loop.time()
        self._deadlines = deadlines
        self._task = task
        self._cancelled_before = task.cancelling()
        self._ends_at = now + total_s
        self.at = min(now + seconds, self._ends_at)
        self.passed = False

    def allow(self, seconds: float) -> None:
        """The next step may take this long from now on, never past the end of all steps."""
        self.at = at = min(self._deadlines.loop.time() + seconds, self._ends_at)
        self._deadlines.wake(at)

    def pass_by(self) -> None:
        """Cancel the task, once."""
        if not self.passed:
            self.passed = True
            self._task.cancel()

    @property
    def alone(self) -> bool:
        """Whether it passed and nobody else has cancelled the task, so that the cancellation is ours to end."""
        return self.passed and self._task.cancelling() <= self._cancelled_before + 1

    def __enter__(self) -> Deadline:
        self._deadlines.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        alone = self.alone
        if self.passed:
            self._task.uncancel()
        # Whoever else cancelled the task, be it at the same moment, is heard.
        if alone and kind is asyncio.CancelledError:
            raise TimeoutError from error
