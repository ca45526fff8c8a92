"""What the database promises: made where absent, versioned, and never harmed when it cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.errors import ExtraMissing, StoreError
from touchstone.storage.database import Schema, ensure_schema, is_read_only, open_database


def shelf(version: int, **migrations: Callable[[sa.Connection], None]) -> Schema:
    """A small schema; the migration `to_2` leads from version 1 to version 2."""
    metadata = sa.MetaData()
    columns = [sa.Column("title", sa.String)]
    if version > 1:
        columns.append(sa.Column("year", sa.Integer))
    sa.Table("book", metadata, *columns)
    return Schema(
        name="shelf", version=version, metadata=metadata, migrations={int(k[3:]): v for k, v in migrations.items()}
    )


def add_year(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE book ADD COLUMN year INTEGER")


def filled(file: Path) -> None:
    """A store of version 1 with one book, closed."""
    engine = open_database(file)
    ensure_schema(engine, shelf(1))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO book (title) VALUES ('Middlemarch')")
    engine.dispose()


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_new_store_is_made_with_its_folder(tmp_path: Path) -> None:
    """Path or SQLite URL: the file and the folders above it are made, in WAL mode, every commit synced."""
    for place in (tmp_path / "a" / "b" / "store.db", f"sqlite:///{tmp_path}/c/store.db"):
        engine = open_database(place)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        engine.dispose()

    assert (tmp_path / "a" / "b" / "store.db").exists()
    assert (tmp_path / "c" / "store.db").exists()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Somebody else's file is named in the error and not one byte of it changes."""
    file = tmp_path / "store.db"
    file.write_bytes(b"my thesis, only copy\n" * 500)
    with pytest.raises(StoreError, match="is damaged") as caught:
        open_database(file)

    assert str(file) in str(caught.value)
    assert file.read_bytes() == b"my thesis, only copy\n" * 500
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """A page of nonsense in the middle is noticed on opening; the file stays for whoever can save it."""
    file = tmp_path / "store.db"
    engine = open_database(file)
    ensure_schema(engine, shelf(1))
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO book VALUES (:title)"), [{"title": "x" * 900}] * 200)
    engine.dispose()
    body = bytearray(file.read_bytes())
    body[3 * 4096 : 5 * 4096] = b"\xa5" * 2 * 4096
    file.write_bytes(body)
    with pytest.raises(StoreError, match="is damaged") as caught:
        open_database(file)

    assert str(file) in str(caught.value)
    assert file.read_bytes() == bytes(body)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the workspace should be: the error names the place and the flag."""
    (tmp_path / "here").write_text("a file")
    with pytest.raises(StoreError, match="--workspace"):
        open_database(tmp_path / "here" / "store.db")


def test_a_store_url_nobody_understands_is_refused_without_its_password() -> None:
    """The variable to check is named; what stands in it is not repeated."""
    for url in ("nosuchdatabase://user:hunter2@host/db", "post gres://user:hunter2@host:port/db"):
        with pytest.raises(StoreError, match="TOUCHSTONE_STORE") as caught:
            open_database(url)
        assert "hunter2" not in str(caught.value)


def test_schema_is_made_once(tmp_path: Path) -> None:
    """A second opening finds the tables and their rows."""
    file = tmp_path / "store.db"
    filled(file)
    engine = open_database(file)
    ensure_schema(engine, shelf(1))
    engine.dispose()

    assert rows(file, "SELECT title FROM book") == [("Middlemarch",)]
    assert rows(file, "SELECT name, version FROM schema_version") == [("shelf", 1)]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, read_only: bool) -> None:
    """What a newer version wrote is not touched, not by a byte; both versions and the remedy are named."""
    file = tmp_path / "store.db"
    filled(file)
    engine = open_database(file)
    ensure_schema(engine, shelf(2, to_2=add_year))
    engine.dispose()
    before = file.read_bytes()
    engine = open_database(file, read_only=read_only)
    with pytest.raises(StoreError, match=r"shelf version 2, this Touchstone knows 1; upgrade"):
        ensure_schema(engine, shelf(1))
    engine.dispose()

    assert file.read_bytes() == before
    assert len(list(tmp_path.glob("*.bak"))) == 1
    assert rows(file, "SELECT version FROM schema_version") == [(2,)]


def test_migration_brings_rows_along_and_keeps_a_copy(tmp_path: Path) -> None:
    """The old file lies beside the new one, complete, with the version in its name."""
    file = tmp_path / "store.db"
    filled(file)
    engine = open_database(file)
    ensure_schema(engine, shelf(2, to_2=add_year))
    engine.dispose()

    assert rows(file, "SELECT title, year FROM book") == [("Middlemarch", None)]
    assert rows(file, "SELECT version FROM schema_version") == [(2,)]
    [copy] = tmp_path.glob("*.bak")
    assert "shelf-v1" in copy.name
    assert rows(copy, "SELECT * FROM book") == [("Middlemarch",)]
    assert rows(copy, "SELECT version FROM schema_version") == [(1,)]


def test_a_migration_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    """The step before the failing one is undone as well, a mended migration then works, and both copies stay."""
    file = tmp_path / "store.db"
    filled(file)

    def add_and_fail(connection: sa.Connection) -> None:
        add_year(connection)
        connection.exec_driver_sql("UPDATE book SET year = 1871")
        raise RuntimeError("power cut")

    engine = open_database(file)
    with pytest.raises(RuntimeError, match="power cut"):
        ensure_schema(engine, shelf(2, to_2=add_and_fail))
    assert rows(file, "SELECT * FROM book") == [("Middlemarch",)]
    ensure_schema(engine, shelf(2, to_2=add_year))
    engine.dispose()

    assert rows(file, "SELECT * FROM book") == [("Middlemarch", None)]
    copies = sorted(tmp_path.glob("*.bak"))
    assert [copy.name for copy in copies] == ["store.shelf-v1-2.bak", "store.shelf-v1.bak"]
    for copy in copies:
        assert rows(copy, "SELECT * FROM book") == [("Middlemarch",)]


def test_several_steps_run_in_order(tmp_path: Path) -> None:
    """From version 1 to 3 by way of 2."""
    file = tmp_path / "store.db"
    filled(file)
    engine = open_database(file)
    ensure_schema(
        engine,
        shelf(3, to_2=add_year, to_3=lambda connection: connection.exec_driver_sql("UPDATE book SET year = 1871")),
    )
    engine.dispose()

    assert rows(file, "SELECT * FROM book") == [("Middlemarch", 1871)]


def test_two_schemas_share_a_file(tmp_path: Path) -> None:
    """Each room versions its own tables."""
    file = tmp_path / "store.db"
    filled(file)
    metadata = sa.MetaData()
    sa.Table("reader", metadata, sa.Column("name", sa.String))
    engine = open_database(file)
    ensure_schema(engine, Schema(name="readers", version=4, metadata=metadata))
    engine.dispose()

    assert sorted(rows(file, "SELECT name, version FROM schema_version")) == [("readers", 4), ("shelf", 1)]


def test_a_server_whose_driver_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the module that could not be imported."""
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ExtraMissing, match=r"touchstone\[postgres\]"):
        open_database("postgresql+psycopg://host/db")


