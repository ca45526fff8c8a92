"""Thresholds for CI: a minimum score, or not being worse than a baseline, each on the conservative end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchstone.decision.base import GateOutcome, Reason
from touchstone.decision.evidence import Contest, covered, possible_means
from touchstone.errors import UnknownName
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.bounds import FINE, WITHHELD
from touchstone.language import N_


def check_gate(
    trials: Sequence[TrialSummary],
    pairs: Sequence[PairResult],
    *,
    candidate: str | None,
    baseline: str | None = None,
    margin: float = 0.0,
    min_score: float | None = None,
) -> tuple[GateOutcome, ...]:
    """
    What was asked of the candidate, each threshold with its result.

    A gate that cannot be judged is not passed: nobody chosen, no score, too many missing cells, no common cells.

    Args:
        trials: One per candidate.
        pairs: Their differences.
        candidate: Who is held to the gate; None when the decision chose nobody.
        baseline: Than whom the candidate must not be worse by more than `margin`.
        margin: Non-inferiority margin on the score, from 0 to 1: the lower end of (candidate - baseline) is at least
            -margin.
        min_score: Minimum of the lower end of the score's interval.

    Raises:
        UnknownName: candidate or baseline is not among the trials.
    """
    by_name = {trial.name: trial for trial in trials}
    for name in (candidate, baseline):
        if name is not None and name not in by_name:
            raise UnknownName(kind="candidate", name=name, known=by_name)
    trial = by_name[candidate] if candidate is not None else None
    found = []
    if min_score is not None:
        found.append(_minimum(trial, min_score))
    if baseline is not None:
        found.append(_non_inferior(trial, by_name[baseline], margin, Contest(pairs, 0.95)))
    return tuple(found)


def _minimum(trial: TrialSummary | None, minimum: float) -> GateOutcome:
    reason = _cannot_be_judged(trial)
    if reason is not None or trial is None or trial.estimate is None:
        return _failed("min_score", trial, reason or _NOBODY, minimum)
    low = trial.estimate.low if covered(trial) >= FINE else min(trial.estimate.low, possible_means(trial)[0])
    passed = low >= minimum
    template = (
        N_("{name} scores at least {low:.3f}; {minimum:g} was asked for")
        if passed
        else N_("{name} is only shown to score {low:.3f}; {minimum:g} was asked for")
    )
    return GateOutcome(
        name="min_score",
        passed=passed,
        reason=Reason(template=template, values={"name": trial.name, "low": low, "minimum": minimum}),
        candidate=trial.name,
        measured=low,
        required=minimum,
    )


def _non_inferior(trial: TrialSummary | None, baseline: TrialSummary, margin: float, contest: Contest) -> GateOutcome:
    reason = _cannot_be_judged(trial) or _cannot_be_judged(baseline)
    if reason is not None or trial is None:
        return _failed("non_inferior", trial, reason or _NOBODY, -margin)
    if trial.name == baseline.name:
        low = 0.0
    else:
        pair = contest.pair(trial.name, baseline.name)
        if pair is None:
            template = N_("{name} and {baseline} have no case in common")
            values: dict[str, str | int | float] = {"name": trial.name, "baseline": baseline.name}
            return _failed("non_inferior", trial, Reason(template=template, values=values), -margin)
        low = pair.low
        if min(covered(trial), covered(baseline)) < FINE:
            low = min(low, possible_means(trial)[0] - possible_means(baseline)[1])
    passed = low >= -margin
    template = (
        N_("{name} is at most {worse:.1f} points worse than {baseline}; {margin:g} points were allowed")
        if passed
        else N_("{name} may be {worse:.1f} points worse than {baseline}; {margin:g} points were allowed")
    )
    values = {"name": trial.name, "worse": max(0.0, -100 * low), "baseline": baseline.name, "margin": 100 * margin}
    return GateOutcome(
        name="non_inferior",
        passed=passed,
        reason=Reason(template=template, values=values),
        candidate=trial.name,
        measured=low,
        required=-margin,
    )


_NOBODY = Reason(template=N_("nobody was chosen, so nobody meets the gate"))


def _cannot_be_judged(trial: TrialSummary | None) -> Reason | None:
    if trial is None:
        return _NOBODY
    if (found := next((one for one in trial.findings if one.blocks), None)) is not None:
        return Reason(template=found.template, values=found.values)
    if trial.estimate is None:
        return Reason(template=N_("{name} has no score"), values={"name": trial.name})
    if covered(trial) < WITHHELD:
        template = N_("{name} has a score in only {share:.0%} of its cells")
        return Reason(template=template, values={"name": trial.name, "share": covered(trial)})
    return None


def _failed(name: Any, trial: TrialSummary | None, reason: Reason, required: float) -> GateOutcome:
    return GateOutcome(
        name=name, passed=False, reason=reason, candidate=trial.name if trial else None, required=required
    )
