"""A race depends on nothing but the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from tests.evaluation.races import Matrix, answer, coins, drive

from touchstone.evaluation.race import Bar, Race, Rules

LATE = Bar("max_p95_latency_s", "at_most", 0.05)


@st.composite
def races(draw: st.DrawFn) -> tuple[Rules, Matrix, Matrix, Matrix, Matrix]:
    candidates, units = draw(st.integers(2, 4)), draw(st.integers(3, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = (rng.random((candidates, units)) < rng.random((candidates, 1))).astype(float)
    if draw(st.booleans()):
        scores = np.round(scores * rng.random((candidates, units)), 2)
    high = np.where(rng.random((candidates, units)) < draw(st.sampled_from([0, 0.1])), 1.0, scores)
    bars = tuple(draw(st.sampled_from([(), (LATE,), (LATE, Bar("min_score", "at_least", 0.4))])))
    variables = (rng.random((candidates, units, len(bars), 1)) < 0.2).astype(float).repeat(2, axis=3)
    cost = rng.random((candidates, 1)) * np.ones((candidates, units))
    rules = Rules(
        confidence=draw(st.sampled_from([0.6, 0.95])),
        epsilon=draw(st.sampled_from([0.0, 0.01, 0.1])),
        batch=draw(st.sampled_from([1, 3, 10, None])),
        finish=draw(st.sampled_from(["proven", "quick"])),
        tolerance=draw(st.sampled_from([None, 0.05])),
        bars=bars,
    )
    if rules.tolerance is None and draw(st.booleans()):
        rules = replace(rules, max_calls=draw(st.integers(candidates, candidates * units)))
    return rules, scores, high, variables, cost


@examples(60)
@given(made=races(), data=st.data())
def test_only_the_answers_matter(made: tuple[Rules, Matrix, Matrix, Matrix, Matrix], data: st.DataObject) -> None:
    """
    Told one by one in any order, with looks in between, stopped at any moment, or told at once: the same asks follow,
    and the same standing.
    """
    rules, scores, high, variables, cost = made
    candidates, units = scores.shape
    race = Race(candidates, [1] * units, rules)
    told = []
    for _ in range(data.draw(st.integers(0, 12))):
        asks = race.next()
        if not asks:
            break
        wanted = [(ask.candidate, unit) for ask in asks for unit in range(ask.start, ask.stop)]
        wanted = list(data.draw(st.permutations(wanted)))
        if data.draw(st.booleans()):
            wanted = wanted[: data.draw(st.integers(1, len(wanted)))]
        for i, u in wanted:
            bars = [(low, most) for low, most in variables[i, u]]
            race.tell(i, u, low=scores[i, u], high=high[i, u], bars=bars, cost_usd=float(cost[i, u]))
            told.append((i, u))
            if data.draw(st.booleans()) and len(told) % 5 == 0:
                race.standing()
    again = Race(candidates, [1] * units, rules)
    for i in data.draw(st.permutations(range(candidates))):
        chosen = np.array([u for j, u in told if j == i], dtype=int)
        again.tell_many(i, chosen, scores[i, chosen], high[i, chosen], variables[i, chosen], cost[i, chosen])
    assert again.next() == race.next()
    assert again.standing() == race.standing()


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), finish=st.sampled_from(["proven", "quick"]), data=st.data())
def test_a_batch_may_come_in_in_any_order(seed: int, finish: Literal["proven", "quick"], data: st.DataObject) -> None:
    """While a round is under way the verdict is that of its start, whoever is first; the whole race is the same."""
    rules = Rules(finish=finish)
    scores = coins(seed, [0.75, 0.7, 0.5], 60)
    straight, shuffled = Race(3, [1] * 60, rules), Race(3, [1] * 60, rules)
    drive(straight, scores)
    while asks := shuffled.next():
        before = shuffled.standing()
        for ask in data.draw(st.permutations(asks)):
            assert shuffled.standing().leader == before.leader
            answer(shuffled, ask, scores)
    assert shuffled.standing() == straight.standing()


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), finish=st.sampled_from(["proven", "quick"]), within=st.none() | st.just(0.1))
def test_only_who_is_shortest_is_asked(seed: int, finish: Literal["proven", "quick"], within: float | None) -> None:
    """Of those running, in every round, one batch each; leaders change often here, and their rivals catch up."""
    rng = np.random.default_rng(seed)
    scores = (rng.random((4, 30)) < rng.uniform(0.3, 0.7, (4, 1))).astype(float)
    race = Race(4, [1] * 30, Rules(confidence=0.4, epsilon=0.05, batch=2, finish=finish, tolerance=within))
    cost = rng.random((4, 1)) * np.ones((4, 30))
    while asks := race.next():
        standing = race.standing()
        assert {ask.start for ask in asks} == {min(standing.answered[i] for i in standing.running)}
        assert {ask.stop - ask.start for ask in asks} == {2}
        for ask in asks:
            answer(race, ask, scores, cost=cost)


def test_when_all_is_known_the_best_is_the_best() -> None:
    """A race may end with somebody within epsilon of the best; who has the whole table need not put up with that."""
    scores = np.ones((2, 100))
    scores[0, 60:80] = scores[1, :10] = 0
    race = Race(2, [1] * 100, Rules(epsilon=0.2))
    drive(race, scores)
    assert race.standing().leader == 0
    for i, known in enumerate(race.standing().answered):
        rest = np.arange(known, 100)
        race.tell_many(i, rest, scores[i, rest], scores[i, rest])
    standing = race.standing()
    assert (standing.leader, standing.finished, standing.certificate) == (1, "exact", 0.0)
    assert race.certificate_of(0) == pytest.approx(0.1)


def test_rounding_does_not_keep_a_race_open() -> None:
    """The same grades in another order are a tie, whatever their sums are to the last bit."""
    grades = np.round(np.random.default_rng(0).random(30), 2)
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(30)
        race = Race(2, [1] * 30, Rules(epsilon=0.0))
        for i, row in enumerate((grades, grades[order])):
            race.tell_many(i, np.arange(30), row, row)
        standing = race.standing()
        assert (standing.finished, standing.running) == ("exact", (standing.leader,))
        assert standing.certificate == pytest.approx(0, abs=1e-12)


def test_more_than_was_asked_changes_nothing_until_it_is_needed() -> None:
    """Answers stored by a larger run give the same winner at the same rounds; only a complete table is just read."""
    scores = coins(5, [0.8, 0.65, 0.3], 300)
    asked = Race(3, [1] * 300, Rules())
    drive(asked, scores)
    stored = Race(3, [1] * 300, Rules())
    for i in (0, 2):
        stored.tell_many(i, np.arange(300), scores[i], scores[i])
    drive(stored, scores)
    assert stored.standing().answered[1] == asked.standing().answered[1]
    assert stored.standing().settled == asked.standing().settled
    rest = np.arange(stored.standing().answered[1], 300)
    stored.tell_many(1, rest, scores[1, rest], scores[1, rest])
    assert stored.standing().finished == "exact"
    assert stored.standing().certificate == 0
    assert stored.standing().means == pytest.approx(tuple(scores.mean(axis=1)))
