"""Our own ledger, read with nothing but sqlite3: what a run left on disk, whatever the program says about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """The store of a workspace."""

    path: Path

    @classmethod
    def of(cls, folder: Path) -> Store:
        """The store that commands run in a folder use."""
        return cls(folder / ".touchstone" / "touchstone.sqlite")

    @property
    def begun(self) -> bool:
        """Whether there is a store with tables; who dies early enough leaves none."""
        return self.path.exists() and bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = 'attempt'"))

    def rows(self, query: str, *values: object) -> list[Row]:
        """What a query finds, one mapping per row."""
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def attempts(self, text: str = "") -> list[Row]:
        """Attempts whose request holds a text, in the order in which they were sent."""
        found = self.rows("SELECT * FROM attempt ORDER BY id")
        return [row for row in found if text.encode() in row["request"]]

    def replies(self) -> list[Row]:
        """Every stored reply."""
        return self.rows("SELECT * FROM reply")

    def cells(self) -> list[Row]:
        """Outcomes by trial, case and repeat."""
        return self.rows("SELECT * FROM outcome ORDER BY trial, ordinal, repeat")
