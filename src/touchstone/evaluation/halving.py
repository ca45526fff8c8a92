"""A fixed budget instead of a confidence: successive halving over the shared order."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np

from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_rounds import Field, Goal, Loss, Move, Verdict


def checkpoints(candidates: int, sizes: Sequence[int], calls: int) -> list[int]:
    """
    Units after which the worse half leaves, from 0; together at most `calls` cells.

    The rounds share the budget equally (Karnin, Koren and Somekh 2013, "Almost optimal exploration in multi-armed
    bandits", ICML), what one cannot spend goes to the next, and who goes on keeps its answers.

    Raises:
        ValueError: the budget does not even buy the first unit of each candidate.
    """
    cases = np.concatenate(([0], np.cumsum(np.asarray(sizes, dtype=np.int64))))
    rounds = max(1, ceil(log2(candidates)))
    found, left, field = [0], calls, candidates
    for remaining in range(rounds, 0, -1):
        each = left // remaining // field
        units = int(np.searchsorted(cases, cases[found[-1]] + each, side="right")) - 1
        if units > found[-1]:
            left -= field * int(cases[units] - cases[found[-1]])
            found.append(units)
            field = ceil(field / 2)
    if len(found) < 2:
        raise ValueError(f"{calls} calls do not buy one unit of each of {candidates} candidates")
    return found


class Halving:
    """
    At each checkpoint the better half by mean goes on, and the best of the last checkpoint wins.

    Rivals that are settled by proof leave as well, which only saves calls; when nobody but the leader is left, the
    budget is not spent to its end. The certificate is that of the race: it needs no plan to be true.
    """

    def __init__(self, goal: Goal, board: Board, field: Field) -> None:
        self._goal = goal
        self._board = board
        self._field = field
        self._last = len(board.edges) - 1

    def move(self, levels: Sequence[int], line: int) -> Move:
        """See `Plan.move`."""
        eligible = self._field.eligible(levels)
        field, reached = list(eligible), list(levels)
        planned = self._board.candidates
        verdict = Verdict(field[0] if len(field) == 1 else None, tuple(field))
        for level in range(1, self._last + 1):
            behind = [i for i in field if reached[i] < level]
            if len(field) < 2 or behind:
                return Move(verdict, dict.fromkeys(behind, level) if len(field) > 1 else {})
            proven = self._goal.judge(reached, eligible, level, line)
            planned = 1 if level == self._last else ceil(planned / 2)
            field = sorted(field, key=lambda i: (-self._board.mean_at(i, level), i))[:planned]
            field = [i for i in field if i not in proven.lost]
            lost = dict(proven.lost)
            for i in eligible:
                if i not in field:
                    reached[i] = min(reached[i], level)
                    # Who left earlier keeps its place, but whether it is proven is about the leader of now.
                    edge = verdict.lost[i].edge if i in verdict.lost else level
                    lost.setdefault(i, Loss(None, edge, "halving"))
            verdict = Verdict(proven.focus, tuple(sorted(field)), lost)
        return Move(verdict, {})
