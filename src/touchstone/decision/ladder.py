"""
The ladder: every way of improving in one order, with what it brings and what it costs over time.

Pure. The scores and their differences are those of the comparison; what is added here is time: what making a candidate
cost once, what asking it costs at the user's volume, and what a change of the facts asks for.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from touchstone.decision.base import Reason
from touchstone.decision.evidence import Contest
from touchstone.decision.ladder_base import BreakEven, Gain, Ladder, Making, Rung, Stretch, Total
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.ranks import pareto_front
from touchstone.language import N_


def make_ladder(
    trials: Sequence[TrialSummary],
    pairs: Sequence[PairResult],
    *,
    baseline: str,
    makings: Mapping[str, Making],
    stretch: Stretch,
    hourly_usd: Mapping[str, float] | None = None,
    qualifying: Collection[str] | None = None,
    blocked: Mapping[str, tuple[Reason, ...]] | None = None,
    tolerance: float | None = None,
    confidence: float = 0.95,
) -> Ladder:
    """
    Put measured candidates on a ladder.

    Args:
        trials: One per candidate; `baseline` is among them.
        pairs: Their differences, as the comparison has them.
        baseline: Name of the candidate that everybody is held against: the model as it is.
        makings: What each took to make; who is missing took nothing.
        stretch: For how long and how much.
        hourly_usd: Candidate to what an hour of the machine costs on which it runs; added to its price by its median
            latency, one request at a time.
        qualifying: Who meets the constraints; everybody by default.
        blocked: Candidate to why its gain must not be claimed; such a one never pays.
        tolerance: How much worse than the best the one that pays may be; None: not shown to be worse at all.
        confidence: Of the pairs.

    Raises:
        ValueError: the baseline is no candidate.
    """
    by_name = {trial.name: trial for trial in trials}
    if baseline not in by_name:
        raise ValueError(f"the baseline {baseline!r} is no candidate")
    contest = Contest(pairs, confidence)
    stops = blocked or {}
    hours = hourly_usd or {}
    first = _bare(by_name[baseline], makings, stretch, hours)
    rungs = []
    for trial in trials:
        rung = _bare(trial, makings, stretch, hours)
        kind, requests = break_even(rung, first)
        gain = gain_of(trial.name, baseline, contest)
        rungs.append(
            rung.model_copy(
                update={
                    "gain": gain,
                    "break_even": kind,
                    "break_even_requests": requests,
                    "usd_per_further_right": None
                    if trial.name in stops
                    else _per_further_right(rung, gain, first, stretch),
                    "blocked": stops.get(trial.name, ()),
                }
            )
        )
    front = set(pareto_front({rung.candidate: _axes(rung) for rung in rungs}))
    rungs = [rung.model_copy(update={"on_front": rung.candidate in front}) for rung in rungs]
    rungs.sort(key=_in_order)
    settled = {trial.name for trial in trials if trial.state == "eliminated"}
    pays, best, why = which_pays(rungs, contest, qualifying=qualifying, settled=settled, tolerance=tolerance)
    return Ladder(baseline=baseline, rungs=tuple(rungs), stretch=stretch, pays=pays, best=best, why=why)


def _bare(trial: TrialSummary, makings: Mapping[str, Making], stretch: Stretch, hours: Mapping[str, float]) -> Rung:
    """A rung with what it costs, before it is held against others."""
    making = makings.get(trial.name, Making(usd=0.0, seconds=0.0))
    latency = trial.latency.p50
    machine = None
    if trial.name in hours:
        machine = None if latency is None else hours[trial.name] * latency / 3_600
    ends = trial.cost.per_case_low_usd, trial.cost.per_case_usd, trial.cost.per_case_high_usd
    per_request = _per_request(ends[1], machine, trial.name in hours, stretch)
    low, high = (_per_request(end, machine, trial.name in hours, stretch) for end in (ends[0], ends[2]))
    return Rung(
        candidate=trial.name,
        model=trial.model,
        way=trial.strategy,
        score=trial.estimate,
        making=making,
        usd_per_request=per_request,
        latency_p50_s=latency,
        latency_p95_s=trial.latency.p95,
        total=_total(making, (low, per_request, high), stretch),
    )


def _per_request(price: float | None, machine: float | None, on_machine: bool, stretch: Stretch) -> float | None:
    if price is None or (on_machine and machine is None):
        return None
    return (price + (machine or 0.0)) * stretch.price_factor


def _total(making: Making, ends: tuple[float | None, float | None, float | None], stretch: Stretch) -> Total | None:
    low, mean, high = ends
    if stretch.requests_per_month is None or mean is None or making.usd is None:
        return None
    times = 1 + (stretch.renewals if making.renewal == "again" else 0)
    once = making.usd * times
    requests = stretch.requests_per_month * stretch.months
    return Total(
        usd=once + requests * mean,
        low=once + requests * (mean if low is None else low),
        high=once + requests * (mean if high is None else high),
    )


def gain_of(candidate: str, baseline: str, contest: Contest) -> Gain | None:
    """What a candidate gains over the baseline on common cases; None where they share none."""
    pair = contest.pair(candidate, baseline)
    if pair is None:
        return None
    return Gain(
        mean=pair.difference,
        low=pair.low,
        high=pair.high,
        n=pair.n,
        shown=contest.beats(candidate, baseline),
        shown_worse=contest.beats(baseline, candidate),
    )


def break_even(rung: Rung, baseline: Rung) -> tuple[BreakEven, float | None]:
    """
    At how many requests a candidate costs what the baseline costs: where the lines once + requests x each cross.

    With once and each of both: (once' - once) / (each - each'); what crosses before the first request does not cross.
    Renewals are not in it: they depend on time, not on requests.
    """
    if rung.candidate == baseline.candidate:
        return "baseline", None
    once = rung.making.usd, baseline.making.usd
    each = rung.usd_per_request, baseline.usd_per_request
    if once[0] is None or once[1] is None or each[0] is None or each[1] is None:
        return "unknown", None
    more_once, less_each = once[0] - once[1], each[1] - each[0]
    if more_once <= 0 and less_each >= 0:
        return "cheaper", None
    if more_once >= 0 and less_each <= 0:
        return "dearer", None
    requests = more_once / less_each
    if requests < 1:
        return ("cheaper" if more_once > 0 else "dearer"), None
    return ("from" if more_once > 0 else "until"), requests


def _per_further_right(rung: Rung, gain: Gain | None, baseline: Rung, stretch: Stretch) -> float | None:
    """(total - total of the baseline) / further right answers over the stretch, where there are such."""
    if (
        rung.total is None
        or baseline.total is None
        or gain is None
        or not gain.shown
        or stretch.requests_per_month is None
    ):
        return None
    further = gain.mean * stretch.requests_per_month * stretch.months
    return (rung.total.usd - baseline.total.usd) / further if further > 0 else None


def _axes(rung: Rung) -> tuple[float | None, float | None, float | None]:
    mean = rung.score.mean if rung.score is not None and not rung.blocked else None
    return mean, (rung.total.usd if rung.total else rung.usd_per_request), None


def _in_order(rung: Rung) -> tuple[float, float, float, str]:
    """By total cost, then by the cost of a request, then the better first, then by name; unknown stands last."""
    return (
        math.inf if rung.total is None else rung.total.usd,
        math.inf if rung.usd_per_request is None else rung.usd_per_request,
        math.inf if rung.score is None else -rung.score.mean,
        rung.candidate,
    )


def which_pays(
    rungs: Sequence[Rung],
    contest: Contest,
    *,
    qualifying: Collection[str] | None = None,
    settled: Collection[str] = (),
    tolerance: float | None = None,
) -> tuple[str | None, str | None, Reason]:
    """
    (who pays, who is best, why): the cheapest over the stretch of those that nothing shows to be worse than the best.

    Args:
        rungs: In the order of their cost.
        qualifying: Who meets the constraints; everybody by default.
        settled: Whom a race asked no more. That nothing shows them to be worse means little then, so they must be shown
            to be as good.
        tolerance: Instead of `nothing shows`: the lower end of (candidate - best) is at least -tolerance.
    """
    able = [
        rung
        for rung in rungs
        if rung.score is not None and not rung.blocked and (qualifying is None or rung.candidate in qualifying)
    ]
    if not able:
        return None, None, Reason(template=N_("nobody qualifies, so nothing pays"))
    best = max(able, key=lambda rung: (rung.score.mean if rung.score else 0.0, rung.candidate))

    def as_good(rung: Rung) -> bool:
        if rung is best:
            return True
        if tolerance is None and rung.candidate not in settled:
            return not contest.beats(best.candidate, rung.candidate)
        pair = contest.pair(rung.candidate, best.candidate)
        return pair is not None and pair.low >= -(tolerance or 0.0)

    good = [rung for rung in able if as_good(rung)]
    priced = [rung for rung in good if rung.total is not None]
    chosen = (priced or good)[0]
    mean = best.score.mean if best.score else 0.0
    if not priced:
        template = N_(
            "what {chosen} costs over time is not known: give a volume and the prices that are missing; it is taken "
            "because nothing shows it to be worse than {best} ({score:.3f})"
        )
        return (
            chosen.candidate,
            best.candidate,
            Reason(template=template, values={"chosen": chosen.candidate, "best": best.candidate, "score": mean}),
        )
    assert chosen.total is not None
    values: dict[str, str | int | float] = {"chosen": chosen.candidate, "usd": chosen.total.usd}
    values |= {"score": mean, "best": best.candidate, "count": len(good), "points": 100 * (tolerance or 0.0)}
    template = _who_pays(
        alone=len(able) == 1,
        good=len(good),
        beaten=all(rung is best or contest.beats(best.candidate, rung.candidate) for rung in able),
        tolerant=tolerance is not None,
        all_priced=len(priced) == len(good),
    )
    told = {name: value for name, value in values.items() if "{" + name in template}
    return chosen.candidate, best.candidate, Reason(template=template, values=told)


def _who_pays(*, alone: bool, good: int, beaten: bool, tolerant: bool, all_priced: bool) -> str:
    """The sentence that says no more than what was tested."""
    if alone:
        return N_("{chosen} alone qualifies ({score:.3f}), at {usd:,.2f} USD over the whole time")
    if good == 1 and beaten:
        return N_(
            "{chosen} is shown to be better than everybody else who qualifies ({score:.3f}), at {usd:,.2f} USD over "
            "the whole time"
        )
    if good == 1:
        # Whom a race asked no more, or a tolerance asks proof of, is not shown to be worse, and not to be as good.
        return N_(
            "{chosen} is the best of those who qualify ({score:.3f}), and nothing cheaper is shown to be as good; it "
            "costs {usd:,.2f} USD over the whole time"
        )
    if tolerant:
        return N_(
            "{count} of these are shown to be within {points:.1f} points of the best, {best} ({score:.3f}); of those "
            "whose cost is known {chosen} costs least, {usd:,.2f} USD over the whole time"
        )
    if not all_priced:
        return N_(
            "nothing shows {count} of these to be worse than the best, {best} ({score:.3f}); of those whose cost is "
            "known {chosen} costs least, {usd:,.2f} USD over the whole time"
        )
    return N_(
        "nothing shows {count} of these to be worse than the best, {best} ({score:.3f}); of them {chosen} costs least, "
        "{usd:,.2f} USD over the whole time"
    )
