"""The race: who is asked, who cannot be, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.races import answer, coins, drive

from touchstone.evaluation.race import Ask, Bar, Race, Rules

LATE = Bar("max_p95_latency_s", "at_most", 0.05)


# Whom to ask


def test_everybody_answers_the_first_batch_and_who_is_far_behind_no_more() -> None:
    """With a batch of 20: all answer 20 units; the candidate that is always wrong is soon settled."""
    scores = np.vstack([coins(0, [0.85, 0.75], 400), np.zeros(400)])
    race = Race(3, [1] * 400, Rules(batch=20))
    assert race.next() == (Ask(0, 0, 20), Ask(1, 0, 20), Ask(2, 0, 20))
    assert race.standing().leader is None
    drive(race, scores)
    standing = race.standing()
    assert standing.finished == "proven"
    assert standing.leader == 0
    assert standing.answered[2] < standing.answered[1] / 2
    [worst] = [found for found in standing.settled if found.candidate == 2]
    assert (worst.against, worst.reason) == (0, "race")
    assert worst.units == worst.cases == standing.answered[2] == 20 * worst.round


def test_asking_again_gives_the_same_and_answers_already_there_are_left_out() -> None:
    """An ask is what is still missing, as the fewest runs of units, and does not change while nothing is told."""
    race = Race(2, [1] * 100, Rules(batch=10))
    for unit in (0, 1, 4, 5, 9, 30):
        race.tell(1, unit, low=1, high=1)
    asks = (Ask(0, 0, 10), Ask(1, 2, 4), Ask(1, 6, 9))
    assert race.next() == asks
    race.standing()
    assert race.next() == asks


def test_the_batch_grows_unless_it_is_given() -> None:
    """Ten units up to 100, 25 up to 500, then 50, and never beyond the last unit."""
    assert Rules().edges(620) == [*range(0, 100, 10), *range(100, 500, 25), 500, 550, 600, 620]
    assert Rules(batch=40).edges(100) == [0, 40, 80, 100]
    assert Rules().edges(3) == [0, 3]


def test_who_is_behind_catches_up_while_who_is_ahead_waits() -> None:
    """A candidate that comes late into a finished race is asked alone, and no more than it takes to settle it."""
    scores = coins(1, [0.8, 0.6, 0.4], 400)
    race = Race(2, [1] * 400, Rules())
    drive(race, scores[:2])
    before = race.standing()
    late = Race(3, [1] * 400, Rules())
    for i in (0, 1):
        units = np.arange(before.answered[i])
        late.tell_many(i, units, scores[i, units], scores[i, units])
    asked = []
    while asks := late.next():
        assert {ask.candidate for ask in asks} == {2}
        asked += [answer(late, ask, scores) for ask in asks]
    after = late.standing()
    assert after.leader == before.leader == 0
    assert sum(asked) == after.answered[2] < before.answered[1]
    assert after.answered[:2] == before.answered


def test_one_candidate_has_nobody_to_race_against() -> None:
    """Alone it leads and the race is over before it begins; whoever wants its score asks for all cases."""
    race = Race(1, [1] * 10, Rules())
    assert race.next() == ()
    standing = race.standing()
    assert (standing.leader, standing.finished, standing.means) == (0, "proven", (None,))


# Who cannot be asked


def test_who_is_withdrawn_stops_nobody_and_may_come_back() -> None:
    """The leader's key expires: the race goes on and ends without it; with a new key it takes part again."""
    scores = coins(2, [0.9, 0.7, 0.4], 200)
    race = Race(3, [1] * 200, Rules())
    for ask in race.next():
        answer(race, ask, scores)
    assert race.standing().leader == 0
    race.withdraw(0)
    assert 0 not in {ask.candidate for ask in race.next()}
    drive(race, scores)
    standing = race.standing()
    assert (standing.leader, standing.finished, standing.running) == (1, "proven", (1,))
    assert [(found.candidate, found.reason) for found in standing.settled] == [(0, "withdrawn"), (2, "race")]
    assert 0 not in (*standing.ties_here, *standing.ties_future)
    race.restore(0)
    drive(race, scores)
    never = Race(3, [1] * 200, Rules())
    drive(never, scores)
    assert race.standing().leader == never.standing().leader == 0
    assert race.standing().finished == "proven"


