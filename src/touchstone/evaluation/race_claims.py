"""
Accounts against each candidate's claim "I am the best", for a whole race at once.

Pair by pair, a race has to pay for every possible winner: with M candidates each account must reach (M - 1) / delta.
Here the money that bets against one claim is split among the possible winners while the race goes on, by what has been
seen, and 1 / delta is enough.

*The game against j.* One unit of money. A share `PAIRED` is spread evenly over the pots of all other candidates; the
rest is the reserve. Pot (w, j) bets against "mean(w - j) is at most -x", for every tolerance x with the same stakes
(`betting.Accounts`). The reserve bets against "mean(i - j) is at most 0" for the candidates i that run, weighted by
what each has scored before the unit (follow the leader, softly). At the start of each round it pays a part of its money
into the pot of the leader of that moment.

*Guarantee.* Let b be the best and g(w) = mean(b - w). Against b every bet of the reserve is fair or worse, since
mean(i - b) <= 0 for all i, and so is that of pot w at x = g(w). Weights, stakes, leaders, payments and who runs are
known before the units they apply to. So reserve + sum of the pots at their x = g(w) has no drift upwards, is never
negative and starts with 1: it ever reaches 1 / delta with probability at most delta. When anybody, at any moment, says
"w is at most x below the best" because reserve + pot (w, b) at x reached 1 / delta, and this is false, then x < g(w),
that pot was not above the one at g(w), and the sum had reached 1 / delta. So with probability 1 - delta *all* such
statements of a race are true: those about the winner at epsilon, and all certificates. The number of candidates does
not enter.

*Constraints.* The best of those that meet them may be worse than a candidate which does not, and is not found out yet.
Then bets of the reserve would not be fair, so it only pays.

*Unknown scores.* Each bet takes the least w, or i, can be ahead of j. That is a fixed matrix as well, for which the
statements hold if they hold for the true one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from touchstone.evaluation.betting import RACE_REACH, STAKES, Accounts, Floats
from touchstone.evaluation.race_board import Board

PAIRED, PAIRED_WITH_BARS = 0.3, 0.6
PAID, PAID_UNITS, MOST_PAID = 0.2, 25, 0.5
"""The reserve pays a fifth for every 25 units the leader leads, but not more than half at once."""
SHARPNESS = 3.0
"""One correct answer more multiplies a candidate's weight by e to this."""


