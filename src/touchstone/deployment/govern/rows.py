"""Rows of one table that are added with the next transaction, and of which nobody wants to hear more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from touchstone.deployment.govern.sql import Row, put


class Rows:
    """
    Whole rows, their values in the order of the table's columns; a `Work` of the writer.

    Args:
        table: Where they go.
        dialect: Of the database.
        replace: Whether a row of the same key is overwritten.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect, *, replace: bool = False) -> None:
        self._put = put(table, dialect, replace=replace)

    def apply(self, connection: sa.Connection, items: Sequence[Row]) -> Sequence[Any]:
        """See `Work`."""
        self._put.run_all(connection, items)
        return [None] * len(items)

    def committed(self) -> None:
        """Nothing follows; see `Work`."""

    def unheard(self, item: Any, result: Any) -> None:
        """They are kept whoever has left; see `Work`."""
