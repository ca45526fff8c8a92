"""What the accounts of a race are fed with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_rules import Bar


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20), seed=st.integers(0, 1000))
def test_means_by_case_are_means_of_what_is_bet_on(sizes: list[int], seed: int) -> None:
    """With clusters of any size: "mean by case is c" and "mean of the values by unit is the scaled c" are the same."""
    rng = np.random.default_rng(seed)
    units, cases = len(sizes), np.array(sizes)
    low, variable = rng.random((2, units)), rng.random((2, units))
    high = low + (1 - low) * rng.random((2, units)) * (rng.random((2, units)) < 0.3)
    by_case = (cases * variable).sum(axis=1) / cases.sum()
    bars = (Bar("most", "at_most", float(by_case[0])), Bar("least", "at_least", float(by_case[0])))
    board = Board(2, sizes, [0, units], bars)
    for i in range(2):
        both = np.stack([variable[i], variable[i]], axis=1)[:, None, :].repeat(2, axis=1)
        board.tell_many(i, np.arange(units), low[i], high[i], both, None)
    differences = board.differences(0, 1, 0, units)
    worst = float((cases * (low[0] - high[1])).sum() / cases.sum())
    assert np.abs(differences).max() <= 1
    assert differences.mean() == pytest.approx(board.scaled(worst))
    assert board.lead(0, 1) == pytest.approx(worst)
    assert board.mean(0) == board.mean_at(0, 1) == pytest.approx((cases * (low[0] + high[0])).sum() / 2 / cases.sum())
    for bar in (0, 1):
        assert board.unmet(0, bar, 0, units).mean() == pytest.approx(board.bar_mean(bar))
        assert np.abs(board.unmet(0, bar, 0, units)).max() <= 1
        further = board.unmet(1, bar, 0, units).mean() > board.bar_mean(bar)
        assert further == ((by_case[1] > by_case[0]) if bar == 0 else (by_case[1] < by_case[0]))


def test_what_is_not_answered_may_be_the_worst() -> None:
    """One candidate is ahead by what both have answered, less all the rest."""
    board = Board(2, [1] * 10, [0, 10], ())
    board.tell_many(0, np.arange(6), np.ones(6), np.ones(6), None, None)
    board.tell_many(1, np.arange(4), np.zeros(4), np.zeros(4), None, None)
    assert board.lead(0, 1) == pytest.approx((4 - 6) / 10)
    assert board.lead(1, 0) == pytest.approx((-4 - 6) / 10)
    assert (board.level(0), board.mean(0), board.missing(0, 10).tolist()) == (0, 1.0, [6, 7, 8, 9])
