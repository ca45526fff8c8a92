"""
Intervals of means and tests of differences by drawing again: the mathematics under `intervals` and `paired`.

The *unit* is what was drawn independently: a case, or a group of cases. A unit has a sum of scores and a size (its
number of cells); every mean here is sum of sums / sum of sizes. Many columns (pairs of candidates) are handled in one
pass. Columns are sorted before anything is drawn, so the order in which cases are stored changes no number.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.distributions import normal_cdf, normal_quantile, t_quantile, t_two_sided_p

Floats = npt.NDArray[np.float64]

DRAWS = 2000
"""Bootstrap draws of an interval (`method.md` 2)."""
T_FROM = 300
"""From here on the t interval, and the t test, replace drawing again."""
T_FROM_GROUPS = 5000
"""Grouped cells are drawn again up to here; above, the cluster-robust t agrees to the third digit and is quicker."""
FEWEST_TO_DRAW = 5
"""Drawing again from fewer units cannot leave the range that was seen; t knows better."""
EXACT_FLIPS = 14
"""Up to so many non-zero differences all 2^m sign patterns are counted instead of drawn."""
_CHUNK = 4_000_000
_EQUAL = 1e-12


class Interval(NamedTuple):
    """A mean, the ends of its interval and how they were made."""

    mean: float
    low: float
    high: float
    method: str


def unit_numbers(groups: Sequence[Hashable | None], cells: int) -> npt.NDArray[np.int64]:
    """
    Number of the unit each cell belongs to, shape (cells,), counted from 0.

    A cell whose group is None is a unit of its own.
    """
    if len(groups) != cells:
        raise ValueError(f"{len(groups)} groups were given for {cells} scores; give one per score")
    seen: dict[Hashable, int] = {}
    keys = (("alone", at) if group is None else ("group", group) for at, group in enumerate(groups))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def mean_intervals(
    sums: Floats,
    sizes: Floats,
    *,
    floor: float,
    ceiling: float,
    confidence: float,
    seed: int,
    grouped: bool,
) -> list[Interval]:
    """
    One interval per column for the mean, clipped to what a mean can be.

    - one unit: from `floor` to `ceiling`, for one unit says nothing about the others;
    - all units alike: drawing again would pretend certainty. When more than 1 - alpha^(1/n) of the population were
      different, n like units would be seen with less than probability alpha; so the mean lies within what that share
      can move it. Exact for every distribution on [floor, ceiling];
    - fewer than `FEWEST_TO_DRAW` units, or `T_FROM` cases (`T_FROM_GROUPS` groups) and more: t, with the
      linearised (for groups: cluster-robust) standard error;
    - else: BCa bootstrap over units.

    Args:
        sums: Sum of scores, shape (units, columns).
        sizes: Number of cells, same shape, all positive.
        floor: Least a score can be.
        ceiling: Most a score can be; may be infinite.
        confidence: Between 0 and 1.
        seed: Same seed, same interval.
        grouped: Whether units are groups of cells.
    """
    units = sums.shape[0]
    percent = f"{100 * confidence:g} %"
    means = sums.sum(axis=0) / sizes.sum(axis=0)
    if units == 1:
        what = "one group only" if grouped else "one case only"
        return [Interval(float(mean), floor, ceiling, f"{what}: no interval") for mean in means]
    ratios = sums / sizes
    alike = ratios.max(axis=0) - ratios.min(axis=0) <= _EQUAL
    if units < FEWEST_TO_DRAW or units >= (T_FROM_GROUPS if grouped else T_FROM):
        half = t_quantile((1 + confidence) / 2, units - 1) * standard_errors(sums, sizes)
        low, high = means - half, means + half
        method = f"cluster-robust t {percent}, {units} groups" if grouped else f"t {percent}"
    else:
        low, high = means.copy(), means.copy()
        if not alike.all():
            low[~alike], high[~alike] = bca_interval(sums[:, ~alike], sizes[:, ~alike], confidence, seed)
        name = "cluster bootstrap" if grouped else "BCa bootstrap"
        method = f"{name} {percent}, {DRAWS} draws" + (f", {units} groups" if grouped else "")
    unseen = 1.0 - (1.0 - confidence) ** (1.0 / units)
    found = []
    for mean, lower, upper, same in zip(means.tolist(), low.tolist(), high.tolist(), alike.tolist(), strict=True):
        if same and math.isfinite(ceiling):
            ends = mean - unseen * (mean - floor), mean + unseen * (ceiling - mean)
            found.append(Interval(mean, *ends, f"all alike, exact {percent}"))
        else:
            ends = max(floor, min(lower, mean)), min(ceiling, max(upper, mean))
            found.append(Interval(mean, *ends, method))
    return found


def standard_errors(sums: Floats, sizes: Floats) -> Floats:
    """
    Standard error of each column's mean, shape (columns,); at least two units.

    The ratio estimator linearised, with units / (units - 1): for units of size 1 the usual s / sqrt(n), for groups the
    cluster-robust one (Cochran 1977, Sampling Techniques, ratio estimators; Miller 2024, "Adding error bars to evals",
    arXiv 2411.00640).
    """
    units = sums.shape[0]
    total = sizes.sum(axis=0)
    residuals = sums - (sums.sum(axis=0) / total) * sizes
    squares: Floats = np.sqrt(units / (units - 1) * (residuals**2).sum(axis=0)) / total
    return squares


def bca_interval(sums: Floats, sizes: Floats, confidence: float, seed: int) -> tuple[Floats, Floats]:
    """
    Ends of the bias-corrected and accelerated bootstrap interval of each column's mean, two arrays of shape (columns,).

    Efron (1987), "Better bootstrap confidence intervals", JASA 82, acceleration from the jackknife. The normal quantile
    is widened to t x sqrt(n / (n - 1)), which undoes the narrowness of the bootstrap at small n (Hesterberg 2015, "What
    teachers should know about the bootstrap", The American Statistician 69, expanded percentiles).
    """
    units, columns = sums.shape
    order = np.lexsort((sizes, sums), axis=0)
    sums, sizes = np.take_along_axis(sums, order, axis=0), np.take_along_axis(sizes, order, axis=0)
    total, size = sums.sum(axis=0), sizes.sum(axis=0)
    means = total / size
    drawn = np.empty((DRAWS, columns))
    at = 0
    for weights in _resampling_weights(units, seed):
        drawn[at : at + len(weights)] = (weights @ sums) / (weights @ sizes)
        at += len(weights)
    equal = np.abs(drawn - means) <= _EQUAL
    below = ((drawn < means) & ~equal).mean(axis=0) + 0.5 * equal.mean(axis=0)
    left_out = (total - sums) / (size - sizes)
    influence = left_out.mean(axis=0) - left_out
    spread = (influence**2).sum(axis=0)
    acceleration = np.divide((influence**3).sum(axis=0), 6.0 * spread**1.5, out=np.zeros(columns), where=spread > 0)
    width = t_quantile((1 + confidence) / 2, units - 1) * math.sqrt(units / (units - 1))
    drawn.sort(axis=0)
    ends = np.empty((2, columns))
    for column in range(columns):
        bias = normal_quantile(min(max(float(below[column]), 0.5 / DRAWS), 1 - 0.5 / DRAWS))
        for end, sign in enumerate((-1.0, 1.0)):
            moved = bias + sign * width
            shrink = 1.0 - float(acceleration[column]) * moved
            level = normal_cdf(bias + moved / shrink) if shrink > 0 else (0.0, 1.0)[end]
            place = min(max((DRAWS + 1) * level - 1, 0.0), DRAWS - 1.0)
            under = min(int(place), DRAWS - 2)
            ends[end, column] = drawn[under, column] + (place - under) * (
                drawn[under + 1, column] - drawn[under, column]
            )
    return ends[0], ends[1]


def _resampling_weights(units: int, seed: int) -> Iterator[Floats]:
    """How often each unit was drawn, in chunks of shape (draws, units); `DRAWS` rows in all."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // units)
    for start in range(0, DRAWS, rows):
        count = min(rows, DRAWS - start)
        flat = generator.integers(0, units, size=(count, units)) + units * np.arange(count)[:, None]
        yield np.bincount(flat.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)


def mean_difference_p(sums: Floats, sizes: Floats, draws: int, seed: int) -> Floats:
    """
    Two-sided p of "the mean difference is 0", one per column.

    Only units that differ carry information, as in McNemar's test, so zeros are left out. Up to `EXACT_FLIPS` units:
    all sign patterns are counted. Below `T_FROM`: `draws` random sign patterns, (hits + 1) / (draws + 1) (Phipson and
    Smyth 2010, "Permutation p-values should never be zero"). Above: t test with the linearised standard error.

    Args:
        sums: Sum of differences of each unit, shape (units, columns).
        sizes: Cells of each unit, same shape.
        draws: Random sign patterns; 1 / (draws + 1) is the least p they can show.
        seed: Same seed, same p.
    """
    magnitudes = -np.sort(-np.abs(sums), axis=0)
    seen = np.abs(sums.sum(axis=0)) * (1 - _EQUAL) - _EQUAL
    differing = (magnitudes > _EQUAL).sum(axis=0)
    p = np.ones(sums.shape[1])
    exact = (differing > 0) & (differing <= EXACT_FLIPS)
    drawn = (differing > EXACT_FLIPS) & (differing < T_FROM)
    if exact.any():
        deep = int(differing[exact].max())
        patterns = 1.0 - 2.0 * ((np.arange(2**deep)[:, None] >> np.arange(deep)) & 1)
        p[exact] = (np.abs(patterns @ magnitudes[:deep, exact]) >= seen[exact]).mean(axis=0)
    if drawn.any():
        tail = magnitudes[:T_FROM, drawn]
        hits = np.zeros(tail.shape[1])
        generator = np.random.default_rng(seed)
        for start in range(0, draws, 2500):
            # Always T_FROM signs wide: the p of a pair does not depend on which other pairs are tested with it.
            bits = np.frombuffer(generator.bytes(2500 * T_FROM // 8), dtype=np.uint8)
            signs = 1.0 - 2.0 * np.unpackbits(bits).reshape(2500, T_FROM)[: min(2500, draws - start), : len(tail)]
            hits += (np.abs(signs @ tail) >= seen[drawn]).sum(axis=0)
        p[drawn] = (hits + 1) / (draws + 1)
    for column in np.flatnonzero(differing >= T_FROM):
        error = float(standard_errors(sums[:, [column]], sizes[:, [column]])[0])
        mean = float(sums[:, column].sum() / sizes[:, column].sum())
        t = abs(mean) / error if error > 0 else math.inf
        p[column] = max(t_two_sided_p(t, sums.shape[0] - 1), 2.0 ** (1 - int(differing[column])))
    return p
