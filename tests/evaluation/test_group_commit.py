"""What group commit promises: on disk when it returns, in order, and a failure nobody can miss."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
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

Commits = GroupCommit[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    engine = open_database(file)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def write_words(connection: sa.Connection, words: Sequence[str]) -> list[int]:
    """Writes each word; says of each how many there are by then. `-word` takes one away again."""
    said = []
    for word in words:
        if word.startswith("-"):
            connection.execute(lines.delete().where(lines.c.word == word[1:]))
        else:
            connection.execute(lines.insert().values(word=word))
        said.append(connection.execute(sa.select(sa.func.count()).select_from(lines)).scalar_one())
    return said


@pytest.fixture
def commits(engine: sa.Engine) -> Commits:
    return GroupCommit(engine, write_words)


def words_on_disk(file: Path) -> list[str]:
    """What another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return [word for (word,) in connection.execute("SELECT word FROM line ORDER BY place")]
    finally:
        connection.close()


async def test_a_row_is_on_disk_when_write_returns(commits: Commits, file: Path) -> None:
    """`write` returns after the commit, not before."""
    await commits.write("first")

    assert words_on_disk(file) == ["first"]


async def test_everybody_hears_what_was_said_of_their_own_item(commits: Commits) -> None:
    """One result per item, in the order in which they were given."""
    found = await asyncio.gather(*(commits.write(word) for word in "abc"), commits.write("-b"), commits.write("d"))

    assert found == [1, 2, 3, 2, 3]


async def test_rows_that_wait_share_a_commit_and_keep_their_order(
    commits: Commits, engine: sa.Engine, file: Path
) -> None:
    """500 rows at once are a handful of commits, in the order in which they were given."""
    committed = []
    sa.event.listen(engine, "commit", lambda _connection: committed.append(1))
    wanted = [f"word {number}" for number in range(500)]
    await asyncio.gather(*(commits.write(word) for word in wanted))

    assert words_on_disk(file) == wanted
    assert len(committed) <= 5


async def test_what_is_given_one_after_the_other_happens_one_after_the_other(commits: Commits, file: Path) -> None:
    """A row that is written and deleted again is gone, although both wait for the same commit."""
    for word in ("a", "-a", "b"):
        commits.enqueue(word)
    await commits.drain()

    assert words_on_disk(file) == ["b"]


async def test_nobody_comes_between_what_is_read_and_what_is_written(engine: sa.Engine, file: Path) -> None:
    """A group is one transaction that writes from its beginning: another process waits for its end."""
    waited: list[str] = []
    other = sqlite3.connect(file, timeout=0, check_same_thread=False)

    def apply(connection: sa.Connection, words: Sequence[str]) -> list[int]:
        connection.execute(sa.select(sa.func.count()).select_from(lines)).scalar_one()
        try:
            other.execute("INSERT INTO line (word) VALUES ('between')")
        except sqlite3.OperationalError as error:
            waited.append(str(error))
        return write_words(connection, words)

    await GroupCommit(engine, apply).write("mine")
    other.close()

    assert waited == ["database is locked"]
    assert words_on_disk(file) == ["mine"]


async def test_a_failed_commit_reaches_everybody_who_waited(commits: Commits, file: Path) -> None:
    """All of a group fail together, and nothing of it is on disk."""
    found = await asyncio.gather(*(commits.write(word) for word in ("a", "b", "b", "c")), return_exceptions=True)

    assert [type(error) for error in found] == [sa.exc.IntegrityError] * 4
    assert words_on_disk(file) == []


async def test_after_a_failed_commit_nothing_more_is_written(commits: Commits, file: Path) -> None:
    """Later writes fail at once and `drain` says why, so that nothing is sent that cannot be recorded."""
    await commits.write("kept")
    commits.enqueue("kept")
    with pytest.raises(sa.exc.IntegrityError):
        await commits.drain()
    with pytest.raises(sa.exc.IntegrityError):
        await commits.write("later")
    with pytest.raises(sa.exc.IntegrityError):
        await commits.drain()

    assert words_on_disk(file) == ["kept"]


async def test_rows_given_during_a_failing_commit_fail_too(commits: Commits, file: Path) -> None:
    """Who queues up behind a commit that fails is told, and does not wait for ever."""
    commits.enqueue("a")
    commits.enqueue("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the commit has begun in its thread
    behind = commits.enqueue("b")
    async with asyncio.timeout(60):
        with pytest.raises(sa.exc.IntegrityError):
            await behind

    assert words_on_disk(file) == []


async def test_a_writer_who_gives_up_does_not_stop_the_others(commits: Commits, file: Path) -> None:
    """A cancelled writer's row is written all the same, as are those beside it."""
    first = asyncio.create_task(commits.write("a"))
    second = asyncio.create_task(commits.write("b"))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(60):
        await second
        await commits.drain()

    assert words_on_disk(file) == ["a", "b"]


async def test_drain_waits_for_what_the_committed_have_to_say(commits: Commits, file: Path) -> None:
    """Who is told of a commit and writes something more at once is waited for as well: a hold that comes free."""

    def then(word: str) -> Callable[[asyncio.Future[int]], None]:
        return lambda _done: commits.enqueue(word).add_done_callback(lambda _done: None)

    commits.enqueue("a").add_done_callback(then("b"))
    async with asyncio.timeout(60):
        await commits.drain()

    assert words_on_disk(file) == ["a", "b"]
    assert commits.backlog == 0


async def test_drain_without_rows_returns(commits: Commits) -> None:
    """There is nothing to wait for, and the backlog is empty."""
    async with asyncio.timeout(60):
        await commits.drain()

    assert commits.backlog == 0


async def test_the_backlog_is_what_waits(commits: Commits) -> None:
    """So that whoever writes faster than the disk can slow down."""
    for word in "abc":
        commits.enqueue(word)
    assert commits.backlog == 3
    await commits.drain()
    assert commits.backlog == 0
