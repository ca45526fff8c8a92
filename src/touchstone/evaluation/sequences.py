"""
Intervals and tests that hold at all times at once, so that they may be looked at while a race is going on.

Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS-B 86, arXiv
2010.09686: the hedged capital process of section 4 with predictable plug-in stakes. Instead of letting one stake shrink
with time, four are played side by side, each the best one for its own number of values; at 1,000 values that is 1.5
times as wide as an interval that may be looked at once, and stays there, where the paper's stakes go from 1.8 to 2.4 at
10,000.

For each possible mean m one account bets that the truth is higher and one that it is lower, with half of the money
each: the first is multiplied by 1 + s (value - m) for each value, the second by 1 - s (value - m). If m is the true
mean, their sum ever reaches 1 / alpha with probability at most alpha; the interval holds all m for which neither
half has. The stakes s depend on the values seen before and never on m, so the first account falls and the second grows
with m: what is refuted from below is all below some point, and bisection finds it. Taking the largest value an account
ever had intersects the intervals of all times, so that they only shrink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.betting import STAKES, Floats

MOST_STAKE = 0.75
"""A stake below 1 keeps every factor above 0, since a value and a mean in [0, 1] are at most 1 apart."""

FEW, BLOCK = 4096, 16
"""After this many values, the accounts are looked at after every sixteenth and the last only."""

HORIZONS = (30.0, 300.0, 3000.0, 30000.0)
"""How many values the stakes played side by side are the best for."""

DIGITS = 2.0**-18
"""How closely an end is found, always on the outer side."""

STEEP = 30.0
"""Logarithms of accounts are cut here: a mean far off is refuted by so much that it says nothing about the end."""


def mean_sequence(
    values: npt.ArrayLike, confidence: float = 0.95, sizes: Sequence[int] | None = None
) -> tuple[float, float]:
    """
    Interval of the mean of future cases, which held at every moment up to now with probability `confidence`.

    Args:
        values: In [0, 1], in the order they came; with `sizes` the mean of each cluster.
        confidence: Between 0 and 1.
        sizes: Cases in each cluster, when the values are those of clusters; the interval is of the mean by case. May go
            on beyond the values, and should when more are to come: the largest has to be known from the start.

    Raises:
        ValueError: no value, one outside [0, 1], too few sizes, or one below 1.
    """
    x, weights = _checked(values, sizes, 0.0)
    # For clusters of n cases the mean by case is m exactly when n x (value - m) is 0 on average.
    return _interval(weights * x, weights, stakes_before(x, weights, confidence), confidence)


def mean_sequence_here(
    values: npt.ArrayLike, total: int, confidence: float = 0.95, sizes: Sequence[int] | None = None
) -> tuple[float, float]:
    """
    The same for the mean of a finite set of which the values are the first in random order.

    What is not seen yet counts only as far as it can move the mean: the interval shrinks to a point when all are known.

    Args:
        values: In [0, 1], in the order they came; with `sizes` the mean of each cluster.
        total: How many values the set has, at least as many as there are here.
        confidence: Between 0 and 1.
        sizes: Cases in each of all `total` clusters, in the same order; the interval is of the mean by case.

    Raises:
        ValueError: as in `mean_sequence`, or `total` is too small, or `sizes` is not about all.
    """
    count = len(np.asarray(values))
    if total < count or (sizes is not None and len(sizes) != total):
        raise ValueError(f"{count} values of {total}: the total and the sizes are those of the whole set")
    x, weights = _checked(values, sizes, 0.0)
    rest = float(total - count) if sizes is None else sum(sizes[count:]) / max(sizes)
    mass, known = float(weights.sum()) + rest, float((weights * x).sum())
    certain = known / mass, (known + rest) / mass
    # With v = n x (value - m): all v of the set add up to 0, so before a value the unseen average -(sum so far) / left,
    # and the bet is on v minus that. Both parts are linear in m, and m's factor is below 0.
    left = total - np.arange(count, dtype=np.float64)
    lifted = weights * x + _before(weights * x) / left
    slopes = weights + _before(weights) / left
    low, high = _interval(lifted, slopes, stakes_before(x, weights, confidence), confidence)
    low, high = max(low, certain[0]), min(high, certain[1])
    # Only when the interval is wrong, or by rounding once all is known, do the two not meet.
    return (low, high) if low <= high else certain


def difference_sequence(
    differences: npt.ArrayLike, confidence: float = 0.95, sizes: Sequence[int] | None = None
) -> tuple[float, float]:
    """
    `mean_sequence` for differences in [-1, 1] of two candidates on the same cases.

    Raises:
        ValueError: as in `mean_sequence`.
    """
    d, _ = _checked(differences, sizes, -1.0)
    low, high = mean_sequence((d + 1) / 2, confidence, sizes)
    return 2 * low - 1, 2 * high - 1


def anytime_p(differences: npt.ArrayLike, sizes: Sequence[int] | None = None) -> float:
    """
    Two-sided p for "no difference on future cases"; the chance that it ever falls to alpha is at most alpha.

    The account of each direction is that of `betting.Accounts` for future units at c = 0: each stake is multiplied by
    1 + s x difference, the stakes are averaged, and p is 2 over the most that either account ever had.

    Args:
        differences: In [-1, 1], in the order they came; no difference at all, or none yet, gives 1.
        sizes: As in `mean_sequence`.

    Raises:
        ValueError: a difference outside [-1, 1], too few sizes, or one below 1.
    """
    if len(np.asarray(differences)) == 0:
        return 1.0
    d, weights = _checked(differences, sizes, -1.0)
    gains = (weights * d)[:, None] * np.array(STAKES)
    with np.errstate(over="ignore", under="ignore"):
        most = max(
            float(np.multiply.accumulate(1 + side * gains, axis=0).mean(axis=1).max(initial=1.0)) for side in (1, -1)
        )
    return min(1.0, 2 / most)


def _checked(values: npt.ArrayLike, sizes: Sequence[int] | None, least: float) -> tuple[Floats, Floats]:
    """The values, and the weight of each as a part of the largest."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0:
        raise ValueError("an interval needs at least one value, in one dimension")
    if not ((x >= least) & (x <= 1)).all():
        raise ValueError(f"values lie in [{least:g}, 1]")
    if sizes is None:
        return x, np.ones(len(x))
    counts = np.asarray(sizes, dtype=np.float64)
    if counts.ndim != 1 or len(counts) < len(x) or counts.min() < 1:
        raise ValueError("sizes has a number for each value, at least 1")
    return x, counts[: len(x)] / counts.max()


