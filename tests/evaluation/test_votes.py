"""Blind votes: what they say of everybody, what the sides do, and how many more it takes."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.evaluation.power import cases_needed
from touchstone.evaluation.votes import (
    Vote,
    order_to_show,
    outcomes_of,
    pair_to_show,
    places_of,
    result_of,
)

NAMES = ("a", "b", "c", "d")


def pair(left: str, right: str, winner: str | None) -> Vote:
    return Vote((left, right), (1, 1) if winner is None else (1, 2) if winner == left else (2, 1))


@st.composite
def some_votes(draw: st.DrawFn) -> list[Vote]:
    found = []
    for _ in range(draw(st.integers(1, 12))):
        shown = tuple(draw(st.permutations(NAMES))[: draw(st.integers(2, 4))])
        found.append(Vote(shown, tuple(draw(st.integers(1, len(shown))) for _ in shown)))
    return found


def test_an_order_counts_for_what_would_fix_it() -> None:
    """The pairs of an order of k answers weigh k - 1 together, a vote between two weighs 1."""
    assert sum(outcome.weight for outcome in outcomes_of(Vote(NAMES, (1, 2, 3, 4)))) == pytest.approx(3)
    assert [outcome.weight for outcome in outcomes_of(pair("a", "b", "a"))] == [1.0]


def test_who_wins_stands_first_and_nobody_loses_a_vote() -> None:
    """Won, tied and lost add up to the pairs that were shown, and votes that found all bad are counted."""
    found = result_of([pair("a", "b", "a")] * 5 + [pair("b", "a", None)] + [Vote(("a", "b"), (1, 1), all_bad=True)])
    first, second = found.standings
    assert (first.name, first.won, first.tied, first.lost, first.bad) == ("a", 5, 2, 0, 1)
    assert (second.won, second.tied, second.lost) == (0, 2, 5)
    assert first.share == pytest.approx(6 / 7)
    assert (found.votes, found.ties, found.all_bad) == (7, 2, 1)


@given(some_votes(), st.randoms())
@settings(max_examples=40)
def test_the_order_of_votes_and_of_sides_changes_nothing(votes: list[Vote], draw: random.Random) -> None:
    """The same votes in another order, shown the other way round, give the same strengths and places."""
    turned = [Vote(vote.candidates[::-1], vote.places[::-1], vote.all_bad) for vote in votes]
    draw.shuffle(turned)
    before, after = result_of(votes), result_of(turned)
    assert before.standings == after.standings
    assert before.enough == after.enough


@given(some_votes())
@settings(max_examples=40)
def test_places_hold_each_other(votes: list[Vote]) -> None:
    """The best place is no worse than the worst, the strongest may be first, the weakest last."""
    standings = result_of(votes).standings
    assert all(1 <= one.best_place <= one.worst_place <= len(standings) for one in standings)
    assert standings[0].best_place == 1
    assert standings[-1].worst_place == len(standings)


def test_a_voter_who_looks_left_is_seen() -> None:
    """The share of left wins stands with its interval, and whoever always takes the left is called biased."""
    votes = [pair(*(("a", "b") if at % 2 else ("b", "a")), "a" if at % 2 else "b") for at in range(20)]
    sides = result_of(votes).sides
    assert sides is not None
    assert (sides.left, sides.right, sides.share) == (20, 0, 1.0)
    assert sides.is_biased
    fair = result_of([pair("a", "b", "a"), pair("b", "a", "a")]).sides
    assert fair is not None
    assert not fair.is_biased
    assert result_of([pair("a", "b", None)]).sides is None


def test_what_is_told_apart_needs_no_more_votes() -> None:
    """Forty wins of forty tell two apart; two wins of three do not, and a number of further votes is named."""
    clear = result_of([pair("a", "b", "a")] * 40).enough
    assert clear is not None
    assert (clear.told_apart, clear.more) == (True, 0)
    assert [one.best_place for one in result_of([pair("a", "b", "a")] * 40).standings] == [1, 2]
    few = result_of([pair("a", "b", "a")] * 2 + [pair("a", "b", "b")]).enough
    assert few is not None
    assert not few.told_apart
    assert few.needed is not None
    assert few.more == few.needed - 3


def test_equals_are_not_worth_more_votes() -> None:
    """Where the two win alike, or only tie, no number of votes is named."""
    even = result_of([pair("a", "b", "a"), pair("a", "b", "b")] * 10).enough
    ties = result_of([pair("a", "b", None)] * 10).enough
    assert even is not None
    assert ties is not None
    assert even.more is None
    assert ties.more is None
    assert not ties.told_apart


def simulated(n: int, win: float, tie: float, draw: random.Random) -> bool:
    votes = []
    for _ in range(n):
        at = draw.random()
        votes.append(pair("a", "b", None if at < tie else "a" if at < tie + win else "b"))
    enough = result_of(votes).enough
    assert enough is not None
    return enough.told_apart


@pytest.mark.parametrize(("win", "tie"), [(0.55, 0.2), (0.3, 0.6)])
def test_the_advice_is_enough_four_times_in_five(win: float, tie: float) -> None:
    """After as many votes as it names for the true difference, the two are told apart about 80 times in 100."""
    draw = random.Random(5)
    needed = cases_needed(2 * win + tie - 1, 1 - tie)
    found = sum(simulated(needed, win, tie, draw) for _ in range(120)) / 120
    assert 0.70 < found < 0.92


def test_equals_are_seldom_told_apart() -> None:
    """Two that are equal, ties included, are told apart about 5 times in 100, however few they are."""
    draw = random.Random(6)
    assert sum(simulated(60, 0.4, 0.2, draw) for _ in range(200)) / 200 < 0.08


def test_a_vote_names_each_once() -> None:
    """Somebody who stands twice in a vote, or has no place, is an error."""
    with pytest.raises(ValueError, match="several candidates"):
        result_of([Vote(("a", "a"), (1, 2))])
    with pytest.raises(ValueError, match="several candidates"):
        result_of([Vote(("a", "b"), (1,))])


def test_verdicts_become_places() -> None:
    """Better, equally good, equally bad and an order; gaps between places close, and nonsense is refused."""
    assert places_of("better", 2, (1,)) == (2, 1)
    assert places_of("good", 3) == places_of("bad", 3) == (1, 1, 1)
    assert places_of("order", 3, (3, 1, 3)) == (2, 1, 2)
    for verdict, given_places in (("better", (2,)), ("better", ()), ("order", (1,)), ("order", (0, 1))):
        with pytest.raises(ValueError, match="got"):
            places_of(verdict, 2, given_places)  # type: ignore[arg-type]


def test_every_pair_is_shown_as_often_and_on_both_sides() -> None:
    """Over 120 votes each of six pairs is shown 20 times, and each candidate stands on the left about half the time."""
    shown: Counter[tuple[int, int]] = Counter()
    left: Counter[int] = Counter()
    for number in range(1, 121):
        one, other = pair_to_show(4, shown, "seed", number)
        shown[min(one, other), max(one, other)] += 1
        left[one] += 1
    assert set(shown.values()) == {20}
    assert all(15 <= left[at] <= 45 for at in range(4))


def test_an_order_to_show_hangs_on_the_seed_alone() -> None:
    """The same seed and number give the same order, another seed another one in the long run."""
    assert order_to_show(8, "s", 3) == order_to_show(8, "s", 3)
    assert sorted(order_to_show(8, "s", 3)) == list(range(8))
    assert len({order_to_show(8, f"s{at}", 3) for at in range(20)}) > 10
