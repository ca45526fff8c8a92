"""Who answers what now, when the accounts follow the race (`race_claims`): it is run again over what is known."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.evaluation.betting import ROUNDING
from touchstone.evaluation.race_accounts import Duels
from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_claims import Claims
from touchstone.evaluation.race_rounds import QUICK, Field, Loss, Move, Verdict, best_at
from touchstone.evaluation.race_rules import QuickLine


class Replay:
    """
    The one race that these answers allow, from its first round to the first answer that is not there.

    A round counts when everybody who runs in it has answered its batch. Then the best mean leads; rivals that are not
    settled against the leader open what they missed, the shortest first, while who is ahead waits; and when all are
    level they answer the next batch. What is known beyond that, say from a larger run, is not looked at before its
    round; only when everything is known the best is simply the best.

    So a race that was interrupted, or in which somebody looked, or into which a candidate came late, goes on exactly
    like one in which that did not happen.
    """

    def __init__(
        self, board: Board, field: Field, duels: Duels, *, delta: float, epsilon: float, tolerances: Sequence[float]
    ) -> None:
        """`duels` decide the quick line."""
        self._board = board
        self._field = field
        self._duels = duels
        self._delta = delta
        self._epsilon = epsilon
        self._tolerances = tolerances
        self._last = len(board.edges) - 1
        self.restart()

    def restart(self) -> None:
        """Forget the rounds, because it is others now who can take part; what they answered stays."""
        self._claims = Claims(self._board, self._delta, self._epsilon, self._tolerances)
        self._quick_line: QuickLine | None = None

    def move(self, levels: Sequence[int], line: int) -> Move:
        """See `Plan.move`; the levels are those of the board, and the line is always the proven one."""
        move = self._round()
        while self._unfit(move, levels) or (
            move.targets and all(levels[i] >= target for i, target in move.targets.items())
        ):
            for i in move.targets or move.verdict.running:
                self._claims.play(i)
            move = self._round()
        present = self._field.eligible(levels)
        if present and all(levels[i] == self._last for i in present):
            return Move(self._exact(levels, present), {})
        return move

    def _unfit(self, move: Move, levels: Sequence[int]) -> bool:
        """The race is over, but what else is known of its winner shows that it misses a bar; it goes on alone."""
        leader = move.verdict.focus
        if move.targets or leader is None or self._field.missed(leader, levels[leader]) is None:
            return False
        self._enter(
            leader if self._claims.reached(leader) else None, move.verdict.running, self._claims.reached(leader)
        )
        return True

    def _enter(self, leader: int | None, running: tuple[int, ...], top: int) -> None:
        # It is there already when all that had come this far have turned out to miss a bar.
        if len(self._claims.leaders) == top:
            self._claims.leaders.append(leader)
            self._claims.running.append(running)

    def certificate(self, candidate: int, leader: int) -> float | None:
        """What the accounts say of a rival of the leader; see `Claims.certificate`."""
        return self._claims.certificate(candidate, leader)

    def quick_line(self) -> QuickLine | None:
        """The first round at whose start every rival of the leader was settled or had lost its duel."""
        return self._quick_line

    def _round(self) -> Move:
        """What the rounds played so far ask for."""
        claims = self._claims
        reached = [claims.reached(i) for i in range(self._board.candidates)]
        eligible = self._field.eligible(reached)
        if not eligible:
            return Move(Verdict(None, ()), {})
        top = max(reached[i] for i in eligible)
        leader = best_at(self._board, reached, eligible, top)
        if leader is None:
            verdict = Verdict(eligible[0] if len(eligible) == 1 else None, tuple(eligible))
        else:
            rivals = [i for i in eligible if i != leader]
            lost = {i: Loss(leader, edge) for i in rivals if (edge := claims.lost_at(i, leader)) is not None}
            verdict = Verdict(leader, tuple(i for i in eligible if i not in lost), lost)
            behind = [i for i in verdict.running if reached[i] < top]
            if behind:
                shortest = min(reached[i] for i in behind)
                return Move(verdict, {i: shortest + 1 for i in behind if reached[i] == shortest})
            self._note_quick_line(leader, verdict, reached)
        if len(verdict.running) == 1 or top == self._last:
            return Move(verdict, {})
        self._enter(leader, verdict.running, top)
        return Move(verdict, dict.fromkeys(verdict.running, top + 1))

    def _note_quick_line(self, leader: int, verdict: Verdict, reached: Sequence[int]) -> None:
        if self._quick_line is not None:
            return
        rivals = (i for i in verdict.running if i != leader)
        if all(self._duels.won_at(leader, i, reached[i], QUICK) is not None for i in rivals):
            units = tuple(self._board.edges[level] for level in reached)
            cases = sum(int(self._board.cases[stop]) for stop in units)
            self._quick_line = QuickLine(leader, units, cases, max(reached))

    def _exact(self, levels: Sequence[int], present: Sequence[int]) -> Verdict:
        """Everything is known: nothing is left to chance, only to scores that are not."""
        leader = max(present, key=lambda i: self._board.mean_at(i, self._last))
        near = {
            i: Loss(leader, self._last)
            for i in present
            if i != leader and self._board.lead(leader, i) >= -self._epsilon - ROUNDING
        }
        return Verdict(leader, tuple(i for i in present if i not in near), near)
