"""
Open the one database that holds everything, and version its tables.

SQLite in WAL mode by default, any SQLAlchemy URL otherwise. Rooms above bring their own tables as a `Schema`; this
room knows no noun of theirs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from touchstone.errors import ExtraMissing, StoreBusy, StoreError
from touchstone.storage.copies import keep_copy
from touchstone.storage.filesystem import refuse_network
from touchstone.storage.integrity import Check, inspect
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.server_lock import ServerLock
from touchstone.storage.sqlite_file import beside, connect_to_read

if TYPE_CHECKING:
    from collections.abc import Iterator

_versions = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)

# Held to the end of the transaction: two that make the same tables at once would both fail.
_MAKING = sa.select(sa.func.pg_advisory_xact_lock(0x746F7564, sa.func.hashtext(sa.func.current_schema())))

_PRAGMAS = (
    "journal_mode=WAL",
    # FULL: a reply that was paid for survives power loss; group commit keeps the price of it low.
    "synchronous=FULL",
    # On macOS a sync leaves the data in the disk's own memory unless it is asked twice. Nothing happens elsewhere.
    "fullfsync=ON",
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    "busy_timeout=30000",
    # For each connection, of which there are several; larger ones cost memory and save nothing here.
    "cache_size=-2048",
    # The log is cut back to this after a large transaction, or it would stay as long as it ever was.
    "journal_size_limit=67108864",
)


@dataclass(frozen=True)
class Schema:
    """Tables that belong together, with the steps from older versions of them."""

    name: str
    version: int
    metadata: sa.MetaData
    migrations: Mapping[int, Callable[[sa.Connection], None]] = field(default_factory=dict)
    """Version to the step that leads from the version before to it."""


def open_database(
    place: Path | str, *, read_only: bool = False, allow_network: bool = False, check: Check = "auto"
) -> sa.Engine:
    """
    A database ready for many readers and one writer.

    Every commit is on disk when it returns: the write-ahead log is synced each time (`synchronous=FULL`), and a
    commit that was cut off is gone as a whole. That holds for power loss too where the disk honours a sync.

    Args:
        place: Path of the SQLite file, made with its folder where absent; or a SQLAlchemy URL.
        read_only: Nothing can be written through it, and nothing is made; works while an engine writes.
        allow_network: Also on a network file system, when no other machine uses the store.
        check: How closely the file is looked at first; see `integrity.inspect`.

    Raises:
        StoreDamaged: the file is no database or is damaged; it was not touched.
        StoreOnNetwork: it lies on a network file system.
        StoreError: it cannot be opened, or is absent and `read_only`.
    """
    if isinstance(place, str) and "://" in place and not place.startswith("sqlite"):
        return _open_server(place, read_only=read_only)
    file = Path(str(place).removeprefix("sqlite:///"))
    if not allow_network:
        refuse_network(file.parent)
    if read_only and not file.exists():
        raise StoreError("there is no store at {file} yet; run `touchstone compare` first", file=str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > 0:
            inspect(file, check)
    except OSError as error:
        raise StoreError(
            "the workspace {place} cannot be made: {reason}; name another with --workspace",
            place=str(file.parent),
            reason=error.strerror,
        ) from error
    url = sa.URL.create("sqlite", database=str(file))
    if read_only:
        return sa.create_engine(
            url, creator=partial(connect_to_read, file), execution_options={"read_only": True}, poolclass=sa.QueuePool
        )
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": 30})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise _unusable(file, str(error.orig)) from error
    if mode != "wal":
        engine.dispose()
        raise _unusable(file, f"journal_mode={mode}")
    return engine


def _open_server(url: str, *, read_only: bool) -> sa.Engine:
    options = {"read_only": True, "postgresql_readonly": True} if read_only else {}
    try:
        return sa.create_engine(url, execution_options=options)
    except ModuleNotFoundError as error:
        if error.name in ("psycopg", "psycopg2"):
            raise ExtraMissing(feature="a store at postgresql+psycopg://…", extra="postgres") from error
        raise StoreError("the store URL cannot be used: {reason}; check TOUCHSTONE_STORE", reason=str(error)) from error
    except sa.exc.ArgumentError as error:
        raise StoreError("the store URL cannot be used: {reason}; check TOUCHSTONE_STORE", reason=str(error)) from error


def _unusable(file: Path, reason: str) -> StoreError:
    return StoreError(
        "the store {file} cannot be written: {reason}; check its rights and the room on its disk, or name another "
        "workspace with --workspace",
        file=str(file),
        reason=reason,
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def is_read_only(engine: sa.Engine) -> bool:
    """Whether a database was opened for reading only."""
    return bool(engine.get_execution_options().get("read_only"))


def store_file(engine: sa.Engine) -> Path | None:
    """The SQLite file behind a database, where it really lies; None for a server."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database).resolve()


