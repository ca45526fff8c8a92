"""What is promised of salvage: every row that can be read is saved, the damaged file is left as it is."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.storage.conftest import KEYS, ROWS

from touchstone.errors import StoreDamaged, StoreError, StoreFull
from touchstone.storage import salvage as salvage_module
from touchstone.storage.database import Schema, ensure_schema, open_database
from touchstone.storage.integrity import inspect
from touchstone.storage.salvage import Salvaged, salvage


def digest_fits(row: Mapping[str, Any]) -> bool:
    return hashlib.sha256(row["body"]).hexdigest() == row["digest"]


def rows(file: Path, table: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Every row of a sound table by its key."""
    width = KEYS[table].count(",") + 1
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(f"SELECT {KEYS[table]}, * FROM {table}").fetchall()
    return {row[:width]: row[width:] for row in found}


def readable(file: Path, table: str, keys: list[tuple[object, ...]]) -> set[tuple[object, ...]]:
    """Keys of the rows of a damaged table that can be read when they are asked for one by one."""
    found = set()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        where = " AND ".join(f"{name} = ?" for name in KEYS[table].split(", "))
        for key in keys:
            try:
                if connection.execute(f"SELECT * FROM {table} NOT INDEXED WHERE {where}", key).fetchone():
                    found.add(key)
            except sqlite3.DatabaseError:
                continue
    return found


def saved(result: Salvaged) -> dict[str, int]:
    return {table.name: table.saved for table in result.tables}


def lost(result: Salvaged) -> dict[str, int | None]:
    return {table.name: table.lost for table in result.tables}


def pages_of(file: Path) -> int:
    return file.stat().st_size // 4096


def test_a_sound_store_is_saved_whole(damaged: Callable[..., Path], tmp_path: Path) -> None:
    """Every row, index and version, nothing lost, no problem; and it opens as a store."""
    file = damaged()
    before = file.read_bytes()
    result = salvage(file, tmp_path / "saved.sqlite", verify={"reply": digest_fits})

    assert saved(result) == {**dict.fromkeys(KEYS, ROWS), "schema_version": 1}
    assert set(lost(result).values()) == {0}
    assert result.problems == ()
    for table in KEYS:
        assert rows(result.target, table) == rows(file, table)
    assert file.read_bytes() == before
    engine = open_database(result.target, check="full")
    ensure_schema(engine, Schema(name="large", version=1, metadata=sa.MetaData()))
    with engine.begin() as connection:
        assert "ix_attempt_key" in {index["name"] for index in sa.inspect(connection).get_indexes("attempt")}
        connection.exec_driver_sql("DELETE FROM attempt")
        connection.exec_driver_sql("INSERT INTO attempt (key) VALUES ('new')")
        assert connection.exec_driver_sql("SELECT id FROM attempt").scalar() == ROWS + 1
    engine.dispose()
    left = {path.name for path in tmp_path.iterdir()} - {"touchstone.sqlite-shm", "touchstone.sqlite-wal"}
    assert left == {"touchstone.sqlite", "saved.sqlite"}


@pytest.mark.parametrize("seed", range(8))
def test_every_row_that_can_be_read_is_saved(
    damaged: Callable[..., Path], large_store: Path, tmp_path: Path, seed: int
) -> None:
    """Pages of nonsense or of zeros, one, some or many, anywhere: no readable row is left behind."""
    draw = random.Random(seed)
    count = pages_of(large_store)
    bad = draw.sample(range(12, count), (1, 3, 10, 30, 60, 120, 200, 300)[seed])
    if seed % 3 == 2:
        start = draw.randrange(12, count - 40)
        bad = list(range(start, start + 40))
    file = damaged(*bad, with_=bytes(4096) if seed % 2 else None)
    before = file.read_bytes()
    with pytest.raises(StoreDamaged):
        inspect(file, "full")
    result = salvage(file, tmp_path / "saved.sqlite", verify={"reply": digest_fits})

    assert file.read_bytes() == before
    inspect(result.target, "full")
    for table in KEYS:
        original, found = rows(large_store, table), rows(result.target, table)
        wanted = readable(file, table, list(original))
        if table == "reply":
            wanted = {key for key in wanted if found.get(key) or original[key] == read_one(file, key)}
        assert wanted <= found.keys()
        assert {key: row for key, row in found.items() if original.get(key) != row} == {}
        assert len(found) == saved(result)[table]
        gone = lost(result)[table]
        if gone is not None:
            assert len(found) + gone >= ROWS
    assert sum(saved(result).values()) > ROWS
    assert {"reply", "attempt", "outcome", "recording"} == {table.name for table in result.tables} & set(KEYS)


