"""What a run that may be looked at at any moment promises: means as they are, intervals that say what they are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.evaluation.live import anytime_estimate, anytime_pairs, anytime_quantile, in_units
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.sequences import anytime_p, difference_sequence, mean_sequence

NAN = float("nan")

groupings = st.lists(st.none() | st.sampled_from("abc"), min_size=1, max_size=12)
maybe_scores = st.just(NAN) | st.integers(0, 4).map(lambda number: number / 4)


@st.composite
def asked(draw: st.DrawFn) -> tuple[Any, CaseOrder, list[str | None]]:
    """Scores by case with at least one known, and the order of asking."""
    groups = draw(groupings)
    scores = draw(st.lists(maybe_scores, min_size=len(groups), max_size=len(groups)))
    scores[draw(st.integers(0, len(groups) - 1))] = 0.5
    return np.array(scores), CaseOrder.draw(len(groups), draw(st.integers(0, 9)), groups), groups


@given(drawn=asked(), data=st.data())
def test_units_are_means_in_the_order_of_asking(
    drawn: tuple[Any, CaseOrder, list[str | None]], data: st.DataObject
) -> None:
    """
    A cluster is one value, of those of its cases that have a score. Left out are a unit without any, and one that was
    asked in part; unless one says what was asked, that is one in which a score is missing. Behind stands the largest.
    """
    scores, order, _ = drawn
    whole = data.draw(st.none() | st.lists(st.booleans(), min_size=order.cases, max_size=order.cases))
    values, sizes = in_units(scores, order, None if whole is None else np.array(whole))
    wanted = []
    for unit in range(order.units):
        places = order.cases_of(unit, unit + 1).tolist()
        own = [scores[place] for place in places if scores[place] == scores[place]]
        if own and (len(own) == len(places) if whole is None else all(whole[place] for place in places)):
            wanted.append((sum(own) / len(own), len(own)))

    assert values.tolist() == [mean for mean, _ in wanted]
    if order.units == order.cases:
        assert sizes is None
    else:
        assert sizes == [*(size for _, size in wanted), max(order.sizes)]


@given(drawn=asked(), seed=st.integers(0, 5), confidence=st.sampled_from([0.2, 0.5, 0.9]))
@settings(max_examples=50, deadline=None)
def test_an_interval_only_shrinks_whatever_comes(
    drawn: tuple[Any, CaseOrder, list[str | None]], seed: int, confidence: float
) -> None:
    """It would not have held before if it could grow when a larger cluster than any so far comes in."""
    _, order, _ = drawn
    scores = np.random.default_rng(seed).integers(0, 2, order.cases).astype(float)
    looks = []
    for stop in range(1, order.cases + 1):
        shown = np.full(order.cases, NAN)
        shown[order.ordinals[:stop]] = scores[order.ordinals[:stop]]
        values, sizes = in_units(shown, order)
        looks.append(mean_sequence(values, confidence, sizes=sizes) if len(values) else (0.0, 1.0))

    for before, after in pairwise(looks):
        assert after[0] >= before[0] - 1e-5
        assert after[1] <= before[1] + 1e-5


def test_a_large_cluster_still_to_come_is_known_from_the_start() -> None:
    """Two hundred single cases say little of a mean in which the next cluster weighs forty."""
    order = CaseOrder(np.arange(240), np.array([*range(201), 240]))
    scores = np.full(240, NAN)
    scores[:200] = np.random.default_rng(1).random(200) < 0.8
    first = anytime_estimate(scores, order, 0.95)
    scores[200] = 0.0
    begun = anytime_estimate(scores, order, 0.95)
    scores[200:] = 0.0
    last = anytime_estimate(scores, order, 0.95)

    assert (first.n, begun.n, last.n) == (200, 200, 240)
    assert begun.mean == first.mean
    assert first.low <= last.mean <= first.high
    assert (begun.low, begun.high) == (first.low, first.high)
    assert first.low <= last.low <= last.high <= first.high


def test_nothing_is_said_before_a_whole_cluster_was_asked() -> None:
    """Of a mean, of a difference or of a quantile; the mean of what is there is shown all the same."""
    order = CaseOrder.draw(4, 0, ["a"] * 4)
    scores = np.array([[1.0, 1.0, NAN, NAN], [0.0, 1.0, NAN, NAN]])
    found = anytime_estimate(scores[0], order, 0.95)
    [pair] = anytime_pairs(["a", "b"], scores, order, 0.95)

    assert (found.mean, found.low, found.high, found.n) == (1.0, 0.0, 1.0, 2)
    assert (pair.difference, pair.low, pair.high, pair.p, pair.n) == (0.5, -1.0, 1.0, 1.0, 2)
    assert anytime_quantile(np.array([1.0, 2.0]), np.array([0, 1]), order, 0.5, 0.95) == (None, None)


def test_a_case_that_was_asked_in_vain_does_not_hide_its_cluster() -> None:
    """Its cluster counts with the scores it has; only a cluster that is not asked to its end is left out."""
    order = CaseOrder.draw(400, 3, [f"g{place // 4}" for place in range(400)])
    scores = np.random.default_rng(2).integers(0, 2, (2, 400)).astype(float)
    scores[:, ::4] = NAN
    found = anytime_estimate(scores[0], order, 0.95, np.ones(400, dtype=bool))
    blind = anytime_estimate(scores[0], order, 0.95)
    [pair] = anytime_pairs(["a", "b"], scores, order, 0.95, np.ones((2, 400), dtype=bool))
    [none] = anytime_pairs(["a", "b"], scores, order, 0.95, np.zeros((2, 400), dtype=bool))

    assert 0.3 < found.low < found.high < 0.7
    assert (blind.low, blind.high) == (0.0, 1.0)
    assert -0.3 < pair.low < pair.high < 0.3
    assert (none.low, none.high) == (-1.0, 1.0)


@given(drawn=asked(), confidence=st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=50, deadline=None)
def test_an_estimate_is_the_mean_of_the_cases_that_its_interval_is_of(
    drawn: tuple[Any, CaseOrder, list[str | None]], confidence: float
) -> None:
    """
    With its n in cases and a method that says at which confidence. A cluster that is not asked to its end is in none of
    them; while there is no other, the mean is of what is there.
    """
    scores, order, _ = drawn
    whole = [
        order.ordinals[start:stop]
        for start, stop in pairwise(order.starts.tolist())
        if not np.isnan(scores[order.ordinals[start:stop]]).any()
    ]
    known = scores[np.concatenate(whole)] if whole else scores[~np.isnan(scores)]
    found = anytime_estimate(scores, order, confidence)
    values, sizes = in_units(scores, order)
    low, high = mean_sequence(values, confidence, sizes=sizes) if len(values) else (0.0, 1.0)

    assert (found.mean, found.n) == (pytest.approx(known.mean()), len(known))
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert (found.low, found.high) == (min(low, found.mean), max(high, found.mean))
    assert found.method == f"anytime-valid {100 * confidence:g} %"


def test_clusters_widen_the_interval() -> None:
    """Ten answers to each of twenty passages are not two hundred answers."""
    scores = np.repeat(np.arange(20) % 2, 10).astype(float)
    alone = anytime_estimate(scores, CaseOrder.draw(200, 1), 0.95)
    grouped = anytime_estimate(scores, CaseOrder.draw(200, 1, np.repeat(np.arange(20), 10).tolist()), 0.95)

    assert alone.mean == grouped.mean
    assert grouped.high - grouped.low > alone.high - alone.low


def test_pairs_are_of_the_cases_both_have() -> None:
    """A minus b, in the order of the names, with what differs of 0/1 scores; no common case is no pair."""
    scores = np.array([[1.0, 1.0, 0.0, NAN, 1.0], [0.0, 1.0, 1.0, 1.0, 0.0], [NAN, NAN, NAN, 1.0, NAN]])
    order = CaseOrder.draw(5, 2)
    found = anytime_pairs(["a", "b", "c"], scores, order, 0.95)

    assert [(pair.a, pair.b, pair.n) for pair in found] == [("a", "b", 4), ("b", "c", 1)]
    pair = found[0]
    values, _ = in_units(scores[0] - scores[1], order)
    low, high = difference_sequence(values, 0.95)
    assert (pair.difference, pair.discordance) == (0.25, 0.75)
    assert (pair.low, pair.high) == (min(low, 0.25), max(high, 0.25))
    assert pair.p == pair.adjusted_p == anytime_p(values)
    assert pair.method == "anytime-valid 95 %"


def test_graded_scores_have_no_discordance() -> None:
    """It is a share of cases that differ, and graded scores nearly always do."""
    scores = np.array([[0.5, 1.0], [0.0, 1.0]])
    [pair] = anytime_pairs(["a", "b"], scores, CaseOrder.draw(2, 0), 0.95)
    assert pair.discordance is None


def test_a_pair_turned_round_says_the_same_of_the_other() -> None:
    """The difference and its ends change their sign, the p value stays."""
    scores = np.random.default_rng(3).integers(0, 2, (2, 100)).astype(float)
    order = CaseOrder.draw(100, 2)
    [one] = anytime_pairs(["a", "b"], scores, order, 0.95)
    [other] = anytime_pairs(["b", "a"], scores[::-1], order, 0.95)

    assert (one.difference, one.low, one.high) == (
        -other.difference,
        pytest.approx(-other.high),
        pytest.approx(-other.low),
    )
    assert one.p == pytest.approx(other.p)


# Quantiles


def scanned(by_case: list[list[float]], quantile: float, confidence: float) -> tuple[float | None, float | None]:
    """
    By the definition, level after level: where the share beyond is shown to be small, where it is shown not to.

    Args:
        by_case: What is known of each case, in the order of asking.
    """
    known = [own for own in by_case if own]
    levels = sorted({value for own in known for value in own})
    low = high = None
    for level in levels:
        shares = [sum(value > level for value in own) / len(own) for own in known]
        least, most = mean_sequence(shares, confidence)
        if least > 1 - quantile:
            low = float(level)
        if most <= 1 - quantile and high is None:
            high = float(level)
    return low, high


@given(
    amounts=st.lists(st.just(NAN) | st.integers(0, 9).map(float), min_size=1, max_size=200),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 5),
)
@settings(max_examples=30, deadline=None)
def test_the_ends_of_a_quantile_are_what_is_refuted(amounts: list[float], repeats: int, seed: int) -> None:
    """Low is below high, both are amounts that were seen; each end is where the definition has it, case by case."""
    cases = -(-len(amounts) // repeats)
    ordinal = np.arange(len(amounts)) // repeats
    order = CaseOrder.draw(cases, seed)
    values = np.array(amounts)
    found = anytime_quantile(values, ordinal, order, 0.5, 0.95)
    own = [[value for value in values[ordinal == case].tolist() if value == value] for case in order.ordinals]
    low, high = scanned(own, 0.5, 0.95)

    assert found[1] == high
    # `low` is the last amount of which more than the share was shown to lie beyond it.
    assert found[0] == low
    assert found[0] is None or found[1] is None or found[0] <= found[1]


@pytest.mark.parametrize("cells", [0, 1, 10])
def test_few_cells_say_nothing_of_a_slow_tail(cells: int) -> None:
    """One cell in twenty may be slower than the 95th percentile; ten cells show no upper end, and none is made up."""
    amounts = np.arange(float(cells))
    low, high = anytime_quantile(amounts, np.arange(cells), CaseOrder.draw(cells, 1), 0.95, 0.95)

    assert high is None
    assert low is None or low < 8


def test_many_cells_have_both_ends() -> None:
    """Around the quantile, and closer the more there are."""
    widths = []
    for cells in (1_000, 8_000):
        amounts = np.random.default_rng(1).permutation(cells) / cells
        low, high = anytime_quantile(amounts, np.arange(cells), CaseOrder.draw(cells, 1), 0.95, 0.95)
        assert low is not None
        assert high is not None
        assert low < 0.95 < high
        widths.append(high - low)
    assert widths[1] < widths[0]


@pytest.mark.parametrize("grouped", [False, True])
def test_ten_answers_to_a_slow_case_are_one_slow_case(grouped: bool) -> None:
    """
    Repeats, or a cluster, of which all are slow or none: the upper end is too low in a few runs at most.

    Of all cases 5.5 % take 9 s, so that is the 95th percentile. Taken one by one, ten answers each would hide it in two
    of five runs.
    """
    cases, each, wrong, said = 150, 10, 0, 0
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(cases), each)
    order = CaseOrder.draw(cases * each, 7, groups.tolist()) if grouped else CaseOrder.draw(cases, 7)
    for _ in range(40):
        slow = generator.random(cases) < 0.055
        latency_s = np.repeat(np.where(slow, 9.0, 1.0), each) + generator.random(cases * each) * 0.01
        _, high = anytime_quantile(latency_s, np.arange(cases * each) if grouped else groups, order, 0.95, 0.95)
        said += high is not None
        wrong += high is not None and high < 9

    assert said > 0
    assert wrong <= 3
