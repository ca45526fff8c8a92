"""
Intervals and p values of future cases that hold at every moment at once, whenever one looks and stops.

Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS-B 86:1-27,
section 4: the capital of somebody who bets that the mean is larger (or smaller) than m grows beyond 1 / alpha with a
probability of at most alpha while m is the mean (Ville 1939), so what was refuted once stays refuted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from touchstone.evaluation.betting import STAKES

Vector = np.ndarray[Any, Any]

_LARGEST_BET = 0.75
"""A bet never risks more than this of the capital, whatever mean is tested: so refuting m refutes all means beyond."""

_PRECISION = 2.0**-16
"""Ends are found to this precision, and rounded outwards."""


def mean_sequence(values: Vector, confidence: float, sizes: Vector | None = None) -> tuple[float, float]:
    """
    An interval for the mean of future cases that holds at any moment.

    The bet before case t is sqrt(2 log(2 / alpha) / (variance t log(1 + t))) with the variance of the cases before,
    their equation 24, cut at `_LARGEST_BET` instead of at a bound that depends on the mean.

    Args:
        values: In [0, 1], in the order of asking, at least one; means of clusters where there are `sizes`.
        confidence: Between 0 and 1.
        sizes: Cases of each cluster; the mean is then over cases, and a cluster is bet on in proportion to its size:
            E[size (x - m)] = 0 is what is tested.

    Returns:
        (low, high); each end errs with at most (1 - confidence) / 2 over all moments together.
    """
    weights = None if sizes is None else np.asarray(sizes, dtype=float) / float(np.max(sizes))
    alpha = 1 - confidence
    bets = _bets(values, alpha)
    threshold = math.log(2 / alpha)
    # Who bets on "smaller" bets on "larger" of the mirror image.
    low = _refuted_up_to(values, weights, bets, threshold)
    high = 1 - _refuted_up_to(1 - values, weights, bets, threshold)
    return low, high


def difference_sequence(differences: Vector, confidence: float, sizes: Vector | None = None) -> tuple[float, float]:
    """The same for the mean of differences in [-1, 1]."""
    low, high = mean_sequence((np.asarray(differences) + 1) / 2, confidence, sizes)
    return 2 * low - 1, 2 * high - 1


def anytime_p(differences: Vector, sizes: Vector | None = None) -> float:
    """
    Two-sided p value of "no difference on future cases", valid at any moment.

    2 / the largest capital that either side ever had with the race's stakes; a p value because the capital exceeds 1 / p
    with probability at most p, and there are two sides.

    Args:
        differences: In [-1, 1], in the order of asking.
        sizes: Cases of each cluster, where the differences are means of clusters.
    """
    values = np.asarray(differences, dtype=float)
    if sizes is not None:
        values = values * np.asarray(sizes, dtype=float) / float(np.max(sizes))
    largest = 0.0  # log of a capital of 1, before the first case
    for side in (values, -values):
        capital = np.cumsum(np.log1p(np.multiply.outer(np.array(STAKES), side)), axis=1)
        top = capital.max(axis=0)
        account = top + np.log(np.exp(capital - top).mean(axis=0))
        largest = max(largest, float(account.max(initial=0.0)))
    return min(1.0, 2 * math.exp(-largest))


def _bets(values: Vector, alpha: float) -> Vector:
    """The bet before each case, made of the cases before it alone; shape (n,)."""
    number = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (number + 1)
    spread = (0.25 + np.cumsum((values - means) ** 2)) / (number + 1)
    variance = np.concatenate(([0.25], spread[:-1]))
    found: Vector = np.sqrt(2 * math.log(2 / alpha) / (variance * number * np.log1p(number)))
    return np.minimum(found, _LARGEST_BET)


def _refuted_up_to(values: Vector, weights: Vector | None, bets: Vector, threshold: float) -> float:
    """The largest m, rounded down, such that betting on "larger than m" ever reached the threshold; 0 when none did."""
    stakes = bets if weights is None else bets * weights

    def refuted(mean: float) -> bool:
        return bool(np.cumsum(np.log1p(stakes * (values - mean))).max() >= threshold)

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, float(values.max())
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if refuted(middle):
            low = middle
        else:
            high = middle
    return low
