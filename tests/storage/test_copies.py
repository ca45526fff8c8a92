"""What is promised of the copy before a migration: whole, on disk before the first step, and never over another."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.errors import StoreError, StoreFull
from touchstone.storage import copies, reserve
from touchstone.storage.copies import keep_copy
from touchstone.storage.database import Schema, ensure_schema, open_database
from touchstone.storage.integrity import inspect


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_copy_has_every_row(damaged: Callable[..., Path]) -> None:
    """Also those that wait in the log, while another connection writes."""
    file = damaged()
    writer = sqlite3.connect(file)
    writer.execute("UPDATE attempt SET note = 'committed' WHERE id = 1")
    writer.commit()
    writer.execute("UPDATE attempt SET note = 'not committed' WHERE id = 2")
    copy = keep_copy(file, "ledger-v1")
    writer.rollback()
    writer.close()

    assert copy.name == "touchstone.ledger-v1.bak"
    inspect(copy, "full")
    assert rows(copy, "SELECT note FROM attempt WHERE id = 1") == [("committed",)]
    for table in ("reply", "attempt", "outcome", "recording", "schema_version"):
        query = f"SELECT * FROM {table}"
        assert rows(copy, query) == rows(file, query)


def test_no_copy_is_written_over_another(damaged: Callable[..., Path]) -> None:
    """They are numbered; somebody's own file of that name is left alone too."""
    file = damaged()
    (file.parent / "touchstone.ledger-v1.bak").write_bytes(b"an older copy")
    (file.parent / "touchstone.ledger-v1-3.bak").write_bytes(b"another")
    names = [keep_copy(file, "ledger-v1").name for _ in range(2)]

    assert names == ["touchstone.ledger-v1-2.bak", "touchstone.ledger-v1-4.bak"]
    assert (file.parent / "touchstone.ledger-v1.bak").read_bytes() == b"an older copy"
    assert (file.parent / "touchstone.ledger-v1-3.bak").read_bytes() == b"another"


def test_half_a_copy_never_has_a_copys_name(damaged: Callable[..., Path]) -> None:
    """What an earlier process left when it was killed half-way is thrown away."""
    file = damaged()
    (file.parent / "touchstone.sqlite.bak-part").write_bytes(b"half" * 10_000)
    copy = keep_copy(file, "ledger-v1")

    assert [path.name for path in file.parent.glob("*bak*")] == [copy.name]
    inspect(copy, "full")


def test_without_room_there_is_no_copy(damaged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is needed is said, and nothing is begun."""
    file = damaged()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(reserve.shutil, "disk_usage", lambda _folder: usage(10**9, 10**9, 5_000_000))
    with pytest.raises(StoreFull, match=r"needs 2\d MB, 5 MB are free"):
        keep_copy(file, "ledger-v1")

    assert list(file.parent.glob("*bak*")) == []


def test_a_disk_that_fills_up_meanwhile_leaves_no_half(
    damaged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The free room was only an estimate: another process took it."""
    file = damaged()

    def full(_place: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "sync", full)
    with pytest.raises(StoreFull, match="no room for a copy"):
        keep_copy(file, "ledger-v1")
    assert list(file.parent.glob("*bak*")) == []


def test_a_damaged_store_is_not_copied(damaged: Callable[..., Path]) -> None:
    """A copy that is no copy would be worse than none."""
    file = damaged(700, 701, 702)
    with pytest.raises(StoreError, match="no copy of"):
        keep_copy(file, "ledger-v1")
    assert list(file.parent.glob("*bak*")) == []


def test_the_copy_is_there_before_the_first_step(tmp_path: Path) -> None:
    """A step that looks for it finds it, whole; without room for it no step is made and the store is as it was."""
    file = tmp_path / "touchstone.sqlite"
    metadata = sa.MetaData()
    sa.Table("book", metadata, sa.Column("title", sa.String))
    seen: list[list[tuple[object, ...]]] = []

    def step(connection: sa.Connection) -> None:
        seen.append(rows(tmp_path / "touchstone.shelf-v1.bak", "SELECT title FROM book"))
        connection.exec_driver_sql("UPDATE book SET title = 'changed'")

    engine = open_database(file)
    ensure_schema(engine, Schema(name="shelf", version=1, metadata=metadata))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO book VALUES ('Middlemarch')")
    new = Schema(name="shelf", version=2, metadata=metadata, migrations={2: step})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "room_bytes", lambda _folder: 0)
        with pytest.raises(StoreFull):
            ensure_schema(engine, new)
    assert seen == []
    assert rows(file, "SELECT title FROM book") == [("Middlemarch",)]
    assert rows(file, "SELECT version FROM schema_version") == [(1,)]
    ensure_schema(engine, new)
    engine.dispose()

    assert seen == [[("Middlemarch",)]]
    assert rows(file, "SELECT title FROM book") == [("changed",)]
