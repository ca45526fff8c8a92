"""A fixed budget of calls, spent by successive halving."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.races import coins, drive

from touchstone.evaluation.halving import checkpoints
from touchstone.evaluation.race import Bar, Race, Rules


@given(
    candidates=st.integers(1, 20),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    calls=st.integers(1, 3000),
    seed=st.integers(0, 99),
)
def test_the_budget_holds(candidates: int, sizes: list[int], calls: int, seed: int) -> None:
    """Whatever comes out, no more cells than the budget are asked; or it is said that it buys nothing."""
    if calls < candidates * sizes[0]:
        with pytest.raises(ValueError, match="calls do not buy"):
            Race(candidates, sizes, Rules(max_calls=calls))
        return
    race = Race(candidates, sizes, Rules(max_calls=calls))
    drive(race, np.round(np.random.default_rng(seed).random((candidates, len(sizes))), 1))
    standing = race.standing()
    cells = sum(sum(sizes[:units]) for units in standing.answered)
    assert cells <= calls
    assert race.next() == ()
    assert standing.leader is not None
    assert standing.finished is not None


def test_half_of_the_field_leaves_at_each_checkpoint() -> None:
    """Eight candidates, 240 calls: 80 for eight, 80 for four, 80 for two, on the same order."""
    assert checkpoints(8, [1] * 1000, 240) == [0, 10, 30, 70]
    scores = np.array([np.arange(1000) % 10 < 8 - i for i in range(8)], dtype=float)[::-1]
    rng = np.random.default_rng(0)
    scores = scores[:, rng.permutation(1000)]
    race = Race(8, [1] * 1000, Rules(max_calls=240, epsilon=0.0, confidence=0.999999))
    assert drive(race, scores) == 240
    standing = race.standing()
    assert sorted(standing.answered) == [10, 10, 10, 10, 30, 30, 70, 70]
    assert (standing.finished, standing.rounds) == ("budget", 3)
    assert standing.leader in (6, 7)
    assert {found.reason for found in standing.settled} <= {"halving", "race"}
    assert standing.quick_line is None


def test_what_a_round_cannot_spend_goes_to_the_next() -> None:
    """Few units: the first round answers all there are for all candidates, and nothing is asked twice."""
    assert checkpoints(4, [1] * 10, 1000) == [0, 10]
    assert checkpoints(10, [1] * 50, 25) == [0, 1, 4]
    assert checkpoints(2, [3, 3, 3], 13) == [0, 2]


def test_the_certificate_is_what_the_budget_earned() -> None:
    """More money, a smaller certificate; in 40 seeded races it is broken in at most 5 %."""
    broken = 0
    for seed in range(40):
        scores = coins(seed, [0.8, 0.7, 0.6, 0.5], 1000, shared=0.5)
        small, large = (Race(4, [1] * 1000, Rules(max_calls=calls)) for calls in (60, 2400))
        drive(small, scores)
        drive(large, scores)
        means = scores.mean(axis=1)
        for race in (small, large):
            standing = race.standing()
            if standing.certificate is not None and standing.leader is not None:
                broken += means[standing.leader] < means.max() - standing.certificate - 1e-9
        assert large.standing().certificate is not None
        assert (small.standing().certificate or 1) > (large.standing().certificate or 0)
    assert broken <= 2


def test_a_proof_ends_it_before_the_budget_does() -> None:
    """When all rivals are settled by proof, the rest of the money stays where it is."""
    scores = np.vstack([np.ones(1000), np.zeros((3, 1000))])
    race = Race(4, [1] * 1000, Rules(max_calls=3000))
    assert drive(race, scores) == 1500
    standing = race.standing()
    assert (standing.leader, standing.finished, standing.running) == (0, "proven", (0,))
    assert standing.certificate is not None
    assert standing.certificate <= 0.01


def test_who_misses_a_bar_leaves_and_who_is_withdrawn_too() -> None:
    """Neither goes into the next round, and neither wins."""
    scores = coins(0, [0.95, 0.9, 0.7, 0.6], 1000)
    late = np.zeros((4, 1000, 1, 2))
    late[0] = 1
    race = Race(4, [1] * 1000, Rules(max_calls=1000, bars=(Bar("late", "at_most", 0.05),)))
    race.withdraw(1)
    drive(race, scores, bars=late)
    standing = race.standing()
    assert standing.leader == 2
    assert standing.answered[1] == 0
    assert [(found.candidate, found.reason) for found in standing.settled][:2] == [(0, "bar"), (1, "withdrawn")]


def test_in_the_end_there_is_one() -> None:
    """Also when the money was too little for all rounds: the best of the last checkpoint, the others left there."""
    race = Race(10, [1] * 50, Rules(max_calls=25))
    drive(race, coins(0, [0.5] * 10, 50))
    standing = race.standing()
    assert standing.leader is not None
    assert (standing.running, len(standing.settled)) == ((standing.leader,), 9)


def test_more_than_was_asked_does_not_bring_back_who_left() -> None:
    """Answers from an earlier, larger run do not change who is compared at which checkpoint."""
    scores = coins(6, [0.5, 0.45, 0.4, 0.4], 400)
    scores[3] = 1
    scores[3, : checkpoints(4, [1] * 400, 200)[1]] = 0
    asked, stored = (Race(4, [1] * 400, Rules(max_calls=200)) for _ in range(2))
    drive(asked, scores)
    for i in range(4):
        stored.tell_many(i, np.arange(300), scores[i, :300], scores[i, :300])
    assert stored.next() == ()
    assert stored.standing().leader == asked.standing().leader != 3
    assert [found.units for found in stored.standing().settled] == [found.units for found in asked.standing().settled]
