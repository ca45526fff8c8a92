"""
The ladder: every way of improving in one order, with what it brings and what it costs over time.

Pure. The scores and their differences are those of the comparison; what is added here is time: what making a candidate
cost once, what asking it costs at the user's volume, and what a change of the facts asks for.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from touchstone.decision.base import Reason
from touchstone.decision.evidence import Contest
from touchstone.decision.ladder_base import FEWEST_COMMON, Gain, Ladder, Making, Rung, Stretch
from touchstone.decision.ladder_costs import bare_rung, break_even, level_in_all
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
    qualifying: Collection[str] | None = None,
    blocked: Mapping[str, tuple[Reason, ...]] | None = None,
    tolerance: float | None = None,
    withheld: Reason | None = None,
    confidence: float = 0.95,
) -> Ladder:
    """
    Put measured candidates on a ladder.

    Args:
        trials: One per candidate; `baseline` is among them. Hours of an own machine are in the costs as in a month's
            (`usd_per_request`).
        pairs: Their differences, as the comparison has them.
        baseline: Name of the candidate that everybody is held against: the model as it is.
        makings: What each took to make; who is missing took nothing.
        stretch: For how long and how much.
        qualifying: Who meets the constraints; everybody by default.
        blocked: Candidate to why its gain must not be claimed; such a one never pays.
        tolerance: How much worse than the best the one that pays may be; None: not shown to be worse at all.
        withheld: Why nobody may be ranked, as where the cases are too few; nobody pays then.
        confidence: Of the pairs.

    Raises:
        ValueError: the baseline is no candidate.
    """
    by_name = {trial.name: trial for trial in trials}
    if baseline not in by_name:
        raise ValueError(f"the baseline {baseline!r} is no candidate")
    contest = Contest(pairs, confidence)
    stops = blocked or {}
    first = bare_rung(by_name[baseline], makings, stretch)
    rungs = []
    for trial in trials:
        rung = bare_rung(trial, makings, stretch)
        kind, requests = break_even(rung, first, stretch)
        pair = contest.pair(trial.name, baseline)
        gain = gain_of(trial.name, baseline, contest)
        rungs.append(
            rung.model_copy(
                update={
                    "gain": gain,
                    "common_cases": None if trial.name == baseline else 0 if pair is None else pair.n,
                    "break_even": kind,
                    "break_even_requests": requests,
                    "usd_per_further_right": None
                    if trial.name in stops
                    else _per_further_right(rung, pair, gain, first, stretch),
                    "blocked": stops.get(trial.name, ()),
                }
            )
        )
    front = set(pareto_front({rung.candidate: _axes(rung) for rung in rungs}))
    rungs = [rung.model_copy(update={"on_front": rung.candidate in front}) for rung in rungs]
    rungs.sort(key=_in_order)
    settled = {trial.name for trial in trials if trial.state == "eliminated"}
    found = which_pays(rungs, contest, stretch, qualifying=qualifying, settled=settled, tolerance=tolerance)
    if withheld is not None and found.pays is not None:
        found = Paying(None, found.best, (), withheld)
    return Ladder(
        baseline=baseline,
        rungs=tuple(rungs),
        stretch=stretch,
        pays=found.pays,
        level=found.level,
        best=found.best,
        why=found.why,
    )


class Paying(NamedTuple):
    """Who pays, and why."""

    pays: str | None
    best: str | None
    level: tuple[str, ...]
    """Who is as good and costs about the same."""
    why: Reason


def gain_of(candidate: str, baseline: str, contest: Contest) -> Gain | None:
    """
    What a candidate gains over the baseline on common cases; None where they share fewer than `FEWEST_COMMON`.

    It is shown where test and interval agree: the one is adjusted for all pairs and the other is not, and after a race
    they come from different accounts, so that either may be the stricter one.
    """
    pair = contest.pair(candidate, baseline)
    if pair is None or pair.n < FEWEST_COMMON:
        return None
    return Gain(
        mean=pair.difference + 0.0,  # seen from the other side, no difference has a sign
        low=pair.low,
        high=pair.high,
        n=pair.n,
        shown=pair.low > 0 and contest.beats(candidate, baseline),
        shown_worse=pair.high < 0 and contest.beats(baseline, candidate),
    )


def _per_further_right(
    rung: Rung, pair: PairResult | None, gain: Gain | None, baseline: Rung, stretch: Stretch
) -> float | None:
    """(total - total of the baseline) / further right answers over the stretch, where there are such for money."""
    if (
        rung.total is None
        or baseline.total is None
        or gain is None
        or not gain.shown
        or pair is None
        or pair.discordance is None  # of graded scores a gain is no number of right answers
        or stretch.requests_per_month is None
        or rung.total.usd < baseline.total.usd
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
    stretch: Stretch,
    *,
    qualifying: Collection[str] | None = None,
    settled: Collection[str] = (),
    tolerance: float | None = None,
) -> Paying:
    """
    The cheapest over the stretch of those that nothing shows to be worse than the best.

    Args:
        rungs: In the order of their cost.
        stretch: Over which they were priced.
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
        return Paying(None, None, (), Reason(template=N_("nobody qualifies, so nothing pays")))
    best = max(able, key=lambda rung: (rung.score.mean if rung.score else 0.0, rung.candidate))

    def as_good(rung: Rung) -> bool:
        if rung is best:
            return True
        pair = contest.pair(rung.candidate, best.candidate)
        if pair is None:
            return False  # two that were not compared show nothing of each other
        if tolerance is None and rung.candidate not in settled:
            return not contest.beats(best.candidate, rung.candidate)
        return pair.low >= -(tolerance or 0.0)

    good = [rung for rung in able if as_good(rung)]
    priced = [rung for rung in good if rung.total is not None]
    chosen = (priced or good)[0]
    mean = best.score.mean if best.score else 0.0
    values: dict[str, str | int | float] = {"chosen": chosen.candidate, "best": best.candidate, "score": mean}
    if chosen.total is None:
        template = N_(
            "what {chosen} costs over time is not known: give a volume and the prices that are missing; it is taken "
            "because nothing shows it to be worse than {best} ({score:.3f})"
        )
        if chosen is best:
            template = N_(
                "what {chosen} costs over time is not known: give a volume and the prices that are missing; it is "
                "taken because nobody has a higher score ({score:.3f})"
            )
            values.pop("best")
        elif tolerance is not None:
            template = N_(
                "what {chosen} costs over time is not known: give a volume and the prices that are missing; it is "
                "taken because it is shown to be within {points:.1f} points of {best} ({score:.3f})"
            )
            values["points"] = 100 * tolerance
        return Paying(chosen.candidate, best.candidate, (), Reason(template=template, values=values))
    level = tuple(rung.candidate for rung in priced if rung is not chosen and level_in_all(rung, chosen, stretch))
    values |= {"usd": chosen.total.usd, "count": len(good), "level": len(level), "points": 100 * (tolerance or 0.0)}
    template = _who_pays(
        alone=len(able) == 1,
        good=len(good),
        beaten=all(rung is best or contest.beats(best.candidate, rung.candidate) for rung in able),
        tolerant=tolerance is not None,
        all_priced=len(priced) == len(good),
        level=bool(level),
    )
    told = {name: value for name, value in values.items() if "{" + name in template}
    return Paying(chosen.candidate, best.candidate, level, Reason(template=template, values=told))


def _who_pays(*, alone: bool, good: int, beaten: bool, tolerant: bool, all_priced: bool, level: bool) -> str:
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
    if tolerant and level:
        return N_(
            "{count} of these are shown to be within {points:.1f} points of the best, {best} ({score:.3f}); {chosen} "
            "costs {usd:,.2f} USD over the whole time, and {level} more of them about the same: the difference may be "
            "noise of the clock"
        )
    if tolerant:
        return N_(
            "{count} of these are shown to be within {points:.1f} points of the best, {best} ({score:.3f}); of those "
            "whose cost is known {chosen} costs least, {usd:,.2f} USD over the whole time"
        )
    if level:
        return N_(
            "nothing shows {count} of these to be worse than the best, {best} ({score:.3f}); {chosen} costs {usd:,.2f} "
            "USD over the whole time, and {level} more of them about the same: the difference may be noise of the clock"
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
