"""One writer for many coroutines: what waits while a commit runs goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from touchstone.storage.database import begin_write

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """
    Commits items in groups, in the order in which they were given.

    `await write(...)` returns when the item is committed, with what was said of it. The database works in a thread, so
    the event loop goes on; one commit at a time, so SQLite has one writer. A failed commit reaches everybody who waited
    for it, and every later write fails at once: nothing is sent that could not be recorded.

    Args:
        engine: The database.
        apply: Writes a group within a transaction; returns one result per item.
    """

    def __init__(self, engine: sa.Engine, apply: Callable[[sa.Connection, Sequence[Item]], Sequence[Any]]) -> None:
        self._engine = engine
        self._apply = apply
        self._waiting: list[tuple[Item, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @property
    def backlog(self) -> int:
        """Items that wait for the next commit."""
        return len(self._waiting)

    async def write(self, item: Item) -> Any:
        """Returns what was said of the item when it is on disk."""
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> asyncio.Future[Any]:
        """Like `write`, as a future that the caller may await later."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
            future.exception()  # heard: a caller that never awaits is told by `drain`
            return future
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return future

    async def drain(self) -> None:
        """Returns when everything given so far is committed; raises what made a commit fail."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)
        if self._failure is not None:
            raise self._failure

    async def _run(self) -> None:
        while self._waiting:
            # Let every coroutine that is ready add its row to this group.
            await asyncio.sleep(0)
            group, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._commit, [item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - whatever it was, the waiting coroutines must hear of it
                self._failure = error
                for _, future in group + self._waiting:
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # heard: a caller that never awaits is told by `drain`
                self._waiting = []
                return
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _commit(self, items: Sequence[Item]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            # What is read before it is changed must not be overtaken by another writer.
            begin_write(connection)
            results = self._apply(connection, items)
            connection.commit()
        return results