def read_one(file: Path, key: tuple[object, ...]) -> tuple[object, ...] | None:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        row: tuple[object, ...] | None = connection.execute("SELECT * FROM reply WHERE rowid = ?", key).fetchone()
    return row


def test_how_many_are_lost_is_said(damaged: Callable[..., Path], large_store: Path, tmp_path: Path) -> None:
    """Of a table with numbered rows, or with a sound index, exactly; in the words for people too."""
    with closing(sqlite3.connect(large_store)) as connection:
        leaf = next(
            page for page in range(300, 400) if connection.execute("SELECT 1").fetchone() and is_leaf(large_store, page)
        )
    file = damaged(leaf)
    result = salvage(file, tmp_path / "saved.sqlite")

    [table] = [table for table in result.tables if table.lost != 0]
    assert table.lost is not None
    assert 0 < table.lost < 100
    assert table.saved + table.lost == ROWS
    assert [str(problem) for problem in result.problems] == [
        f"table {table.name}: {table.saved} of at most {ROWS} rows saved"
    ]


def is_leaf(file: Path, page: int) -> bool:
    """Whether a page holds rows of a table with row numbers."""
    with file.open("rb") as stream:
        stream.seek((page - 1) * 4096)
        return stream.read(1) == b"\x0d"


def test_what_is_behind_the_end_is_lost_and_the_rest_saved(
    damaged: Callable[..., Path], large_store: Path, tmp_path: Path
) -> None:
    """A file that was cut off in the middle: about the first half of every table is there."""
    file = damaged(length=pages_of(large_store) // 2 * 4096)
    result = salvage(file, tmp_path / "saved.sqlite")

    for table in KEYS:
        assert saved(result)[table] > ROWS // 4
        found, original = rows(result.target, table), rows(large_store, table)
        assert found.items() <= original.items()
    assert result.problems
    inspect(result.target, "full")


@pytest.mark.parametrize("length", [16, 100])
def test_a_new_header_is_made_where_only_that_is_damaged(
    damaged: Callable[..., Path], large_store: Path, tmp_path: Path, length: int
) -> None:
    """Nothing but how to read the file stands there; every row is saved."""
    file = damaged(1, with_=b"\xa5" * length)
    before = file.read_bytes()
    result = salvage(file, tmp_path / "saved.sqlite")

    for table in KEYS:
        assert rows(result.target, table) == rows(large_store, table)
    assert "made anew" in str(result.problems[0])
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*copy*"))


@pytest.mark.parametrize("with_", [None, bytes(4096), b"my thesis, only copy\n" * 200])
def test_without_the_list_of_tables_nothing_is_saved(
    damaged: Callable[..., Path], tmp_path: Path, with_: bytes | None
) -> None:
    """That is said plainly, with what may help; no new file appears, and the damaged one is as it was."""
    file = damaged(1, with_=with_)
    before = file.read_bytes()
    with pytest.raises(StoreDamaged, match=r"nothing can be saved .*\.bak"):
        salvage(file, tmp_path / "saved.sqlite")

    assert file.read_bytes() == before
    assert not (tmp_path / "saved.sqlite").exists()
    assert {path.name.removeprefix("touchstone.sqlite") for path in tmp_path.iterdir()} <= {"", "-shm", "-wal"}


@pytest.mark.parametrize("body", [b"", b"x", b"SQLite format 3\0"])
def test_a_file_with_nothing_in_it_has_nothing_to_save(tmp_path: Path, body: bytes) -> None:
    """An empty file, or one too short to hold a header."""
    (tmp_path / "store.db").write_bytes(body)
    with pytest.raises(StoreDamaged, match="nothing can be saved"):
        salvage(tmp_path / "store.db", tmp_path / "saved.sqlite")


def test_what_waits_in_the_log_is_saved(
    damaged: Callable[..., Path], child: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Also when the header is damaged; the log is left as it is."""
    code = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("UPDATE attempt SET note = 'in the log' WHERE id = 1")
connection.commit()
os._exit(9)
"""
    for name, header in (("one", None), ("two", b"\xa5" * 16)):
        file = damaged()
        (tmp_path / "touchstone.sqlite-wal").unlink(missing_ok=True)
        (tmp_path / "touchstone.sqlite-shm").unlink(missing_ok=True)
        assert child(code, file).wait() == 9
        if header is not None:
            with file.open("r+b") as stream:
                stream.write(header)
        log = (tmp_path / "touchstone.sqlite-wal").read_bytes()
        result = salvage(file, tmp_path / name)
        assert rows(result.target, "attempt")[(1,)][2] == "in the log"
        assert (tmp_path / "touchstone.sqlite-wal").read_bytes() == log


def test_a_row_that_is_not_what_was_written_is_left_out(damaged: Callable[..., Path], tmp_path: Path) -> None:
    """SQLite does not notice a changed byte in a text; who knows the digest does, and the row counts as lost."""
    file = damaged()
    body = file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        [written] = connection.execute("SELECT body FROM reply WHERE rowid = 1000").fetchone()
    at = body.index(written[:200])
    file.write_bytes(body[: at + 50] + b"?" + body[at + 51 :])
    inspect(file, "full")
    result = salvage(file, tmp_path / "saved.sqlite", verify={"reply": digest_fits})

    assert (1000,) not in rows(result.target, "reply")
    assert saved(result)["reply"] == ROWS - 1
    assert lost(result)["reply"] == 1


def test_a_page_in_the_place_of_another_brings_no_row_twice(
    damaged: Callable[..., Path], large_store: Path, tmp_path: Path
) -> None:
    """A disk wrote a page where it does not belong, over another: no row is there twice, and something is missing."""
    body = large_store.read_bytes()
    leaves = [page for page in range(200, 900) if is_leaf(large_store, page)]
    file = damaged(leaves[10], with_=body[(leaves[40] - 1) * 4096 : leaves[40] * 4096])
    result = salvage(file, tmp_path / "saved.sqlite", verify={"reply": digest_fits})

    for table in ("reply", "attempt", "outcome", "recording"):
        found, original = rows(result.target, table), rows(large_store, table)
        assert found.items() <= original.items()
        assert len(found) > ROWS - 200
    assert result.problems


def test_nothing_is_written_over(damaged: Callable[..., Path], tmp_path: Path) -> None:
    """Neither another file nor the damaged one; a folder that is not there is named."""
    file = damaged()
    (tmp_path / "saved.sqlite").write_text("mine")
    for target in (tmp_path / "saved.sqlite", file):
        with pytest.raises(StoreError, match="is there already"):
            salvage(file, target)
    with pytest.raises(StoreError, match="cannot be written"):
        salvage(file, tmp_path / "absent" / "saved.sqlite")
    with pytest.raises(StoreError, match="no store at"):
        salvage(tmp_path / "absent", tmp_path / "new.sqlite")

    assert (tmp_path / "saved.sqlite").read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_kept(
    damaged: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new store gets its name last, and takes it from nobody; also on a disk without hard links."""
    target = tmp_path / "saved.sqlite"
    move = salvage_module._move

    def appear(fresh: Path, to: Path) -> None:
        to.write_text("somebody's")
        move(fresh, to)

    monkeypatch.setattr(salvage_module, "_move", appear)
    file = damaged()
    for links in (True, False):
        target.unlink(missing_ok=True)
        if not links:
            monkeypatch.setattr(os, "link", no_links)
        with pytest.raises(StoreError):
            salvage(file, target)
        assert target.read_text() == "somebody's"
    target.unlink()
    monkeypatch.setattr(salvage_module, "_move", move)
    assert saved(salvage(file, target))["reply"] == ROWS


def no_links(*_arguments: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_without_room_nothing_is_left(large_store: Path, small_disk: Callable[[str, int], str]) -> None:
    """A disk that fills up is said to be full, and no half of a new store stays on it."""
    code = f"""
import os, sys
from pathlib import Path
from touchstone.errors import StoreFull
from touchstone.storage.salvage import salvage
try:
    salvage(Path({str(large_store)!r}), Path(sys.argv[1]) / "saved.sqlite")
except StoreFull as error:
    print(error)
print(os.listdir(sys.argv[1]))
"""
    said, left = small_disk(code, 2).splitlines()

    assert "there is no room for" in said
    assert issubclass(StoreFull, StoreError)
    assert left == "[]"
