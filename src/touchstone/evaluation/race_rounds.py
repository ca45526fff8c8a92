"""Who answers what now: rounds of a race as a function of how far each candidate has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from touchstone.evaluation.race_accounts import Duels
from touchstone.evaluation.race_board import Board


@dataclass(frozen=True)
class Loss:
    """Why a candidate is asked no more."""

    against: int | None
    edge: int
    """Where it was decided."""
    reason: Literal["race", "halving"] = "race"
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


class Goal(Protocol):
    """What a race looks for."""

    def judge(self, levels: Sequence[int], eligible: Sequence[int], cap: int, line: int) -> Verdict:
        """
        Judge by nothing but the first `levels[i]` edges of candidate i, and nobody's answers after edge `cap`.

        Args:
            levels: Edges each candidate has reached.
            eligible: Candidates which may win, ascending.
            cap: At least one eligible candidate has reached it.
            line: Which of the two finishing lines counts, 0 proven, 1 quick.
        """
        ...


class Plan(Protocol):
    """Turns what is known into what is asked."""

    def move(self, levels: Sequence[int], eligible: Sequence[int], line: int) -> Move:
        """See `Goal.judge` for the arguments; the same arguments and answers give the same move."""
        ...


class Best:
    """Goal `best`: a rival is settled once the leader is shown to be at most epsilon worse than it."""

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
                common = min(levels[leader], levels[rival], cap)
                won = self._duels.won_at(leader, rival, common, line)
                if won is not None:
                    lost[rival] = Loss(leader, won)
        return Verdict(leader, tuple(i for i in eligible if i not in lost), lost)


class Rounds:
    """
    Batch by batch, laggards first.

    A round is complete when everybody who was running at its start has answered its batch. Until then the verdict is
    the one of its start, whatever comes in first. Then the new leader's rivals open what they missed, the shortest
    first, while who is ahead waits; and when all are level they answer the next batch.
    """

    def __init__(self, goal: Goal, last: int) -> None:
        """`last` is the edge at which everything is answered."""
        self._goal = goal
        self._last = last

    def move(self, levels: Sequence[int], eligible: Sequence[int], line: int) -> Move:
        """See `Plan.move`."""
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
