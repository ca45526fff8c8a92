"""
Open the one database that holds everything, and version its tables.

SQLite in WAL mode by default, any SQLAlchemy URL otherwise. Rooms above bring their own tables as a `Schema`; this
room knows no noun of theirs.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from touchstone.errors import ExtraMissing, StoreError

_versions = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


@dataclass(frozen=True)
class Schema:
    """Tables that belong together, with the steps from older versions of them."""

    name: str
    version: int
    metadata: sa.MetaData
    migrations: Mapping[int, Callable[[sa.Connection], None]] = field(default_factory=dict)
    """Version to the step that leads from the version before to it."""


def open_database(place: Path | str) -> sa.Engine:
    """
    A database ready for many readers and one writer.

    Args:
        place: Path of the SQLite file, made with its folder where absent; or a SQLAlchemy URL.

    Raises:
        StoreError: the file is no database, is damaged, or cannot be opened.
    """
    if isinstance(place, str) and "://" in place and not place.startswith("sqlite"):
        try:
            return sa.create_engine(place)
        except ModuleNotFoundError as error:
            if error.name in ("psycopg", "psycopg2"):
                raise ExtraMissing(feature="a store at postgresql+psycopg://…", extra="postgres") from error
            raise StoreError(
                "the store URL cannot be used: {reason}; check TOUCHSTONE_STORE", reason=str(error)
            ) from error
        except sa.exc.ArgumentError as error:
            raise StoreError(
                "the store URL cannot be used: {reason}; check TOUCHSTONE_STORE", reason=str(error)
            ) from error
    file = Path(str(place).removeprefix("sqlite:///"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "the workspace {place} cannot be made: {reason}; name another with --workspace",
            place=str(file.parent),
            reason=error.strerror,
        ) from error
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file)), connect_args={"check_same_thread": False, "timeout": 30}
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise StoreError(
            "the store {file} cannot be read: {reason}; move it away to start anew, it is left as it is",
            file=str(file),
            reason=str(error.orig),
        ) from error
    if found != "ok":
        engine.dispose()
        raise StoreError("the store {file} is damaged: {reason}; it is left as it is", file=str(file), reason=found)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a reply that was paid for survives power loss; group commit keeps the price of it low.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "cache_size=-16384",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def ensure_schema(engine: sa.Engine, schema: Schema) -> None:
    """
    Make the tables of `schema`, or bring older ones up to its version, keeping a copy of the file first.

    Raises:
        StoreError: the tables were written by a newer version of Touchstone.
    """
    with engine.connect() as connection:
        if sa.inspect(connection).has_table(_versions.name) and _version(connection, schema) == schema.version:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # The driver opens no transaction before a CREATE or ALTER: without this, a step that fails half-way would
            # stay half done. It also makes a second process wait and then find the work done.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        _versions.create(connection, checkfirst=True)
        _bring_up(engine, connection, schema)


def _version(connection: sa.Connection, schema: Schema) -> int | None:
    return connection.execute(sa.select(_versions.c.version).where(_versions.c.name == schema.name)).scalar()


def _bring_up(engine: sa.Engine, connection: sa.Connection, schema: Schema) -> None:
    found = _version(connection, schema)
    if found == schema.version:
        return
    if found is not None and found > schema.version:
        raise StoreError(
            "the store holds {name} version {found}, this Touchstone knows {known}; upgrade Touchstone",
            name=schema.name,
            found=found,
            known=schema.version,
        )
    if found is None:
        schema.metadata.create_all(connection)
        connection.execute(_versions.insert().values(name=schema.name, version=schema.version))
        return
    _keep_copy(engine, f"{schema.name}-v{found}")
    for version in range(found + 1, schema.version + 1):
        schema.migrations[version](connection)
    connection.execute(_versions.update().where(_versions.c.name == schema.name).values(version=schema.version))


def _keep_copy(engine: sa.Engine, label: str) -> None:
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    file = Path(engine.url.database)
    copy = file.with_suffix(f".{label}.bak")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    shutil.copystat(file, copy)