def test_through_a_read_only_database_nothing_is_written(tmp_path: Path) -> None:
    """Rows can be read; writing, making tables and bringing older ones up is refused, and the file is as it was."""
    file = tmp_path / "store.db"
    filled(file)
    before = file.read_bytes()
    engine = open_database(file, read_only=True)
    ensure_schema(engine, shelf(1))
    assert is_read_only(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT title FROM book").scalar() == "Middlemarch"
    for statement in ("INSERT INTO book VALUES ('x')", "CREATE TABLE t (a)", "PRAGMA user_version = 7", "VACUUM"):
        with pytest.raises(sa.exc.OperationalError, match="readonly"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    with pytest.raises(StoreError, match="reading only"):
        ensure_schema(engine, shelf(2, to_2=add_year))
    with pytest.raises(StoreError, match="reading only"):
        ensure_schema(engine, Schema(name="other", version=1, metadata=sa.MetaData()))
    engine.dispose()

    assert file.read_bytes() == before


def test_a_store_that_is_absent_is_not_made_by_looking(tmp_path: Path) -> None:
    """Not the file, not the folder; the error says what makes one."""
    with pytest.raises(StoreError, match="run `touchstone compare`"):
        open_database(tmp_path / "a" / "store.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_odd_names_are_opened_as_they_are(tmp_path: Path) -> None:
    """Question marks, hashes, percent signs and blanks in a path mean nothing to the driver."""
    file = tmp_path / "a b#c?mode=rwc&x=%41é" / "store.db"
    filled(file)
    for read_only in (True, False):
        engine = open_database(file, read_only=read_only)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT title FROM book").scalar() == "Middlemarch"
        engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == ["a b#c?mode=rwc&x=%41é"]


def test_every_connection_syncs_its_commits(tmp_path: Path) -> None:
    """Not only the first one: each is set up to survive power loss."""
    engine = open_database(tmp_path / "store.db")
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync", "foreign_keys")
            }
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "fullfsync": 1,
                "checkpoint_fullfsync": 1,
                "foreign_keys": 1,
            }
    engine.dispose()


WRITE = """
import sys
from pathlib import Path
from touchstone.storage.database import open_database
engine = open_database(Path(sys.argv[1]))
number = 0
while True:
    with engine.begin() as connection:
        for _ in range(3):
            connection.exec_driver_sql("INSERT INTO book (title) VALUES (?)", (str(number),))
    print(number)
    number += 1
"""


def test_a_commit_that_was_told_of_survives_a_kill(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """Killed in the middle of writing: every row that was said to be kept is there, and no part of a commit."""
    file = tmp_path / "store.db"
    filled(file)
    for _ in range(3):
        with sqlite3.connect(file) as connection:
            connection.execute("DELETE FROM book")
        connection.close()
        writer = child(WRITE, file)
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(20)]
        writer.kill()
        told += writer.stdout.read().splitlines()
        writer.wait()
        open_database(file, check="full").dispose()
        kept = rows(file, "SELECT title, count(*) FROM book GROUP BY title")

        assert {count for _, count in kept} == {3}
        assert {line.strip() for line in told} <= {title for title, _ in kept}
        assert len(kept) <= len(told) + 1
