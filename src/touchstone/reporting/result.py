"""The JSON result: built from trials, pairs and a decision, written as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel

from touchstone.decision.base import Decision, Reason
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.ranks import rank_intervals
from touchstone.reporting.base import (
    Calls,
    CandidateFinding,
    CandidateResult,
    Comparison,
    DecisionResult,
    GateResult,
    Note,
    PassedOverCandidate,
    RaceInfo,
    RejectedCandidate,
    StatisticsInfo,
    TaskInfo,
)


def candidate_result(trial: TrialSummary) -> CandidateResult:
    """A trial as the result shows it."""
    return CandidateResult(
        name=trial.name,
        model=trial.model,
        strategy=trial.strategy,
        state=trial.state,
        estimate=trial.estimate,
        outcomes=trial.outcomes,
        usage=trial.usage,
        cost=trial.cost,
        latency_s=trial.latency,
        answered_only=trial.answered_only,
        bounds=trial.bounds,
        scorers=trial.scorers,
        coverage=trial.outcomes.coverage,
        licence=trial.licence,
        self_hostable=trial.self_hostable,
        recipe_fingerprint=trial.recipe_fingerprint,
        repeats=trial.repeats,
        build=trial.build,
        findings=tuple(
            CandidateFinding(kind=one.kind, text=Note(template=one.template, values=one.values), blocks=one.blocks)
            for one in trial.findings
        ),
        retrieval=trial.retrieval,
    )


def decision_result(decision: Decision) -> DecisionResult:
    """A decision as the result shows it."""
    return DecisionResult(
        verdict=decision.verdict,
        chosen=decision.chosen,
        indistinguishable=decision.indistinguishable,
        rejected=tuple(
            RejectedCandidate(
                candidate=r.candidate, reason=note(r.reason), kind=r.kind, further=tuple(note(f) for f in r.further)
            )
            for r in decision.rejected
        ),
        front=decision.front,
        caveats=tuple(note(caveat) for caveat in decision.caveats),
        changes=decision.changes,
        cases_needed=decision.cases_needed,
        leader=decision.leader,
        why=note(decision.why),
        qualifying=decision.qualifying,
        within=decision.within,
        passed_over=tuple(
            PassedOverCandidate(candidate=p.candidate, reason=note(p.reason), kind=p.kind) for p in decision.passed_over
        ),
        projections=decision.projections,
        expires=decision.expires.isoformat() if decision.expires else None,
    )


def note(reason: Reason) -> Note:
    """A reason of the decision as a note of the report."""
    return Note(template=reason.template, values=reason.values)


def build_comparison(
    *,
    task: TaskInfo,
    trials: Iterable[TrialSummary],
    pairs: Iterable[PairResult],
    decision: Decision | DecisionResult,
    created: str,
    comparison_id: str,
    calls: Calls | None = None,
    spent_usd: float | None = None,
    race: RaceInfo | None = None,
    statistics: StatisticsInfo | None = None,
    gate: GateResult | None = None,
    warnings: Iterable[Note] = (),
    report: str | None = None,
) -> Comparison:
    """
    The result of one comparison, candidates in the order of the trials.

    `created` is the date of the run in ISO 8601 (time comes in as an argument); `spent_usd` is all that was paid,
    judges included, and None when a price was unknown.
    """
    trials, pairs, statistics = tuple(trials), tuple(pairs), statistics or StatisticsInfo()
    measured = [trial.name for trial in trials if trial.estimate is not None]
    ranks = rank_intervals(measured, pairs, 1 - statistics.confidence)
    return Comparison(
        task=task,
        candidates=tuple(
            candidate_result(trial).model_copy(update={"rank": ranks.get(trial.name)}) for trial in trials
        ),
        pairs=pairs,
        calls=calls or Calls(),
        spent_usd=spent_usd,
        race=race or RaceInfo(),
        decision=decision_result(decision) if isinstance(decision, Decision) else decision,
        created=created,
        comparison_id=comparison_id,
        statistics=statistics,
        gate=gate,
        warnings=tuple(warnings),
        report=report,
    )


def to_json(comparison: Comparison) -> bytes:
    """UTF-8 JSON in the documented order: None is null, floats are not rounded, notes are English sentences."""
    body = _spoken(comparison)
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def _spoken(value: Any) -> Any:
    """Plain JSON values with every note as its English sentence."""
    if isinstance(value, Note):
        return value.text()
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {field.alias or name: _spoken(getattr(value, name)) for name, field in fields.items()}
    if isinstance(value, Mapping):
        return {key: _spoken(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_spoken(item) for item in value]
    return value


def from_json(body: bytes) -> Comparison:
    """A result read back; its notes are English sentences from here on."""
    return Comparison.model_validate(orjson.loads(body))
