"""
Read what is good out of a damaged store and write it into a new one.

The damaged file is opened for reading only. SQLite keeps no checksum of a page, so a row that can be read is not
proof that it is what was written: whoever knows more about a table's rows says so with `verify`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from touchstone.errors import StoreDamaged, StoreError, StoreFull
from touchstone.storage.copies import sync
from touchstone.storage.pages import leaf_keys
from touchstone.storage.reserve import is_out_of_space
from touchstone.storage.sqlite_file import beside, connect_to_read, log_bytes
from touchstone.storage.walk import TableWalk

Verify = Callable[[Mapping[str, Any]], bool]

_BLOCK = 500
_HEADER_BYTES = 100
_PAGE_BYTES = 4096
"""What SQLite gives to every new file, and so what a store has whose header no longer says it."""
_ROOT_KINDS = (5, 13)
"""What the byte behind the header can be in a sound file: the kind of the page that the list of tables starts on."""


@dataclass(frozen=True)
class SavedTable:
    """What became of one table."""

    name: str
    saved: int
    """Rows in the new file."""
    lost: int | None
    """Rows that are not, at most; None when nobody knows how many there were."""


@dataclass(frozen=True)
class Salvaged:
    """What was saved, and what was not."""

    target: Path
    tables: tuple[SavedTable, ...]
    problems: tuple[StoreDamaged, ...]
    """What was met on the way, for people; empty when everything was saved."""


def salvage(
    file: Path, target: Path, *, verify: Mapping[str, Verify] | None = None, derived: Collection[str] = ()
) -> Salvaged:
    """
    Copy every readable row of a store into a new SQLite file, which then opens as a store.

    What waits in the write-ahead log is read too. Nobody may have the damaged file open meanwhile.

    Args:
        file: The damaged store; not one byte of it is changed.
        target: Where the new one goes; there must be nothing yet, and it appears when it is complete.
        verify: By table, whether a row, by column, is what was once written.
        derived: Tables whose rows are made out of others' and would contradict what is left of these: they stay empty.

    Raises:
        StoreDamaged: the list of tables cannot be read, so nothing can be saved.
        StoreFull: there is no room for the new file.
        StoreError: the file is absent, the target is there already, or it cannot be written.
    """
    if not file.is_file():
        raise StoreError("there is no store at {file}; name the damaged file", file=str(file))
    if target.exists():
        raise StoreError("{target} is there already; name a file that is not", target=str(target))
    with ExitStack() as finally_:
        with _writing(target):
            folder = Path(finally_.enter_context(tempfile.TemporaryDirectory(dir=target.parent)))
        problems: list[StoreDamaged] = []
        source = finally_.enter_context(closing(_source(file, folder, problems)))
        tables, others = _schema(source, file, problems)
        fresh = folder / "fresh"
        with _writing(target):
            with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
                for line in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-65536", "BEGIN"):
                    connection.execute(line)
                for _, sql in (table for table in tables if table[0] in derived):
                    connection.execute(sql)
                saved = [
                    _save_table(source, connection, name, sql, (verify or {}).get(name))
                    for name, sql in tables
                    if name not in derived
                ]
                _save_sequences(source, connection)
                for name, sql in others:
                    _make(connection, name, sql, problems)
                connection.execute("COMMIT")
            sync(fresh)
            _move(fresh, target)
            sync(target.parent)
    return Salvaged(target, tuple(saved), tuple(problems + [_loss(table) for table in saved if table.lost != 0]))


def _source(file: Path, folder: Path, problems: list[StoreDamaged]) -> sqlite3.Connection:
    """The damaged file; or, where its header makes no sense, a copy in `folder` with a new one."""
    connection = _connect(file)
    if _lists_tables(connection):
        return connection
    connection.close()
    copy = folder / "copy"
    with _writing(copy):
        for suffix in ("", "-wal"):
            if beside(file, suffix).exists():
                shutil.copyfile(beside(file, suffix), beside(copy, suffix))
        with copy.open("r+b") as stream:
            head = stream.read(_HEADER_BYTES + 1)
            if len(head) > _HEADER_BYTES and head[-1] in _ROOT_KINDS:
                stream.seek(0)
                stream.write(_header(copy))
    connection = _connect(copy)
    if _lists_tables(connection):
        problems.append(StoreDamaged("the first bytes of {file} were damaged and have been made anew", file=str(file)))
        return connection
    connection.close()
    raise StoreDamaged(
        "nothing can be saved out of {file}: the list of its tables cannot be read; if a copy of it lies beside it "
        "(*.bak), use that one",
        file=str(file),
    )


def _connect(file: Path) -> sqlite3.Connection:
    connection = connect_to_read(file)
    # The first lets a file be read that is shorter than it says, or whose list of tables is damaged in part.
    for setting in ("writable_schema=ON", "cell_size_check=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _lists_tables(connection: sqlite3.Connection) -> bool:
    for direction in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            query = f"SELECT 1 FROM sqlite_master ORDER BY rowid {direction} LIMIT 1"  # noqa: S608 - two words of ours
            if connection.execute(query).fetchone() is not None:
                return True
    return False


def _header(file: Path) -> bytes:
    """The first 100 bytes of an SQLite file, as its file format lays them down."""
    version = 2 if log_bytes(file) else 1  # 2: with a write-ahead log
    pages = file.stat().st_size // _PAGE_BYTES
    counters = (1, pages, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0)  # 1: first change; 4: schema format; 1: UTF-8
    return struct.pack(
        ">16sHBBBBBB12I20x2I", b"SQLite format 3\0", _PAGE_BYTES, version, version, 0, 64, 32, 32, *counters, 1, 3040000
    )


def _schema(
    source: sqlite3.Connection, file: Path, problems: list[StoreDamaged]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Names and SQL of the tables, and of what is made out of them."""
    walk = TableWalk(source, "sqlite_master", ["rowid"], [True], ["type", "name", "sql"])
    rows = [row for row in walk if row[2] is not None and not row[1].startswith("sqlite_")]
    if not walk.whole:
        problems.append(
            StoreDamaged("the list of tables of {file} is damaged: there may have been others", file=str(file))
        )
    tables = [(name, sql) for kind, name, sql in rows if kind == "table"]
    return tables, [(name, sql) for kind, name, sql in rows if kind != "table"]


