"""Which constraints a candidate breaks, each on the conservative end of its interval; unknown is never assumed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from touchstone.decision.base import Constraints, Reason, RejectionKind, Volume
from touchstone.decision.evidence import covered, possible_means
from touchstone.decision.projection import machine_usd, usd_per_month
from touchstone.evaluation.base import Estimate, Finding, TrialSummary
from touchstone.evaluation.bounds import FINE
from touchstone.evaluation.distributions import normal_quantile
from touchstone.evaluation.power import fewest_for_quantile
from touchstone.language import N_

SATISFIES = {"open": frozenset({"open"}), "open_weights": frozenset({"open", "open_weights"})}
"""Licences that meet each demand."""


class Broken(NamedTuple):
    """A constraint that is not met."""

    kind: RejectionKind
    reason: Reason
    cases_needed: int | None = None
    """Cases after which it would be met if the numbers stay as they are; None when more cases do not help."""


def broken(trial: TrialSummary, constraints: Constraints, volume: Volume, confidence: float) -> tuple[Broken, ...]:
    """
    Every constraint the candidate breaks, what takes the meaning from its score first; empty when it qualifies.

    A candidate without a score breaks them all.
    """
    if trial.estimate is None and not trial.outcomes.asked:
        template = N_("none of its {planned} cells was asked")
        return (Broken("unmeasured", Reason(template=template, values={"planned": trial.outcomes.planned})),)
    if trial.estimate is None:
        values = {"planned": trial.outcomes.planned, "errors": trial.outcomes.error + trial.outcomes.in_doubt}
        template = N_("none of its {planned} cells has a score; {errors} ended in an error")
        return (Broken("unmeasured", Reason(template=template, values=values)),)
    return (
        *_blocked(trial.findings),
        *_score(trial, trial.estimate, constraints.min_score, confidence),
        *_cost_per_case(trial, constraints.max_usd_per_case),
        *_cost_per_month(trial, constraints.max_usd_per_month, volume),
        *_latency(trial, constraints.max_p95_latency_s, confidence),
        *_refused(trial.refused, constraints.max_refused_share),
        *_licence(trial.licence, constraints.licence),
        *_hosting(trial.self_hostable, constraints.self_hostable),
    )


def _blocked(findings: Iterable[Finding]) -> Iterator[Broken]:
    for one in findings:
        if one.blocks:
            yield Broken("blocked", Reason(template=one.template, values=one.values))


def unmet_facts(licence: str | None, self_hostable: bool | None, constraints: Constraints) -> tuple[Broken, ...]:
    """The constraints that are broken whatever is measured: what is known of the model, or not known."""
    return (*_licence(licence, constraints.licence), *_hosting(self_hostable, constraints.self_hostable))


def _score(trial: TrialSummary, estimate: Estimate, limit: float | None, confidence: float) -> Iterator[Broken]:
    if limit is None:
        return
    mean, low = estimate.mean, estimate.low
    if mean < limit:
        template = N_("its score {mean:.3f} is below the minimum of {limit:g}")
        yield Broken("constraint", Reason(template=template, values={"mean": mean, "limit": limit}))
        return
    if low < limit:
        needed = _cases_for_score(estimate, limit, confidence)
        values: dict[str, str | int | float] = {"mean": mean, "limit": limit, "low": low, "n": estimate.n}
        if needed is None:
            template = N_(
                "its score {mean:.3f} meets the minimum of {limit:g}, but on {n} cases the lower end {low:.3f} does not"
            )
        else:
            values["needed"] = needed
            template = N_(
                "its score {mean:.3f} meets the minimum of {limit:g}, but on {n} cases the lower end {low:.3f} does "
                "not; about {needed} cases with this score would show it"
            )
        yield Broken("constraint", Reason(template=template, values=values), needed)
        return
    worst = possible_means(trial)[0]
    if worst < limit and covered(trial) < FINE:
        template = N_(
            "only {share:.0%} of its cells have a score; with the missing ones at their worst its score would be "
            "{worst:.3f}, below the minimum of {limit:g}"
        )
        values = {"share": covered(trial), "worst": worst, "limit": limit}
        yield Broken("constraint", Reason(template=template, values=values))


def _cases_for_score(estimate: Estimate, limit: float, confidence: float) -> int | None:
    """Least n at which the lower end reaches the limit if the mean stays; None when the mean is the limit itself."""
    margin = estimate.mean - limit
    if margin <= 0:
        return None
    if estimate.method.startswith("Wilson"):
        # Wilson's interval inverts the score test: the limit is outside once n exceeds z² L (1 - L) / (mean - L)².
        needed = normal_quantile((1 + confidence) / 2) ** 2 * limit * (1 - limit) / margin**2
    else:
        needed = estimate.n * ((estimate.mean - estimate.low) / margin) ** 2
    return max(estimate.n + 1, math.ceil(needed))


def _cost_per_case(trial: TrialSummary, limit: float | None) -> Iterator[Broken]:
    if limit is None:
        return
    cost = trial.cost
    if cost.per_case_usd is None:
        yield Broken("unknown", Reason(template=N_("its cost per case is unknown: a price or the usage is missing")))
    elif cost.per_case_usd > limit:
        template = N_("its cost per case, {usd:.3g} USD, is above the limit of {limit:g} USD")
        yield Broken("constraint", Reason(template=template, values={"usd": cost.per_case_usd, "limit": limit}))
    elif cost.per_case_high_usd is None:
        yield Broken("unknown", Reason(template=N_("its cost per case was measured on too few cases for an upper end")))
    elif cost.per_case_high_usd > limit:
        template = N_(
            "its cost per case, {usd:.3g} USD, meets the limit of {limit:g} USD, but the upper end {high:.3g} USD does "
            "not; about {needed} cases would show it"
        )
        yield _upper_end(template, trial, cost.per_case_usd, cost.per_case_high_usd, limit)


_NO_HOUR = N_(
    "its cost per month is unknown: it runs on your own machine, and nobody says what an hour of that costs; set "
    "`machine_usd_per_hour` under `improve` in the task file"
)
_NO_TIME = N_("its cost per month is unknown: it runs on your own machine, and its time was not measured")


def _cost_per_month(trial: TrialSummary, limit: float | None, volume: Volume) -> Iterator[Broken]:
    if limit is None:
        return
    if trial.cost.per_case_usd is None:
        yield Broken("unknown", Reason(template=N_("its cost per month is unknown: a price or the usage is missing")))
        return
    if (machine := trial.cost.machine) is not None and machine_usd(machine) is None:
        yield Broken("unknown", Reason(template=_NO_HOUR if machine.usd_per_hour is None else _NO_TIME))
        return
    mean, _, high = usd_per_month(trial.cost, volume)
    if mean is None:
        yield Broken("unknown", Reason(template=N_("its cost per month is unknown: no number of requests is given")))
    elif mean > limit:
        template = N_("its cost per month, {usd:.2f} USD, is above the limit of {limit:g} USD")
        yield Broken("constraint", Reason(template=template, values={"usd": mean, "limit": limit}))
    elif high is None:
        yield Broken(
            "unknown", Reason(template=N_("its cost per month was measured on too few cases for an upper end"))
        )
    elif high > limit:
        template = N_(
            "its cost per month, {usd:.2f} USD, meets the limit of {limit:g} USD, but the upper end {high:.2f} USD "
            "does not; about {needed} cases would show it"
        )
        yield _upper_end(template, trial, mean, high, limit)


def _upper_end(template: str, trial: TrialSummary, mean: float, high: float, limit: float) -> Broken:
    """A mean cost within the limit whose interval reaches over it; the interval shrinks with the root of n."""
    n = trial.estimate.n if trial.estimate is not None else 1
    if mean >= limit:
        values: dict[str, str | int | float] = {"usd": mean, "limit": limit}
        return Broken("constraint", Reason(template=N_("its cost, {usd:.3g} USD, is the limit itself"), values=values))
    needed = max(n + 1, math.ceil(n * ((high - mean) / (limit - mean)) ** 2))
    values = {"usd": mean, "limit": limit, "high": high, "needed": needed}
    return Broken("constraint", Reason(template=template, values=values), needed)


def _latency(trial: TrialSummary, limit: float | None, confidence: float) -> Iterator[Broken]:
    if limit is None:
        return
    latency = trial.latency
    if latency.p95 is None:
        yield Broken("unknown", Reason(template=N_("its latency is unknown: nothing was measured")))
    elif latency.p95 > limit:
        template = N_("its 95th percentile of latency, {p95:.2f} s, is above the limit of {limit:g} s")
        yield Broken("constraint", Reason(template=template, values={"p95": latency.p95, "limit": limit}))
    elif latency.p95_high is None and latency.n >= (needed := fewest_for_quantile(0.95, confidence)):
        template = N_(
            "its 95th percentile of latency, {p95:.2f} s, meets the limit of {limit:g} s, but the {n} measured cells "
            "show no upper end: they are of too few cases or groups, or too few for an interval that holds after a race"
        )
        values: dict[str, str | int | float] = {"p95": latency.p95, "limit": limit, "n": latency.n}
        yield Broken("constraint", Reason(template=template, values=values))
    elif latency.p95_high is None:
        template = N_(
            "its 95th percentile of latency, {p95:.2f} s, meets the limit of {limit:g} s, but {n} measured cells are "
            "too few for an upper end; it takes {needed}"
        )
        values = {"p95": latency.p95, "limit": limit, "n": latency.n, "needed": needed}
        yield Broken("constraint", Reason(template=template, values=values), needed)
    elif latency.p95_high > limit:
        template = N_(
            "its 95th percentile of latency, {p95:.2f} s, meets the limit of {limit:g} s, but the upper end "
            "{high:.2f} s of {n} measured cells does not"
        )
        values = {"p95": latency.p95, "limit": limit, "high": latency.p95_high, "n": latency.n}
        yield Broken("constraint", Reason(template=template, values=values))


def _refused(refused: Estimate | None, limit: float | None) -> Iterator[Broken]:
    if limit is None:
        return
    if refused is None:
        yield Broken("unknown", Reason(template=N_("the share of the cases that it declines is unknown")))
        return
    share, high, n = refused.mean, refused.high, refused.n
    values: dict[str, str | int | float] = {"share": share, "limit": limit, "high": high, "n": n}
    if share > limit:
        template = N_("it declines {share:.1%} of the cases, more than {limit:.1%}")
        yield Broken("constraint", Reason(template=template, values=values))
    elif high > limit:
        template = N_(
            "it declines {share:.1%} of the cases, which meets the limit of {limit:.1%}, but on {n} cases the upper "
            "end {high:.1%} does not"
        )
        yield Broken("constraint", Reason(template=template, values=values))


def _licence(licence: str | None, wanted: str | None) -> Iterator[Broken]:
    if wanted is None:
        return
    if licence is None:
        template = N_("its licence is unknown, and {wanted} is asked for")
        yield Broken("unknown", Reason(template=template, values={"wanted": wanted}))
    elif licence not in SATISFIES[wanted]:
        template = N_("its licence is {licence}, and {wanted} is asked for")
        yield Broken("constraint", Reason(template=template, values={"licence": licence, "wanted": wanted}))


def _hosting(self_hostable: bool | None, wanted: bool | None) -> Iterator[Broken]:
    if not wanted:
        return
    if self_hostable is None:
        yield Broken("unknown", Reason(template=N_("whether it can run on your own machines is unknown")))
    elif not self_hostable:
        yield Broken("constraint", Reason(template=N_("it cannot run on your own machines")))
