"""In which order candidates stand, and who is outdone on every axis; unknown comes last and is never outdone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.ranks import Axes, dominates


def by_mean(trial: TrialSummary) -> tuple[float, float, float, str]:
    """Sort key: best mean, then cheapest per case, fastest by median latency, and by name."""
    cost, latency, worse, name = by_cost(trial)
    return worse, cost, latency, name


def by_cost(trial: TrialSummary) -> tuple[float, float, float, str]:
    """Sort key: cheapest per case, then fastest by median latency, then best mean, and by name."""
    quality, cost, latency = axes(trial)
    return (
        math.inf if cost is None else cost,
        math.inf if latency is None else latency,
        math.inf if quality is None else -quality,
        trial.name,
    )


def axes(trial: TrialSummary) -> Axes:
    """What a front is drawn on: mean score, cost per case, median latency."""
    return trial.estimate.mean if trial.estimate else None, trial.cost.per_case_usd, trial.latency.p50


def not_outdone(trials: Iterable[TrialSummary], among: Sequence[TrialSummary]) -> list[TrialSummary]:
    """Those of `trials` whom nobody in `among` dominates in score, cost and latency, in the order they came."""
    used = [axis for axis in range(3) if any(axes(other)[axis] is not None for other in among)]

    def costs(trial: TrialSummary) -> list[float | None]:
        quality, cost, latency = axes(trial)
        values = (None if quality is None else -quality, cost, latency)
        return [values[axis] for axis in used]

    return [trial for trial in trials if not any(dominates(costs(other), costs(trial)) for other in among)]


def names(trials: Iterable[TrialSummary]) -> tuple[str, ...]:
    """The names, in order."""
    return tuple(trial.name for trial in trials)
