"""Intervals of one candidate's numbers: scores, shares, costs, quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.base import Estimate
from touchstone.evaluation.distributions import (
    binomial_cdf,
    incomplete_beta,
    t_quantile,
)
from touchstone.evaluation.resampling import Floats, Interval, mean_intervals, unit_numbers
from touchstone.evaluation.wilson import wilson as wilson


def estimate(
    scores: Sequence[float] | npt.NDArray[np.floating],
    groups: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """
    The mean of scores with its interval.

    0/1 scores: Wilson. Graded: BCa bootstrap below 300, t from there. With groups (or repeats, whose group is the case)
    that hold more than one cell: bootstrap over groups, for 0/1 scores too. `mean_intervals` has the edge cases.

    Args:
        scores: One per cell, each in [0, 1].
        groups: One per cell; None for a cell that belongs to nobody else.
        confidence: Between 0 and 1.
        seed: Same seed, same interval.

    Raises:
        ValueError: no score at all, NaN, or a score outside [0, 1].
    """
    values = checked(scores)
    if values.min() < 0.0 or values.max() > 1.0:
        raise ValueError(f"scores lie in [0, 1]; found {values.min():g} to {values.max():g}")
    n = len(values)
    numbers = None if groups is None else unit_numbers(groups, n)
    grouped = numbers is not None and int(numbers.max()) + 1 < n
    if not grouped and bool(np.isin(values, (0.0, 1.0)).all()):
        right = int(values.sum())
        low, high = wilson(right, n, confidence)
        return Estimate(mean=right / n, low=low, high=high, n=n, method=f"Wilson {100 * confidence:g} %")
    found = _interval(values, numbers if grouped else None, 1.0, confidence, seed)
    return Estimate(mean=found.mean, low=found.low, high=found.high, n=n, method=found.method)


def amount_interval(
    amounts: Sequence[float] | npt.NDArray[np.floating],
    groups: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float | None]:
    """
    Mean of amounts that have no upper limit (USD, seconds, tokens per cell), and the ends of its interval.

    Returns:
        (mean, low, high); high is None when it is unknown, which is so for a single unit.

    Raises:
        ValueError: no amount at all, NaN, or a negative amount.
    """
    values = checked(amounts)
    if values.min() < 0.0:
        raise ValueError(f"amounts are not negative; found {values.min():g}")
    numbers = None if groups is None else unit_numbers(groups, len(values))
    grouped = numbers is not None and int(numbers.max()) + 1 < len(values)
    found = _interval(values, numbers if grouped else None, math.inf, confidence, seed)
    return found.mean, found.low, None if math.isinf(found.high) else found.high


def quantile_interval(
    amounts: Sequence[float] | npt.NDArray[np.floating],
    quantile: float,
    confidence: float = 0.95,
    groups: Sequence[Hashable | None] | None = None,
) -> tuple[float, float | None, float | None]:
    """
    A quantile, such as 0.95 of latencies, between two order statistics.

    The k-th smallest of n lies at or below the true quantile with probability P(Bin(n, q) >= k), whatever the
    distribution; each end errs with at most (1 - confidence) / 2. Source: David and Nagaraja (2003), Order Statistics,
    3rd ed., section 7.1.

    With groups (or repeats, whose group is the case) that hold more than one amount: all levels that a test of the
    share beyond does not refute, with as many amounts as those of independent ones would be; see `_Beyond`.

    Args:
        amounts: One per cell.
        quantile: Between 0 and 1.
        confidence: Between 0 and 1.
        groups: One per cell; None for a cell that belongs to nobody else.

    Returns:
        (value, low, high); an end is None while there are too few amounts, or groups, to say: the upper end of the
        0.95 quantile needs 72 (`fewest_for_quantile`).

    Raises:
        ValueError: no amount at all, NaN, or a quantile outside (0, 1).
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"a quantile lies between 0 and 1, not at {quantile!r}")
    ordered = np.sort(checked(amounts))
    n = len(ordered)
    tail = (1 - confidence) / 2
    numbers = None if groups is None else unit_numbers(groups, n)
    if numbers is not None and int(numbers.max()) + 1 < n:
        value = float(np.quantile(ordered, quantile))
        low, high = _Beyond(checked(amounts), numbers, 1 - quantile, tail).ends()
        return value, None if low is None else min(low, value), None if high is None else max(high, value)
    # Largest k with P(Bin < k) <= tail, then smallest k with P(Bin >= k) <= tail: both by halving, for n may be large.
    below = _last_true(n, lambda k: binomial_cdf(k - 1, n, quantile) <= tail)
    above = 1 + _last_true(n, lambda k: 1 - binomial_cdf(k - 1, n, quantile) > tail)
    value = float(np.quantile(ordered, quantile))
    low = min(float(ordered[below - 1]), value) if below >= 1 else None
    high = max(float(ordered[above - 1]), value) if above <= n else None
    return value, low, high


