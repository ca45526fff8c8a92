"""What is promised of a damaged store: it is noticed, named, and not one byte of it is changed."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.errors import StoreDamaged, StoreError
from touchstone.storage import integrity
from touchstone.storage.database import open_database
from touchstone.storage.integrity import inspect
from touchstone.storage.lock import EngineLock

CUT_OFF = """
import sys
from pathlib import Path
from touchstone.storage import integrity
from touchstone.storage.lock import EngineLock
integrity.SMALL_BYTES = 0
with EngineLock(Path(sys.argv[1])):
    print("works")
    sys.stdin.read()
"""
LEAVE_LOG = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("UPDATE attempt SET note = 'new' WHERE id = 1")
connection.commit()
os._exit(9)
"""
MIDDLE = (700, 701, 702)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every store were a large one."""
    monkeypatch.setattr(integrity, "SMALL_BYTES", 0)


def contents(file: Path) -> dict[str, bytes]:
    """Every file beside a store but the index of its log, which is memory and no data."""
    return {path.name: path.read_bytes() for path in file.parent.iterdir() if not path.name.endswith("-shm")}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("check", ["auto", "full", "none"])
def test_a_file_that_was_cut_short_is_always_refused(damaged: Callable[..., Path], check, read_only: bool) -> None:
    """The length is compared with what the file says of itself, however little is asked for."""
    file = damaged(length=3_000_000)
    before = contents(file)
    with pytest.raises(StoreDamaged, match="is damaged") as caught:
        open_database(file, check=check, read_only=read_only)

    assert str(file) in str(caught.value)
    assert before.items() <= contents(file).items()


@pytest.mark.parametrize("check", ["auto", "full", "none"])
def test_a_list_of_tables_that_makes_no_sense_is_always_refused(damaged: Callable[..., Path], check) -> None:
    """Nothing could be read or written without it."""
    for file in (damaged(1), damaged(1, with_=b"\0" * 16)):
        before = contents(file)
        with pytest.raises(StoreDamaged, match="is damaged"):
            open_database(file, check=check)
        assert before.items() <= contents(file).items()


def test_a_bad_page_is_found_in_a_small_store(damaged: Callable[..., Path]) -> None:
    """At every opening, unless it is told not to look."""
    file = damaged(*MIDDLE)
    for check in ("auto", "full"):
        with pytest.raises(StoreDamaged):
            inspect(file, check)
    inspect(file, "none")


@pytest.mark.usefixtures("large")
def test_a_large_store_is_read_through_when_its_engine_was_cut_off(
    damaged: Callable[..., Path], large_store: Path, child: Callable[..., subprocess.Popen[str]]
) -> None:
    """And not while one works, nor after one that ended well: reading every page takes seconds there."""
    file = damaged()
    engine = child(CUT_OFF, file)
    assert engine.stdout is not None
    assert engine.stdout.readline() == "works\n"
    found: list[str] = []

    class Spy(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:  # type: ignore[override]
            found.append(sql)
            return super().execute(sql, *parameters)

    def read_through() -> bool:
        found.clear()
        connect = integrity.connect_to_read
        integrity.connect_to_read = lambda path: sqlite3.connect(f"file:{path}?mode=ro", uri=True, factory=Spy)
        try:
            inspect(file)
        finally:
            integrity.connect_to_read = connect
        return any("quick_check" in sql for sql in found)

    assert not read_through()
    engine.kill()
    engine.wait()
    assert read_through()
    with EngineLock(file):
        assert not read_through()
    assert not read_through()


@pytest.mark.usefixtures("large")
def test_damage_after_a_cut_is_found(damaged: Callable[..., Path], child: Callable[..., subprocess.Popen[str]]) -> None:
    """The engine died, and the disk lost pages: refused. The same pages behind an engine that ended well: not seen."""
    file = damaged(*MIDDLE)
    with EngineLock(file):
        pass
    inspect(file)
    engine = child(CUT_OFF, file)
    assert engine.stdout is not None
    assert engine.stdout.readline() == "works\n"
    inspect(file)
    engine.kill()
    engine.wait()
    with pytest.raises(StoreDamaged):
        open_database(file)


@pytest.mark.usefixtures("large")
def test_damage_behind_a_log_that_was_left_is_found_and_the_log_is_kept(
    damaged: Callable[..., Path], child: Callable[..., subprocess.Popen[str]]
) -> None:
    """A process died before its log was emptied. Neither the file nor the log is touched: both may be needed."""
    file = damaged(*MIDDLE)
    assert child(LEAVE_LOG, file).wait() == 9
    before = contents(file)
    assert len(before["touchstone.sqlite-wal"]) > 0
    for read_only in (False, True):
        with pytest.raises(StoreDamaged):
            open_database(file, read_only=read_only)
        assert contents(file) == before


def test_a_log_that_was_left_is_read(damaged: Callable[..., Path], child: Callable[..., subprocess.Popen[str]]) -> None:
    """What was committed before a process died is there, also for those who only look."""
    file = damaged()
    assert child(LEAVE_LOG, file).wait() == 9
    for read_only in (True, False):
        engine = open_database(file, read_only=read_only)
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT note FROM attempt WHERE id = 1")).scalar() == "new"
        engine.dispose()


def test_a_sound_store_passes(damaged: Callable[..., Path]) -> None:
    """In every way of looking."""
    for check in ("auto", "full", "none"):
        inspect(damaged(), check)


def test_a_folder_in_the_place_of_a_store_is_no_damage(tmp_path: Path) -> None:
    """What cannot be read at all is not called damaged."""
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreError) as caught:
        inspect(tmp_path / "store.db")
    assert not isinstance(caught.value, StoreDamaged)


READ_ONLY_DISK = """
import os, sys
from pathlib import Path
import subprocess
from touchstone.storage.database import open_database
from touchstone.errors import StoreError
file = Path(sys.argv[1]) / "touchstone.sqlite"
engine = open_database(file)
with engine.begin() as connection:
    connection.exec_driver_sql("CREATE TABLE note (text)")
    connection.exec_driver_sql("INSERT INTO note VALUES ('kept')")
engine.dispose()
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
engine = open_database(file, read_only=True)
with engine.connect() as connection:
    print(connection.exec_driver_sql("SELECT text FROM note").scalar())
engine.dispose()
try:
    open_database(file)
except StoreError as error:
    print(error)
"""


def test_a_store_on_a_read_only_disk_can_be_looked_at(small_disk: Callable[[str, int], str]) -> None:
    """Where not even the index of a log can be written; opening it to write is refused by name."""
    kept, refused = small_disk(READ_ONLY_DISK, 4).splitlines()

    assert kept == "kept"
    assert "touchstone.sqlite cannot be written" in refused
