"""Trials and pairs made from scores, the way a comparison makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from touchstone.evaluation.base import Cost, Latency, OutcomeCounts, PairResult, TrialSummary
from touchstone.evaluation.intervals import estimate
from touchstone.evaluation.paired import compare_pairs

MakeTrial = Callable[..., TrialSummary]
ComparePairs = Callable[..., tuple[PairResult, ...]]


def make_trial(
    name: str,
    scores: Sequence[float],
    *,
    usd: float | None = 0.001,
    seconds: float | None = 1.0,
    errors: int = 0,
    **fields: Any,
) -> TrialSummary:
    """A finished trial; `errors` cells were planned besides and have no score."""
    cost = Cost() if usd is None else Cost(per_case_usd=usd, per_case_low_usd=0.9 * usd, per_case_high_usd=1.1 * usd)
    latency = (
        Latency()
        if seconds is None
        else Latency(p50=seconds, p95=2 * seconds, p95_low=1.5 * seconds, p95_high=2.5 * seconds, n=len(scores))
    )
    total = len(scores) + errors
    return TrialSummary(
        name=name,
        model=f"lab/{name}",
        estimate=estimate(scores) if len(scores) else None,
        bounds=(sum(scores) / total, (sum(scores) + errors) / total) if errors else None,
        outcomes=OutcomeCounts(planned=total, scored=len(scores), error=errors),
        **{"strategy": "prompt", "cost": cost, "latency": latency, **fields},
    )


def make_pairs(scores: dict[str, Sequence[float]]) -> tuple[PairResult, ...]:
    """All pairs; lists of different length share their first cells."""
    longest = max(map(len, scores.values()))
    known = np.array([[at < len(values) for at in range(longest)] for values in scores.values()])
    filled = np.array([[*values, *[0.0] * (longest - len(values))] for values in scores.values()])
    return compare_pairs(list(scores), filled, known)


@pytest.fixture(scope="session")
def trial() -> MakeTrial:
    return make_trial


@pytest.fixture(scope="session")
def compare() -> ComparePairs:
    return make_pairs


def right(share: float, n: int, *, first: bool = True) -> list[float]:
    """0/1 scores with `share` right, at the beginning or at the end."""
    good = round(share * n)
    return [1.0] * good + [0.0] * (n - good) if first else [0.0] * (n - good) + [1.0] * good


@pytest.fixture(scope="session")
def scores() -> Callable[..., list[float]]:
    return right
