"""What is known of the error of one published value: as published, or Wilson's for a share of known size."""

import math
from typing import NamedTuple

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.evaluation.distributions import normal_cdf, normal_quantile
from touchstone.evaluation.wilson import wilson

_Z95 = normal_quantile(0.975)


def value_interval(benchmark: Benchmark, claim: Claim) -> tuple[float, float] | None:
    """The value's 95 % interval: as published, else Wilson's for a share of known size, else None."""
    known = known_value(benchmark, claim)
    return None if known is None else (known.low, known.high)


class KnownValue(NamedTuple):
    """A value whose error is known."""

    value: float
    low: float
    high: float
    share: float | None
    """Of right answers; None where the interval is the source's own."""
    n: int


def known_value(benchmark: Benchmark, claim: Claim) -> KnownValue | None:
    """The value with its 95 % interval; None where neither the source nor the number of questions gives one."""
    size = question_count(benchmark, claim)
    if claim.low is not None and claim.high is not None:
        return KnownValue(claim.value, claim.low, claim.high, None, size or 0)
    whole = benchmark.whole
    if benchmark.kind != "share" or size is None or whole is None or not 0 <= claim.value <= whole:
        return None
    share = claim.value / whole
    low, high = wilson(share * size, size)
    return KnownValue(claim.value, low * whole, high * whole, share, size)


class Gap(NamedTuple):
    """How far one value lies above another."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided, that they are equal."""


def gap(one: KnownValue, other: KnownValue) -> Gap:
    """
    Two results against each other, as if the questions were not the same ones.

    Models that answered the same questions agree on many of them, so the true error of their difference is smaller;
    which ones they agree on is not published. Two counted shares: the pooled score test, Wilson's counterpart. Else
    the distance in normal errors taken from the facing ends of the intervals (Zou and Donner 2008, "Construction of
    confidence limits about effect measures", Statistics in Medicine 27), at 95 % exactly where they exclude 0.
    """
    difference = one.value - other.value
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    if one.share is not None and other.share is not None:
        pooled = (one.share * one.n + other.share * other.n) / (one.n + other.n)
        spread = math.sqrt(pooled * (1 - pooled) * (1 / one.n + 1 / other.n))
        distance = abs(one.share - other.share) / spread if spread > 0 else 0.0
    else:
        facing = down if difference > 0 else up
        distance = abs(difference) * _Z95 / facing if facing > 0 else math.inf
    return Gap(difference, difference - down, difference + up, 2 * normal_cdf(-distance) if difference else 1.0)


def question_count(benchmark: Benchmark, claim: Claim) -> int | None:
    """How many questions the value was measured on; the benchmark's own number where the whole of it was."""
    return claim.questions or (benchmark.questions if claim.subset is None else None)
