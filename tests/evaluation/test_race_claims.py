"""The game against each candidate's claim to be the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.evaluation.races import Matrix, coins

from touchstone.evaluation.betting import STAKES
from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_claims import PAID, PAID_UNITS, PAIRED, PAIRED_WITH_BARS, SHARPNESS, Claims
from touchstone.evaluation.race_rules import Bar


def board_of(scores: Matrix, batch: int = 1, bars: tuple[Bar, ...] = ()) -> Board:
    candidates, units = scores.shape
    board = Board(candidates, [1] * units, [*range(0, units, batch), units], bars)
    for i in range(candidates):
        board.tell_many(i, np.arange(units), scores[i], scores[i], np.zeros((units, len(bars), 2)), None)
    return board


def played(scores: Matrix, rounds: int, epsilon: float, batch: int = 1, bars: tuple[Bar, ...] = ()) -> Claims:
    """All candidates run in all rounds, and the best so far leads."""
    board = board_of(scores, batch, bars)
    claims = Claims(board, 0.05, epsilon, (0.0, epsilon))
    for level in range(rounds):
        sums = scores[:, : board.edges[level]].sum(axis=1)
        claims.leaders.append(int(sums.argmax()) if level else None)
        claims.running.append(tuple(range(len(scores))))
        for i in range(len(scores)):
            claims.play(i)
    return claims


def wealth(claims: Claims, candidate: int, rivals: list[int]) -> float:
    """Reserve and the pots of these rivals, at epsilon."""
    pots = [claims.pot(candidate, rival) for rival in rivals]
    return claims.reserve(candidate) + sum(pots)


@pytest.mark.parametrize("bars", [(), (Bar("bar", "at_most", 0.5),)])
@pytest.mark.parametrize(
    "scores",
    [
        [[1, 1, 0, 1, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]],
        [[0.9, 0.2, 0.5, 0.4], [0.1, 0.7, 0.3, 0.4], [0.5, 0.5, 0.5, 0.0]],
    ],
)
def test_over_all_orders_no_money_is_made_against_the_best(scores: list[list[float]], bars: tuple[Bar, ...]) -> None:
    """
    With rivals that are all the same amount worse, reserve and pots at that amount are on average at most the 1 they
    began with, after any number of rounds; leaders, weights and payments are what they happen to be in each order.
    """
    table = np.array(scores, dtype=float)
    gap = float(table[0].sum() - table[1].sum()) / table.shape[1]
    assert table[1].sum() == pytest.approx(table[2].sum())
    orders = sorted(set(itertools.permutations(map(tuple, table.T))))
    for rounds in range(1, table.shape[1]):
        total = [wealth(played(np.array(order).T, rounds, gap, bars=bars), 0, [1, 2]) for order in orders]
        assert np.mean(total) <= 1 + 1e-9
        assert rounds < 2 or np.std(total) > 0.01


def test_money_is_split_between_the_pots_and_the_reserve_at_the_start() -> None:
    """A share is spread evenly over all rivals; with constraints, when the reserve cannot bet, a larger one."""
    scores = coins(0, [0.5, 0.5, 0.5], 20)
    for bars, share in (((), PAIRED), ((Bar("bar", "at_most", 0.5),), PAIRED_WITH_BARS)):
        claims = Claims(board_of(scores, bars=bars), 0.05, 0.01, (0.01,))
        assert claims.reserve(0) == pytest.approx(1 - share)
        assert claims.pot(0, 1) == pytest.approx(share / 2)


def test_the_leader_is_paid_from_the_reserve() -> None:
    """In each round after the first a part of the reserve goes to the leader's pot, by the length of the round."""
    scores = np.zeros((3, 60))
    scores[1] = 1e-6
    claims = played(scores, 3, 0.01, batch=20)
    part = 1 - (1 - PAID) ** (20 / PAID_UNITS)
    assert claims.reserve(0) == pytest.approx((1 - PAIRED) * (1 - part) ** 2, rel=1e-3)
    assert claims.pot(0, 1) > 1.5 * claims.pot(0, 2)
    # Nobody pays against itself.
    assert claims.reserve(1) == pytest.approx(1 - PAIRED, rel=1e-3)


def test_with_constraints_the_reserve_does_not_bet() -> None:
    """A better candidate that may miss a bar says nothing about the best of those that meet it."""
    scores = np.zeros((3, 40))
    scores[1] = 1
    free, bound = (played(scores, 1, 0.01, batch=20, bars=bars) for bars in ((), (Bar("bar", "at_most", 0.5),)))
    assert free.reserve(0) > 5
    assert bound.reserve(0) == pytest.approx(1 - PAIRED_WITH_BARS)


def test_the_reserve_follows_the_leader_softly() -> None:
    """Two rivals, one answer apart: weights e^3 to 1, known before the unit they apply to."""
    scores = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    claims = played(scores, 2, 0.01)
    weight = np.exp(SHARPNESS) / (1 + np.exp(SHARPNESS))
    part = 1 - (1 - PAID) ** (1 / PAID_UNITS)
    expected = []
    for s in STAKES:
        first = 1 + s * 0.5
        zero = -weight
        expected.append(first * (1 - part) * (1 + s * (weight - zero) / max(1 + zero, 1 / 3)))
    assert claims.reserve(0) == pytest.approx((1 - PAIRED) * np.mean(expected))


def test_a_pot_is_the_same_whenever_it_is_looked_at() -> None:
    """Looked at after each round or only at the end, by whomever: the same money, the same certificates."""
    scores = coins(3, [0.8, 0.7, 0.6], 60)
    late = played(scores, 6, 0.01, batch=10)
    board = board_of(scores, 10)
    early = Claims(board, 0.05, 0.01, (0.0, 0.01))
    for level in range(6):
        early.leaders.append(late.leaders[level])
        early.running.append(late.running[level])
        for i in range(3):
            early.play(i)
            early.certificate(i, (i + 1) % 3)
            early.lost_at(i, (i + 2) % 3)
    for one, other in itertools.permutations(range(3), 2):
        assert early.pot(one, other) == late.pot(one, other)
        assert early.certificate(one, other) == late.certificate(one, other)
        assert early.lost_at(one, other) == late.lost_at(one, other)


def test_a_pot_goes_as_far_as_both_have_come() -> None:
    """A rival that was settled early says of itself what its answers allow, and no more."""
    scores = coins(3, [0.8, 0.7, 0.6], 60)
    short, mixed = played(scores, 2, 0.01, batch=10), played(scores, 2, 0.01, batch=10)
    for _ in range(4):
        mixed.leaders.append(0)
        mixed.running.append((0, 2))
        mixed.play(0)
        mixed.play(2)
    assert mixed.pot(0, 1) == short.pot(0, 1)
    assert mixed.pot(0, 2) != short.pot(0, 2)


def test_who_is_far_behind_loses_and_a_certificate_says_so() -> None:
    """Always wrong against always right: settled within a few units, at epsilon and at every tolerance."""
    scores = np.vstack([np.zeros(50), np.ones(50), np.ones(50)])
    claims = played(scores, 10, 0.01)
    assert claims.certificate(0, 1) == 0.0
    lost = claims.lost_at(0, 1)
    assert lost is not None
    assert 2 < lost < 10
    assert claims.lost_at(1, 2) is None
