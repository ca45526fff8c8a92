"""What the candidates of a race have answered, by the units of one shared order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.betting import Floats
from touchstone.evaluation.race_rules import Bar

Units = npt.NDArray[np.integer]


class Board:
    """
    Scores, the variables of constraints, and costs, candidates x units.

    A unit is one case, or a cluster of `sizes[u]` cases that are bet on as a block. What a race decides it decides at
    `edges` of the order (ends of batches), so that the order in which the answers of a batch come in changes nothing;
    `level` counts the edges a candidate has reached.

    *Clusters.* With n the size of a unit, n_max the largest, N cases and G units, d the difference of a unit's mean
    scores: D' = n d / n_max lies in [-1, 1], and its mean over the units is mean(d by case) x N / (G n_max). So
    "mean(d by case) <= c" is the same statement as "mean(D') <= c N / (G n_max)", and `scaled` turns c into the latter.
    """

    def __init__(self, candidates: int, sizes: Sequence[int], edges: Sequence[int], bars: Sequence[Bar]) -> None:
        counts = np.asarray(sizes, dtype=np.int64)
        if candidates < 1 or counts.ndim != 1 or len(counts) == 0 or counts.min() < 1:
            raise ValueError("a race has at least one candidate and one unit, and each unit at least one case")
        self.candidates = candidates
        self.units = len(counts)
        self.edges = list(edges)
        self.cases = np.concatenate(([0], np.cumsum(counts)))
        """How many cases the first u units hold, u from 0."""
        self.bars = tuple(bars)
        self._largest = int(counts.max())
        self._scale = float(self.cases[-1]) / (self.units * self._largest)
        # None: all units are alike and need no weights.
        self._weights = None if counts.min() == self._largest else counts / self._largest
        self._sizes = counts
        self._low = np.full((candidates, self.units), np.nan)
        self._high = self._low  # a matrix of its own as soon as one score is unknown
        # How far each variable speaks against its bar, at the least: what is not known counts for the candidate.
        self._bars = np.zeros((candidates, len(bars), self.units))
        self._cost: Floats | None = None
        self.answered = [0] * candidates
        """Units each candidate has answered without a gap."""
        self._sums: list[list[tuple[float, float]]] = [[(0.0, 0.0)] for _ in range(candidates)]
        self._costs: list[list[tuple[float, int]]] = [[(0.0, 0)] for _ in range(candidates)]

    def tell(
        self,
        candidate: int,
        unit: int,
        low: float,
        high: float,
        bars: Sequence[tuple[float, float]],
        cost: float | None,
    ) -> None:
        """One unit; see `Race.tell`."""
        if not (0 <= candidate < self.candidates and 0 <= unit < self.units):
            raise ValueError(f"candidate {candidate}, unit {unit} is not part of this race")
        if not 0 <= low <= high <= 1:
            raise ValueError(f"scores lie in [0, 1] and low is not above high; got {low} and {high}")
        if len(bars) != len(self.bars):
            raise ValueError(f"{len(bars)} variables for {len(self.bars)} bars")
        row = self._low[candidate]
        known = row[unit]
        if known == known:
            raise ValueError(f"candidate {candidate} has answered unit {unit} already")
        for at, (bar, (least, most)) in enumerate(zip(self.bars, bars, strict=True)):
            if not 0 <= least <= most <= 1:
                raise ValueError(f"bar {bar.name!r}: {least} to {most} is not in [0, 1]")
            self._bars[candidate, at, unit] = least if bar.kind == "at_most" else 1 - most
        if low != high and self._high is self._low:
            self._high = self._low.copy()
        if cost is not None:
            self._costs_matrix()[candidate, unit] = _checked_cost(cost)
        self._high[candidate, unit] = high
        row[unit] = low
        at = self.answered[candidate]
        while at < self.units and row[at] == row[at]:
            at += 1
        self.answered[candidate] = at

    def tell_many(
        self, candidate: int, units: Units, low: Floats, high: Floats, bars: Floats | None, cost: Floats | None
    ) -> None:
        """Many units of one candidate; see `Race.tell_many`."""
        if not 0 <= candidate < self.candidates:
            raise ValueError(f"candidate {candidate} is not part of this race")
        if len(units) == 0:
            return
        variables = np.zeros((len(units), 0, 2)) if bars is None else bars
        if variables.shape != (len(units), len(self.bars), 2) or len(low) != len(units) or len(high) != len(units):
            raise ValueError("low, high and bars need one entry a unit, and bars a low and a high for each bar")
        if units.min() < 0 or units.max() >= self.units or len(np.unique(units)) != len(units):
            raise ValueError("units are those of this race, each once")
        if not np.isnan(self._low[candidate, units]).all():
            raise ValueError(f"candidate {candidate} has answered some of these units already")
        for least, most in ((low, high), (variables[..., 0], variables[..., 1])):
            if not ((least >= 0) & (least <= most) & (most <= 1)).all():
                raise ValueError("scores and variables lie in [0, 1] and low is not above high")
        if cost is not None:
            known = ~np.isnan(cost)
            if not (np.isfinite(cost[known]) & (cost[known] >= 0)).all():
                raise ValueError("a cost is a number of dollars, at least 0; NaN is unknown")
            if known.any():
                self._costs_matrix()[candidate, units] = cost
        for at, bar in enumerate(self.bars):
            least, most = variables[:, at, 0], variables[:, at, 1]
            self._bars[candidate, at, units] = least if bar.kind == "at_most" else 1 - most
        if self._high is self._low and (low != high).any():
            self._high = self._low.copy()
        self._high[candidate, units] = high
        self._low[candidate, units] = low
        gaps = np.isnan(self._low[candidate, self.answered[candidate] :])
        self.answered[candidate] += int(gaps.argmax()) if gaps.any() else len(gaps)

    def level(self, candidate: int) -> int:
        """How many edges the candidate has reached, the one at 0 apart."""
        return bisect_right(self.edges, self.answered[candidate]) - 1

    def missing(self, candidate: int, stop: int) -> Units:
        """Units before `stop` the candidate has not answered, ascending."""
        start = self.answered[candidate]
        found: Units = start + np.isnan(self._low[candidate, start:stop]).nonzero()[0]
        return found

    def scaled(self, mean: float) -> float:
        """What a mean over cases is as a mean over units of `differences`."""
        return mean * self._scale

    def lead(self, one: int, other: int) -> float:
        """How far `one` is ahead of `other` at the least, if the units not common to both are the worst they can be."""
        stop = min(self.answered[one], self.answered[other])
        known = float(self.differences(one, other, 0, stop).sum())
        return (known * self._largest - float(self.cases[-1] - self.cases[stop])) / float(self.cases[-1])

    def least(self, candidate: int, start: int, stop: int) -> Floats:
        """Scores of these units at their lowest, weighted by size; in [0, 1]."""
        return self._weighted(self._low[candidate, start:stop], start, stop)

    def most(self, candidate: int, start: int, stop: int) -> Floats:
        """The same at their highest."""
        return self._weighted(self._high[candidate, start:stop], start, stop)

    def differences(self, one: int, other: int, start: int, stop: int) -> Floats:
        """The least `one` can be ahead of `other`, for these units, in [-1, 1]."""
        return self._weighted(self._low[one, start:stop] - self._high[other, start:stop], start, stop)

    def unmet(self, candidate: int, bar: int, start: int, stop: int) -> Floats:
        """The least the candidate can have missed the bar by, for these units, in [-1, 1]; see `bar_mean`."""
        return 2 * self._weighted(self._bars[candidate, bar, start:stop], start, stop) - 1

    def bar_mean(self, bar: int) -> float:
        """The mean of `unmet` which a candidate exactly at the bar has."""
        rule = self.bars[bar]
        return 2 * self.scaled(rule.level if rule.kind == "at_most" else 1 - rule.level) - 1

    def mean(self, candidate: int) -> float | None:
        """Mean score over what is answered; None when nothing is."""
        stop = self.answered[candidate]
        if stop == 0:
            return None
        both = self.least(candidate, 0, stop).sum() + self.most(candidate, 0, stop).sum()
        return float(both) * self._largest / 2 / float(self.cases[stop])

    def mean_at(self, candidate: int, level: int) -> float:
        """Mean score up to an edge that the candidate has reached, not the one at 0; the middle where it is unknown."""
        return sum(self.sums_at(candidate, level)) * self._largest / 2 / float(self.cases[self.edges[level]])

    def sums_at(self, candidate: int, level: int) -> tuple[float, float]:
        """Sums of `least` and of `most` up to an edge that the candidate has reached."""
        sums = self._sums[candidate]
        while len(sums) <= level:
            start, stop = self.edges[len(sums) - 1], self.edges[len(sums)]
            low, high = sums[-1]
            low += float(self.least(candidate, start, stop).sum())
            high += float(self.most(candidate, start, stop).sum())
            sums.append((low, high))
        return sums[level]

    def cost_at(self, candidate: int, level: int) -> float | None:
        """Mean USD per case up to an edge, over the units whose cost is known; None when none is."""
        costs = self._costs[candidate]
        while len(costs) <= level:
            start, stop = self.edges[len(costs) - 1], self.edges[len(costs)]
            block = self._costs_matrix()[candidate, start:stop]
            known = ~np.isnan(block)
            usd, cases = costs[-1]
            costs.append((usd + float(block[known].sum()), cases + int(self._sizes[start:stop][known].sum())))
        usd, cases = costs[level]
        return usd / cases if cases else None

    def _weighted(self, values: Floats, start: int, stop: int) -> Floats:
        return values if self._weights is None else values * self._weights[start:stop]

    def _costs_matrix(self) -> Floats:
        if self._cost is None:
            self._cost = np.full((self.candidates, self.units), np.nan)
        return self._cost


def _checked_cost(cost: float) -> float:
    if not 0 <= cost < float("inf"):
        raise ValueError(f"a cost is a number of dollars, at least 0, not {cost}")
    return cost
