"""A statement that every request runs: compiled once, and given to SQLite's own driver, which keeps it prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

Row = tuple[Any, ...]


class Sql:
    """
    One statement for rows that are plain tuples.

    SQLAlchemy's own path costs 30 µs for each execution, of which a request would have ten; it is used where the store
    is no SQLite file.

    Args:
        clause: What to run; its parameters are named.
        names: The parameters in the order in which rows give them.
        dialect: Of the database.
    """

    def __init__(self, clause: sa.ClauseElement, names: Sequence[str], dialect: sa.Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.text = str(compiled)
        self._names = tuple(names)
        order = getattr(compiled, "positiontup", None)
        self._places = None if order is None else [self._names.index(name) for name in order]
        self._straight = self._places == list(range(len(self._names)))
        self._own = dialect.name == "sqlite"

    def run(self, connection: sa.Connection, row: Row) -> int:
        """Run it for one row; how many rows of the table it changed."""
        if self._own:
            driver: Any = connection.connection.dbapi_connection
            return int(driver.execute(self.text, self._given(row)).rowcount)
        return connection.exec_driver_sql(self.text, self._given(row)).rowcount

    def run_all(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Run it for every row."""
        if not rows:
            return
        given = list(rows) if self._straight else [self._given(row) for row in rows]
        if self._own:
            driver: Any = connection.connection.dbapi_connection
            driver.executemany(self.text, given)
        else:
            connection.exec_driver_sql(self.text, given)

    def find(self, connection: sa.Connection, row: Row) -> Any:
        """The first row that it finds, None when there is none."""
        if self._own:
            driver: Any = connection.connection.dbapi_connection
            return driver.execute(self.text, self._given(row)).fetchone()
        return connection.exec_driver_sql(self.text, self._given(row)).fetchone()

    def _given(self, row: Row) -> Any:
        if self._straight:
            return row
        if self._places is None:
            return dict(zip(self._names, row, strict=True))
        return tuple(row[place] for place in self._places)


def put(table: sa.Table, dialect: sa.Dialect, *, absent: bool = False, replace: bool = False) -> Sql:
    """
    Insert whole rows, their values in the order of the table's columns.

    Args:
        absent: A row of the same key stays as it is.
        replace: A row of the same key is overwritten.
    """
    clause: Any = table.insert()
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        clause = postgresql.insert(table)
        if absent:
            clause = clause.on_conflict_do_nothing()
        elif replace:
            keys = list(table.primary_key)
            clause = clause.on_conflict_do_update(
                index_elements=keys,
                set_={column.name: clause.excluded[column.name] for column in table.c if column not in keys},
            )
    elif absent or replace:
        clause = clause.prefix_with("OR IGNORE" if absent else "OR REPLACE")
    return Sql(clause, [column.name for column in table.c], dialect)
