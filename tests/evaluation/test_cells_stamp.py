"""What tells the cells of trials from what they were before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome, Recipe
from touchstone.evaluation.cells_stamp import DIGEST, cells_stamp
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.statements import outcome_row
from touchstone.models.base import Completion, TextPart, Usage
from touchstone.scoring.base import Reading, Score

RUN = "c" * 12
CHANGES = {
    "kind": "'refused'", "run": "'another'", "score": "0.5", "latency_s": "latency_s + 0.001", "cost_usd": "2.0",
    "retry_usd": "0.5", "judge_usd": "0.5", "first_token_s": "0.1", "queue_s": "0.7", "input_tokens": "11",
    "output_tokens": "11", "retries": "3", "error": "'HTTP 502'", "served_model": "'m2'",
    "system_fingerprint": "'f2'", "remark": "'odd'", "how": "'last line'", "text": "'a longer text'",
    "answer": "'a longer answer'", "scores": "CAST('[{}]' AS BLOB)",
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A store with two trials of ten cells each."""
    found = Ledger(tmp_path / "touchstone.sqlite")
    comparisons = Comparisons(found)
    for place in range(2):
        trial = comparisons.trial(f"{place:064d}", Recipe(model="m", strategy="prompt"))
        rows = [
            outcome_row(
                trial,
                n,
                Outcome(
                    case="",
                    candidate="",
                    kind="scored",
                    completion=Completion(
                        parts=(TextPart(text="B"),),
                        usage=Usage(input_tokens=10, output_tokens=2),
                        cost_usd=0.001,
                        latency_s=0.25,
                        finish="stop",
                        served_model="m",
                    ),
                    reading=Reading(answer="B", how="whole"),
                    scores=(Score(scorer="choice", value=1.0, reason="right"),),
                ),
                RUN,
            )
            for n in range(10)
        ]
        with found.writing() as connection:
            found.statements.put_outcome.run(connection, rows)
    yield found
    found.close()


def change(ledger: Ledger, statement: str) -> None:
    with ledger.writing() as connection:
        assert connection.execute(sa.text(statement)).rowcount == 1


@pytest.mark.parametrize("column", CHANGES)
def test_a_cell_that_says_anything_else_is_another_stamp(ledger: Ledger, column: str) -> None:
    """Each column of a single cell counts."""
    before = cells_stamp(ledger, [1, 2])
    change(ledger, f"UPDATE outcome SET {column} = {CHANGES[column]} WHERE trial = 2 AND ordinal = 4")
    assert cells_stamp(ledger, [1, 2]) != before
    assert cells_stamp(ledger, [1]) == cells_stamp(ledger, [1])


def test_two_cells_that_change_places_are_another_stamp(ledger: Ledger) -> None:
    """A sum alone would be the same."""
    change(ledger, "UPDATE outcome SET latency_s = 0.5 WHERE trial = 1 AND ordinal = 4")
    before = cells_stamp(ledger, [1])
    change(ledger, "UPDATE outcome SET latency_s = 0.25 WHERE trial = 1 AND ordinal = 4")
    change(ledger, "UPDATE outcome SET latency_s = 0.5 WHERE trial = 1 AND ordinal = 5")
    assert cells_stamp(ledger, [1]) != before


def test_a_missing_number_is_no_zero(ledger: Ledger) -> None:
    """A cell without a cost is another one than a cell that cost nothing."""
    change(ledger, "UPDATE outcome SET cost_usd = 0 WHERE trial = 1 AND ordinal = 4")
    before = cells_stamp(ledger, [1])
    change(ledger, "UPDATE outcome SET cost_usd = NULL WHERE trial = 1 AND ordinal = 4")
    assert cells_stamp(ledger, [1]) != before


def test_more_or_fewer_cells_are_another_stamp(ledger: Ledger) -> None:
    """And which trials are meant counts."""
    before = cells_stamp(ledger, [1, 2])
    assert cells_stamp(ledger, [2, 1]) == before
    assert cells_stamp(ledger, [1]) != before
    change(ledger, "DELETE FROM outcome WHERE trial = 1 AND ordinal = 9")
    assert cells_stamp(ledger, [1, 2]) != before


def test_a_packed_copy_is_told_by_its_digest(ledger: Ledger) -> None:
    """Packed again it is the same, with another number in it another; the counted texts are as before."""
    comparisons = Comparisons(ledger)
    texts = comparisons.texts(1, 1)
    comparisons.pack(1)
    assert DIGEST not in comparisons.texts(1, 1)
    assert texts == {} or comparisons.texts(1, 1) == texts
    before = cells_stamp(ledger, [1])
    comparisons.drop_packed([1])
    comparisons.pack(1)
    assert cells_stamp(ledger, [1]) == before
    comparisons.drop_packed([1])
    change(ledger, "UPDATE outcome SET latency_s = 0.5 WHERE trial = 1 AND ordinal = 4")
    comparisons.pack(1)
    assert cells_stamp(ledger, [1]) != before


def test_a_copy_of_an_older_version_is_read(ledger: Ledger) -> None:
    """It says no digest of its numbers; two that differ in a number are told apart all the same."""
    comparisons, stamps = Comparisons(ledger), []
    packed = tables.packed_cells
    for seconds in (0.25, 0.5):
        comparisons.drop_packed([1])
        change(ledger, f"UPDATE outcome SET latency_s = {seconds} WHERE trial = 1 AND ordinal = 4")
        comparisons.pack(1)
        with ledger.writing() as connection:
            texts = orjson.loads(connection.execute(sa.select(packed.c.texts).where(packed.c.trial == 1)).scalar_one())
            del texts[DIGEST]
            connection.execute(packed.update().where(packed.c.trial == 1).values(texts=orjson.dumps(texts)))
        stamps += [cells_stamp(ledger, [1]), cells_stamp(ledger, [1])]
    assert stamps[0] == stamps[1] != stamps[2] == stamps[3]
