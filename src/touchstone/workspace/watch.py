"""Counts what comes while a run goes on, and tells whoever looks about five times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from touchstone.evaluation.packed import KINDS
from touchstone.evaluation.race import Standing
from touchstone.evaluation.scorecard import Scorecard
from touchstone.evaluation.sequences import mean_sequence
from touchstone.reporting.live import LaneState, Progress
from touchstone.workspace.racing import LANE_STATES

_EVERY_S = 0.2
_INTERVALS_EVERY_S = 1.0


class Watch:
    """
    Where a run is.

    Args:
        names: The candidates.
        scorecard: What the run knows; its intervals are anytime-valid, so one may look as often as one likes.
        spent: What was spent so far, USD; None when a price is unknown.
        confidence: Of the intervals.
        tell: Whom to tell.
        ruled_out: Candidates that break a constraint whatever they answer.
    """

    def __init__(
        self,
        names: Sequence[str],
        scorecard: Scorecard,
        spent: Callable[[], float | None],
        confidence: float,
        tell: Callable[[Progress], None],
        ruled_out: frozenset[int] = frozenset(),
    ) -> None:
        self._names = list(names)
        self._card = scorecard
        self._spent = spent
        self._confidence = confidence
        self._tell = tell
        self._ruled_out = ruled_out
        self._planned = scorecard.order.cases * scorecard.repeats
        self._done = [0] * len(names)
        self._sums = [0.0] * len(names)
        self._scored = [0] * len(names)
        self._errors = [0] * len(names)
        self._standing: Standing | None = None
        self._intervals: list[tuple[float, float] | None] = [None] * len(names)
        self._intervals_at = 0.0
        self._next = 0.0
        self._started = time.monotonic()
        self._earlier = 0

    def loaded(self, position: int, kind: np.ndarray, score: np.ndarray) -> None:
        """What was measured before."""
        before = self._done[position]
        for code, number in enumerate(np.bincount(kind, minlength=len(KINDS)).tolist()):
            self._count(position, KINDS[code], number)
        self._earlier += self._done[position] - before
        self._sums[position] += float(np.nansum(score[kind == KINDS.index("scored")]))

    def saw(self, position: int, kind: str, score: float | None) -> None:
        """One more cell."""
        self._count(position, kind, 1)
        if kind == "scored" and score is not None:
            self._sums[position] += score
        now = time.monotonic()
        if now >= self._next:
            self._say(now)

    def round(self, standing: Standing) -> None:
        """The race has looked."""
        self._standing = standing

    def finish(self) -> None:
        """The last word."""
        self._say(time.monotonic())

    def _count(self, position: int, kind: str, number: int) -> None:
        self._done[position] += number
        if kind in ("error", "in_doubt"):
            self._errors[position] += number
        elif not kind.startswith("skipped"):
            self._scored[position] += number

    def _say(self, now: float) -> None:
        self._next = now + _EVERY_S
        if self._standing is not None and now >= self._intervals_at:
            self._measure_intervals()
        self._tell(
            Progress.of(
                names=self._names,
                planned=self._planned,
                done=self._done,
                sums=self._sums,
                scored=self._scored,
                errors=self._errors,
                spent_usd=self._spent(),
                elapsed_s=now - self._started,
                states=None if self._standing is None else self._states(self._standing),
                intervals=self._intervals,
                certificate=None if self._standing is None else self._standing.certificate,
                saved_calls=None if self._standing is None else self._saved(self._standing),
                earlier=self._earlier,
            )
        )

    def _measure_intervals(self) -> None:
        began = time.monotonic()
        sizes = self._card.order.sizes.tolist()
        for position in range(len(self._names)):
            low, high = self._card.scores(position)
            self._intervals[position] = (
                (mean_sequence(low, self._confidence, sizes)[0], mean_sequence(high, self._confidence, sizes)[1])
                if len(low)
                else None
            )
        ended = time.monotonic()
        # Longer runs make longer intervals to work out: never more than a twentieth of the time.
        self._intervals_at = ended + max(_INTERVALS_EVERY_S, 20 * (ended - began))

    def _states(self, standing: Standing) -> list[LaneState | None]:
        found: list[LaneState | None] = ["running"] * len(self._names)
        for settled in standing.settled:
            left_out = settled.candidate in self._ruled_out
            found[settled.candidate] = "infeasible" if left_out else LANE_STATES[settled.reason]
        if standing.leader is not None:
            found[standing.leader] = "leader"
        return found

    def _saved(self, standing: Standing) -> int:
        # Who cannot be reached is only waited for.
        waiting = {found.candidate for found in standing.settled if found.reason == "withdrawn"} - self._ruled_out
        over = {found.candidate for found in standing.settled} - waiting
        if standing.finished is not None and not waiting:
            over = set(range(len(self._names)))
        return sum(self._planned - self._done[position] for position in over)
