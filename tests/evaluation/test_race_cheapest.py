"""The race for the cheapest candidate within a tolerance of the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.evaluation.races import Matrix, answer, coins, drive

from touchstone.evaluation.race import Race, Rules

WITHIN = Rules(tolerance=0.05, epsilon=0.01)


def costs(each: list[float], units: int) -> Matrix:
    return np.outer(each, np.ones(units))


def test_the_cheapest_that_is_near_enough_wins() -> None:
    """Four candidates: the best is dear, the second within five points and cheap, two cheaper ones are far below."""
    scores = coins(0, [0.8, 0.78, 0.6, 0.3], 1500, shared=0.9)
    assert 0 < scores[0].mean() - scores[1].mean() < 0.03
    race = Race(4, [1] * 1500, WITHIN)
    asked = drive(race, scores, cost=costs([4, 2, 1, 0.1], 1500))
    standing = race.standing()
    assert (standing.leader, standing.running, standing.finished) == (1, (1,), "proven")
    assert standing.certificate is not None
    assert standing.certificate <= 0.06
    assert asked < 0.6 * scores.size
    assert {found.candidate: found.reason for found in standing.settled} == {0: "race", 2: "race", 3: "race"}
    assert standing.answered[3] < 200


def test_a_cheap_one_that_is_the_best_is_shown_sooner_than_by_the_race_for_the_best() -> None:
    """It need only be near enough."""
    scores = coins(1, [0.75, 0.74, 0.73, 0.72], 2000, shared=0.6)
    cheapest, best = Race(4, [1] * 2000, WITHIN), Race(4, [1] * 2000, Rules())
    asked = drive(cheapest, scores, cost=costs([1, 2, 3, 4], 2000))
    assert cheapest.standing().leader == 0
    assert asked < drive(best, scores)


def test_everybody_answers_the_first_batch() -> None:
    """Also who looks dear: without an answer nobody has a cost."""
    race = Race(3, [1] * 100, Rules(tolerance=0.1, batch=20))
    assert [(ask.candidate, ask.start, ask.stop) for ask in race.next()] == [(0, 0, 20), (1, 0, 20), (2, 0, 20)]
    assert race.standing().leader is None


def test_a_late_candidate_without_a_cost_is_asked_before_it_is_settled() -> None:
    """It might be the cheapest, and nobody is ok against a candidate that has not answered."""
    scores = coins(2, [0.9, 0.9, 0.9], 400, shared=1.0)
    early = Race(2, [1] * 400, WITHIN)
    money = costs([2, 3, 1], 400)
    drive(early, scores[:2], cost=money[:2])
    race = Race(3, [1] * 400, WITHIN)
    for i, count in enumerate(early.standing().answered):
        units = np.arange(count)
        race.tell_many(i, units, scores[i, units], scores[i, units], None, money[i, units])
    assert {ask.candidate for ask in race.next()} == {2}
    drive(race, scores, cost=money)
    assert race.standing().leader == 2


def test_an_unknown_cost_is_never_the_cheapest() -> None:
    """A candidate of unknown cost is a rival only; units of unknown cost do not count as free."""
    scores = coins(3, [0.8, 0.8, 0.4], 1000, shared=1.0)
    money = costs([np.nan, 2, 3], 1000)
    race = Race(3, [1] * 1000, WITHIN)
    drive(race, scores, cost=money)
    assert race.standing().leader == 1
    money = costs([1.5, 2, 3], 1000)
    money[1, 1::2] = np.nan
    half = Race(3, [1] * 1000, WITHIN)
    drive(half, scores, cost=money)
    assert half.standing().leader == 0


def test_when_no_cost_is_known_the_best_looking_stands_in() -> None:
    """Then the result is near enough to the best, and nothing is said of costs."""
    scores = coins(4, [0.6, 0.9, 0.3], 600)
    race = Race(3, [1] * 600, WITHIN)
    drive(race, scores)
    assert (race.standing().leader, race.standing().finished) == (1, "proven")


def test_costs_count_by_cases() -> None:
    """A dollar per case, known only in clusters of four, is less than a dollar and a half, known everywhere."""
    sizes = [4, 1] * 50
    money = np.array([[4.0, np.nan] * 50, [6.0, 1.5] * 50])
    race = Race(2, sizes, Rules(tolerance=0.05))
    drive(race, np.ones((2, 100)), cost=money)
    assert race.standing().leader == 0


def test_over_all_orders_both_guarantees_hold() -> None:
    """
    All orders of a small table, all candidates at different costs: a result too far below the best in at most
    1 - confidence of the races, a cheaper one passed over in at most half of that.
    """
    scores = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 0]], dtype=float)
    means, money = scores.mean(axis=1), np.array([3.0, 2.0, 1.0])
    rules = Rules(confidence=0.4, tolerance=0.25, epsilon=0.1, batch=1)
    below = passed = 0
    orders = sorted(set(itertools.permutations(map(tuple, scores.T))))
    for order in orders:
        race = Race(3, [1] * len(order), rules)
        drive(race, np.array(order).T, cost=costs(money.tolist(), len(order)))
        result = race.standing().leader
        assert result is not None
        below += means[result] < means.max() - 0.25 - 0.1 - 1e-9
        cheaper = [i for i in range(3) if money[i] < money[result] and means[i] >= means.max() - (0.25 - 0.1)]
        passed += bool(cheaper)
    assert below <= 0.6 * len(orders)
    assert passed <= 0.3 * len(orders)


def test_on_seeded_races_it_errs_rarely() -> None:
    """In 40 races over random skills and costs at most 5 % end too far below the best, and 2.5 % pass one over."""
    below = passed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = coins(seed, rng.uniform(0.5, 0.8, 4).tolist(), 300, shared=0.5)
        money = rng.permutation(4) + 1.0
        race = Race(4, [1] * 300, Rules(tolerance=0.06, epsilon=0.03))
        drive(race, scores, cost=costs(money.tolist(), 300))
        standing, means = race.standing(), scores.mean(axis=1)
        assert standing.leader is not None
        assert standing.certificate is not None
        assert means[standing.leader] >= means.max() - standing.certificate - 1e-9
        below += means[standing.leader] < means.max() - 0.09 - 1e-9
        passed += any(money[i] < money[standing.leader] and means[i] >= means.max() - 0.03 for i in range(4))
    assert below <= 2
    assert passed <= 1


def test_a_tolerance_below_the_slack_does_not_drop_the_best() -> None:
    """With a slack larger than the tolerance a candidate as good as the best-looking one is not called too bad."""
    scores = np.zeros((2, 200))
    scores[0, ::2] = scores[1, 1::2] = 1
    race = Race(2, [1] * 200, Rules(tolerance=0.0, epsilon=0.1))
    drive(race, scores, cost=costs([2, 1], 200))
    assert race.standing().leader == 1


def test_the_quick_line_is_found_by_running_the_quick_race_over_the_same_answers() -> None:
    """It is what a quick race asked for, and none before its answers are there."""
    scores = coins(0, [0.8, 0.79, 0.6, 0.3], 1500, shared=0.6)
    money = costs([4, 2, 1, 0.1], 1500)
    race, quick = Race(4, [1] * 1500, WITHIN), Race(4, [1] * 1500, Rules(tolerance=0.05, finish="quick"))
    for ask in race.next():
        answer(race, ask, scores, cost=money)
    assert race.standing().quick_line is None
    asked = drive(quick, scores, cost=money)
    drive(race, scores, cost=money)
    line = race.standing().quick_line
    assert line is not None
    assert (line.cases, line.leader) == (asked, quick.standing().leader)
    assert line.units == quick.standing().answered == pytest.approx(line.units)