def test_when_all_are_withdrawn_nothing_is_finished() -> None:
    """Nobody to ask, nobody to lead, and no result."""
    race = Race(2, [1] * 10, Rules())
    race.withdraw(0)
    race.withdraw(1)
    standing = race.standing()
    assert race.next() == ()
    assert (standing.leader, standing.finished, standing.certificate) == (None, None, None)


# What is refused


def test_an_answer_is_told_once_and_in_range() -> None:
    """Telling twice, units and candidates that are not there, and impossible numbers are errors; nothing is taken."""
    race = Race(2, [1] * 5, Rules(bars=(LATE,)))
    ok = {"low": 0.5, "high": 0.5, "bars": [(0.0, 0.0)]}
    race.tell(0, 1, **ok)  # type: ignore[arg-type]
    for candidate, unit, changed in (
        (0, 1, {}),
        (2, 0, {}),
        (-1, 0, {}),
        (0, 5, {}),
        (0, -1, {}),
        (0, 0, {"low": 0.6}),
        (0, 0, {"low": -0.1}),
        (0, 0, {"high": 1.1}),
        (0, 0, {"low": float("nan")}),
        (0, 0, {"bars": []}),
        (0, 0, {"bars": [(0.5, 0.4)]}),
        (0, 0, {"bars": [(0.0, 1.5)]}),
        (0, 0, {"cost_usd": -1.0}),
        (0, 0, {"cost_usd": float("nan")}),
    ):
        with pytest.raises(ValueError):
            race.tell(candidate, unit, **{**ok, **changed})  # type: ignore[arg-type]
    one, bars = np.ones(2), np.zeros((2, 1, 2))
    for units, low, high, variables, cost in (
        ([0, 1], one, one, bars, None),
        ([2, 2], one, one, bars, None),
        ([2, 5], one, one, bars, None),
        ([-1, 2], one, one, bars, None),
        ([2, 3], one, one, None, None),
        ([2, 3], one, one / 2, bars, None),
        ([2, 3], one, one * 2, bars, None),
        ([2, 3], one * np.nan, one, bars, None),
        ([2, 3], one[:1], one, bars, None),
        ([2, 3], one, one, bars - 1, None),
        ([2, 3], one, one, bars, -one),
        ([2, 3], one, one, bars, one * np.inf),
    ):
        with pytest.raises(ValueError):
            race.tell_many(0, units, low, high, variables, cost)
    race.tell_many(0, [], [], [], np.zeros((0, 1, 2)))
    assert race.standing().answered == (0, 0)
    assert race.next()[0] == Ask(0, 0, 1)


@pytest.mark.parametrize(
    "rules",
    [
        {"confidence": 1.0},
        {"confidence": 0.0},
        {"epsilon": -0.1},
        {"epsilon": 1.0},
        {"batch": 0},
        {"finish": "soon"},
        {"tolerance": -0.1},
        {"tolerance": 1.0},
        {"max_calls": 0},
        {"max_calls": 10, "tolerance": 0.1},
    ],
)
def test_rules_that_make_no_race_are_refused(rules: dict[str, object]) -> None:
    """Each rule has its range."""
    with pytest.raises(ValueError):
        Rules(**rules)  # type: ignore[arg-type]


def test_a_race_needs_candidates_and_units() -> None:
    """None of either, or a unit without a case, is an error; so is a bar outside [0, 1]."""
    for candidates, sizes in ((0, [1]), (2, []), (2, [1, 0])):
        with pytest.raises(ValueError):
            Race(candidates, sizes, Rules())
    with pytest.raises(ValueError):
        Bar("bar", "at_most", 1.5)
    with pytest.raises(ValueError):
        Bar("bar", "about", 0.5)  # type: ignore[arg-type]
