"""The one writer: on disk when it returns, many in one transaction, and it gets over what fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from touchstone.deployment.govern.sql import put
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import StoreError, StoreFull
from touchstone.storage.database import open_database

_metadata = sa.MetaData()
words = sa.Table("word", _metadata, sa.Column("word", sa.String, primary_key=True))


class Words:
    """Writes words; says how many there were in the transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._put = put(words, engine.dialect)
        self.groups: list[int] = []
        self.threads: set[int] = set()
        self.left: list[tuple[Any, Any]] = []

    def apply(self, connection: sa.Connection, items: Sequence[str]) -> Sequence[int]:
        self.threads.add(threading.get_ident())
        self._put.run_all(connection, [(item,) for item in items])
        self.groups.append(len(items))
        return [len(items)] * len(items)

    def committed(self) -> None:
        pass

    def unheard(self, item: Any, result: Any) -> None:
        self.left.append((item, result))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest_asyncio.fixture
async def writer(file: Path) -> AsyncIterator[Writer]:
    engine = open_database(file)
    _metadata.create_all(engine)
    writer = Writer(engine)
    yield writer
    await writer.close(timeout_s=1)
    engine.dispose()


@pytest.fixture
def work(writer: Writer) -> Words:
    return Words(writer._engine)


def on_disk(file: Path) -> set[str]:
    """What another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return {row[0] for row in connection.execute("SELECT word FROM word")}
    finally:
        connection.close()


async def test_it_is_on_disk_when_it_returns(writer: Writer, work: Words, file: Path) -> None:
    """Another process sees it."""
    await writer.enqueue(work, "one")

    assert on_disk(file) == {"one"}


async def test_those_who_wait_share_a_transaction(writer: Writer, work: Words) -> None:
    """Hundred at once are one commit, on the event loop's own thread."""
    await asyncio.gather(*(writer.enqueue(work, str(number)) for number in range(100)))

    assert work.groups == [100]
    assert work.threads == {threading.get_ident()}


async def test_kinds_share_it_too(writer: Writer, work: Words, file: Path) -> None:
    """Each kind gets its own items, and its own results, in their order."""
    other = Words(writer._engine)
    found = await asyncio.gather(writer.enqueue(work, "a"), writer.enqueue(other, "b"), writer.enqueue(work, "c"))

    assert found == [2, 1, 2]
    assert on_disk(file) == {"a", "b", "c"}


async def test_somebody_else_who_writes_is_waited_for_in_a_thread(writer: Writer, work: Words, file: Path) -> None:
    """The event loop goes on meanwhile."""
    await writer.enqueue(work, "first")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = writer.enqueue(work, "second")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()

    assert await asyncio.wait_for(waiting, 10) == 1
    assert len(work.threads) == 2


async def test_an_item_that_cannot_be_written_fails_alone(writer: Writer, work: Words, file: Path) -> None:
    """The others of its transaction are written, and so is what comes later."""
    await writer.enqueue(work, "twice")
    found = await asyncio.gather(
        *(writer.enqueue(work, word) for word in ("good", "twice", "fine")), return_exceptions=True
    )

    assert [isinstance(result, Exception) for result in found] == [False, True, False]
    await writer.enqueue(work, "later")
    assert on_disk(file) == {"twice", "good", "fine", "later"}


async def test_an_item_that_must_be_written_and_cannot_does_not_stop_the_rest(writer: Writer, work: Words) -> None:
    """A row that no store would take is given up, not tried for ever."""
    await writer.enqueue(work, "twice")
    with pytest.raises(sqlite3.IntegrityError):
        await writer.enqueue(work, "twice", must=True)

    await writer.enqueue(work, "later")
    assert writer.failure is None


async def test_a_full_store_refuses_and_recovers(writer: Writer, work: Words, file: Path) -> None:
    """Whoever only wants to do something is told no; what must be written waits until there is room."""
    await writer.enqueue(work, "first")
    driver: Any = writer._own().connection.dbapi_connection
    [[pages]] = driver.execute("PRAGMA page_count").fetchall()
    driver.execute(f"PRAGMA max_page_count={pages}")
    wish = writer.enqueue(work, "x" * 100_000)
    fact = writer.enqueue(work, "y" * 100_000, must=True)
    with pytest.raises(StoreFull):
        await wish
    assert isinstance(writer.failure, StoreError)
    assert not fact.done()
    driver.execute(f"PRAGMA max_page_count={pages + 1000}")
    await asyncio.wait_for(fact, 10)

    assert writer.failure is None
    assert {len(word) for word in on_disk(file)} == {5, 100_000}


async def test_draining_says_what_could_not_be_written(writer: Writer, work: Words) -> None:
    """After so long it raises why."""
    await writer.enqueue(work, "first")
    driver: Any = writer._own().connection.dbapi_connection
    driver.execute("PRAGMA query_only=ON")
    writer.enqueue(work, "lost", must=True)
    with pytest.raises(StoreError):
        await writer.drain(timeout_s=0.2)
    driver.execute("PRAGMA query_only=OFF")

    await writer.drain()


async def test_an_item_whose_waiter_has_left_is_not_written(writer: Writer, work: Words, file: Path) -> None:
    """Nobody wants it any more; what must be written is."""
    wish, fact = writer.enqueue(work, "wish"), writer.enqueue(work, "fact", must=True)
    wish.cancel()
    fact.cancel()
    await writer.drain()

    assert on_disk(file) == {"fact"}
    assert not work.left


async def test_a_waiter_who_leaves_during_the_commit_is_told_of(writer: Writer, work: Words, file: Path) -> None:
    """Its item is on disk, and whoever writes that kind hears of it, to take it back."""
    await writer.enqueue(work, "first")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wish = writer.enqueue(work, "wish")
    await asyncio.sleep(0.1)
    wish.cancel()
    other.execute("COMMIT")
    other.close()
    await writer.drain()

    assert work.left == [("wish", 1)]


async def test_the_log_does_not_grow_for_ever(
    writer: Writer, work: Words, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages are brought into the file from time to time, however busy the writer is."""
    monkeypatch.setattr("touchstone.deployment.govern.writer._PAGES", 50)
    for number in range(400):
        await writer.enqueue(work, f"{number}" * 50)

    assert file.with_name(file.name + "-wal").stat().st_size < 2_000_000


async def test_its_connection_is_its_own(writer: Writer, work: Words) -> None:
    """Others of the same engine still sync every commit: their money is the journal's."""
    await writer.enqueue(work, "one")
    own: Any = writer._own().connection.dbapi_connection
    with writer._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert own.execute("PRAGMA synchronous").fetchone() == (1,)
