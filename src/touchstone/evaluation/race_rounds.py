"""Who answers what now, when every pair of candidates has an account of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from touchstone.evaluation.race_accounts import BarAccounts, Duels
from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_rules import Bar, Reason

PROVEN, QUICK = 0, 1
"""The two finishing lines."""


@dataclass(frozen=True)
class Loss:
    """Why a candidate is asked no more."""

    against: int | None
    edge: int
    """Where it was decided."""
    reason: Reason = "race"
    worse: bool = False
    """It is shown to be worse than `against`, hence not the best of all, and no certificate needs to cover it."""


@dataclass(frozen=True)
class Verdict:
    """What the answers up to some edge say."""

    focus: int | None
    """The leader, or the cheapest that may qualify."""
    running: tuple[int, ...]
    """The focus and everybody whose answers it still needs."""
    lost: Mapping[int, Loss] = field(default_factory=dict)
    """Everybody else."""


@dataclass(frozen=True)
class Move:
    """A verdict and what follows from it: the edge each of these candidates answers up to now; none, it is over."""

    verdict: Verdict
    targets: Mapping[int, int]


class Plan(Protocol):
    """Turns what is known into what is asked."""

    def move(self, levels: Sequence[int], line: int) -> Move:
        """
        The same levels and answers give the same move.

        Args:
            levels: Judge by nothing but the first `levels[i]` edges of candidate i.
            line: Which of the two finishing lines counts.
        """
        ...


class Goal(Protocol):
    """What a race looks for."""

    def judge(self, levels: Sequence[int], eligible: Sequence[int], cap: int, line: int) -> Verdict:
        """
        See `Plan.move`; nobody's answers after edge `cap` count.

        Args:
            levels: Edges each candidate has reached.
            eligible: Candidates which may win, ascending; at least one has reached the cap.
            cap: 0 is before the first batch.
            line: Which of the two finishing lines counts.
        """
        ...


class Field:
    """Who may win: candidates that can be asked and have not been shown to miss a bar."""

    def __init__(self, board: Board, bars: BarAccounts) -> None:
        self._board = board
        self._bars = bars
        self.withdrawn: set[int] = set()

    def missed(self, candidate: int, level: int) -> tuple[int, Bar] | None:
        """The edge, not after `level`, at which a candidate was first shown to miss a bar, and which."""
        found = [
            (edge, at)
            for at in range(len(self._board.bars))
            if (edge := self._bars.missed_at(candidate, at, level)) is not None
        ]
        if not found:
            return None
        edge, at = min(found)
        return edge, self._board.bars[at]

    def eligible(self, levels: Sequence[int]) -> list[int]:
        """Candidates which may win, by the first `levels[i]` edges of each, ascending."""
        return [i for i, level in enumerate(levels) if i not in self.withdrawn and self.missed(i, level) is None]


class Best:
    """A rival is settled once the leader is shown, by their own account, to be at most epsilon worse than it."""

    def __init__(self, board: Board, epsilon: float, thresholds: Sequence[float]) -> None:
        self._board = board
        self._duels = Duels(board, -epsilon, thresholds, weak=True)

    def judge(self, levels: Sequence[int], eligible: Sequence[int], cap: int, line: int) -> Verdict:
        """The leader is the best mean among those that have reached the cap."""
        leader = best_at(self._board, levels, eligible, cap)
        if leader is None:
            return Verdict(eligible[0] if len(eligible) == 1 else None, tuple(eligible))
        lost: dict[int, Loss] = {}
        for rival in eligible:
            if rival != leader:
                won = self._duels.won_at(leader, rival, min(levels[leader], levels[rival], cap), line)
                if won is not None:
                    lost[rival] = Loss(leader, won)
        return Verdict(leader, tuple(i for i in eligible if i not in lost), lost)


class Rounds:
    """
    Batch by batch, laggards first; a function of how far each candidate has come, not of how it came there.

    A round is complete when everybody who was running at its start has answered its batch. Until then the verdict is
    the one of its start, whatever comes in first. Then the new leader's rivals open what they missed, the shortest
    first, while who is ahead waits; and when all are level they answer the next batch.
    """

    def __init__(self, goal: Goal, field: Field, last: int) -> None:
        """`last` is the edge at which everything is answered."""
        self._goal = goal
        self._field = field
        self._last = last

    def move(self, levels: Sequence[int], line: int) -> Move:
        """See `Plan.move`."""
        eligible = self._field.eligible(levels)
        if not eligible:
            return Move(Verdict(None, ()), {})
        top = max(levels[i] for i in eligible)
        if top > 0:
            before = self._goal.judge(levels, eligible, top - 1, line)
            unfinished = [i for i in before.running if levels[i] == top - 1]
            if unfinished:
                return Move(before, dict.fromkeys(unfinished, top))
        verdict = self._goal.judge(levels, eligible, top, line)
        behind = [i for i in verdict.running if levels[i] < top]
        if behind:
            shortest = min(levels[i] for i in behind)
            return Move(verdict, {i: shortest + 1 for i in behind if levels[i] == shortest})
        if len(verdict.running) > 1 and top < self._last:
            return Move(verdict, dict.fromkeys(verdict.running, top + 1))
        return Move(verdict, {})


def best_at(board: Board, levels: Sequence[int], eligible: Sequence[int], cap: int) -> int | None:
    """The best mean up to edge `cap` among those that have reached it, the first of equals; None at edge 0."""
    if cap == 0:
        return None
    return max((i for i in eligible if levels[i] >= cap), key=lambda i: board.mean_at(i, cap))
