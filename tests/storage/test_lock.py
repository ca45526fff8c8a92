"""What is promised of engines: one works in a store at a time, and one that lost its place writes nothing more."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.errors import SettingsError, StoreBusy, StoreError, StoreFull
from touchstone.storage import lock as lock_module
from touchstone.storage import process_lock
from touchstone.storage.database import Schema, begin_write, ensure_schema, lock_of, open_database
from touchstone.storage.lock import EngineLock, check_fence, fence_holds

notes = sa.Table("note", sa.MetaData(), sa.Column("text", sa.String))

WORK = """
import sys
from touchstone.errors import StoreBusy
from touchstone.storage import process_lock
from touchstone.storage.database import open_database
from touchstone.storage.lock import EngineLock
process_lock._PATIENCE_S = 0.02
engine = open_database(sys.argv[1])
for line in sys.stdin:
    try:
        with EngineLock(engine) as lock:
            print(lock.number)
            sys.stdin.readline()
        print("ended")
    except StoreBusy:
        print("busy")
        sys.stdin.readline()
        print("ended")
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_lock, "_PATIENCE_S", 0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "touchstone.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[sa.Engine]:
    engine = open_database(file)
    ensure_schema(engine, Schema(name="notes", version=1, metadata=notes.metadata))
    yield engine
    engine.dispose()


def say(process: subprocess.Popen[str], *lines: str) -> None:
    assert process.stdin is not None
    for line in lines:
        process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write(engine: sa.Engine, text: str, number: int) -> None:
    """A transaction of the engine of this number; the look at it may come late, as long as it comes."""
    with engine.begin() as connection:
        connection.execute(notes.insert().values(text=text))
        check_fence(connection, number)


def ends(file: Path) -> list[tuple[int, bool]]:
    """Number of every engine, and whether it ended well."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT number, ended_at IS NOT NULL FROM engine ORDER BY number").fetchall()
    finally:
        connection.close()


def test_every_engine_has_a_higher_number(file: Path, store: sa.Engine) -> None:
    """Whether it was given a place or a database that is open already."""
    for place, number in ((file, 1), (store, 2), (str(file), 3)):
        assert not lock_of(store).held
        with EngineLock(place) as lock:
            assert lock.number == number
            assert lock_of(store).held

    assert ends(file) == [(1, True), (2, True), (3, True)]


def test_a_second_engine_is_told_who_works_there(file: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """Process, machine, since when, and what can be done meanwhile."""
    other = child(WORK, file)
    say(other, "start")
    assert hear(other) == "1"
    with pytest.raises(StoreBusy) as caught, EngineLock(file):
        pass
    started = sqlite3.connect(file)
    [since] = started.execute("SELECT started_at FROM engine").fetchone()
    started.close()

    text = str(caught.value)
    assert caught.value.exit_code == 2
    for part in (f"process {other.pid}", socket.gethostname(), since, "`decide`, `report` and `trials`"):
        assert part in text
    say(other, "end")
    assert hear(other) == "ended"
    with EngineLock(file) as lock:
        assert lock.number == 2


def test_looking_goes_on_meanwhile(file: Path, store: sa.Engine) -> None:
    """What is committed can be read while an engine works."""
    with EngineLock(file), store.begin() as connection:
        connection.execute(notes.insert().values(text="kept"))
        looking = open_database(file, read_only=True)
        with looking.connect() as other:
            assert other.execute(sa.select(notes)).all() == []
        connection.commit()
        with looking.connect() as other:
            assert other.execute(sa.select(notes.c.text)).scalars().all() == ["kept"]
        looking.dispose()


def test_a_second_engine_in_the_same_process_is_refused(file: Path) -> None:
    """In another thread as in the same one."""
    refused = []

    def start() -> None:
        try:
            with EngineLock(file):
                pass
        except StoreBusy as error:
            refused.append(error)

    with EngineLock(file) as lock:
        start()
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert lock.number == 1

    assert [f"process {os.getpid()}" in str(error) for error in refused] == [True, True]
    start()
    assert len(refused) == 2


def test_a_killed_engine_makes_way_at_once(file: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """Nothing has to be cleared away or waited for; that it was cut off stays on record."""
    other = child(WORK, file)
    say(other, "start")
    assert hear(other) == "1"
    other.kill()
    other.wait()
    with EngineLock(file) as lock:
        assert lock.number == 2

    assert ends(file) == [(1, False), (2, True)]


def test_of_two_that_start_at_once_one_works(file: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """Twenty times of twenty, and the numbers rise by one each time."""
    both = [child(WORK, file), child(WORK, file)]
    for number in range(1, 21):
        for process in both:
            say(process, "start")
        assert sorted(map(hear, both)) == sorted([str(number), "busy"])
        for process in both:
            say(process, "end")
        assert list(map(hear, both)) == ["ended", "ended"]


def test_one_that_lost_its_place_writes_nothing(file: Path, store: sa.Engine) -> None:
    """Somebody deleted the lock's file, so that the system gave it twice: the number tells the old one to stop."""
    with EngineLock(file) as old:
        write(store, "before", old.number)
        file.with_name("touchstone.sqlite.lock").unlink()
        process_lock._held.clear()
        with EngineLock(file) as new:
            with pytest.raises(StoreError, match="another engine has taken over"):
                write(store, "after", old.number)
            with store.begin() as connection:
                check_fence(connection, new.number)
                assert not fence_holds(connection, old.number)

    with store.connect() as connection:
        assert connection.execute(sa.select(notes.c.text)).scalars().all() == ["before"]
    assert ends(file) == [(1, False), (2, True)]


