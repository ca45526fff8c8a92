"""One writer for many coroutines: what waits while a commit runs goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]


class GroupCommit:
    """
    Commits rows in groups, in the order in which they were given.

    `await write(...)` returns when the row is committed. The database works in a thread, so the event loop goes on;
    one commit at a time, so SQLite has one writer. A failed commit reaches everybody who waited for it, and every
    later write fails at once: nothing is sent that could not be recorded.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[sa.Executable, Row, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @property
    def backlog(self) -> int:
        """Rows that wait for the next commit."""
        return len(self._waiting)

    async def write(self, statement: sa.Executable, row: Row) -> None:
        """Run `statement` with `row`; returns when it is on disk."""
        await self.enqueue(statement, row)

    def enqueue(self, statement: sa.Executable, row: Row) -> asyncio.Future[None]:
        """Like `write`, as a future that the caller may await later."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
            return future
        self._waiting.append((statement, row, future))
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
                await asyncio.to_thread(self._commit, [(statement, row) for statement, row, _ in group])
            except Exception as error:  # noqa: BLE001 - whatever it was, the waiting coroutines must hear of it
                self._failure = error
                for _, _, future in group + self._waiting:
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # heard: a caller that never awaits is told by `drain`
                self._waiting = []
                return
            for _, _, future in group:
                if not future.done():
                    future.set_result(None)

    def _commit(self, rows: Sequence[tuple[sa.Executable, Row]]) -> None:
        with self._engine.begin() as connection:
            start = 0
            while start < len(rows):
                statement = rows[start][0]
                end = start
                while end < len(rows) and rows[end][0] is statement:
                    end += 1
                connection.execute(statement, [dict(row) for _, row in rows[start:end]])
                start = end
