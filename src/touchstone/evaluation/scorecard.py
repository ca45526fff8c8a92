"""Which cells have an outcome, and what they amount to unit by unit of the shared order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from touchstone.evaluation.bars import Requirement, Vector
from touchstone.evaluation.base import STRICT_ZEROS, Outcome
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import KINDS, is_kind
from touchstone.evaluation.sequences import mean_sequence

ASKED_AGAIN = frozenset({"skipped_race", "skipped_budget", "skipped_cancel", "planned"})
"""Kinds of stored cells that nobody answered: going on asks for them. A failure is a value and stays (P6)."""

FAILED = frozenset({"error", "in_doubt", "judge_unparsed"})
"""Kinds that only `--retry-failed` asks for again."""

OWN_FAILURES = frozenset({"error", "in_doubt"})
"""A candidate's own failure counts 0 in a race (`method.md` 3); a judge's says nothing of the answer."""

_MOST = tuple(0.0 if kind in STRICT_ZEROS | OWN_FAILURES else 1.0 for kind in KINDS)
"""The most a cell of each kind in `KINDS` can be worth by the strict convention while it has no score."""


@dataclass(frozen=True)
class UnitResult:
    """A unit that a candidate has answered completely."""

    unit: int
    low: float
    high: float
    bars: tuple[tuple[float, float], ...]
    cost_usd: float | None
    """Of all its cases; repeats are averaged, as they are in the score."""


class _Column:
    """One candidate's cells."""

    def __init__(self, order: CaseOrder, repeats: int, bars: int) -> None:
        self.done = bytearray(order.cases * repeats)
        self.left: Vector = order.sizes * repeats
        self.low: Vector = np.zeros(order.units)
        self.high: Vector = np.zeros(order.units)
        self.bar_low = np.zeros((bars, order.units))
        self.bar_high = np.zeros((bars, order.units))
        self.cost_usd: Vector = np.zeros(order.units)


