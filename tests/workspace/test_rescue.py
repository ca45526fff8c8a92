"""What becomes of a damaged store: its good rows are saved beside it, and nothing is overwritten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.workspace.test_workspace import House

from touchstone.config import load_settings
from touchstone.errors import StoreDamaged
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.scoring.base import Score
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.rescue import rescued
from touchstone.workspace.workspace import Workspace


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A store with a whole comparison, and a page of outputs in its middle overwritten."""
    house = House(tmp_path, cases=120)
    with house.workspace:
        house.compare(CompareOptions(full=True))
    file = tmp_path / "store" / "touchstone.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outcome'").fetchone()[0]
    connection.close()
    body = bytearray(file.read_bytes())
    body[(root - 1) * page_bytes : (root - 1) * page_bytes + 200] = b"\xff" * 200
    file.write_bytes(body)
    return file


def test_a_damaged_store_is_told_saved_and_left_alone(damaged: Path) -> None:
    """The error names the new workspace; it opens, and what was saved is there."""
    before = damaged.read_bytes()
    with Workspace(load_settings(damaged.parent)) as workspace, pytest.raises(StoreDamaged) as told:
        workspace.decide("latest", Demands())
    saved = damaged.parent.with_name("store-salvaged")
    assert damaged.read_bytes() == before
    assert f"--workspace {saved}" in str(told.value)
    assert "is damaged" in str(told.value)

    with Workspace(load_settings(damaged.parent)) as workspace, pytest.raises(StoreDamaged, match="were saved before"):
        workspace.comparisons()

    with Workspace(load_settings(saved)) as workspace:
        [found] = workspace.comparisons()
        assert found.task == "topics"
    connection = sqlite3.connect(saved / "touchstone.sqlite")
    replies = connection.execute("SELECT count(*) FROM reply").fetchone()[0]
    connection.close()
    assert replies == 360


async def test_no_packed_number_speaks_for_a_cell_that_is_lost(tmp_path: Path) -> None:
    """What is counted after a rescue is what was saved; packed copies are made anew."""
    file = tmp_path / "store" / "touchstone.sqlite"
    ledger = Ledger(file)
    for ordinal in range(10):
        cell = Outcome(case="c", candidate="a", kind="scored", scores=(Score(scorer="exact", value=1.0),))
        await ledger.keep_outcome(1, ordinal, cell)
    await ledger.drain()
    Comparisons(ledger).pack(1)
    ledger.close()
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM outcome WHERE ordinal >= 6")  # as if a damaged page had held them
    connection.commit()
    connection.close()

    told = rescued(file, StoreDamaged("{file} is damaged", file=str(file)))
    assert " 0 could not be read" in str(told)
    saved = Ledger(tmp_path / "store-salvaged" / file.name)
    assert len(Comparisons(saved).numbers(1)["kind"]) == 6
    Comparisons(saved).pack(1)
    assert len(Comparisons(saved).numbers(1)["kind"]) == 6
    saved.close()
