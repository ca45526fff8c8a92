"""A glance at the store: what was compared, or the honest word that one must look properly."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from tests.conftest import Run

from touchstone.evaluation.glance import models_compared


def test_it_sees_what_the_ledger_wrote(tmp_path: Path, touchstone: Run) -> None:
    """The glance reads the ledger's own column: models of every comparison, as the task files called them."""
    (tmp_path / "cases.csv").write_text("id,input,target\nq1,2+2,4\nq2,3+3,6\n")
    (tmp_path / "out.jsonl").write_text(
        "".join(
            json.dumps({"case_id": case, "model": model, "output": "4"}) + "\n"
            for case in ("q1", "q2")
            for model in ("acme/one", "acme/two")
        )
    )
    task = {
        "task": "sums",
        "cases": "cases.csv",
        "answer": {"kind": "number"},
        "candidates": [{"recorded": "out.jsonl"}],
    }
    (tmp_path / "task.yaml").write_text(json.dumps(task))

    result = touchstone("compare", "task.yaml", "--json")

    assert result.returncode == 0, result.stderr
    store = tmp_path / ".touchstone" / "touchstone.sqlite"
    assert models_compared(store) == {"acme/one", "acme/two"}
    assert models_compared(store, without=("recorded",)) == frozenset()
    with sqlite3.connect(store) as connection:
        [(dataset,)] = connection.execute("SELECT dataset FROM comparison")
    connection.close()
    assert models_compared(store, dataset=dataset) == {"acme/one", "acme/two"}
    assert models_compared(store, dataset="another") == frozenset()


@pytest.mark.parametrize("content", [b"no store", b""])
def test_what_it_cannot_read_is_left_to_the_ledger(tmp_path: Path, content: bytes) -> None:
    """A file that is no store of ours tells nothing, and that is said."""
    store = tmp_path / "touchstone.sqlite"
    store.write_bytes(content)

    assert models_compared(store) is None


def test_an_unknown_shape_is_left_to_the_ledger(tmp_path: Path) -> None:
    """A later version may write its specification otherwise; guessing at it would hide results."""
    store = tmp_path / "touchstone.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE comparison (spec BLOB)")
        connection.execute("INSERT INTO comparison VALUES (?)", (b'{"entrants": []}',))
    connection.close()

    assert models_compared(store) is None


def test_it_never_writes(tmp_path: Path) -> None:
    """Looking for a store that is not there makes none."""
    assert models_compared(tmp_path / "touchstone.sqlite") is None
    assert list(tmp_path.iterdir()) == []