def lock_of(engine: sa.Engine) -> ProcessLock | ServerLock:
    """
    The lock that the one process has which may do more to this store than add to it.

    Raises:
        StoreError: it is a server on which we know no such lock.
    """
    file = store_file(engine)
    if file is not None:
        return ProcessLock(beside(file, ".lock"))
    if engine.dialect.name != "postgresql":
        raise StoreError(
            "no engine can work in a store at {dialect}; use a folder of this machine, or PostgreSQL",
            dialect=engine.dialect.name,
        )
    return ServerLock(engine)


def begin_write(connection: sa.Connection) -> None:
    """
    Be the writer from here to the end of the transaction; waits for another one first.

    The driver opens no transaction before a SELECT, CREATE or ALTER: without this, what is read may be old when it is
    acted upon, and a step that fails half-way would stay half done.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]  # sqlite3's own
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def ensure_schema(engine: sa.Engine, schema: Schema) -> None:
    """
    Make the tables of `schema`, or bring older ones up to its version, keeping a copy of the file first.

    A step that fails leaves the store as it was; the copy stays too.

    Raises:
        StoreError: the tables were written by a newer version of Touchstone, or are absent or older and the database
            was opened for reading only. The file was not touched.
        StoreBusy: older tables cannot be brought up while an engine works in them.
        StoreFull: there is no room for the copy.
    """
    with engine.connect() as connection:
        found = _version(connection, schema) if sa.inspect(connection).has_table(_versions.name) else None
    if _is_current(found, schema):
        return
    if is_read_only(engine):
        raise StoreError(
            "the tables of {name} in {place} are absent or of an older version, and it was opened for reading only; "
            "run `touchstone compare` to bring them up to date",
            name=schema.name,
            place=engine.url.render_as_string(hide_password=True),
        )
    if found is None:
        _bring_up(engine, schema)
        return
    with _alone(engine):
        _bring_up(engine, schema)


def _version(connection: sa.Connection, schema: Schema) -> int | None:
    return connection.execute(sa.select(_versions.c.version).where(_versions.c.name == schema.name)).scalar()


def _is_current(found: int | None, schema: Schema) -> bool:
    if found is not None and found > schema.version:
        raise StoreError(
            "the store holds {name} version {found}, this Touchstone knows {known}; upgrade Touchstone",
            name=schema.name,
            found=found,
            known=schema.version,
        )
    return found == schema.version


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    lock = lock_of(engine)
    if lock.held_here:
        yield
        return
    if not lock.take():
        raise StoreBusy(
            "the store {place} is of an older version and must be brought up to date, but an engine works in it; "
            "wait until it has ended and run again",
            place=engine.url.render_as_string(hide_password=True),
        )
    try:
        yield
    finally:
        lock.release()


def _bring_up(engine: sa.Engine, schema: Schema) -> None:
    with engine.begin() as connection:
        begin_write(connection)
        if connection.dialect.name == "postgresql":
            connection.execute(_MAKING)
        _versions.create(connection, checkfirst=True)
        found = _version(connection, schema)
        if _is_current(found, schema):
            return  # another process did it while this one waited
        if found is None:
            schema.metadata.create_all(connection)
            connection.execute(_versions.insert().values(name=schema.name, version=schema.version))
            return
        file = store_file(engine)
        if file is not None:
            keep_copy(file, f"{schema.name}-v{found}")
        for version in range(found + 1, schema.version + 1):
            schema.migrations[version](connection)
        connection.execute(_versions.update().where(_versions.c.name == schema.name).values(version=schema.version))
