"""What is known of the error of one published value: as published, or Wilson's for a share of known size."""

from __future__ import annotations

from typing import NamedTuple

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.evaluation.wilson import wilson


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


def question_count(benchmark: Benchmark, claim: Claim) -> int | None:
    """How many questions the value was measured on; the benchmark's own number where the whole of it was."""
    return claim.questions or (benchmark.questions if claim.subset is None else None)