def test_nobody_takes_over_inside_a_transaction(file: Path, store: sa.Engine) -> None:
    """Between the look at the number and the commit no other engine gets a higher one: it would have to write."""
    other = sqlite3.connect(file, timeout=0)
    with EngineLock(store) as lock, store.begin() as connection:
        check_fence(connection, lock.number)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        connection.execute(notes.insert().values(text="mine"))
    other.close()


def test_one_that_ended_writes_nothing(file: Path, store: sa.Engine) -> None:
    """A task that was forgotten when the run was closed cannot write into the next one."""
    with EngineLock(file) as lock:
        number = lock.number
    with pytest.raises(StoreError, match="engine 1 stopped"), store.begin() as connection:
        check_fence(connection, number)


def test_clocks_decide_nothing(file: Path, store: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times may jump years back: numbers rise, the old number is out, the one who works is the one who is named."""
    for number, now in enumerate(("2099-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "2026-01-01"), start=1):
        monkeypatch.setattr(lock_module, "_now", lambda now=now: now)
        with EngineLock(file) as lock:
            assert lock.number == number
            with store.begin() as connection:
                assert fence_holds(connection, number)
                assert not fence_holds(connection, number - 1)
            with pytest.raises(StoreBusy, match=f"since {now[:4]}"), EngineLock(store):
                pass


@pytest.mark.parametrize(
    ("error", "well"),
    [
        (SettingsError("write another"), True),
        (KeyboardInterrupt(), True),
        (StoreFull("no room"), True),
        (StoreError("cannot be read"), False),
        (sa.exc.OperationalError("x", {}, sqlite3.OperationalError("disk I/O error")), False),
    ],
)
def test_the_store_is_distrusted_only_when_it_failed(file: Path, error: BaseException, well: bool) -> None:
    """An engine that ends for a reason of its own ends well; one whose store failed counts as cut off."""
    with pytest.raises(type(error)), EngineLock(file):
        raise error

    assert ends(file) == [(1, well)]
    with EngineLock(file) as lock:
        assert lock.number == 2


def test_a_store_that_cannot_take_the_end_down_lets_the_next_one_in(file: Path, store: sa.Engine) -> None:
    """The lock is given back all the same, and the engine counts as cut off."""
    with EngineLock(store), store.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE engine RENAME TO gone")
    with store.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO engine")
    with EngineLock(store) as lock:
        assert lock.number == 2

    assert ends(file) == [(1, False), (2, True)]


def test_a_start_that_fails_lets_go(file: Path, store: sa.Engine) -> None:
    """A store from a newer version is refused, and the lock is free again."""
    with EngineLock(store):
        pass
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version = 99 WHERE name = 'engine'")
    with pytest.raises(StoreError, match="upgrade Touchstone"), EngineLock(store):
        pass

    assert not lock_of(store).held


def test_tables_are_not_changed_under_an_engine(file: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """A newer version waits until the older one's engine has ended; its own engine may bring its tables up."""
    metadata = sa.MetaData()
    sa.Table("book", metadata, sa.Column("title", sa.String))
    old = Schema(name="shelf", version=1, metadata=metadata)
    new = Schema(name="shelf", version=2, metadata=metadata, migrations={2: lambda _connection: None})
    engine = open_database(file)
    ensure_schema(engine, old)
    other = child(WORK, file)
    say(other, "start")
    assert hear(other) == "1"
    with pytest.raises(StoreBusy, match="brought up to date"):
        ensure_schema(engine, new)
    ensure_schema(engine, old)
    say(other, "end")
    assert hear(other) == "ended"
    with EngineLock(engine):
        ensure_schema(engine, new)
    engine.dispose()


def test_a_writing_transaction_starts_once(store: sa.Engine) -> None:
    """Asking twice to be the writer is no error, and the second look at the number sees the same transaction."""
    with store.begin() as connection:
        begin_write(connection)
        begin_write(connection)
        connection.execute(notes.insert().values(text="kept"))

    with store.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar() == 1


SERVER = os.environ.get("TOUCHSTONE_TEST_POSTGRES")


@pytest.mark.skipif(SERVER is None, reason="no PostgreSQL server is named (set TOUCHSTONE_TEST_POSTGRES to its URL)")
def test_the_same_on_a_server(child: Callable[..., subprocess.Popen[str]]) -> None:
    """One engine at a time, freed when its process dies, and fenced out when its connection was lost."""
    assert SERVER is not None
    engine = open_database(SERVER)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS engine, schema_version, note")
    other = child(WORK, SERVER)
    say(other, "start")
    assert hear(other) == "1"
    assert lock_of(engine).held
    with pytest.raises(StoreBusy, match=f"process {other.pid}"), EngineLock(engine):
        pass
    other.kill()
    other.wait()
    while lock_of(engine).held:  # until the server has noticed
        pass
    ensure_schema(engine, Schema(name="notes", version=1, metadata=notes.metadata))
    with EngineLock(engine) as old:
        assert old.number == 2
        with pytest.raises(StoreBusy), EngineLock(engine):
            pass
        write(engine, "before", old.number)
        assert isinstance(old._lock, lock_module.ServerLock)
        assert old._lock._connection is not None
        old._lock._connection.invalidate()  # the connection breaks, and with it the lock
        started, taken = threading.Event(), []

        def take_over() -> None:
            with EngineLock(engine) as new:
                taken.append(new.number)
                started.set()

        with engine.begin() as connection:
            check_fence(connection, old.number)
            thread = threading.Thread(target=take_over)
            thread.start()
            assert not started.wait(0.3)  # a successor waits for the end of this transaction
            connection.execute(notes.insert().values(text="still before"))
        thread.join()
        assert taken == [3]
        with pytest.raises(StoreError, match="taken over"):
            write(engine, "after", old.number)
    with engine.connect() as connection:
        assert connection.execute(sa.select(notes.c.text)).scalars().all() == ["before", "still before"]
    looking = open_database(SERVER, read_only=True)
    with pytest.raises(sa.exc.DBAPIError), looking.begin() as connection:
        connection.execute(notes.insert().values(text="x"))
    looking.dispose()
    engine.dispose()
