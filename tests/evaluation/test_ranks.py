"""Ranks as intervals, and the front."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.base import PairResult
from touchstone.evaluation.ranks import Axes, dominates, pareto_front, rank_intervals

value = st.none() | st.integers(0, 3).map(float)
points = st.dictionaries(st.sampled_from("abcdefg"), st.tuples(value, value, value))


def pair(a: str, b: str, difference: float, p: float) -> PairResult:
    """As a race gives it: its p value is adjusted for nothing."""
    return PairResult(a=a, b=b, difference=difference, low=-1, high=1, n=100, p=p, adjusted_p=p, method="test")


def test_ranks_follow_the_significant_pairs_only() -> None:
    """Here a beats c for sure, b is not told apart from either: a may be 1 or 2, c 2 or 3, b anything."""
    found = rank_intervals(
        ["a", "b", "c"], [pair("a", "b", 0.1, 0.3), pair("c", "a", -0.3, 0.001), pair("b", "c", 0.2, 0.05)]
    )
    assert found == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}


def test_all_ranks_hold_together() -> None:
    """Three pairs are looked at: a p value of 0.02 for itself separates nobody, one of 0.016 does."""
    for p, first in ((0.02, (1, 3)), (0.016, (1, 2))):
        pairs = [pair("a", "b", 0.1, p), pair("a", "c", 0.1, 0.9), pair("b", "c", 0.1, 0.9)]
        assert rank_intervals(["a", "b", "c"], pairs)["a"] == first


@given(data=st.data(), count=st.integers(1, 6))
def test_a_rank_interval_holds_the_rank_by_mean(data: st.DataObject, count: int) -> None:
    """With differences that come from means, each candidate's rank by mean lies in its interval."""
    means = {str(at): data.draw(st.floats(0, 1)) for at in range(count)}
    pairs = [pair(a, b, means[a] - means[b], data.draw(st.floats(0, 1))) for a, b in itertools.combinations(means, 2)]
    found = rank_intervals(list(means), pairs)
    for name, (best, worst) in found.items():
        rank = 1 + sum(other > means[name] for other in means.values())
        assert 1 <= best <= rank <= worst <= count


@given(points=points)
def test_nobody_on_the_front_is_dominated_and_everybody_else_is(points: dict[str, Axes]) -> None:
    """Measured on the axes somebody knows; names do not repeat, and order of input does not matter."""
    front = pareto_front(points)
    measured = {name for name, axes in points.items() if axes[0] is not None}
    used = [axis for axis in range(3) if any(points[name][axis] is not None for name in measured)]

    def costs(name: str) -> list[float | None]:
        quality = points[name][0]
        return [-quality if axis == 0 and quality is not None else points[name][axis] for axis in used]

    for name in measured:
        assert (name in front) != any(dominates(costs(other), costs(name)) for other in measured)
    assert set(front) <= measured
    assert len(set(front)) == len(front)
    assert pareto_front(dict(reversed(points.items()))) == front


def test_unknown_cost_neither_dominates_nor_is_dominated() -> None:
    """Better and faster at an unknown price does not push a cheap candidate off; nor is it pushed off itself."""
    assert pareto_front({"dear": (0.9, None, 0.1), "cheap": (0.8, 1.0, 0.2), "worse": (0.7, 2.0, 0.3)}) == (
        "dear",
        "cheap",
    )


def test_an_axis_nobody_knows_is_left_out() -> None:
    """Recorded answers without prices: the front is drawn on what is there."""
    assert pareto_front({"a": (0.9, None, 1.0), "b": (0.8, None, 2.0), "c": (0.7, None, 0.5)}) == ("a", "c")
    assert pareto_front({"a": (0.9, None, None), "b": (0.8, None, None)}) == ("a",)
    assert pareto_front({"unmeasured": (None, 1.0, 1.0)}) == ()
