"""What group commit promises: on disk when it returns, in order, and a failure nobody can miss."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.evaluation.group_commit import GroupCommit
from touchstone.storage.database import open_database

metadata = sa.MetaData()
lines = sa.Table(
    "line",
    metadata,
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("word", sa.String, unique=True),
)
INSERT = lines.insert()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    engine = open_database(file)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def words_on_disk(file: Path) -> list[str]:
    """What another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return [word for (word,) in connection.execute("SELECT word FROM line ORDER BY place")]
    finally:
        connection.close()


async def test_a_row_is_on_disk_when_write_returns(engine: sa.Engine, file: Path) -> None:
    """`write` returns after the commit, not before."""
    commits = GroupCommit(engine)
    await commits.write(INSERT, {"word": "first"})

    assert words_on_disk(file) == ["first"]


async def test_rows_that_wait_share_a_commit_and_keep_their_order(engine: sa.Engine, file: Path) -> None:
    """500 rows at once are a handful of commits, in the order in which they were given."""
    committed = []
    sa.event.listen(engine, "commit", lambda _connection: committed.append(1))
    commits = GroupCommit(engine)
    wanted = [f"word {number}" for number in range(500)]
    await asyncio.gather(*(commits.write(INSERT, {"word": word}) for word in wanted))

    assert words_on_disk(file) == wanted
    assert len(committed) <= 5


async def test_different_statements_keep_their_order(engine: sa.Engine, file: Path) -> None:
    """A row that is written and deleted again is gone, although both wait for the same commit."""
    delete = lines.delete().where(lines.c.word == sa.bindparam("b_word"))
    commits = GroupCommit(engine)
    commits.enqueue(INSERT, {"word": "a"})
    commits.enqueue(delete, {"b_word": "a"})
    commits.enqueue(INSERT, {"word": "b"})
    await commits.drain()

    assert words_on_disk(file) == ["b"]


async def test_a_failed_commit_reaches_everybody_who_waited(engine: sa.Engine, file: Path) -> None:
    """All of a group fail together, and nothing of it is on disk."""
    commits = GroupCommit(engine)
    found = await asyncio.gather(
        *(commits.write(INSERT, {"word": word}) for word in ("a", "b", "b", "c")), return_exceptions=True
    )

    assert [type(error) for error in found] == [sa.exc.IntegrityError] * 4
    assert words_on_disk(file) == []


async def test_after_a_failed_commit_nothing_more_is_written(engine: sa.Engine, file: Path) -> None:
    """Later writes fail at once and `drain` says why, so that nothing is sent that cannot be recorded."""
    commits = GroupCommit(engine)
    await commits.write(INSERT, {"word": "kept"})
    commits.enqueue(INSERT, {"word": "kept"})
    with pytest.raises(sa.exc.IntegrityError):
        await commits.drain()
    with pytest.raises(sa.exc.IntegrityError):
        await commits.write(INSERT, {"word": "later"})
    with pytest.raises(sa.exc.IntegrityError):
        await commits.drain()

    assert words_on_disk(file) == ["kept"]


async def test_rows_given_during_a_failing_commit_fail_too(engine: sa.Engine, file: Path) -> None:
    """Who queues up behind a commit that fails is told, and does not wait for ever."""
    commits = GroupCommit(engine)
    commits.enqueue(INSERT, {"word": "a"})
    commits.enqueue(INSERT, {"word": "a"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the commit has begun in its thread
    behind = commits.enqueue(INSERT, {"word": "b"})
    async with asyncio.timeout(10):
        with pytest.raises(sa.exc.IntegrityError):
            await behind

    assert words_on_disk(file) == []


async def test_a_writer_who_gives_up_does_not_stop_the_others(engine: sa.Engine, file: Path) -> None:
    """A cancelled writer's row is written all the same, as are those beside it."""
    commits = GroupCommit(engine)
    first = asyncio.create_task(commits.write(INSERT, {"word": "a"}))
    second = asyncio.create_task(commits.write(INSERT, {"word": "b"}))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(10):
        await second
        await commits.drain()

    assert words_on_disk(file) == ["a", "b"]


async def test_drain_without_rows_returns(engine: sa.Engine) -> None:
    """There is nothing to wait for, and the backlog is empty."""
    commits = GroupCommit(engine)
    async with asyncio.timeout(10):
        await commits.drain()

    assert commits.backlog == 0
