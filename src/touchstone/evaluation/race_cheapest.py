"""Goal `cheapest-within`: the cheapest candidate that is not much worse than the best."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.evaluation.race_accounts import Duels
from touchstone.evaluation.race_board import Board
from touchstone.evaluation.race_rounds import Loss, Verdict, best_at


class Cheapest:
    """
    Looks for the cheapest candidate within `tolerance` of the best, give or take `slack`.

    `ok(j, i)` refutes "mean(j - i) is at most -(tolerance + slack)": j is near enough to i. `bad(j)` refutes
    "mean(i - j) is at most tolerance - slack" for the best-looking i: j is too far below it. The cheapest candidate not
    bad is the focus; it runs, and so do all rivals against which it is not ok; it has won when it is ok against all
    that are not bad. Everybody answers the first batch, so that there is a cost to go by.

    *Guarantees*, with K = 2 (M - 1) / delta. Let b be the best. The result is more than tolerance + slack below b only
    if b was called bad, which for M - 1 possible i has probability delta / 2 (mean(i - b) <= 0 <= tolerance - slack),
    or if ok(result, b) was reached falsely, delta / 2 again. Let j be the cheapest of those within tolerance - slack of
    the best; a cheaper one than the result can have been passed over only if j was called bad, delta / 2. A tolerance
    below the slack counts as equal to it in `bad`, or the best itself could be bad.

    Cost is the measured mean per case so far. A candidate whose cost is unknown is never the cheapest; if no cost is
    known at all, the best-looking candidate stands in as the focus.
    """

    def __init__(self, board: Board, tolerance: float, slack: float, thresholds: Sequence[float]) -> None:
        self._board = board
        self._ok = Duels(board, -(tolerance + slack), thresholds, weak=True)
        self._bad = Duels(board, max(tolerance - slack, 0.0), thresholds, weak=False)

    def judge(self, levels: Sequence[int], eligible: Sequence[int], cap: int, line: int) -> Verdict:
        """See `Goal.judge`."""
        best = best_at(self._board, levels, eligible, cap)
        if best is None:
            return Verdict(eligible[0] if len(eligible) == 1 else None, tuple(eligible))

        def common(one: int, other: int) -> int:
            return min(levels[one], levels[other], cap)

        lost: dict[int, Loss] = {}
        for i in eligible:
            if i != best and (edge := self._bad.won_at(best, i, common(best, i), line)) is not None:
                lost[i] = Loss(best, edge, worse=True)
        standing = [i for i in eligible if i not in lost]
        costs = {i: self._board.cost_at(i, min(levels[i], cap)) for i in standing}
        focus = min(((cost, i) for i, cost in costs.items() if cost is not None), default=(0.0, best))[1]
        for i in standing:
            if i != focus and (edge := self._ok.won_at(focus, i, common(focus, i), line)) is not None:
                lost[i] = Loss(focus, edge)
        return Verdict(focus, tuple(i for i in eligible if i not in lost), lost)
