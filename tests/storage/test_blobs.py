"""Large values come back byte for byte, and belong to the transaction that wrote them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.storage.blobs import put_blob, read_blob
from touchstone.storage.database import begin_write, open_database

metadata = sa.MetaData()
values = sa.Table(
    "large",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("note", sa.String),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(tmp_path / "store.sqlite")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def put(engine: sa.Engine, key: int, *parts: object) -> None:
    with engine.begin() as connection:
        begin_write(connection)
        connection.execute(values.delete().where(values.c.key == key))
        put_blob(connection, values.c.body, {"key": key, "note": "n"}, parts)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=9_000), max_size=5), numbers=st.lists(st.floats(allow_nan=False), max_size=50))
def test_what_was_written_in_parts_is_read_as_a_whole(
    engine: sa.Engine, parts: list[bytes], numbers: list[float]
) -> None:
    """Bytes and arrays, one after the other; as every other reader of the table sees it."""
    array = np.array(numbers)
    put(engine, 7, *parts, array)
    whole = b"".join(parts) + array.tobytes()
    with engine.connect() as connection:
        assert read_blob(connection, values.c.body, 7) == whole
        assert tuple(connection.execute(sa.select(values)).one()) == (7, "n", whole)


def test_what_is_not_there_is_none(engine: sa.Engine) -> None:
    """Never written, or taken back with its transaction."""
    with engine.connect() as connection:
        assert read_blob(connection, values.c.body, 1) is None
    with engine.connect() as connection:
        begin_write(connection)
        put_blob(connection, values.c.body, {"key": 1}, [b"half"])
        connection.rollback()
    with engine.connect() as connection:
        assert read_blob(connection, values.c.body, 1) is None


def test_a_row_that_another_process_takes_away_is_none(engine: sa.Engine, tmp_path: Path) -> None:
    """Between the look whether it is there and the reading."""
    put(engine, 1, b"gone")

    @sa.event.listens_for(engine, "after_cursor_execute")
    def _take_away(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            with closing(sqlite3.connect(tmp_path / "store.sqlite")) as other, other:
                other.execute("DELETE FROM large")

    with engine.connect() as connection:
        assert read_blob(connection, values.c.body, 1) is None
