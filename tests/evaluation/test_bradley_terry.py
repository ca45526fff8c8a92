"""Strengths from pairs: the published example, what the model demands, and where nothing is known."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from touchstone.evaluation.bradley_terry import PRIOR, Outcome, _inverse, bradley_terry

BASEBALL = {
    ("Milwaukee", "Detroit"): (7, 6),
    ("Milwaukee", "Toronto"): (9, 4),
    ("Milwaukee", "New York"): (7, 6),
    ("Milwaukee", "Boston"): (7, 6),
    ("Milwaukee", "Cleveland"): (9, 4),
    ("Milwaukee", "Baltimore"): (11, 2),
    ("Detroit", "Toronto"): (7, 6),
    ("Detroit", "New York"): (5, 8),
    ("Detroit", "Boston"): (11, 2),
    ("Detroit", "Cleveland"): (9, 4),
    ("Detroit", "Baltimore"): (9, 4),
    ("Toronto", "New York"): (7, 6),
    ("Toronto", "Boston"): (7, 6),
    ("Toronto", "Cleveland"): (8, 5),
    ("Toronto", "Baltimore"): (12, 1),
    ("New York", "Boston"): (6, 7),
    ("New York", "Cleveland"): (7, 6),
    ("New York", "Baltimore"): (10, 3),
    ("Boston", "Cleveland"): (7, 6),
    ("Boston", "Baltimore"): (12, 1),
    ("Cleveland", "Baltimore"): (6, 7),
}
"""Games of the American League's eastern teams in 1987, won and lost; Agresti, "Categorical Data Analysis"."""
AGRESTI = {
    "Milwaukee": 1.5814,
    "Detroit": 1.4364,
    "Toronto": 1.2945,
    "New York": 1.2476,
    "Boston": 1.1077,
    "Cleveland": 0.6839,
    "Baltimore": 0.0,
}
"""Strengths above Baltimore's, as the vignette of the R package BradleyTerry2 prints them for the same games."""

_names = st.sampled_from("abcdefg")
_outcomes = st.lists(
    st.builds(Outcome, _names, _names, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.1, 0.5, 1.0, 2.0])).filter(
        lambda one: one.a != one.b
    ),
    max_size=25,
)


def test_the_published_example_comes_out() -> None:
    """With next to no prior the strengths of the baseball teams are those that are printed."""
    games = [
        outcome
        for (a, b), (won, lost) in BASEBALL.items()
        for outcome in (Outcome(a, b, 1, won), Outcome(a, b, 0, lost))
    ]
    found = bradley_terry(games, prior=1e-5)
    above = {name: one.value - found["Baltimore"].value for name, one in found.items()}
    assert above == pytest.approx(AGRESTI, abs=2e-3)
    assert list(found) == list(AGRESTI)
    assert [one.place for one in found.values()] == [1, 2, 3, 4, 5, 6, 7]
    errors = [math.hypot(found[name].error, found["Baltimore"].error) for name in ("Milwaukee", "Boston")]
    assert errors == pytest.approx([0.3433, 0.3339], rel=0.1)  # printed of the differences
    assert (found["Baltimore"].best_place, found["Baltimore"].worst_place) == (7, 7)
    assert (found["Milwaukee"].best_place, found["Milwaukee"].worst_place) == (1, 5)


def test_a_lone_pair_is_as_worked_out_by_hand() -> None:
    """
    One win of weight 1 with a prior of 1.

    By symmetry the strengths are t and -t with 1 - s(2t) + 1/2 - s(t) = 0, of which t = 0.7563 is the root; with
    d = s(2t)(1 - s(2t)) and e = s(t)(1 - s(t)) the information is ((e + d, -d), (-d, e + d)), by which the variance of
    the difference is 2 / (e + 2d); each stands half of the difference from the mean of both.
    """
    found = bradley_terry([Outcome("a", "b", 1.0)])
    t = found["a"].value
    assert _share(2 * t) + _share(t) == pytest.approx(1.5, abs=1e-5)
    assert t == pytest.approx(0.7563, abs=1e-4)
    d, e = (_share(x) * (1 - _share(x)) for x in (2 * t, t))
    assert found["a"].error == pytest.approx(math.sqrt(1 / (2 * (e + 2 * d))), abs=1e-5)
    assert found["a"].high - found["a"].low == pytest.approx(2 * 1.959964 * found["a"].error, abs=1e-5)


def _share(strength: float) -> float:
    return 1 / (1 + math.exp(-strength))


@settings(max_examples=50)
@given(_outcomes)
def test_everybody_wins_as_often_as_expected(outcomes: list[Outcome]) -> None:
    """That is what maximises the likelihood: wins, half of ties and half the prior add up to what strengths expect."""
    found = bradley_terry(outcomes)
    for name, one in found.items():
        off = PRIOR * (0.5 - _share(one.value))
        for a, b, won, weight in outcomes:
            expected = _share(found[a].value - found[b].value)
            off += weight * (won - expected) * ((name == a) - (name == b))
        assert off == pytest.approx(0, abs=1e-4)


