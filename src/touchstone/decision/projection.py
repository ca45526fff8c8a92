"""A candidate at the user's volume."""

from __future__ import annotations

from touchstone.decision.base import Projection, Volume
from touchstone.evaluation.base import Cost, TrialSummary


def usd_per_month(cost: Cost, volume: Volume) -> tuple[float | None, float | None, float | None]:
    """
    Mean, lower and upper end of a month's cost: measured cost per case x requests; None where unknown.

    Without a volume the one behind `cost.per_month_usd` is used, when there is one.
    """
    per_case = cost.per_case_usd
    requests = volume.requests_per_month
    if requests is None and cost.per_month_usd is not None and per_case is not None:
        # At no cost per case every volume costs the same: nothing.
        requests = cost.per_month_usd / per_case if per_case > 0 else 0.0
    if requests is None or per_case is None:
        return None, None, None
    low, high = cost.per_case_low_usd, cost.per_case_high_usd
    return per_case * requests, None if low is None else low * requests, None if high is None else high * requests


def project(trial: TrialSummary, volume: Volume) -> Projection | None:
    """A month of the candidate; None when the volume is unknown or nothing was measured."""
    requests = volume.requests_per_month
    if requests is None or trial.estimate is None:
        return None
    usd, low, high = usd_per_month(trial.cost, volume)
    return Projection(
        candidate=trial.name,
        requests_per_month=requests,
        usd=usd,
        usd_low=low,
        usd_high=high,
        correct=trial.estimate.mean * requests,
        correct_low=trial.estimate.low * requests,
        correct_high=trial.estimate.high * requests,
    )
