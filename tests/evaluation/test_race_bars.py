"""Races with constraints."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.evaluation.races import Matrix, coins, drive

from touchstone.evaluation.race import Bar, Race, Rules

LATE = Bar("max_p95_latency_s", "at_most", 0.05)


def with_late_answers(shares: list[float], units: int) -> Matrix:
    """One variable, 1 for the given share of units, evenly spread; candidates x units x 1 x 2."""
    late = [np.floor(np.arange(1, units + 1) * share) > np.floor(np.arange(units) * share) for share in shares]
    return np.array(late, dtype=float)[:, :, None, None].repeat(2, axis=3)


def test_who_misses_a_bar_is_asked_no_more_and_never_leads() -> None:
    """The best is too slow in a fifth of its answers: it is dropped, with the bar's name, and the next one wins."""
    scores = coins(0, [0.9, 0.6, 0.3], 600)
    bars = with_late_answers([0.2, 0.03, 0.0], 600)
    race = Race(3, [1] * 600, Rules(bars=(LATE,)))
    drive(race, scores, bars=bars)
    standing = race.standing()
    assert standing.leader == 1
    assert standing.answered[0] < 200
    [slow] = [found for found in standing.settled if found.candidate == 0]
    assert (slow.reason, slow.bar, slow.against) == ("bar", "max_p95_latency_s", None)
    assert standing.certificate is not None
    assert standing.certificate <= 0.01


def test_when_nobody_meets_the_bars_there_is_no_leader() -> None:
    """All are shown to miss it; that is a result."""
    race = Race(2, [1] * 600, Rules(bars=(LATE,)))
    drive(race, coins(0, [0.6, 0.58], 600), bars=with_late_answers([0.5, 0.6], 600))
    standing = race.standing()
    assert (standing.leader, standing.running, standing.finished) == (None, (), "proven")
    assert {found.reason for found in standing.settled} == {"bar"}


@pytest.mark.parametrize("kind", ["at_most", "at_least"])
def test_over_all_orders_who_meets_the_bar_is_rarely_dropped(kind: str) -> None:
    """A candidate exactly at the bar, all orders of ten units: dropped in at most what constraints may spend."""
    values = (1, 1, 0, 0, 0, 0, 0, 0, 0, 0) if kind == "at_most" else (0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
    bar = Bar("bar", "at_most" if kind == "at_most" else "at_least", 0.2 if kind == "at_most" else 0.8)
    confidence = 0.01
    orders = sorted(set(itertools.permutations(values)))
    dropped = 0
    for order in orders:
        race = Race(1, [1] * 10, Rules(confidence=confidence, bars=(bar,), batch=1))
        variable = np.array(order, dtype=float)[:, None, None].repeat(2, axis=2)
        race.tell_many(0, np.arange(10), np.ones(10), np.ones(10), variable)
        standing = race.standing()
        assert (standing.leader is None) == any(found.reason == "bar" for found in standing.settled)
        dropped += standing.leader is None
    assert 0 < dropped <= (1 - confidence) / 5 * len(orders)


def test_a_winner_of_which_more_is_known_may_turn_out_to_miss_a_bar() -> None:
    """Its later answers, stored by another run, are too slow: then it does not lead, and the others go on."""
    scores = coins(0, [0.9, 0.6, 0.3], 600)
    bars = np.zeros((3, 600, 1, 2))
    drive(race := Race(3, [1] * 600, Rules(bars=(LATE,))), scores, bars=bars)
    [winner, second, _] = [race.standing().answered[i] for i in range(3)]
    assert race.standing().leader == 0
    bars[0, winner:] = 1
    rest = np.arange(winner, 600)
    race.tell_many(0, rest, scores[0, rest], scores[0, rest], bars[0, rest])
    assert race.standing().leader == 1
    drive(race, scores, bars=bars)
    standing = race.standing()
    assert (standing.leader, standing.finished) == (1, "proven")
    assert [(found.candidate, found.reason) for found in standing.settled] == [(0, "bar"), (2, "race")]
    assert standing.answered[1] >= second


def test_a_variable_that_is_not_known_counts_for_the_candidate() -> None:
    """Latencies nobody measured do not show that a candidate is slow."""
    bars = with_late_answers([0.5, 0.0], 300)
    bars[:, :, :, 0] = 0
    race = Race(2, [1] * 300, Rules(bars=(LATE,)))
    drive(race, coins(0, [0.9, 0.4], 300), bars=bars)
    assert race.standing().leader == 0
    least = Race(1, [1] * 300, Rules(bars=(Bar("min_score", "at_least", 0.8),)))
    unknown = np.zeros((300, 1, 2))
    unknown[:, :, 1] = 1
    least.tell_many(0, np.arange(300), np.zeros(300), np.zeros(300), unknown)
    assert least.standing().leader == 0


def test_with_constraints_the_proof_does_not_lean_on_who_may_miss_them() -> None:
    """
    The best of those that meet the bar is not settled because a better one, which misses it, is ahead: over many
    orders the one and only candidate near the bar's best stays in.
    """
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = np.zeros((3, 60))
        scores[0, :54] = scores[1, 30:] = scores[2, :26] = 1
        order = rng.permutation(60)
        bars = np.zeros((3, 60, 1, 2))
        bars[0, 55:, 0, :] = 1
        race = Race(3, [1] * 60, Rules(bars=(LATE,), epsilon=0.01))
        drive(race, scores[:, order], bars=bars[:, order])
        standing = race.standing()
        wrong += standing.leader == 2
    assert wrong <= 3
