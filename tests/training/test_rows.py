"""Training rows: kept as they were, dealt into batches without losing or doubling any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.training.rows import Rows, batches, joined, padded, rows_of

LISTS = st.lists(st.lists(st.integers(0, 2_000), min_size=1, max_size=30), min_size=1, max_size=60)


def rows(lists: list[list[int]]) -> Rows:
    """Rows in which the second half of each is said."""
    return rows_of(
        ((numbers, [at >= len(numbers) // 2 for at in range(len(numbers))]) for numbers in lists), longest=25
    )


@given(LISTS, st.integers(16, 300), st.integers(0, 5))
def test_an_epoch_has_every_row_once_and_no_batch_is_too_large(lists: list[list[int]], most: int, epoch: int) -> None:
    """Padding counts; a row that is longer than a batch stands alone."""
    made = rows(lists)
    dealt = batches(made, batch_tokens=most, seed=3, epoch=epoch)

    assert sorted(int(row) for batch in dealt for row in batch) == list(range(len(lists)))
    for batch in dealt:
        assert len(batch) == 1 or len(batch) * int(made.lengths[batch].max()) <= most


@given(LISTS)
def test_batches_are_the_same_for_the_same_seed_and_epoch(lists: list[list[int]]) -> None:
    """A training that goes on after a kill learns what it would have learned."""
    made = rows(lists)
    first, again = (batches(made, batch_tokens=64, seed=3, epoch=1) for _ in range(2))

    assert [list(batch) for batch in first] == [list(batch) for batch in again]


@given(LISTS)
def test_a_padded_batch_holds_each_row_and_what_counts_of_it(lists: list[list[int]]) -> None:
    """Padding and the first token of a row count nothing, what is said counts as such."""
    made = rows(lists)
    chosen = np.arange(len(made))
    tokens, weights = padded(made, chosen)

    for place, numbers in enumerate(lists):
        own = numbers[:25]
        assert tokens[place, : len(own)].tolist() == own
        assert not weights[place, len(own) :].any()
        assert weights[place, 0] == 0
        wanted = [1 + (at >= len(numbers) // 2) for at in range(len(own))]
        assert weights[place, 1 : len(own)].tolist() == wanted[1:]


@given(LISTS, LISTS)
def test_rows_are_kept_and_joined_in_order(first: list[list[int]], second: list[list[int]]) -> None:
    """Nothing moves between rows."""
    both = joined([rows(first), rows(second)])

    assert [both.row(place)[0].tolist() for place in range(len(both))] == [one[:25] for one in (*first, *second)]


def test_rows_are_read_back_from_their_folder(tmp_path: Path) -> None:
    """By memory map, and a folder without them says so."""
    rows([[1, 2, 3], [4]]).write(tmp_path / "rows")
    found = Rows.read(tmp_path / "rows")

    assert found.row(0)[0].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="no training rows"):
        Rows.read(tmp_path)
