"""The race: who is asked, who leads, what is proven, and that nothing but the answers matters."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.races import Matrix, answer, coins, drive

from touchstone.evaluation.race import Ask, Bar, Race, Rules, Standing
from touchstone.evaluation.sequences import anytime_p

LATE = Bar("max_p95_latency_s", "at_most", 0.05)


def proves_too_much(standing: Standing, means: Matrix) -> bool:
    """Whether the certificate says more than is true."""
    if standing.leader is None or standing.certificate is None:
        return False
    return bool(means[standing.leader] < means.max() - standing.certificate - 1e-9)


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


# Nothing but the answers matters


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


@settings(max_examples=150)
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


# What is proven


@pytest.mark.parametrize("finish", ["proven", "quick"])
@pytest.mark.parametrize(
    ("scores", "confidence"),
    [
        ([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]], 0.5),
        ([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]], 0.8),
        ([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]], 0.5),
        ([[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]], 0.7),
    ],
)
def test_over_all_orders_the_guarantee_holds(scores: list[list[int]], confidence: float, finish: str) -> None:
    """
    All orders of a small table, looked at after every answer: the share of races which end with a winner more than
    epsilon below the best, or in which a certificate was false at any look, is at most 1 - confidence.
    """
    table = np.array(scores, dtype=float)
    means = table.mean(axis=1)
    orders = sorted(set(itertools.permutations(map(tuple, table.T))))
    wrong = broken = 0
    for order in orders:
        rules = Rules(confidence=confidence, epsilon=0.1, batch=1, finish="proven" if finish == "proven" else "quick")
        race = Race(len(table), [1] * len(order), rules)
        looks: list[Standing] = []
        drive(race, np.array(order).T, look=looks.append)
        wrong += means[looks[-1].leader or 0] < means.max() - 0.1 - 1e-9
        broken += any(proves_too_much(look, means) for look in looks)
    assert broken <= (1 - confidence) * len(orders)
    if finish == "proven":
        assert wrong <= broken
    assert wrong <= (1 - confidence) * len(orders)
    assert wrong + broken > 0, "these tables are meant to deceive some races"


def test_the_worst_case_rarely_errs() -> None:
    """Five rivals just outside epsilon below the best: at most 5 % of 60 races end with one of them."""
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = coins(seed, [0.7] * 6, 200, shared=0.7)
        # The best has five correct answers more than anybody else, and epsilon allows a little less.
        for i in range(6):
            want = 140 if i == 0 else 135
            while (have := int(scores[i].sum())) != want:
                side = np.flatnonzero(scores[i] == (have > want))
                scores[i, rng.choice(side, abs(have - want), replace=False)] = float(have < want)
        race = Race(6, [1] * 200, Rules(epsilon=4.9 / 200, batch=25))
        drive(race, scores)
        wrong += race.standing().leader != 0
    assert wrong <= 3


def test_certificates_hold_and_shrink_to_epsilon() -> None:
    """In at most 5 % of 60 seeded races a certificate is false at any look; at the end it is at most epsilon."""
    broken = 0
    for seed in range(60):
        scores = coins(seed, [0.8, 0.77, 0.7, 0.5], 300, shared=0.6)
        means = scores.mean(axis=1)
        race = Race(4, [1] * 300, Rules(epsilon=0.03))
        looks: list[Standing] = []
        drive(race, scores, look=looks.append)
        broken += any(proves_too_much(look, means) for look in looks)
        end = race.standing()
        assert end.leader is not None
        assert end.certificate is not None
        assert end.certificate <= 0.03
        assert race.certificate_of(end.leader) == end.certificate
        for i in range(4):
            bound = race.certificate_of(i)
            assert bound is None or bound >= end.certificate
    assert broken <= 3


def test_nothing_is_said_before_there_is_anything_to_say() -> None:
    """No answer, no certificate; after one answer each everything is still possible."""
    race = Race(2, [1] * 100, Rules(batch=1))
    assert race.standing().certificate is None
    race.tell(0, 0, low=1, high=1)
    race.tell(1, 0, low=0, high=0)
    certificate = race.standing().certificate
    assert certificate is not None
    assert certificate > 0.9


def test_two_candidates_of_equal_skill_are_rarely_told_apart() -> None:
    """
    Looked at after every batch, in at most 5 % of 1,000 races the rival was ever missing from the ties for future
    cases; it is missing exactly when the anytime p of the two is at most 0.05.
    """
    winners = 0
    for seed in range(1000):
        scores = coins(seed, [0.7, 0.7], 80, shared=0.5)
        race = Race(2, [1] * 80, Rules(batch=40))
        separated = False
        while not separated and (asks := race.next()):
            for ask in asks:
                answer(race, ask, scores)
            standing = race.standing()
            separated = not standing.ties_future
            ahead = scores[standing.leader or 0] - scores[1 - (standing.leader or 0)]
            if separated:
                assert anytime_p(ahead[: min(standing.answered)]) <= 0.05
        winners += separated
    assert 0 < winners <= 50


def test_ties_here_and_ties_in_future_differ() -> None:
    """A rival that is surely worse on these few cases, all of which are known, may well be better on others."""
    scores = np.zeros((3, 40))
    scores[0, ::2] = scores[1, 2::2] = scores[2, 1::2] = 1
    race = Race(3, [1] * 40, Rules(epsilon=0.0))
    for i in range(3):
        race.tell_many(i, np.arange(40), scores[i], scores[i])
    standing = race.standing()
    assert (standing.finished, standing.leader, standing.running) == ("exact", 0, (0,))
    assert standing.ties_here == (2,)
    assert standing.ties_future == (1, 2)


def test_exact_ties_end_with_the_last_answer() -> None:
    """Two candidates with the same answers: the first leads, nothing separates them, and that is within epsilon."""
    scores = np.ones((2, 30))
    race = Race(2, [1] * 30, Rules(epsilon=0.0))
    assert drive(race, scores) == 60
    standing = race.standing()
    assert (standing.leader, standing.finished, standing.certificate, standing.running) == (0, "exact", 0.0, (0,))
    assert standing.ties_here == standing.ties_future == (1,)


def test_arithmetic_settles_what_no_account_needs_to() -> None:
    """When the unseen cases cannot make up for the difference, no confidence is asked for."""
    scores = np.array([[1.0] * 10, [0.0] * 10])
    race = Race(2, [1] * 10, Rules(confidence=1 - 1e-12, batch=1))
    assert drive(race, scores) == 10
    assert race.standing().finished == "proven"
    assert race.standing().certificate == 0.0


def test_the_quick_line_comes_first_and_is_that_of_the_same_answers() -> None:
    """One race passes both lines; where the quick one was passed is said with what had been asked until then."""
    scores = coins(3, [0.75, 0.7, 0.6, 0.5], 1000, shared=0.5)
    race = Race(4, [1] * 1000, Rules())
    asked = drive(race, scores)
    standing = race.standing()
    line = standing.quick_line
    assert line is not None
    assert line.leader == 0
    assert sum(line.units) == line.cases < asked
    assert all(quick <= known for quick, known in zip(line.units, standing.answered, strict=True))
    quick = Race(4, [1] * 1000, Rules(finish="quick"))
    assert drive(quick, scores) < asked
    assert quick.standing().finished == "quick"
    assert quick.standing().quick_line is not None


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


# Constraints


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
        dropped += race.standing().leader is None
    assert dropped <= (1 - confidence) / 5 * len(orders)


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


# Unknown scores, clusters


def test_an_unknown_score_is_taken_as_what_is_worse_for_the_bet() -> None:
    """A rival whose every third score is unknown is not settled before its best case is, and the mean is the middle."""
    scores = coins(4, [0.7, 0.5], 600)
    known, doubtful = Race(2, [1] * 600, Rules()), Race(2, [1] * 600, Rules())
    high = scores.copy()
    low = scores.copy()
    low[1, ::3], high[1, ::3] = 0.0, 1.0
    drive(known, scores)
    drive(doubtful, low, high)
    assert known.standing().answered[1] < doubtful.standing().answered[1]
    standing = doubtful.standing()
    assert standing.means[1] == pytest.approx(((low + high) / 2)[1, : standing.answered[1]].mean())


def test_unknown_scores_may_leave_a_race_open() -> None:
    """All is answered and the bounds still overlap: both are running, and the certificate is what is possible."""
    low, high = np.zeros((2, 20)), np.zeros((2, 20))
    low[0, :10] = high[0, :10] = 1
    low[1, :8] = high[1, :8] = 1
    high[1, 15:] = 1
    race = Race(2, [1] * 20, Rules())
    drive(race, low, high)
    standing = race.standing()
    assert (standing.finished, standing.running, standing.leader) == ("exact", (0, 1), 1)
    assert standing.certificate == pytest.approx(2 / 20)
    other = race.certificate_of(0)
    assert other == pytest.approx(3 / 20)


def test_clusters_count_by_their_cases() -> None:
    """A candidate better in one cluster of eight cases is better than one that is better in four single cases."""
    sizes = [8, 1, 1, 1, 1]
    scores = np.array([[1.0, 0, 0, 0, 0], [0, 1.0, 1, 1, 1]])
    race = Race(2, sizes, Rules(epsilon=0.0))
    drive(race, scores)
    standing = race.standing()
    assert standing.leader == 0
    assert standing.means == pytest.approx((8 / 12, 4 / 12))
    assert standing.certificate == 0
    assert race.standing().settled[0].cases == 12


def test_over_all_orders_of_clusters_the_guarantee_holds() -> None:
    """The same promise by cases, with clusters of one and three cases in every order."""
    clusters = [(3, 1.0, 0.0), (1, 1.0, 0.0), (3, 0.0, 1.0), (3, 0.0, 1.0), (1, 0.0, 0.0)]
    cases = sum(size for size, _, _ in clusters)
    means = np.array([sum(size * row[i] for size, *row in clusters) / cases for i in (0, 1)])
    broken = 0
    orders = sorted(set(itertools.permutations(clusters)))
    for order in orders:
        race = Race(2, [size for size, _, _ in order], Rules(confidence=0.6, epsilon=0.1, batch=1))
        looks: list[Standing] = []
        drive(race, np.array([row for _, *row in order]).T, look=looks.append)
        broken += any(proves_too_much(look, means) for look in looks)
    assert 0 < broken <= 0.4 * len(orders)


def test_clusters_of_one_size_are_like_single_cases() -> None:
    """Sizes of 4 everywhere change how many cases there are, and nothing else."""
    scores = coins(7, [0.8, 0.6, 0.5], 200)
    single, blocks = Race(3, [1] * 200, Rules()), Race(3, [4] * 200, Rules())
    drive(single, scores)
    drive(blocks, scores)
    one, four = single.standing(), blocks.standing()
    assert replace(four, settled=(), quick_line=None) == replace(one, settled=(), quick_line=None)
    assert [found.cases for found in four.settled] == [4 * found.cases for found in one.settled]


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