class Claims:
    """
    The claims of all candidates of one race, brought forward round by round.

    `leaders[k]` and `running[k]` are set before the round from edge k to k + 1 is taken into account; everything else
    follows from them and the board.
    """

    def __init__(self, board: Board, delta: float, epsilon: float, tolerances: Sequence[float]) -> None:
        self._board = board
        self._threshold = 1 / delta
        self._epsilon = epsilon
        self._tolerances = tuple(tolerances)
        paired = PAIRED_WITH_BARS if board.bars else PAIRED
        self._start = paired / max(1, board.candidates - 1)
        self._reserves = [np.full(len(STAKES), (1 - paired) / len(STAKES)) for _ in range(board.candidates)]
        self._held: list[list[Floats]] = [[] for _ in range(board.candidates)]
        self._paid: list[list[float]] = [[] for _ in range(board.candidates)]
        self._pots: dict[tuple[int, int], Accounts] = {}
        self._certificates: dict[tuple[int, int], Accounts] = {}
        self.leaders: list[int | None] = []
        self.running: list[tuple[int, ...]] = []

    def reached(self, candidate: int) -> int:
        """The edge up to which the game against the candidate has been played."""
        return len(self._held[candidate])

    def reserve(self, candidate: int) -> float:
        """Money in the reserve of the game against the candidate."""
        return float(self._reserves[candidate].sum())

    def pot(self, candidate: int, leader: int) -> float:
        """Money in the pot for `leader`, at epsilon."""
        return float(self._pot(self._pots, candidate, leader, (self._epsilon,)).now[0])

    def play(self, candidate: int) -> None:
        """Play the next round against the candidate; it and all that ran in this round have answered it."""
        level = self.reached(candidate)
        start, stop = self._board.edges[level], self._board.edges[level + 1]
        money = self._reserves[candidate]
        paid = 0.0
        if self.leaders[level] not in (None, candidate):
            share = min(MOST_PAID, 1 - (1 - PAID) ** ((stop - start) / PAID_UNITS))
            paid = share * float(money.sum())
            money = money * (1 - share)
        opponents = [i for i in self.running[level] if i != candidate]
        if opponents and not self._board.bars:
            factors = self._factors(candidate, opponents, level)
            factors[0] *= money
            with np.errstate(over="ignore", under="ignore"):
                path = np.multiply.accumulate(factors, axis=0)
            held = np.add.reduce(path, axis=1)
            money = path[-1]
        else:
            held = np.full(stop - start, float(money.sum()))
        self._reserves[candidate] = money
        self._held[candidate].append(held)
        self._paid[candidate].append(paid)

    def lost_at(self, candidate: int, leader: int) -> int | None:
        """The edge at which it was shown that `leader` is at most epsilon worse than `candidate`; None: not yet."""
        pot = self._pot(self._pots, candidate, leader, (self._epsilon,))
        crossed = int(pot.crossed[0, 0])
        return bisect_left(self._board.edges, crossed) if crossed else None

    def certificate(self, candidate: int, leader: int) -> float | None:
        """Smallest tolerance x of the grid for which it is shown that `leader` is at most x worse than `candidate`."""
        pot = self._pot(self._certificates, candidate, leader, self._tolerances)
        reached = (pot.best >= self._threshold).nonzero()[0]
        return self._tolerances[int(reached[0])] if len(reached) else None

    def _pot(
        self, pots: dict[tuple[int, int], Accounts], candidate: int, leader: int, tolerances: Sequence[float]
    ) -> Accounts:
        """The pot as it is where both have come to, whenever it was last looked at."""
        pot = pots.get((candidate, leader))
        if pot is None:
            means = [-self._board.scaled(tolerance) for tolerance in tolerances]
            aim = self._board.scaled(self._epsilon)
            levels = (self._threshold,)
            pot = Accounts(means, self._board.units, levels=levels, weak=True, start=self._start, aim=aim)
            pots[candidate, leader] = pot
        edges = self._board.edges
        for level in range(bisect_left(edges, pot.units), min(self.reached(candidate), self.reached(leader))):
            if self.leaders[level] == leader:
                pot.deposit(self._paid[candidate][level])
            pot.feed(
                self._board.differences(leader, candidate, edges[level], edges[level + 1]), self._held[candidate][level]
            )
        return pot

    def _factors(self, candidate: int, opponents: Sequence[int], level: int) -> Floats:
        """What the reserve's money is multiplied by, shape (units of the round, stakes)."""
        start, stop = self._board.edges[level], self._board.edges[level + 1]
        blocks = np.array([self._board.least(i, start, stop) for i in opponents])
        own = self._board.most(candidate, start, stop)
        before = _before(blocks, np.array([[self._board.sums_at(i, level)[0]] for i in opponents]))
        own_before = _before(own[None, :], np.array([[self._board.sums_at(candidate, level)[1]]]))[0]
        weights = np.exp(SHARPNESS * (before - before.max(axis=0)))
        weights /= weights.sum(axis=0)
        ahead = (weights * before).sum(axis=0) - own_before
        values = (weights * blocks).sum(axis=0) - own
        zero = -ahead / (self._board.units - start - np.arange(stop - start, dtype=np.float64))
        scale = np.where(zero >= 1, 0.0, 1 / np.maximum(1 + zero, 1 / RACE_REACH))
        factors: Floats = 1 + (scale * (values - zero))[:, None] * np.array(STAKES)
        return factors


def _before(blocks: Floats, base: Floats) -> Floats:
    """Running sums along the second axis, each before its own unit."""
    return np.add.accumulate(np.concatenate((base, blocks), axis=1), axis=1)[:, :-1]
