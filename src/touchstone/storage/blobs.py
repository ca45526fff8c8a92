"""
One large value, read and written in place where the database can do that.

As a parameter or a result of a statement, SQLite and its driver each hold a copy of it; a report has many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def put_blob(connection: sa.Connection, column: sa.Column[Any], values: dict[str, Any], parts: Sequence[Any]) -> None:
    """
    Insert a row with a large value, within the transaction of the connection.

    Args:
        connection: Its transaction writes already.
        column: Where the value goes; its table has an integer as its primary key.
        values: The other columns.
        parts: Of the value, as buffers.
    """
    table = column.table
    if connection.dialect.name != "sqlite":
        connection.execute(sa.insert(table).values(**values, **{column.name: b"".join(parts)}))
        return
    size = sum(memoryview(part).nbytes for part in parts)
    placed = sa.insert(table).values(**values, **{column.name: sa.func.zeroblob(size)})
    [rowid] = connection.execute(placed).inserted_primary_key or [None]
    driver: Any = connection.connection.driver_connection
    with driver.blobopen(table.name, column.name, rowid) as blob:
        for part in parts:
            blob.write(part)


def read_blob(connection: sa.Connection, column: sa.Column[Any], key: int) -> bytes | None:
    """The large value of the row with this primary key; None when there is no such row."""
    table = column.table
    [primary] = table.primary_key
    if connection.dialect.name != "sqlite":
        found = connection.execute(sa.select(column).where(primary == key)).scalar()
        return None if found is None else bytes(found)
    if connection.execute(sa.select(primary).where(primary == key)).scalar() is None:
        return None
    driver: Any = connection.connection.driver_connection
    try:
        with driver.blobopen(table.name, column.name, key, readonly=True) as blob:
            body: bytes = blob.read()
    except sqlite3.OperationalError:
        return None  # another process took it away meanwhile
    return body
