"""What a candidate costs over time, and against the baseline; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from touchstone.decision.ladder_base import DAYS_PER_MONTH, Amount, BreakEven, Making, Rung, Stretch, Total
from touchstone.decision.projection import machine_usd, usd_per_request
from touchstone.evaluation.base import OutcomeCounts, TrialSummary


def bare_rung(trial: TrialSummary, makings: Mapping[str, Making], stretch: Stretch) -> Rung:
    """A rung with what it costs, before it is held against others."""
    making = makings.get(trial.name, Making(usd=0.0, seconds=0.0))
    each, machine = usd_per_request(trial.cost), trial.cost.machine
    time = None if machine is None else machine_usd(machine)
    each = None if each is None else each.times(stretch.price_factor)
    time = None if time is None else time.times(stretch.price_factor)
    return Rung(
        candidate=trial.name,
        model=trial.model,
        way=trial.strategy,
        score=trial.estimate,
        no_answer=no_answer(trial.outcomes),
        making=making,
        usd_per_request=None if each is None else each.mean,
        machine_usd_per_request=None if each is None else time,
        latency_p50_s=trial.latency.p50,
        latency_p95_s=trial.latency.p95,
        total=_total(making, each, stretch),
    )


_NO_ANSWER = ("unparsed", "refused", "filtered", "truncated", "empty", "error", "judge_unparsed", "in_doubt")
"""Ends of a call that was made, other than a score of its answer."""


def no_answer(outcomes: OutcomeCounts) -> dict[str, float]:
    """How answers failed to the share of what was asked, the most frequent first."""
    counts = {kind: int(getattr(outcomes, kind)) for kind in _NO_ANSWER}
    found = sorted((kind for kind in counts if counts[kind]), key=lambda kind: -counts[kind])
    return {kind: counts[kind] / outcomes.asked for kind in found}


def _total(making: Making, each: Amount | None, stretch: Stretch) -> Total | None:
    once = _once(making, stretch)
    if stretch.requests_per_month is None or each is None or once is None:
        return None
    over_time = each.times(stretch.requests_per_month * stretch.months)
    return Total(
        usd=once + over_time.mean,
        low=once + over_time.low,
        high=None if over_time.high is None else once + over_time.high,
    )


def usd_by_month(rung: Rung, stretch: Stretch) -> tuple[tuple[float, float], ...]:
    """
    What a candidate has cost by each moment of the stretch: (month, USD), two of one month where it is made again.

    It begins with what making it costs and ends with its total; empty where a number is not known.
    """
    once, each, requests = rung.making.usd, rung.usd_per_request, stretch.requests_per_month
    if once is None or each is None or requests is None:
        return ()
    found, made = [(0.0, once)], 1
    if rung.making.renewal == "again" and stretch.facts_change_days is not None and once > 0:
        for number in range(1, stretch.renewals + 1):
            month = min(stretch.months, number * stretch.facts_change_days / DAYS_PER_MONTH)
            asked = each * requests * month
            found += [(month, once * made + asked), (month, once * (made + 1) + asked)]
            made += 1
    return (*found, (stretch.months, once * made + each * requests * stretch.months))


def _once(making: Making, stretch: Stretch) -> float | None:
    """USD of making it, and of making it again as often as facts that it learned change."""
    if making.usd is None:
        return None
    return making.usd * (1 + (stretch.renewals if making.renewal == "again" else 0))


def difference_each(one: Rung, other: Rung) -> tuple[float, float] | None:
    """
    Interval of (one - other) in USD of a request; None where a cost is not known.

    Prices are of the same cases and taken as they are. Times on a machine are measured, and beside other programs;
    their intervals are put together by square-and-add (Newcombe, Statistics in Medicine 17, 1998).
    """
    if one.usd_per_request is None or other.usd_per_request is None:
        return None
    middle = one.usd_per_request - other.usd_per_request
    low = middle - math.hypot(_below(one), _above(other))
    return low, middle + math.hypot(_above(one), _below(other))


def _below(rung: Rung) -> float:
    machine = rung.machine_usd_per_request
    return 0.0 if machine is None else machine.mean - machine.low


def _above(rung: Rung) -> float:
    machine = rung.machine_usd_per_request
    if machine is None:
        return 0.0
    return math.inf if machine.high is None else machine.high - machine.mean


def about_the_same(one: Rung, other: Rung) -> bool:
    """Whether the difference between what a request of both costs may be noise of the clock alone."""
    found = difference_each(one, other)
    return found is not None and found[0] < found[1] and found[0] <= 0 <= found[1]


def level_in_all(one: Rung, other: Rung, stretch: Stretch) -> bool:
    """Whether the difference between two totals may be noise of the clock alone."""
    each = difference_each(one, other)
    once = _once(one.making, stretch), _once(other.making, stretch)
    if each is None or each[0] == each[1] or once[0] is None or once[1] is None or stretch.requests_per_month is None:
        return False
    requests = stretch.requests_per_month * stretch.months
    return once[0] - once[1] + requests * each[0] <= 0 <= once[0] - once[1] + requests * each[1]


def break_even(rung: Rung, baseline: Rung, stretch: Stretch) -> tuple[BreakEven, float | None]:
    """
    At how many requests a candidate costs what the baseline costs: where the lines once + requests x each cross.

    With once and each of both: (once' - once) / (each - each'); what crosses before the first request does not cross.
    What is made again within the stretch is in `once`, as it is in the totals.
    """
    if rung.candidate == baseline.candidate:
        return "baseline", None
    once = _once(rung.making, stretch), _once(baseline.making, stretch)
    each = rung.usd_per_request, baseline.usd_per_request
    if once[0] is None or once[1] is None or each[0] is None or each[1] is None:
        return "unknown", None
    if about_the_same(rung, baseline):
        return "level", None
    more_once, less_each = once[0] - once[1], each[1] - each[0]
    if more_once <= 0 and less_each >= 0:
        return "cheaper", None
    if more_once >= 0 and less_each <= 0:
        return "dearer", None
    requests = more_once / less_each
    if requests < 1:
        return ("cheaper" if more_once > 0 else "dearer"), None
    return ("from" if more_once > 0 else "until"), requests
