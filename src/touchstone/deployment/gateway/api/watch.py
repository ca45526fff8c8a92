"""A block that ends when the client goes, so that nobody is asked for an answer that nobody hears (A12)."""

from __future__ import annotations

import asyncio
from types import TracebackType

from touchstone.deployment.gateway.base import ClientGone
from touchstone.deployment.gateway.disconnected import Disconnected


class Watch:
    """
    Cancels what the running task waits for in a `with` block when the client has gone, and raises `ClientGone`.

    Args:
        disconnected: Tells that it has gone.
        drain_s: For how long the block may go on then; None ends it at once.
    """

    __slots__ = ("_before", "_disconnected", "_drain_s", "_loop", "_task", "_timer", "passed")

    def __init__(self, disconnected: Disconnected, drain_s: float | None) -> None:
        self.passed = False
        """Whether the block was ended."""
        self._disconnected = disconnected
        self._drain_s = drain_s
        self._timer: asyncio.Handle | None = None

    def __enter__(self) -> Watch:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._disconnected.call(self._gone)
        return self

    def _gone(self) -> None:
        # By way of the loop: a task that cancels itself is hit at some later wait, not at this one.
        if self._drain_s is None:
            self._timer = self._loop.call_soon(self._end)
        else:
            self._timer = self._loop.call_later(self._drain_s, self._end)

    def _end(self) -> None:
        self.passed = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._disconnected.forget(self._gone)
        if self._timer is not None:
            self._timer.cancel()
        if self.passed:
            # Whoever else cancelled the task, be it at the same moment, is heard.
            alone = self._task.uncancel() <= self._before
            if alone and kind is asyncio.CancelledError:
                raise ClientGone from error
