"""Tails and quantiles of the normal, t and binomial distributions; the standard library is enough."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_STANDARD = NormalDist()
_SMALLEST = 1e-300


def normal_quantile(probability: float) -> float:
    """The value below which a standard normal falls with `probability`, strictly between 0 and 1."""
    return _STANDARD.inv_cdf(probability)


def normal_cdf(value: float) -> float:
    """Probability that a standard normal is at most `value`; keeps its digits far out in the lower tail."""
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def incomplete_beta(x: float, a: float, b: float) -> float:
    """
    Regularised incomplete beta function I_x(a, b), relative error below 1e-9 for parameters up to a million.

    Source: the continued fraction DLMF 8.17.22, evaluated by Lentz's method as modified by Thompson and Barnett (1986);
    the symmetry I_x(a, b) = 1 - I_(1-x)(b, a) keeps it where it converges fast.
    """
    if not 0.0 <= x <= 1.0 or a <= 0 or b <= 0:
        raise ValueError(f"incomplete beta is defined for x in [0, 1] and positive a, b; got x={x!r}, a={a!r}, b={b!r}")
    if x in (0.0, 1.0):
        return x
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, 100_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + step * d)
            c = _away_from_zero(1.0 + step / c)
            fraction *= c * d
        if abs(c * d - 1.0) < 1e-15:
            return min(1.0, math.exp(log_front) * fraction / a)
    raise ArithmeticError(f"the continued fraction of I_{x}({a}, {b}) did not settle")


def t_two_sided_p(t: float, degrees: float) -> float:
    """Probability that |T| is at least |t|, T with `degrees` of freedom. Source: Abramowitz and Stegun 26.7.1."""
    if math.isinf(t):
        return 0.0
    if t * t <= 3.0:  # Near the centre the share inside is the small number that keeps its digits.
        return 1.0 - incomplete_beta(t * t / (degrees + t * t), 0.5, degrees / 2.0)
    return incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, degrees: float) -> float:
    """
    The value below which Student's t with `degrees` of freedom (at least 1) falls with `probability`.

    The tail area is exact through the incomplete beta function; its root is bracketed from the normal quantile and
    halved until two neighbouring floats are left.
    """
    if not 0.0 < probability < 1.0 or degrees < 1:
        raise ValueError(f"no t quantile at probability {probability!r} with {degrees!r} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1.0 - probability, degrees)
    if probability == 0.5:
        return 0.0
    tail = 2.0 * (1.0 - probability)
    low, high = 0.0, max(1.0, normal_quantile(probability))
    while t_two_sided_p(high, degrees) > tail:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if t_two_sided_p(middle, degrees) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """Probability of at most `successes` in `trials`. Source: DLMF 8.17.5 (binomial sums as incomplete beta)."""
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    return incomplete_beta(1.0 - probability, trials - successes, successes + 1)


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST
