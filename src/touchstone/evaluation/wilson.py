"""The score interval of a share; imports nothing that takes time, so that a page of the catalog may use it."""

from __future__ import annotations

import math

from touchstone.evaluation.distributions import normal_quantile


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """
    Score interval of a share, both ends in [0, 1], never empty and never of zero width.

    Source: Wilson (1927), "Probable inference", JASA 22; it is the interval of all shares that a two-sided score test
    does not refute.

    Raises:
        ValueError: `n` is 0, or `successes` is not between 0 and `n`.
    """
    if n < 1:
        raise ValueError("a share of nothing has no interval; n is 0")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes!r} successes of {n} are impossible")
    z = normal_quantile((1 + confidence) / 2)
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # At the edges the ends are exactly 0 and 1; the formula misses them by a rounding error.
    low = 0.0 if successes == 0 else max(0.0, min(centre - half, share))
    high = 1.0 if successes == n else min(1.0, max(centre + half, share))
    return low, high
