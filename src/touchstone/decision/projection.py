"""A candidate at the user's volume."""

from __future__ import annotations

from touchstone.decision.base import Projection, Volume
from touchstone.decision.ladder_base import Amount
from touchstone.evaluation.base import Cost, MachineTime, TrialSummary


def machine_usd(machine: MachineTime) -> Amount | None:
    """What the time of an own machine for a case costs: seconds x price of an hour / 3,600; None where unknown."""
    if machine.usd_per_hour is None or machine.seconds is None:
        return None
    low = machine.seconds if machine.seconds_low is None else machine.seconds_low
    seconds = Amount(mean=machine.seconds, low=low, high=machine.seconds_high)
    return seconds.times(machine.usd_per_hour / 3_600)


def usd_per_request(cost: Cost) -> Amount | None:
    """
    What a request costs over time: what is bought for it, and the time of an own machine where that answers.

    One rule for a month, a limit of a month and the ladder. The ends of both are added: price and time of a case rise
    together, so this does not err to the narrow side.
    """
    if cost.per_case_usd is None:
        return None
    low = cost.per_case_usd if cost.per_case_low_usd is None else cost.per_case_low_usd
    bought = Amount(mean=cost.per_case_usd, low=low, high=cost.per_case_high_usd)
    if cost.machine is None:
        return bought
    time = machine_usd(cost.machine)
    if time is None:
        return None
    high = None if bought.high is None or time.high is None else bought.high + time.high
    return Amount(mean=bought.mean + time.mean, low=bought.low + time.low, high=high)


def usd_per_month(cost: Cost, volume: Volume) -> tuple[float | None, float | None, float | None]:
    """
    Mean, lower and upper end of a month's cost: cost of a request x requests; None where unknown.

    Without a volume the one behind `cost.per_month_usd` is used, when there is one.
    """
    each = usd_per_request(cost)
    requests = volume.requests_per_month
    if requests is None and cost.per_month_usd is not None and each is not None:
        # At no cost per request every volume costs the same: nothing.
        requests = cost.per_month_usd / each.mean if each.mean > 0 else 0.0
    if requests is None or each is None:
        return None, None, None
    low = None if cost.per_case_low_usd is None else each.low * requests
    return each.mean * requests, low, None if each.high is None else each.high * requests


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
