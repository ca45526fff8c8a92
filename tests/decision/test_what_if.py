"""What changes when the volume, the prices or the facts do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.conftest import make_pairs, make_trial

from touchstone.decision.ladder import make_ladder
from touchstone.decision.ladder_base import Ladder, Making, Stretch
from touchstone.decision.what_if import after_the_facts_changed, difference_of, fall_p, what_changes
from touchstone.evaluation.base import Estimate, PairResult, TrialSummary
from touchstone.evaluation.intervals import estimate

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]
Compare = Callable[..., tuple[PairResult, ...]]
Remake = Callable[[Stretch], Ladder]


@pytest.fixture
def remake(trial: Trial, compare: Compare, scores: Scores) -> Callable[..., Remake]:
    """A plain model, one with passages at four times its price, and a tuned one that cost 100 USD; two are level."""

    def of(shares: Mapping[str, float]) -> Remake:
        table = {name: scores(share, 400, first=name != "tuned") for name, share in shares.items()}
        usd = {"plain": 0.001, "rag": 0.004, "tuned": 0.001}
        trials = [trial(name, values, usd=usd[name]) for name, values in table.items()]
        pairs = compare(table)
        makings = {"tuned": Making(usd=100.0, labelled_cases=500, renewal="again")}
        return lambda stretch: make_ladder(trials, pairs, baseline="plain", makings=makings, stretch=stretch)

    return of


OLD = {"plain": 0.4, "rag": 0.81, "tuned": 0.8}


def test_what_is_dear_to_make_pays_at_a_large_volume_only(remake: Callable[..., Remake]) -> None:
    """100 USD of training against 0.003 USD a request: from 33,334 requests on."""
    make = remake(OLD)
    found = {one.change: one for one in what_changes(make(Stretch(requests_per_month=1_000)), _at(make))}
    assert {name: one.pays for name, one in found.items()} == {
        "volume-up": "tuned",
        "volume-down": "rag",
        "prices-down": "rag",
        "prices-up": "rag",
    }
    assert [name for name, one in found.items() if one.turns] == ["volume-up"]
    assert found["volume-up"].what.text() == "10,000 requests a month, ten times as many"
    assert found["volume-up"].usd == pytest.approx(100 + 120_000 * 0.001)


def test_prices_turn_it_too(remake: Callable[..., Remake]) -> None:
    """Where requests get dearer, fewer of them pay the training back."""
    make = remake(OLD)
    found = {one.change: one for one in what_changes(make(Stretch(requests_per_month=2_000)), _at(make))}
    assert (found["prices-up"].pays, found["prices-down"].pays) == ("tuned", "rag")


def test_without_a_volume_only_prices_are_varied(remake: Callable[..., Remake]) -> None:
    """Nothing is made up."""
    make = remake(OLD)
    assert [one.change for one in what_changes(make(Stretch()), _at(make))] == ["prices-down", "prices-up"]


def test_what_was_learned_goes_stale(remake: Callable[..., Remake]) -> None:
    """Measured on the new facts: the tuned one is shown to have become worse, and the one that looks up is not."""
    before = remake(OLD)(Stretch(requests_per_month=10_000))
    after = remake({"plain": 0.4, "rag": 0.8, "tuned": 0.6})(Stretch(requests_per_month=10_000))
    found = after_the_facts_changed(before, after)
    assert found.stale == ("tuned",)
    assert (found.before, found.pays, found.turns) == ("tuned", "rag", True)
    assert found.scores["tuned"].mean == pytest.approx(0.6)


def test_a_fall_among_many_may_be_chance(remake: Callable[..., Remake]) -> None:
    """Of one candidate 7.2 points are shown at 95 %; where forty are looked at, somebody falls so far by chance."""
    one = {"plain": 0.5}
    many = {**one, **{f"p{number}": 0.5 for number in range(40)}}
    for shares, stale in ((one, ("plain",)), (many, ())):
        trials = [make_trial(name, _right(share)) for name, share in shares.items()]
        fallen = [make_trial(name, _right(0.428 if name == "plain" else share)) for name, share in shares.items()]
        before, after = (
            make_ladder(each, (), baseline="plain", makings={}, stretch=Stretch()) for each in (trials, fallen)
        )
        assert after_the_facts_changed(before, after).stale == stale


def test_the_same_questions_show_a_fall_that_two_means_do_not() -> None:
    """Twenty of four hundred turned wrong and none right: far beyond chance, and within two intervals of 5 points."""
    before = {"plain": _right(0.5)}
    after = {"plain": _right(0.45)}
    [change] = make_pairs({"after": after["plain"], "before": before["plain"]})
    first, second = (
        make_ladder([make_trial("plain", one["plain"])], (), baseline="plain", makings={}, stretch=Stretch())
        for one in (before, after)
    )
    assert after_the_facts_changed(first, second).stale == ()
    assert after_the_facts_changed(first, second, {"plain": change}).stale == ("plain",)
    risen = change.model_copy(update={"difference": 0.05})
    assert after_the_facts_changed(first, second, {"plain": risen}).stale == ()


def _right(share: float) -> list[float]:
    return [1.0] * round(400 * share) + [0.0] * (400 - round(400 * share))


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_fall_is_shown_where_its_interval_says_so(one: int, other: int) -> None:
    """The p value of one candidate is below 5 % just where the interval at 95 % lies below 0."""
    after, before = (estimate([1.0] * k + [0.0] * (300 - k)) for k in (one, other))
    p = fall_p(after, before)
    assert 0 <= p <= 1
    high = difference_of(after, before)[1]
    if abs(high) > 1e-9:
        assert (p < 0.05) == (high < 0)


def _at(make: Remake) -> Remake:
    return lambda stretch: make(stretch)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_difference_of_two_means_is_turned_about_when_they_are(one: int, other: int) -> None:
    """It holds the difference, and of the same two it is the same but for its sign."""
    first, second = (estimate([1.0] * k + [0.0] * (200 - k)) for k in (one, other))
    low, high = difference_of(first, second)
    turned_low, turned_high = difference_of(second, first)
    assert low <= (one - other) / 200 <= high
    assert (low, high) == pytest.approx((-turned_high, -turned_low))


def test_the_interval_is_the_published_one() -> None:
    """Newcombe 1998, table II, case (a) 56/70 - 48/80: 0.0524 to 0.3339 by method 10."""
    first = Estimate(mean=56 / 70, low=0.6921, high=0.8771, n=70, method="Wilson 95 %")
    second = Estimate(mean=48 / 80, low=0.4904, high=0.7003, n=80, method="Wilson 95 %")
    assert difference_of(first, second) == pytest.approx((0.0524, 0.3339), abs=2e-3)
