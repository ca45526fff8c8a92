"""What a run that may be looked at at any moment promises: means as they are, intervals that say what they are."""

from __future__ import annotations

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


@given(drawn=asked())
def test_units_are_means_in_the_order_of_asking(drawn: tuple[Any, CaseOrder, list[str | None]]) -> None:
    """A cluster is one value, of those of its cases that have a score; a unit without any is left out."""
    scores, order, _ = drawn
    values, sizes = in_units(scores, order)
    wanted = []
    for unit in range(order.units):
        own = [scores[place] for place in order.cases_of(unit, unit + 1) if scores[place] == scores[place]]
        if own:
            wanted.append((sum(own) / len(own), len(own)))

    assert values.tolist() == [mean for mean, _ in wanted]
    if order.units == order.cases:
        assert sizes is None
    else:
        assert sizes == [size for _, size in wanted]


@given(drawn=asked(), confidence=st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=50, deadline=None)
def test_an_estimate_is_the_mean_of_what_is_there(
    drawn: tuple[Any, CaseOrder, list[str | None]], confidence: float
) -> None:
    """With its n in cases, an interval around it, and a method that says at which confidence."""
    scores, order, _ = drawn
    known = scores[~np.isnan(scores)]
    found = anytime_estimate(scores, order, confidence)
    values, sizes = in_units(scores, order)
    low, high = mean_sequence(values, confidence, sizes=sizes)

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


def scanned(values: Any, quantile: float, confidence: float) -> tuple[float | None, float | None]:
    """By the definition, level after level: where the share beyond is shown to be small, where it is shown not to."""
    levels = np.unique(values)
    low = high = None
    for level in levels:
        least, most = mean_sequence((values > level).astype(float), confidence)
        if least > 1 - quantile:
            low = float(level)
        if most <= 1 - quantile and high is None:
            high = float(level)
    return low, high


@given(
    amounts=st.lists(st.just(NAN) | st.integers(0, 9).map(float), min_size=1, max_size=200),
    repeats=st.integers(1, 2),
    seed=st.integers(0, 5),
)
@settings(max_examples=30, deadline=None)
def test_the_ends_of_a_quantile_are_what_is_refuted(amounts: list[float], repeats: int, seed: int) -> None:
    """Low is below high, both are amounts that were seen, and each end is where the definition has it."""
    cases = -(-len(amounts) // repeats)
    ordinal = np.arange(len(amounts)) // repeats
    order = CaseOrder.draw(cases, seed)
    values = np.array(amounts)
    found = anytime_quantile(values, ordinal, order, 0.5, 0.95)
    places = np.argsort(order.ordinals)
    in_order = values[np.argsort(places[ordinal], kind="stable")]
    low, high = scanned(in_order[~np.isnan(in_order)], 0.5, 0.95)

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