class Scorecard:
    """
    What a race is told, and what is left to ask.

    Args:
        order: The shared order.
        candidates: How many.
        repeats: Independent answers per case; a case's score is their average.
        requirements: Constraints that measured cells can break.
    """

    def __init__(
        self, order: CaseOrder, candidates: int, repeats: int = 1, requirements: Sequence[Requirement] = ()
    ) -> None:
        self.order = order
        self.repeats = repeats
        self.requirements = tuple(requirements)
        self._unit_of = order.unit_of()
        self._cells = order.sizes * repeats
        self._columns = [_Column(order, repeats, len(self.requirements)) for _ in range(candidates)]

    def load(
        self,
        candidate: int,
        ordinal: Vector,
        repeat: Vector,
        kind: Vector,
        score: Vector,
        cost_usd: Vector,
        retry_usd: Vector,
        latency_s: Vector,
    ) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        """
        Take stored cells over; nothing was taken before.

        Args:
            candidate: Whose cells they are.
            ordinal, repeat, kind, score, cost_usd, retry_usd, latency_s: Columns of `outcome`, shape (cells,), NaN for
                what is null; the kind as its place in `packed.KINDS`.

        Returns:
            (units, low, high, bars, cost_usd) of the units that are complete, for `Race.tell_many`: shapes (n,), (n,),
            (n,), (n, requirements, 2), (n,). A cost is that of the whole unit, as in `UnitResult`, NaN where unknown.
        """
        column = self._columns[candidate]
        low, high = score_ends(kind, score)
        # A cell that failed without a reply has no cost of its own; what its sends may have cost is retry_usd.
        cost_usd = np.where(is_kind(kind, OWN_FAILURES) & np.isnan(cost_usd), 0.0, cost_usd) + retry_usd
        unit = self._unit_of[ordinal]
        units = self.order.units
        flat = np.frombuffer(column.done, dtype=np.uint8).copy()
        flat[ordinal * self.repeats + repeat] = 1
        column.done[:] = flat.tobytes()
        column.left = self._cells - np.bincount(unit, minlength=units)
        column.low, column.high, column.cost_usd = (_sums(unit, found, units) for found in (low, high, cost_usd))
        for place, requirement in enumerate(self.requirements):
            ends = requirement.values(kind, low, high, cost_usd, latency_s)
            column.bar_low[place], column.bar_high[place] = (_sums(unit, end, units) for end in ends)
        whole = np.flatnonzero(column.left == 0)
        cells = self._cells[whole]
        bars = np.stack((column.bar_low[:, whole] / cells, column.bar_high[:, whole] / cells), axis=-1)
        return (
            whole,
            column.low[whole] / cells,
            column.high[whole] / cells,
            np.moveaxis(bars, 0, 1),
            column.cost_usd[whole] / self.repeats,
        )

    def add(self, candidate: int, ordinal: int, outcome: Outcome) -> UnitResult | None:
        """Take one more outcome; the unit's result when it was the last one of its unit."""
        column = self._columns[candidate]
        place = ordinal * self.repeats + outcome.repeat
        if column.done[place]:
            return None
        column.done[place] = 1
        unit = int(self._unit_of[ordinal])
        cells = int(self._cells[unit])
        low, high = _ends(outcome)
        completion = outcome.completion
        cost = completion.cost_usd if completion is not None else 0.0
        cost_usd = np.nan if cost is None or outcome.retry_usd is None else cost + outcome.retry_usd
        column.left[unit] -= 1
        column.low[unit] += low
        column.high[unit] += high
        column.cost_usd[unit] += cost_usd
        for at, requirement in enumerate(self.requirements):
            latency_s = completion.latency_s if completion is not None else None
            ends = requirement.values(
                np.array([KINDS.index(outcome.kind)]),
                np.array([low]),
                np.array([high]),
                np.array([cost_usd]),
                np.array([np.nan if latency_s is None else latency_s]),
            )
            column.bar_low[at, unit] += float(ends[0][0])
            column.bar_high[at, unit] += float(ends[1][0])
        if column.left[unit]:
            return None
        unit_usd = float(column.cost_usd[unit]) / self.repeats
        return UnitResult(
            unit=unit,
            low=float(column.low[unit]) / cells,
            high=float(column.high[unit]) / cells,
            bars=tuple(
                (float(column.bar_low[at, unit]) / cells, float(column.bar_high[at, unit]) / cells)
                for at in range(len(self.requirements))
            ),
            cost_usd=None if np.isnan(unit_usd) else unit_usd,
        )

    def missing(self, candidate: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """(ordinal, repeat) of the cells without an outcome in the units from `start` to before `stop`, in order."""
        done = self._columns[candidate].done
        for ordinal in self.order.cases_of(start, stop).tolist():
            for repeat in range(self.repeats):
                if not done[ordinal * self.repeats + repeat]:
                    yield ordinal, repeat

    def answered(self, candidate: int) -> int:
        """Cells with an outcome."""
        return self._columns[candidate].done.count(1)

    def shows(self, candidate: int, confidence: float) -> bool:
        """
        Whether a candidate has shown that it meets every requirement, at any moment one asks.

        Costs are not looked at: they have no upper end before all is asked, and hardly vary.
        """
        column, end = self._columns[candidate], len(self.scores(candidate)[0])
        cells, sizes = self._cells[:end], self.order.sizes.tolist()
        for at, requirement in enumerate(self.requirements):
            if requirement.quantity == "cost_usd":
                continue
            if not end:
                return False
            bar = requirement.bar
            if bar.kind == "at_least":
                shown = mean_sequence(column.bar_low[at, :end] / cells, confidence, sizes)[0] >= bar.level
            else:
                shown = mean_sequence(column.bar_high[at, :end] / cells, confidence, sizes)[1] <= bar.level
            if not shown:
                return False
        return True

    def scores(self, candidate: int) -> tuple[Vector, Vector]:
        """(low, high) of the leading complete units, in order: what anytime-valid intervals are made of."""
        column = self._columns[candidate]
        open_units = np.flatnonzero(column.left != 0)
        end = int(open_units[0]) if open_units.size else self.order.units
        cells = self._cells[:end]
        return column.low[:end] / cells, column.high[:end] / cells


def score_ends(kind: Vector, score: Vector) -> tuple[Vector, Vector]:
    """
    Ends between which the strict score of each cell lies; equal unless its judge gave no verdict.

    Args:
        kind: Places in `packed.KINDS`, shape (cells,), as is `score`.
    """
    known = is_kind(kind, ("scored",)) & ~np.isnan(score)
    value = np.where(known, score, 0.0).astype(float)
    return value, np.where(known, value, np.array(_MOST)[kind])


def _sums(unit: Vector, values: Vector, units: int) -> Vector:
    # Without any value, numpy counts in whole numbers.
    return np.bincount(unit, weights=values, minlength=units).astype(float)


def _ends(outcome: Outcome) -> tuple[float, float]:
    value = outcome.scores[0].value if outcome.kind == "scored" and outcome.scores else None
    return (0.0, _MOST[KINDS.index(outcome.kind)]) if value is None else (value, value)
