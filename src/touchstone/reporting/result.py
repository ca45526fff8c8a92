"""The JSON result: built from trials, pairs and a decision, written as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.reporting.base import (
    Calls,
    CandidateResult,
    Comparison,
    DecisionResult,
    GateResult,
    Note,
    RaceInfo,
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
    )


def build_comparison(
    *,
    task: TaskInfo,
    trials: Iterable[TrialSummary],
    pairs: Iterable[PairResult],
    decision: DecisionResult,
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
    return Comparison(
        task=task,
        candidates=tuple(candidate_result(trial) for trial in trials),
        pairs=tuple(pairs),
        calls=calls or Calls(),
        spent_usd=spent_usd,
        race=race or RaceInfo(),
        decision=decision,
        created=created,
        comparison_id=comparison_id,
        statistics=statistics or StatisticsInfo(),
        gate=gate,
        warnings=tuple(warnings),
        report=report,
    )


def to_json(comparison: Comparison) -> bytes:
    """UTF-8 JSON in the documented order: None is null, floats are not rounded, notes are English sentences."""
    body: dict[str, Any] = comparison.model_dump(mode="json", by_alias=True)
    body["decision"]["caveats"] = [note.text() for note in comparison.decision.caveats]
    for row, rejected in zip(body["decision"]["rejected"], comparison.decision.rejected, strict=True):
        row["reason"] = rejected.reason.text()
    if comparison.gate is not None:
        for row, check in zip(body["gate"]["checks"], comparison.gate.checks, strict=True):
            row["text"] = check.text.text()
    body["warnings"] = [note.text() for note in comparison.warnings]
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def from_json(body: bytes) -> Comparison:
    """A result read back; its notes are English sentences from here on."""
    return Comparison.model_validate(orjson.loads(body))
