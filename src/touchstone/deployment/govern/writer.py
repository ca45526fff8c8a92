"""
The gateway's one writer: what requests write meanwhile goes into the next transaction.

Like `evaluation/group_commit.py`, with two differences that a process needs which serves for months. It commits on the
event loop's own thread where the store is an SQLite file and nobody else writes: a commit in WAL mode without a sync
takes microseconds, while a thread would have to win Python's lock back from the busy loop at every statement. And it
gets over a failed commit: a full disk refuses requests until there is room, and what must not be lost waits for it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from touchstone.errors import StoreError
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.database import begin_write

_PAGES = 4_000
"""About so many pages (16 MiB) go into the log before they are brought into the file, whatever else is to do."""
_CALM_S = 1.0
"""Bring them over after so long anyway: that syncs the disk, so a power cut loses no more than this."""
_AGAIN_S = 0.5
"""How soon a commit that failed is tried again."""


class Work(Protocol):
    """Knows how to write one kind of items."""

    def apply(self, connection: sa.Connection, items: Sequence[Any]) -> Sequence[Any]:
        """Write them within a transaction, which may yet fail and be run again; one result for each."""
        ...

    def committed(self) -> None:
        """Called on the event loop when what was applied last is committed."""
        ...

    def unheard(self, item: Any, result: Any) -> None:
        """Called on the event loop when an item is committed and whoever waited for it has been cancelled."""
        ...


class _Waiting(NamedTuple):
    work: Work
    item: Any
    future: asyncio.Future[Any]
    must: bool


class Writer:
    """
    Commits items in groups, in the order in which they were given, each kind together.

    Args:
        engine: The store. On SQLite one connection of it is kept, with `synchronous=NORMAL`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._waiting: list[_Waiting] = []
        self._alone: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._calm: asyncio.Task[None] | None = None
        self._here: sa.Connection | None = None
        self._pages = 0
        self.failure: StoreError | None = None
        """Why the last commit failed; None while all is well. Shown by `/readyz`."""

    @property
    def backlog(self) -> int:
        """Items that wait for the next commit."""
        return len(self._waiting)

    def enqueue(self, work: Work, item: Any, *, must: bool = False) -> asyncio.Future[Any]:
        """
        A future of what was said of the item, done when it is committed. Cancelling it takes the item back while that
        is possible; what is committed already is then told to `Work.unheard`.

        Args:
            work: Writes it.
            item: What to write.
            must: Keep trying while the store fails, instead of failing the future with `StoreError`. For what has
                happened already and must be written down; whoever only wants to do something is told no.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, item, future, must))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return future

    async def drain(self, timeout_s: float = 30.0) -> None:
        """Returns when everything given so far is committed. Raises `StoreError` where that does not come to be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._task is not None and not self._task.done():
                    await asyncio.shield(self._task)
        if self._waiting or self._alone:
            raise self.failure or StoreError("the store did not take all rows within {seconds} s", seconds=timeout_s)

    async def close(self, timeout_s: float = 30.0) -> None:
        """Write what waits, bring the log into the file, and let go of the store. May be called twice."""
        try:
            await self.drain(timeout_s)
        finally:
            for task in (self._task, self._calm):
                if task is not None and not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
            if self._here is not None:
                await asyncio.to_thread(self._bring_over)
                self._here.close()
                self._here = None

    async def _run(self) -> None:
        while self._waiting or self._alone:
            if self._alone:
                group = [self._alone.pop(0)]
            else:
                # Let every coroutine that is ready add its row to this group.
                await asyncio.sleep(0)
                group = [one for one in self._waiting if one.must or not one.future.cancelled()]
                self._waiting = []
                if not group:
                    continue
            try:
                results = await self._committed(group)
            except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits must hear of it
                if not _is_the_stores(error):
                    # An item that cannot be written spoiled its transaction: each gets one of its own, so that only
                    # it fails.
                    if len(group) == 1:
                        _fail(group[0].future, error)
                    else:
                        self._alone += group
                    continue
                self.failure = _as_store_error(error)
                self._waiting[:0] = [one for one in group if one.must]
                for one in group:
                    if not one.must:
                        _fail(one.future, self.failure)
                await asyncio.sleep(_AGAIN_S)
                continue
            self.failure = None
            for one, result in zip(group, results, strict=True):
                if not one.future.done():
                    one.future.set_result(result)
                elif not one.must:
                    one.work.unheard(one.item, result)
            for work in {id(one.work): one.work for one in group}.values():
                work.committed()
            await self._mind_the_log(len(group))

    async def _committed(self, group: Sequence[_Waiting]) -> Sequence[Any]:
        if self._engine.dialect.name != "sqlite":
            return await asyncio.to_thread(self._in_thread, group)
        connection = self._own()
        # The driver itself: SQLAlchemy's bookkeeping for a transaction takes longer than the transaction.
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
        else:
            try:
                results = _apply(connection, group)
                driver.commit()
            except BaseException:
                driver.rollback()
                raise
            finally:
                connection.rollback()  # ends what SQLAlchemy began, where an item was written through it
            return results
        # Somebody else writes; waiting for them is a thread's business.
        return await asyncio.to_thread(self._in_thread, group)

    def _own(self) -> sa.Connection:
        if self._here is None:
            connection = self._engine.connect()
            driver: Any = connection.connection.dbapi_connection
            for pragma in ("PRAGMA busy_timeout=0", "PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=0"):
                driver.execute(pragma)
            # Its settings are its own: it never goes back to those who expect others.
            connection.detach()
            self._here = connection
        return self._here

    def _in_thread(self, group: Sequence[_Waiting]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            begin_write(connection)
            results = _apply(connection, group)
            connection.commit()
        return results

    async def _mind_the_log(self, rows: int) -> None:
        if self._here is None:
            return
        self._pages += 6 + rows
        if self._pages >= _PAGES:
            # Nobody writes meanwhile: else there might always be a page left, and the log would grow for ever.
            await asyncio.to_thread(self._bring_over)
        elif self._calm is None or self._calm.done():
            self._calm = asyncio.create_task(self._when_calm())

    async def _when_calm(self) -> None:
        await asyncio.sleep(_CALM_S)
        await asyncio.to_thread(self._bring_over)

    def _bring_over(self) -> None:
        """Copy the log's pages into the file, without waiting for anybody."""
        self._pages = 0
        with suppress(sa.exc.SQLAlchemyError), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")


def _apply(connection: sa.Connection, group: Sequence[_Waiting]) -> Sequence[Any]:
    """Each kind of items together; results in the order of the items."""
    places: dict[int, list[int]] = {}
    for place, one in enumerate(group):
        places.setdefault(id(one.work), []).append(place)
    results: list[Any] = [None] * len(group)
    for found in places.values():
        said = group[found[0]].work.apply(connection, [group[place].item for place in found])
        for place, result in zip(found, said, strict=True):
            results[place] = result
    return results


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # heard: a caller that never awaits learns it from `failure`


def _is_the_stores(error: Exception) -> bool:
    """Whether the store failed, so that nothing can be written now; else something is wrong with an item."""
    return type(error) is sqlite3.DatabaseError or isinstance(
        error, sa.exc.OperationalError | sqlite3.OperationalError | sa.exc.TimeoutError
    )


def _as_store_error(error: Exception) -> StoreError:
    try:
        with store_errors():
            raise error
    except StoreError as said:
        return said


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_BUSY)
    return (code & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
