"""Intervals and tests that may be looked at at any time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import seeded

from touchstone.evaluation.betting import STAKES, Accounts
from touchstone.evaluation.intervals import wilson
from touchstone.evaluation.sequences import (
    FEW,
    anytime_p,
    difference_sequence,
    mean_sequence,
    mean_sequence_here,
    stakes_before,
)

scores = st.lists(
    st.floats(0, 1).map(lambda value: round(value, 3)) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60
)


@given(values=scores, more=scores, confidence=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_intervals_lie_in_range_and_only_shrink(values: list[float], more: list[float], confidence: float) -> None:
    """Ends are in [0, 1] in order, the interval of more values lies within that of fewer, and less confidence too."""
    early, late = mean_sequence(values, confidence), mean_sequence(values + more, confidence)
    assert 0 <= early[0] <= early[1] <= 1
    if late[0] < late[1]:
        slack = 1e-5
        crossed = late[0] > early[1] or late[1] < early[0]
        assert crossed or (early[0] - slack <= late[0] and late[1] <= early[1] + slack)
    assert mean_sequence(values, 0.3)[0] >= early[0] - 1e-5 or early[0] == early[1]


@given(values=scores, confidence=st.sampled_from([0.5, 0.95]))
def test_zeros_and_ones_change_places(values: list[float], confidence: float) -> None:
    """The interval of 1 - value is the mirrored one."""
    low, high = mean_sequence(values, confidence)
    mirrored = mean_sequence([1 - value for value in values], confidence)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=2e-5)


@given(values=st.lists(st.integers(-1, 1).map(float), min_size=1, max_size=50))
def test_the_interval_of_a_difference_is_that_of_the_stretched_mean(values: list[float]) -> None:
    """Differences in [-1, 1] are means of (d + 1) / 2; the other candidate's view is the mirrored one."""
    low, high = difference_sequence(values)
    assert -1 <= low <= high <= 1
    assert difference_sequence([-value for value in values]) == pytest.approx((-high, -low), abs=4e-5)


def missed_at_any_time(mean: float, runs: int, looks: list[int], graded: bool) -> float:
    """Share of runs in which the interval misses the mean at any look."""
    missed = 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, int(mean * 100)])
        values = rng.beta(4 * mean, 4 * (1 - mean), looks[-1]) if graded else rng.random(looks[-1]) < mean
        missed += any(
            not low <= mean <= high for low, high in (mean_sequence(values[:look].astype(float)) for look in looks)
        )
    return missed / runs


@pytest.mark.parametrize(("mean", "graded"), [(0.5, False), (0.9, False), (0.99, False), (0.3, True)])
def test_the_mean_of_future_cases_is_covered_at_all_times(mean: float, graded: bool) -> None:
    """Looked at again and again up to 400 values, the interval has ever been wrong in at most 5 % of 200 runs."""
    assert missed_at_any_time(mean, seeded(80, 200), [5, 10, 20, 30, 50, 80, 120, 200, 300, 400], graded) <= 0.05


def test_a_look_at_the_end_remembers_all_looks_before() -> None:
    """Accounts keep their maximum: who looks once at the end sees what looking after every value would have shown."""
    values = (np.random.default_rng(5).random(120) < 0.7).astype(float)
    seen = [mean_sequence(values[:count]) for count in range(1, 121)]
    low, high = mean_sequence(values)
    assert low == pytest.approx(max(one for one, _ in seen), abs=2e-5)
    assert high == pytest.approx(min(one for _, one in seen), abs=2e-5)


@pytest.mark.parametrize("values", [(1, 1, 0, 0, 0, 0, 1, 0), (0.9, 0.1, 0.4, 0.4, 0.7, 0.2)])
def test_over_all_orders_the_mean_of_a_finite_set_is_covered(values: tuple[float, ...]) -> None:
    """Every order of a small set, every moment: the interval for its own mean is wrong in at most 1 - confidence."""
    mean = sum(values) / len(values)
    orders = sorted(set(itertools.permutations(values)))
    missed = 0
    for order in orders:
        intervals = [mean_sequence_here(order[:n], len(values), 0.5) for n in range(1, len(values) + 1)]
        missed += any(not low - 1e-9 <= mean <= high + 1e-9 for low, high in intervals)
    assert missed <= 0.5 * len(orders)


def test_the_mean_by_case_of_a_finite_set_of_clusters_is_covered() -> None:
    """Clusters of one and of four, the large ones better, in 300 random orders: wrong in at most 1 - confidence."""
    sizes = np.array([4, 1, 1] * 20)
    values = np.array([1.0, 0.0, 0.5, 0.75, 0.25, 0.0] * 10)
    mean = (sizes * values).sum() / sizes.sum()
    missed, runs = 0, seeded(100, 300)
    for seed in range(runs):
        order = np.random.default_rng(seed).permutation(60)
        intervals = [
            mean_sequence_here(values[order[:n]], 60, 0.5, sizes[order].tolist()) for n in (5, 10, 20, 30, 40, 50, 60)
        ]
        missed += any(not low - 1e-9 <= mean <= high + 1e-9 for low, high in intervals)
        assert intervals[-1] == pytest.approx((mean, mean))
    assert 0 < missed <= 0.5 * runs


def test_the_mean_by_case_of_future_clusters_is_covered() -> None:
    """Large clusters score higher: the interval is of the mean by case, at all times, in 95 % of 150 runs."""
    missed = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        sizes = rng.choice([1, 5], 200)
        values = np.where(sizes == 5, rng.random(200) < 0.9, rng.random(200) < 0.3).astype(float)
        truth = (5 * 0.9 + 1 * 0.3) / 6
        intervals = [mean_sequence(values[:n], 0.95, sizes.tolist()) for n in (20, 50, 100, 200)]
        missed += any(not low <= truth <= high for low, high in intervals)
    assert missed <= 0.05 * 150


