"""What a race proves, and what it may say at any moment."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import seeded
from tests.evaluation.races import Matrix, answer, coins, drive

from touchstone.evaluation.race import Race, Rules, Standing
from touchstone.evaluation.sequences import anytime_p


def proves_too_much(standing: Standing, means: Matrix) -> bool:
    """Whether the certificate says more than is true."""
    if standing.leader is None or standing.certificate is None:
        return False
    return bool(means[standing.leader] < means.max() - standing.certificate - 1e-9)


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
    wrong, races = 0, seeded(20, 60)
    for seed in range(races):
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
    assert wrong <= 0.05 * races


def test_certificates_hold_and_shrink_to_epsilon() -> None:
    """In at most 5 % of 60 seeded races a certificate is false at any look; at the end it is at most epsilon."""
    broken, races = 0, seeded(20, 60)
    for seed in range(races):
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
    assert broken <= 0.05 * races


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
    Looked at after every batch, in at most 5 % of the races the rival was ever missing from the ties for future cases;
    it is missing exactly when the anytime p of the two is at most 0.05. A thousand races in `make test-thorough`.
    """
    # Two of the thousand are told apart, and both are among this hundred: without them nothing would be seen of the p.
    winners, first, races = 0, seeded(250, 0), seeded(100, 1000)
    for seed in range(first, first + races):
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
    assert 0 < winners <= 0.05 * races


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
