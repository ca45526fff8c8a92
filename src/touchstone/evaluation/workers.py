"""A bounded number of things done at once, their results in the order in which they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Generic[Item, Result]):
    """
    Does `work` for every item it is fed, at most `concurrency` at a time.

    An exception of `work` comes out of `results`, a cancellation from within too; a worker that died silently would
    hang whoever waits.
    """

    def __init__(self, work: Callable[[Item], Awaitable[Result]], concurrency: int) -> None:
        self._work = work
        self._concurrency = concurrency
        self._items: deque[Item] = deque()
        self._results: list[Result] = []
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Items that nobody has begun."""
        return len(self._items)

    @property
    def busy(self) -> bool:
        """Whether anything is being done or waits for it."""
        return bool(self._tasks or self._items)

    def feed(self, items: Iterable[Item]) -> None:
        """More to do."""
        self._items.extend(items)
        self._fill()

    async def results(self) -> list[Result]:
        """All results since the last call, at least one; empty only when nothing is left to do."""
        while not self._results and self._failure is None and self.busy:
            self._ready.clear()
            await self._ready.wait()
        return self.leftover()

    def leftover(self) -> list[Result]:
        """Results that nobody has looked at yet; raises what a worker failed with."""
        if self._failure is not None:
            raise self._failure
        found, self._results = self._results, []
        return found

    def drop_waiting(self) -> None:
        """Begin nothing further; what is being done goes on."""
        self._items.clear()

    async def close(self) -> None:
        """Cancel what is being done and wait until it has ended; may be called twice."""
        self._items.clear()
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        for _ in range(min(len(self._items), self._concurrency - len(self._tasks))):
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def _run(self) -> None:
        while self._items and self._failure is None:
            result = await self._work(self._items.popleft())
            self._results.append(result)
            self._ready.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (task.cancelled() and self._closed):
            self._failure = self._failure or error
        elif not self._closed:
            self._fill()  # more may have been fed after this worker found nothing to do
        self._ready.set()