def _save_table(
    source: sqlite3.Connection, target: sqlite3.Connection, name: str, sql: str, verify: Verify | None
) -> SavedTable:
    target.execute(sql)
    table = _quoted(name)
    shape = [(row[1], row[2].upper(), row[5]) for row in target.execute(f"PRAGMA table_info({table})")]
    names = [column for column, _, _ in shape]
    key = [(column, kind) for column, kind, place in sorted(shape, key=lambda row: row[2]) if place]
    columns = [_quoted(column) for column in names]
    if _has_rowid(target, table):
        # Kept, so that a row that is met twice is known for one.
        columns, key = ["rowid", *columns], []
    sought = [_quoted(column) for column, _ in key] or ["rowid"]
    integers = ["INT" in kind for _, kind in key] or [True]
    walk = TableWalk(source, table, sought, integers, columns, partial(_leaf_keys, source, len(key), len(names)))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names out of the schema, quoted
    read, before = 0, target.total_changes
    rows = iter(walk)
    while block := list(islice(rows, _BLOCK)):
        read += len(block)
        if verify is not None:
            block = [row for row in block if verify(dict(zip(names, row[-len(names) :], strict=True)))]
        target.executemany(insert, block)
    saved = target.total_changes - before
    # By a sound index, or by the keys between the rows that were found.
    total = max(_counts(source, table), default=None)
    if total is None and walk.lost_at_most is not None:
        total = read + walk.lost_at_most
    if walk.whole:
        total = max(total or 0, read)
    return SavedTable(name, saved, None if total is None else max(total - saved, 0))


def _leaf_keys(source: sqlite3.Connection, width: int, columns: int) -> Iterator[tuple[Any, ...]]:
    [(_, _, file)] = source.execute("PRAGMA database_list").fetchall()
    [page_bytes] = source.execute("PRAGMA page_size").fetchone()
    return leaf_keys(Path(file), page_bytes, width, columns)


def _has_rowid(connection: sqlite3.Connection, table: str) -> bool:
    try:
        connection.execute(f"SELECT rowid FROM {table} LIMIT 0")  # noqa: S608 - a name out of the schema, quoted
    except sqlite3.OperationalError:
        return False
    return True


def _counts(source: sqlite3.Connection, table: str) -> Iterator[int]:
    """The number of rows that a table had, by each of its indexes that is sound."""
    with suppress(sqlite3.Error):
        for _, index, _, _, partial, *_ in source.execute(f"PRAGMA index_list({table})").fetchall():
            if not partial:
                query = f"SELECT count(*) FROM {table} INDEXED BY {_quoted(index)}"  # noqa: S608 - names out of the schema, quoted
                with suppress(sqlite3.Error):
                    yield source.execute(query).fetchone()[0]


def _save_sequences(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """The highest numbers that were given out, so that a lost row's number is not given to another one."""
    rows: list[tuple[str, int]] = []
    with suppress(sqlite3.Error):  # there is no such table where nothing counts, and it may be damaged
        rows += source.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    for name, highest in rows:
        target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, highest))


def _make(target: sqlite3.Connection, name: str, sql: str, problems: list[StoreDamaged]) -> None:
    try:
        target.execute(sql)
    except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
        if is_out_of_space(error):
            raise
        problems.append(StoreDamaged("{name} cannot be made anew: {reason}", name=name, reason=str(error)))


def _loss(table: SavedTable) -> StoreDamaged:
    if table.lost is None:
        return StoreDamaged(
            "table {name}: {saved} rows saved; how many are lost is not known", name=table.name, saved=table.saved
        )
    return StoreDamaged(
        "table {name}: {saved} of at most {known} rows saved",
        name=table.name,
        saved=table.saved,
        known=table.saved + table.lost,
    )


def _move(fresh: Path, target: Path) -> None:
    """Give the new file its name, never taking that of another one."""
    try:
        os.link(fresh, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if target.exists():
            raise
        fresh.rename(target)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if is_out_of_space(error):
            raise StoreFull(
                "there is no room for {target}; name a file on another disk, the damaged store is left as it is",
                target=str(target),
            ) from error
        raise StoreError(
            "{target} cannot be written: {reason}; name another file, the damaged store is left as it is",
            target=str(target),
            reason=str(error),
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