@given(values=scores, unseen=st.integers(0, 40))
def test_what_is_unseen_bounds_a_finite_set(values: list[float], unseen: int) -> None:
    """The interval lies within what the unseen values can still do, and is the mean itself when nothing is unseen."""
    total = len(values) + unseen
    low, high = mean_sequence_here(values, total)
    assert sum(values) / total - 1e-9 <= low <= high <= (sum(values) + unseen) / total + 1e-9
    if unseen == 0:
        assert low == pytest.approx(high)


@pytest.mark.parametrize("mean", [0.5, 0.7, 0.9])
def test_widths_are_sensible(mean: float) -> None:
    """At 1,000 values at most 1.6 times as wide as an interval that may be looked at once; half of a set, narrower."""
    wide, here = [], []
    for seed in range(10):
        values = (np.random.default_rng(seed).random(1000) < mean).astype(float)
        once = np.diff(wilson(values.sum(), 1000))[0]
        wide.append(np.diff(mean_sequence(values))[0] / once)
        here.append(np.diff(mean_sequence_here(values, 2000))[0] / once)
    assert 1 < np.mean(wide) <= 1.6
    assert np.mean(here) < 0.85 * np.mean(wide)


def test_many_values_are_no_different_from_few() -> None:
    """Beyond the first few thousand only every sixteenth moment is looked at: hardly wider, and valid as before."""
    values = (np.random.default_rng(1).random(FEW + 5003) < 0.6).astype(float)
    low, high = mean_sequence(values)
    assert low < 0.6 < high
    assert high - low < 0.04
    here = mean_sequence_here(values, 2 * len(values))
    assert here[1] - here[0] < high - low
    ones = mean_sequence(np.ones(60_000))
    assert ones[0] > 0.9998
    assert ones[1] == 1


def test_one_value_says_little() -> None:
    """No interval of nothing; after one value nothing is excluded, unless the set is small."""
    assert mean_sequence([1.0]) == (0.0, 1.0)
    assert mean_sequence_here([1.0], 2) == (0.5, 1.0)


@given(values=scores, last=st.floats(0, 1))
def test_a_stake_is_known_before_its_value(values: list[float], last: float) -> None:
    """Another last value changes no stake, its own included."""
    first, second = np.array(values), np.array([*values[:-1], last])
    weights = np.ones(len(values))
    assert np.array_equal(stakes_before(first, weights, 0.95), stakes_before(second, weights, 0.95))


def test_values_in_no_random_order_give_ends_in_order() -> None:
    """All zeros, then all ones: both ends are refuted at some time, and what is between them is given."""
    low, high = mean_sequence([0.0] * 500 + [1.0] * 500)
    assert low < high
    assert mean_sequence_here([0.0] * 500 + [1.0] * 500, 1000) == pytest.approx((0.5, 0.5))


# p


@given(values=st.lists(st.floats(-1, 1).map(lambda value: round(value, 2)), min_size=1, max_size=60))
def test_p_is_two_over_the_most_either_account_had(values: list[float]) -> None:
    """The accounts are those of the race for future units at c = 0, one for each direction."""
    both = [Accounts([0.0], None) for _ in range(2)]
    both[0].feed(np.array(values))
    both[1].feed(-np.array(values))
    assert anytime_p(values) == pytest.approx(min(1.0, 2 / max(account.best[0] for account in both)))
    assert anytime_p([-value for value in values]) == anytime_p(values)


def test_p_never_rises_and_falls_for_a_difference() -> None:
    """Twenty gains: p is two over the average of (1 + s)^20, and more values do not raise it."""
    gains = [1.0] * 20
    assert anytime_p(gains) == pytest.approx(2 / (sum((1 + s) ** 20 for s in STAKES) / len(STAKES)))
    assert anytime_p(gains + [-1.0] * 50) <= anytime_p(gains)
    assert anytime_p([0.0] * 100) == 1
    assert anytime_p([]) == 1


def test_p_is_rarely_small_without_a_difference() -> None:
    """Looked at at all times up to 500, p falls to 0.05 in at most 5 % of 1,000 runs without a difference."""
    fell = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        fell += anytime_p(rng.choice([-1.0, 0.0, 1.0], 500, p=[0.15, 0.7, 0.15])) <= 0.05
    assert 0 < fell <= 50


def test_differences_by_cluster_are_weighted() -> None:
    """A cluster of four counts four times what a single case does, in either direction."""
    p = anytime_p([1.0, -1.0] * 30, [4, 1] * 30)
    assert p < 0.05
    assert anytime_p([1.0, -1.0] * 30) > 0.5
    assert difference_sequence([1.0, -1.0] * 100, sizes=[4, 1] * 100)[0] > 0


# What is refused


def test_values_out_of_range_are_refused() -> None:
    """No values, NaN, values outside their range, sizes that do not fit, and totals that are too small."""
    for values in ([], [1.1], [-0.1], [float("nan")], [[0.5]]):
        with pytest.raises(ValueError):
            mean_sequence(values)
        with pytest.raises(ValueError):
            mean_sequence_here(values, 10)
    with pytest.raises(ValueError):
        difference_sequence([1.5])
    with pytest.raises(ValueError):
        anytime_p([-1.5])
    for sizes in ([1], [1, 0], []):
        with pytest.raises(ValueError):
            mean_sequence([0.5, 0.5], sizes=sizes)
    with pytest.raises(ValueError):
        mean_sequence_here([0.5, 0.5], 1)
    with pytest.raises(ValueError):
        mean_sequence_here([0.5, 0.5], 3, sizes=[1, 1])
