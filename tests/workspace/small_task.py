"""A task of five cases, and a catalog of a few cards with a real index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_rows import index_rows
from touchstone.catalog.index_write import fill_index
from touchstone.config import Settings
from touchstone.workspace.taskfile import Task, load_task

TODAY = date(2026, 8, 1)
TASK = """\
# Which intent is it?
task: intents
instruction: Name the intent.
cases: cases.csv
answer: {kind: label, labels: [refund, delivery]}
candidates:
  - baseline/majority     # costs nothing
constraints: {licence: open, max_usd_per_month: 5}
volume: {requests_per_month: 2000}
"""
ROWS = "id,input,target,split\n" + "".join(
    f"q{n},{'where is my parcel ' * n}now,delivery,{'train' if n > 3 else 'test'}\n" for n in range(1, 6)
)


def task_in(folder: Path, text: str = TASK, rows: str = ROWS) -> Task:
    (folder / "cases.csv").write_text(rows, encoding="utf-8")
    (folder / "task.yaml").write_text(text, encoding="utf-8", newline="")
    return load_task(folder)


def settings_in(folder: Path) -> Settings:
    return Settings(workspace=folder / ".touchstone", workspace_from="test")


class SmallCatalog(Catalog):
    """A catalog of a few cards, with a real index in memory."""

    def __init__(self, cards: Sequence[Card]) -> None:
        super().__init__(None, today=TODAY)
        connection = sqlite3.connect(":memory:")
        fill_index(connection, index_rows(sorted(cards, key=lambda one: one.id), TODAY, {}), {"key": "test"})
        self.__dict__["index"] = CatalogIndex(connection)