def stakes_before(x: Floats, weights: Floats, confidence: float) -> Floats:
    """What is best for a normal mean of the spread seen before each value, shape (horizons, values)."""
    seen = np.arange(2, len(x) + 2, dtype=np.float64)
    mean = (0.5 + np.add.accumulate(weights * x)) / (1 + np.add.accumulate(weights))
    spread = (0.25 + np.add.accumulate((weights * (x - mean)) ** 2)) / seen
    before = np.concatenate(([0.25], spread[:-1]))
    wanted = np.sqrt(2 * math.log(2 / (1 - confidence)) / before)
    stakes: Floats = np.minimum(wanted / np.sqrt(np.array(HORIZONS))[:, None], MOST_STAKE)
    return stakes


def _interval(lifted: Floats, slopes: Floats, stakes: Floats, confidence: float) -> tuple[float, float]:
    """All m for which neither account reached 2 / alpha, with value - m written as lifted - m x slopes."""
    threshold = 2 / (1 - confidence) * len(stakes)
    few = min(FEW, len(lifted))
    whole = few + (len(lifted) - few) // BLOCK * BLOCK
    factors = np.empty_like(stakes)

    def excess(mean: float, side: int) -> float:
        np.multiply(stakes, side * (lifted - mean * slopes), out=factors)
        factors[...] += 1
        # A mean so far off that a factor would be negative has lost all; the true one never gets there.
        np.maximum(factors, 0.0, out=factors)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            blocks = np.multiply.reduce(factors[:, few:whole].reshape(len(stakes), -1, BLOCK), axis=2)
            rest = np.multiply.reduce(factors[:, whole:], axis=1)
            steps = np.concatenate((factors[:, :few], blocks, rest[:, None]), axis=1)
            accounts = np.add.reduce(np.multiply.accumulate(steps, axis=1), axis=0)
        # What has overflowed is refuted, whatever infinity times 0 is afterwards.
        most = max(float(np.fmax.reduce(accounts)), float(len(stakes)))
        return min(math.log(most / threshold), STEEP)

    centre = min(max(float(lifted.sum() / slopes.sum()), 0.0), 1.0)
    reach = 4 / math.sqrt(len(lifted))
    low = _last(lambda mean: excess(mean, 1), centre, reach)
    high = 1 - _last(lambda mean: excess(1 - mean, -1), 1 - centre, reach)
    # They cross only when the interval is wrong at some time, as when the values are not in random order.
    return min(low, high), max(low, high)


def _last(excess: Callable[[float], float], start: float, reach: float) -> float:
    """
    A point in [0, 1], to within `DIGITS`, where a falling function is not below 0; 0 when there is none.

    Regula falsi with the Illinois rule (an end that stays twice counts half), begun between `start` and one `reach`
    below it, where the point usually is.
    """
    low, high = 0.0, 1.0
    at_low = at_high = math.nan
    for tried in (start, start - reach, 0.0, 1.0):
        if low < tried < high or (tried == low and math.isnan(at_low)) or (tried == high and math.isnan(at_high)):
            found = excess(tried)
            if found >= 0:
                low, at_low = tried, found
            else:
                high, at_high = tried, found
    if math.isnan(at_low) or math.isnan(at_high):
        return 0.0 if math.isnan(at_low) else 1.0
    stayed = 0
    while high - low > DIGITS:
        # Not closer to an end than half of what is still to be told apart, or the last step would never be made.
        step = low + at_low / (at_low - at_high) * (high - low)
        tried = min(max(step, low + DIGITS / 2), high - DIGITS / 2)
        found = excess(tried)
        if found >= 0:
            low, at_low = tried, found
            at_high = at_high / 2 if stayed > 0 else at_high
            stayed = 1
        else:
            high, at_high = tried, found
            at_low = at_low / 2 if stayed < 0 else at_low
            stayed = -1
    return low


def _before(values: Floats) -> Floats:
    """Sum of all values before each."""
    return np.concatenate(([0.0], np.add.accumulate(values)[:-1]))
