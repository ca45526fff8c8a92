"""What is promised of a full disk: it is known for what it is, and there is room to say how the run ended."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.errors import StoreError, StoreFull
from touchstone.storage.database import Schema, ensure_schema, open_database
from touchstone.storage.reserve import RESERVE_BYTES, Reserve, is_out_of_space

notes = sa.Table("note", sa.MetaData(), sa.Column("text", sa.String))


def test_the_room_is_really_taken(tmp_path: Path) -> None:
    """16 MiB on the disk, not only in the file's length; taking it again changes nothing; then it is given back."""
    reserve = Reserve(tmp_path / "touchstone.sqlite")
    assert reserve.take() is None
    place = tmp_path / "touchstone.sqlite.reserve"
    made = place.stat()
    assert made.st_size == RESERVE_BYTES == 16 << 20
    if hasattr(made, "st_blocks"):
        assert made.st_blocks * 512 >= RESERVE_BYTES
    assert reserve.take() is None
    assert place.stat().st_mtime_ns == made.st_mtime_ns
    reserve.release()
    reserve.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, RESERVE_BYTES // 2, RESERVE_BYTES, RESERVE_BYTES + 1])
def test_one_that_takes_up_no_room_is_made_anew(tmp_path: Path, length: int) -> None:
    """Half of one, or a file with nothing in it but holes, as a copy of a workspace may have it."""
    place = tmp_path / "touchstone.sqlite.reserve"
    with place.open("wb") as stream:
        stream.truncate(length)
    assert Reserve(tmp_path / "touchstone.sqlite").take() is None
    found = place.stat()
    assert found.st_size == RESERVE_BYTES
    assert getattr(found, "st_blocks", RESERVE_BYTES // 512) * 512 >= RESERVE_BYTES


def test_written_where_the_system_cannot_take_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Linux, zeros are written."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    assert Reserve(tmp_path / "touchstone.sqlite").take() is None
    found = (tmp_path / "touchstone.sqlite.reserve").read_bytes()
    assert found == bytes(RESERVE_BYTES)


def test_too_little_room_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is returned, not raised, and no half of a reserve stays."""

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    warning = Reserve(tmp_path / "touchstone.sqlite").take()
    assert isinstance(warning, StoreFull)
    assert "16 MB" in str(warning)
    assert "No space left on device" in str(warning)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_warning_too(tmp_path: Path) -> None:
    """Whatever keeps the reserve from being made, the run goes on; giving back what is not there does nothing."""
    reserve = Reserve(tmp_path / "absent" / "touchstone.sqlite")
    assert isinstance(reserve.take(), StoreFull)
    reserve.release()


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("words in any language")
    error.sqlite_errorcode = code
    return error


def caused(error: BaseException, by: BaseException) -> BaseException:
    error.__cause__ = by
    return error


class ServerError(Exception):
    """What a PostgreSQL driver raises."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(sqlstate)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "x"), False),
        (OSError(errno.EACCES, "x"), False),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("disk I/O error"), False),
        (sqlite_error(sqlite3.SQLITE_FULL), True),
        (sqlite_error(sqlite3.SQLITE_IOERR), False),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), False),
        (sqlite_error(sqlite3.SQLITE_BUSY), False),
        (sa.exc.OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_FULL)), True),
        (sa.exc.OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_IOERR_FSYNC)), False),
        (sa.exc.OperationalError("x", {}, ServerError("53100")), True),
        (sa.exc.OperationalError("x", {}, ServerError("58030")), False),
        (sa.exc.OperationalError("x", {}, ServerError("40001")), False),
        (caused(StoreError("cannot be written"), OSError(errno.ENOSPC, "x")), True),
        (StoreFull("the words alone say nothing: database or disk is full"), False),
        (ValueError("database or disk is full"), False),
    ],
    ids=repr,
)
def test_errors_are_told_apart(error: BaseException, full: bool) -> None:
    """No room, and everything else, a disk that fails among it; through every layer of wrapping."""
    assert is_out_of_space(error) is full


