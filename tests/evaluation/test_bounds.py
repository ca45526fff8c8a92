"""What missing cells could change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.bounds import coverage, coverage_class, missing_bounds, overlap


def test_measured_example_of_the_method() -> None:
    """Truth 0.701, a fifth of the cells lost, survivors' mean 0.750: bounds 0.600 to 0.800 hold the truth."""
    low, high = missing_bounds(0.75 * 800, 800, 1000)
    assert (low, high) == pytest.approx((0.6, 0.8))
    assert low <= 0.701 <= high


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=50), data=st.data())
def test_bounds_hold_the_truth_whatever_is_lost(scores: list[float], data: st.DataObject) -> None:
    """Lose any cells: the mean of all of them stays within the bounds, which touch when nothing is lost."""
    kept = data.draw(st.lists(st.sampled_from(range(len(scores))), unique=True))
    low, high = missing_bounds(sum(scores[at] for at in kept), len(kept), len(scores))
    assert low - 1e-9 <= sum(scores) / len(scores) <= high + 1e-9
    assert high - low == pytest.approx((len(scores) - len(kept)) / len(scores))


@pytest.mark.parametrize(
    ("known", "expected"),
    [(100, "fine"), (95, "fine"), (94, "yellow"), (80, "yellow"), (79, "withheld"), (0, "withheld")],
)
def test_coverage_classes_begin_at_95_and_80_percent(known: int, expected: str) -> None:
    """Both limits belong to the better class."""
    assert coverage_class(coverage(known, 100)) == expected


def test_overlap_is_symmetric_and_counts_touching() -> None:
    """Bounds that touch could level two candidates, so they overlap."""
    assert overlap((0.5, 0.7), (0.7, 0.9))
    assert overlap((0.1, 0.9), (0.4, 0.5))
    assert not overlap((0.8, 0.9), (0.5, 0.7))
    assert not overlap((0.5, 0.7), (0.8, 0.9))


def test_impossible_counts_are_refused() -> None:
    """No plan, more known than planned, or a total no scores can reach."""
    with pytest.raises(ValueError, match="nothing was planned"):
        coverage(0, 0)
    with pytest.raises(ValueError, match="impossible"):
        coverage(3, 2)
    with pytest.raises(ValueError, match="cannot add up"):
        missing_bounds(5.0, 3, 10)
