"""Statements of the hot path: rows in the order of their names, whatever order the database wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from touchstone.deployment.govern.meter_sql import MeterSql
from touchstone.deployment.govern.sql import Sql, put
from touchstone.storage.database import open_database

_metadata = sa.MetaData()
pairs = sa.Table(
    "pair", _metadata, sa.Column("name", sa.String, primary_key=True), sa.Column("size", sa.Integer, nullable=False)
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = open_database(tmp_path / "store.sqlite")
    _metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_rows_are_put(connection: sa.Connection) -> None:
    """Absent ones only, or over those that are there; how many rows changed is told."""
    dialect = connection.dialect
    put(pairs, dialect).run_all(connection, [("a", 1), ("b", 2)])
    put(pairs, dialect).run_all(connection, [])
    assert put(pairs, dialect, absent=True).run(connection, ("a", 9)) == 0
    assert put(pairs, dialect, replace=True).run(connection, ("b", 9)) == 1

    find = Sql(sa.select(pairs.c.size).where(pairs.c.name == sa.bindparam("b_name")), ["b_name"], dialect)
    assert [find.find(connection, (name,)) for name in "abc"] == [(1,), (9,), None]


def test_a_name_that_stands_twice_is_given_once(connection: sa.Connection) -> None:
    """The order of names is the caller's, not that of the statement."""
    size = sa.bindparam("b_size", type_=sa.Integer)
    grow = Sql(
        pairs.update()
        .where(pairs.c.name == sa.bindparam("b_name"), pairs.c.size + size <= sa.bindparam("b_most"))
        .values(size=pairs.c.size + size),
        ["b_name", "b_size", "b_most"],
        connection.dialect,
    )
    put(pairs, connection.dialect).run(connection, ("a", 1))

    assert [grow.run(connection, ("a", size, 5)) for size in (2, 2, 1)] == [1, 1, 0]
    grow.run_all(connection, [("a", 0, 5), ("a", 0, 5)])


def test_a_server_gets_names() -> None:
    """The statements of the meter compile for PostgreSQL, whose driver takes parameters by name."""
    found = MeterSql(postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    assert "%(b_usd)s" in found.take.text
    assert "ON CONFLICT" in found.put_window.text
