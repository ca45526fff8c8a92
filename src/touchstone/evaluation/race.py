"""
The race: stop asking candidates as soon as it is proven that they cannot be much better than the leader.

All candidates share one random order of the cases and answer it in batches. For every rival of the leader an account
bets against "the leader is more than epsilon worse than this rival" (`betting.Accounts`); when it reaches
K = (M - 1) / delta, the rival is settled and asked no more.

*Guarantee* (`finish: proven`). With M candidates, P(score(winner) < best - epsilon) <= delta, for the scores a full run
over these cases would have shown. Proof: let b be the best. If the winner w is more than epsilon below, the account of
the pair (w, b) has reached K though its statement is true; the chance of that is delta / (M - 1) for each of the M - 1
possible w. Nothing else is used: whom to ask, when to look, when to stop, and who leads may depend on anything.

*Constraints* spend a fifth of the allowed error: with B bars, a candidate that meets them all is dropped with
probability at most (1 - confidence) / 5 over all candidates, since each account has K = M B / that. The guarantee is
then about the best of those that meet the bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.halving import Halving, checkpoints
from touchstone.evaluation.race_accounts import TOLERANCES, BarAccounts, Duels, Evidence
from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_cheapest import Cheapest
from touchstone.evaluation.race_replay import Replay
from touchstone.evaluation.race_rounds import PROVEN, QUICK, Best, Field, Loss, Move, Plan, Rounds
from touchstone.evaluation.race_rules import Ask, Bar, Finished, QuickLine, Reason, Rules, Settled, Standing

__all__ = ["Ask", "Bar", "QuickLine", "Race", "Rules", "Settled", "Standing"]


class Race:
    """
    Candidates 0 to M - 1 race over the units 0 to G - 1 of one random order.

    All it says is a function of the answers it was told (and of who is withdrawn): how they were batched, in which
    order they came, how often somebody looked, and whether the race was interrupted changes nothing.
    """

    def __init__(self, candidates: int, sizes: Sequence[int], rules: Rules) -> None:
        """
        Args:
            candidates: M, all that ever entered; the guarantee pays for each of them.
            sizes: Cases in each unit of the order, all 1 unless cases come in clusters.
            rules: See there.

        Raises:
            ValueError: no candidate, no unit, an empty unit, or a budget too small for one unit of each candidate.
        """
        self._rules = rules
        edges = rules.edges(len(sizes)) if rules.max_calls is None else checkpoints(candidates, sizes, rules.max_calls)
        board = self._board = Board(candidates, sizes, edges, rules.bars)
        misses = candidates * len(rules.bars) / rules.bar_delta
        self._field = Field(board, BarAccounts(board, misses))
        # The cheapest within a tolerance has two ways to err for each pair.
        share = rules.delta / (1 if rules.tolerance is None else 2)
        thresholds = max(1, candidates - 1) / share, 1 / share
        self._threshold = thresholds[PROVEN]
        # What the race is about is on the grid, so that a race that ends has a certificate that says so.
        aim = rules.epsilon + (rules.tolerance or 0.0)
        tolerances = sorted({*TOLERANCES, aim})
        self._evidence = Evidence(board, tolerances, aim)
        self._line = PROVEN if rules.finish == "proven" else QUICK
        self._replayed = [0] * candidates
        self._known: tuple[list[int], Move] | None = None
        self._plan: Plan
        if rules.max_calls is not None:
            self._plan = Halving(Best(board, rules.epsilon, thresholds), board, self._field)
        elif rules.tolerance is not None:
            goal = Cheapest(board, rules.tolerance, rules.epsilon, thresholds)
            self._plan = Rounds(goal, self._field, len(edges) - 1)
        elif rules.finish == "quick":
            self._plan = Rounds(Best(board, rules.epsilon, thresholds), self._field, len(edges) - 1)
        else:
            duels = Duels(board, -rules.epsilon, thresholds, weak=True)
            self._plan = Replay(
                board, self._field, duels, delta=rules.delta, epsilon=rules.epsilon, tolerances=tolerances
            )

    def tell(
        self,
        candidate: int,
        unit: int,
        *,
        low: float,
        high: float,
        bars: Sequence[tuple[float, float]] = (),
        cost_usd: float | None = None,
    ) -> None:
        """
        A candidate has answered all of a unit; units may come in any order.

        Args:
            candidate: Who.
            unit: Its place in the shared order.
            low: The least the mean score of its cells can be, in [0, 1].
            high: The most; equal to `low` unless a score is unknown (a judge's failure).
            bars: Least and most of each bar's variable, in the order of `rules.bars`.
            cost_usd: What the whole unit cost; None when that is not known.

        Raises:
            ValueError: it was told before, or a number is out of range.
        """
        self._board.tell(candidate, unit, low, high, bars, cost_usd)

    def tell_many(
        self,
        candidate: int,
        units: npt.ArrayLike,
        low: npt.ArrayLike,
        high: npt.ArrayLike,
        bars: npt.ArrayLike | None = None,
        cost_usd: npt.ArrayLike | None = None,
    ) -> None:
        """
        The same for many units of one candidate at once.

        Args:
            candidate: Who.
            units: Shape (n,), each once.
            low: Shape (n,).
            high: Shape (n,).
            bars: Shape (n, bars, 2); None only when there are no bars.
            cost_usd: Shape (n,), NaN where it is not known; None: nowhere.

        Raises:
            ValueError: as in `tell`; then nothing of it was taken.
        """
        self._board.tell_many(
            candidate,
            np.asarray(units, dtype=np.int64),
            np.asarray(low, dtype=np.float64),
            np.asarray(high, dtype=np.float64),
            None if bars is None else np.asarray(bars, dtype=np.float64),
            None if cost_usd is None else np.asarray(cost_usd, dtype=np.float64),
        )

    def withdraw(self, candidate: int) -> None:
        """
        The candidate cannot be asked any more: it is not called, does not lead and does not hold up the others.

        What is proven afterwards, certificate included, is about the others. It stays in M. The proof asks that being
        withdrawn has nothing to do with one's scores, as for a missing key or an empty account.
        """
        self._field.withdrawn.add(candidate)
        self._restart()

    def restore(self, candidate: int) -> None:
        """It can be asked again, and catches up first."""
        self._field.withdrawn.discard(candidate)
        self._restart()

    def next(self) -> tuple[Ask, ...]:
        """
        Who answers what now, without what is known already; nobody when the race is over.

        Asking again without telling gives the same.
        """
        move = self._move(self._levels())
        return tuple(ask for i in sorted(move.targets) for ask in self._gaps(i, self._board.edges[move.targets[i]]))

    def standing(self) -> Standing:
        """Where the race stands, at any moment."""
        board, levels = self._board, self._levels()
        eligible = self._field.eligible(levels)
        move = self._move(levels)
        leader, running, lost = move.verdict.focus, move.verdict.running, move.verdict.lost
        rivals = [i for i in eligible if i != leader]
        common = {i: min(levels[i], levels[leader]) for i in rivals} if leader is not None else {}
        alpha = 1 - self._rules.confidence
        return Standing(
            leader=leader,
            running=running,
            settled=self._settled(levels, lost),
            finished=self._finished(levels, eligible, move),
            certificate=self._certificate(leader, common, lost),
            rounds=max((levels[i] for i in eligible), default=0),
            answered=tuple(board.answered),
            ties_here=tuple(
                i for i in common if leader is not None and self._evidence.tied_here(leader, i, common[i], 1 / alpha)
            ),
            ties_future=tuple(
                i
                for i in common
                if leader is not None and self._evidence.tied_in_future(leader, i, common[i], 2 / alpha)
            ),
            means=tuple(board.mean(i) for i in range(board.candidates)),
            quick_line=self._quick_line(levels),
        )

    def certificate_of(self, candidate: int) -> float | None:
        """
        Any candidate is at most so much below the best; None: nothing can be said.

        All that is ever said of all candidates holds together, like the certificate of the leader.
        """
        levels = self._levels()
        self._move(levels)
        rivals = (i for i in self._field.eligible(levels) if i != candidate)
        return self._certificate(candidate, {i: min(levels[i], levels[candidate]) for i in rivals}, {})

    def _levels(self) -> list[int]:
        return [self._board.level(i) for i in range(self._board.candidates)]

    def _move(self, levels: list[int]) -> Move:
        """What follows from these levels; asked after every answer, it is worked out once a batch."""
        if self._known is None or self._known[0] != levels:
            self._known = levels, self._plan.move(levels, self._line)
        return self._known[1]

    def _restart(self) -> None:
        self._replayed = [0] * self._board.candidates
        self._known = None
        if isinstance(self._plan, Replay):
            self._plan.restart()

    def _gaps(self, candidate: int, stop: int) -> list[Ask]:
        """What is still unknown before `stop`, as few asks as possible."""
        missing = self._board.missing(candidate, stop).tolist()
        runs = groupby(enumerate(missing), key=lambda found: found[1] - found[0])
        return [Ask(candidate, units[0], units[-1] + 1) for _, run in runs if (units := [unit for _, unit in run])]

    def _certificate(self, leader: int | None, common: Mapping[int, int], lost: Mapping[int, Loss]) -> float | None:
        if leader is None:
            return None
        worst = 0.0
        for i, level in common.items():
            if i in lost and lost[i].worse:
                continue
            # Arithmetic says something too, and everything once all is known.
            behind = max(0.0, -self._board.lead(leader, i))
            if min(self._board.answered[i], self._board.answered[leader]) < self._board.units:
                found = (
                    self._plan.certificate(i, leader)
                    if isinstance(self._plan, Replay)
                    else self._evidence.certificate(leader, i, level, self._threshold)
                )
                behind = behind if found is None else min(behind, found)
            worst = max(worst, behind)
        return worst if worst < 1 else None

    def _settled(self, levels: Sequence[int], lost: Mapping[int, Loss]) -> tuple[Settled, ...]:
        settled = []
        for i, level in enumerate(levels):
            missed = self._field.missed(i, level)
            if missed is not None:
                settled.append(self._settle(i, None, missed[0], "bar", missed[1].name))
            elif i in self._field.withdrawn:
                settled.append(self._settle(i, None, level, "withdrawn"))
            elif i in lost:
                settled.append(self._settle(i, lost[i].against, lost[i].edge, lost[i].reason))
        return tuple(settled)

    def _settle(
        self, candidate: int, against: int | None, edge: int, reason: Reason, bar: str | None = None
    ) -> Settled:
        units = self._board.edges[edge]
        return Settled(candidate, against, units, int(self._board.cases[units]), edge, reason, bar)

    def _finished(self, levels: Sequence[int], eligible: Sequence[int], move: Move) -> Finished | None:
        if move.targets or (not eligible and self._field.withdrawn):
            return None
        if all(
            levels[i] == len(self._board.edges) - 1 and self._board.answered[i] == self._board.units for i in eligible
        ):
            return "exact" if eligible else self._rules.finish
        verdict = move.verdict
        if len(verdict.running) > 1:
            return "exact" if self._rules.max_calls is None else "budget"
        if any(loss.reason == "halving" for loss in verdict.lost.values()):
            return "budget"
        return self._rules.finish

    def _quick_line(self, levels: Sequence[int]) -> QuickLine | None:
        if isinstance(self._plan, Replay):
            return self._plan.quick_line()
        if self._rules.max_calls is not None:
            return None
        # Runs the quick race over what is known, from where the last look left it.
        while True:
            move = self._plan.move(self._replayed, QUICK)
            if any(target > levels[i] for i, target in move.targets.items()):
                return None
            if not move.targets:
                break
            for i, target in move.targets.items():
                self._replayed[i] = target
        if move.verdict.focus is None:
            return None
        units = tuple(self._board.edges[level] for level in self._replayed)
        cases = sum(int(self._board.cases[stop]) for stop in units)
        return QuickLine(move.verdict.focus, units, cases, max(self._replayed))