@settings(max_examples=50)
@given(_outcomes, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_leaves_no_trace(outcomes: list[Outcome], dice: random.Random) -> None:
    """Nor does which of two is named first."""
    turned = [
        Outcome(b, a, 1 - won, weight) if dice.random() < 0.5 else (a, b, won, weight) for a, b, won, weight in outcomes
    ]
    dice.shuffle(turned)
    assert bradley_terry([Outcome(*one) for one in turned]) == bradley_terry(outcomes)


@settings(max_examples=50)
@given(_outcomes, _names, _names)
def test_a_further_win_never_lowers_the_winner(outcomes: list[Outcome], winner: str, loser: str) -> None:
    """And never raises the loser."""
    assume(winner != loser)
    before = bradley_terry([*outcomes, Outcome(winner, loser, 0.5, 1e-9)])
    after = bradley_terry([*outcomes, Outcome(winner, loser, 1.0)])
    assert after[winner].value >= before[winner].value - 1e-5
    assert after[loser].value <= before[loser].value + 1e-5


@settings(max_examples=50)
@given(st.lists(st.tuples(_names, _names).filter(lambda two: two[0] != two[1]), min_size=1, max_size=10))
def test_who_wins_as_often_as_they_lose_is_in_the_middle(met: list[tuple[str, str]]) -> None:
    """Symmetric outcomes give equal strengths, and further ones narrower intervals."""
    once = [Outcome(a, b, won) for a, b in met for won in (0.0, 1.0)]
    found, again = bradley_terry(once), bradley_terry(once * 3)
    assert {one.value for one in found.values()} == {0.0}
    assert {(one.place, one.best_place, one.worst_place) for one in found.values()} == {(1, 1, len(found))}
    assert all(again[name].error < found[name].error for name in found)


@settings(max_examples=20)
@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=6), st.integers(0, 2**32))
def test_planted_strengths_are_found_again(planted: list[float], seed: int) -> None:
    """Of thousands of games that are drawn by the model, and within what the errors allow."""
    dice = random.Random(seed)
    games = [
        Outcome(str(i), str(j), float(dice.random() < _share(planted[i] - planted[j])))
        for i in range(len(planted))
        for j in range(i)
        for _ in range(400)
    ]
    found = bradley_terry(games)
    for i in range(len(planted)):
        for j in range(i):
            error = math.hypot(found[str(i)].error, found[str(j)].error)
            got = found[str(i)].value - found[str(j)].value
            assert abs(got - (planted[i] - planted[j])) < 5 * error


def test_who_never_lost_is_finite_and_whoever_hardly_played_is_near_the_middle() -> None:
    """The prior holds both; the latter's interval is the wider one."""
    found = bradley_terry(
        [
            Outcome("a", "b", 1.0, 100),
            Outcome("c", "b", 1.0, 0.01),
            Outcome("d", "e", 1.0, 20),
            Outcome("d", "e", 0, 20),
        ]
    )
    assert 0 < found["c"].value < 0.1 < found["a"].value < math.inf
    assert found["c"].error > found["d"].error
    assert (found["c"].best_place, found["c"].worst_place) == (1, 5)


def test_the_prior_holds_the_middle_however_much_was_played() -> None:
    """Wins against its rival add up to half, also beside a million games that say nothing of it."""
    found = bradley_terry([Outcome("a", "b", 1, 3e6), Outcome("a", "b", 0, 1e6), Outcome("b", "c", 0.5, 1e6)])
    assert sum(_share(one.value) for one in found.values()) == pytest.approx(1.5, abs=1e-4)


def test_unconnected_parts_are_told() -> None:
    """The largest is 0; nothing but the prior says how two of them compare."""
    found = bradley_terry([Outcome("a", "b", 1), Outcome("b", "c", 1), Outcome("x", "y", 1)])
    assert {name: one.part for name, one in found.items()} == {"a": 0, "b": 0, "c": 0, "x": 1, "y": 1}


def test_nobody_at_all_is_no_mistake() -> None:
    """No pairs, no strengths."""
    assert bradley_terry([]) == {}


@pytest.mark.parametrize(
    "wrong",
    [Outcome("a", "a", 1), Outcome("a", "b", 1.5), Outcome("a", "b", -1), Outcome("a", "b", 1, 0)],
)
def test_what_is_no_pair_is_refused(wrong: Outcome) -> None:
    """Nobody meets themselves, no result lies outside 0 to 1, no weight is none."""
    with pytest.raises(ValueError, match="no pair"):
        bradley_terry([wrong])
    with pytest.raises(ValueError, match="prior"):
        bradley_terry([], prior=0)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(0, 2**32), st.floats(0, 1))
def test_diagonal_and_sums_of_an_inverse_are_numpys(size: int, seed: int, full: float) -> None:
    """Of any matrix of positive information, be it full or sparse."""
    dice = np.random.default_rng(seed)
    told = np.triu(dice.random((size, size)) * (dice.random((size, size)) < full), 1)
    told += told.T
    square = np.diag(told.sum(axis=0) + dice.random(size) + 0.01) - told
    diagonal, sums = _inverse([{j: square[i, j] for j in range(size) if square[i, j]} for i in range(size)])
    inverse = np.linalg.inv(square)
    assert diagonal == pytest.approx(inverse.diagonal().tolist(), rel=1e-9)
    assert sums == pytest.approx(inverse.sum(axis=0).tolist(), rel=1e-9)


def test_many_names_come_out_as_few_do() -> None:
    """More than are inverted here go to numpy, and what it says is the same."""
    few = [Outcome(f"m{at}", f"m{at + 1}", 1.0) for at in range(0, 190, 2)]
    many = [Outcome(f"m{at}", f"m{at + 1}", 1.0) for at in range(0, 300, 2)]
    one, other = bradley_terry(few)["m0"], bradley_terry(many)["m0"]
    assert (one.value, one.error) == pytest.approx((other.value, other.error), rel=0.01)
