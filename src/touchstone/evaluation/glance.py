"""
What was compared, at a glance: read past the ledger, for commands that must answer at once and mostly find nothing.

The ledger's libraries take a third of a second to load. This looks into the SQLite file with what Python brings along,
read-only, and knows one column; whatever is unexpected there means that the ledger itself must be asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import orjson


def models_compared(store: Path, *, without: Collection[str] = (), dataset: str | None = None) -> frozenset[str] | None:
    """
    What the candidates of all comparisons asked, as the task files called it.

    Args:
        store: The ledger's SQLite file.
        without: Strategies whose candidates are left out.
        dataset: Digest of the cases that comparisons must be over; None takes any.

    Returns:
        None when the file does not tell: it is busy, damaged, or of another version.
    """
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
            rows = connection.execute(
                "SELECT spec FROM comparison WHERE :dataset IS NULL OR dataset = :dataset", {"dataset": dataset}
            )
            specs = [orjson.loads(spec) for (spec,) in rows]
        return frozenset(
            candidate["model"]
            for spec in specs
            for candidate in spec["candidates"]
            if candidate["strategy"] not in without
        )
    except (sqlite3.Error, orjson.JSONDecodeError, KeyError, TypeError):
        return None