def test_errors_that_go_round_in_circles_are_looked_at_once() -> None:
    """An error may have come from itself."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_out_of_space(first)
    second.__context__ = OSError(errno.ENOSPC, "x")
    assert is_out_of_space(first)


def test_a_full_database_is_known_and_what_was_committed_stays(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands for the disk's; a write that is hidden behind another error is known too."""
    file = tmp_path / "touchstone.sqlite"
    engine = open_database(file)
    ensure_schema(engine, Schema(name="notes", version=1, metadata=notes.metadata))
    committed = 0

    def fill(connection: sa.Connection) -> None:
        nonlocal committed
        while True:
            with connection.begin():
                connection.execute(notes.insert(), [{"text": "x" * 3_000}] * 5)
            committed += 5

    def fill_and_hide(connection: sa.Connection) -> None:
        try:
            fill(connection)
        except sa.exc.OperationalError:
            raise StoreError("cannot be written") from None

    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 40")
        connection.rollback()
        with pytest.raises(sa.exc.OperationalError) as plain:
            fill(connection)
        with pytest.raises(StoreError) as hidden:
            fill_and_hide(connection)
    for caught in (plain.value, hidden.value):
        assert is_out_of_space(caught)
    engine.dispose()

    engine = open_database(file, check="full")
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar() == committed > 0
    engine.dispose()


FILL = """
import sys
from pathlib import Path
import sqlalchemy as sa
from touchstone.errors import StoreFull
from touchstone.storage.database import Schema, ensure_schema, open_database
from touchstone.storage.lock import EngineLock
from touchstone.storage.reserve import Reserve, is_out_of_space

file = Path(sys.argv[1]) / "touchstone.sqlite"
notes = sa.Table("note", sa.MetaData(), sa.Column("text", sa.String), sa.Column("state", sa.String))
engine = open_database(file)
ensure_schema(engine, Schema(name="notes", version=1, metadata=notes.metadata))
reserve = Reserve(file)
committed = 0
with EngineLock(engine):
    print(reserve.take())
    try:
        while True:
            with engine.begin() as connection:
                connection.execute(notes.insert(), [{"text": "x" * 20_000, "state": "sent"}] * 5)
            committed += 5
    except sa.exc.OperationalError as error:
        print(is_out_of_space(error), error.orig)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar() == committed
    for room in ("none", "reserve"):
        try:
            with engine.begin() as connection:
                connection.execute(notes.update().values(state="ended"))
            print("closed")
        except sa.exc.OperationalError:
            print("not closed")
        reserve.release()
engine.dispose()
engine = open_database(file, check="full")
with engine.connect() as connection:
    assert connection.execute(sa.select(notes.c.state)).scalars().all() == ["ended"] * committed
    print(committed > 20, connection.exec_driver_sql("SELECT ended_at IS NOT NULL FROM engine").scalar())
engine.dispose()
"""


def test_a_run_is_closed_on_a_disk_that_is_full(small_disk: Callable[[str, int], str]) -> None:
    """On a real disk of 24 MB: filled up, the reserve given back, every row updated, the engine ended well."""
    lines = small_disk(FILL, 24).splitlines()

    assert lines[0] == "None"
    assert lines[1] == "True database or disk is full"
    assert lines[2:] == ["not closed", "closed", "True 1"]


def test_a_disk_too_small_for_a_reserve_is_a_warning(small_disk: Callable[[str, int], str]) -> None:
    """On a real disk of 8 MB the run starts all the same, and nothing of the reserve takes its room away."""
    code = """
import sys
from pathlib import Path
from touchstone.storage.reserve import Reserve
print(Reserve(Path(sys.argv[1]) / "touchstone.sqlite").take())
print(list(Path(sys.argv[1]).iterdir()))
"""
    warning, left = small_disk(code, 8).splitlines()

    assert "no reserve of 16 MB" in warning
    assert left == "[]"