class _Beyond:
    """
    Shares of amounts at and beyond each level, slowest level first, for cells that come in groups.

    Such a share is as sure as one of n / d independent cells, with d the variance over the groups divided by that of
    independent cells, at least 1; where nothing is beyond, d is as for groups of which each is of one kind. Source:
    Korn and Graubard (1998), "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24:193-201; turned into one of a quantile as in Woodruff (1952),
    "Confidence intervals for medians and other position measures", JASA 47:635-646. With groups of one cell it is the
    interval between two order statistics.
    """

    def __init__(self, amounts: Floats, numbers: npt.NDArray[np.int64], share: float, tail: float) -> None:
        self._share, self._tail = share, tail
        n, sizes = len(amounts), np.bincount(numbers)
        units, squared = len(sizes), float((sizes**2).sum())
        order = np.argsort(-amounts, kind="stable")
        unit = numbers[order]
        # Cell after cell from the slowest on: how many of its own group come before each.
        before = np.empty(n, dtype=np.int64)
        before[np.argsort(unit, kind="stable")] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        last = np.flatnonzero(np.append(np.diff(amounts[order]) < 0, True))
        self._levels = amounts[order][last]
        # In front: beyond the slowest is nothing.
        self._found = np.concatenate(([0.0], (last + 1) / n))
        squares = np.concatenate(([0], np.cumsum(2 * before + 1)[last]))
        products = np.concatenate(([0], np.cumsum(sizes[unit])[last]))
        # The squares of (slow cells of a group - share x its cells), over all groups, as the linearised share has them.
        spread = squares - 2 * self._found * products + self._found**2 * squared
        alone = n * self._found * (1 - self._found)
        design = np.full(len(alone), squared / n)
        if units > 1:
            # The variance is estimated from the groups, so t has their degrees of freedom and not those of the cells.
            less = (t_quantile(1 - tail, units - 1) / t_quantile(1 - tail, n - 1)) ** 2
            variance = spread * (n - 1) / n * units / (units - 1)
            np.divide(less * variance, alone, out=design, where=alone > 0)
        # Few slow cells seem to come alone; the share asked for is as crowded as it was seen to be, if not more.
        middle = min(int(np.searchsorted(self._found, share)), len(design) - 1)
        design[1:] = np.maximum(design[1:], design[middle])
        self._cells = n / np.maximum(design, 1.0)

    def ends(self) -> tuple[float | None, float | None]:
        """(low, high): the lowest and the highest level that the quantile can be at; None where too little is known."""
        high = next((k for k in range(len(self._levels)) if not self._is_below(k)), len(self._levels))
        count = len(self._levels)
        low = _last_true(count, lambda k: self._is_above(count + 1 - k))
        return (
            float(self._levels[count - low]) if low else None,
            float(self._levels[high - 1]) if high else None,
        )

    def _is_below(self, place: int) -> bool:
        """Whether the share is shown to be smaller than the one asked for."""
        cells, found = float(self._cells[place]), float(self._found[place])
        if found >= self._share:
            return False
        return incomplete_beta(1 - self._share, cells * (1 - found), cells * found + 1) <= self._tail

    def _is_above(self, place: int) -> bool:
        """Whether it is shown to be larger."""
        cells, found = float(self._cells[place]), float(self._found[place])
        if found <= self._share:
            return False
        return incomplete_beta(self._share, cells * found, cells * (1 - found) + 1) <= self._tail


def checked(values: Sequence[float] | npt.NDArray[np.floating]) -> Floats:
    """
    The values as an array of shape (n,).

    Raises:
        ValueError: there are none, or one is not a number; a missing cell is left out by the caller, never averaged.
    """
    found: Floats = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or found.size == 0:
        raise ValueError("the mean of nothing is an error; give at least one score")
    if not np.isfinite(found).all():
        raise ValueError("a score is not a number; leave missing cells out instead of passing NaN")
    return found


def _interval(
    values: Floats, numbers: npt.NDArray[np.int64] | None, ceiling: float, confidence: float, seed: int
) -> Interval:
    if numbers is None:
        sums, sizes = np.sort(values), np.ones(len(values))
    else:
        held = np.bincount(numbers, weights=values).astype(np.float64)
        counts = np.bincount(numbers).astype(np.float64)
        order = np.lexsort((counts, held))
        sums, sizes = held[order], counts[order]
    [found] = mean_intervals(
        sums[:, None],
        sizes[:, None],
        floor=0.0,
        ceiling=ceiling,
        confidence=confidence,
        seed=seed,
        grouped=numbers is not None,
    )
    return found


def _last_true(n: int, holds: Callable[[int], bool]) -> int:
    """Largest k in 1..n for which `holds`, given that it holds up to some k and not after; 0 when it never does."""
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
