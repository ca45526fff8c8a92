"""Who stands where in a comparison, and how two candidates differ; shared by every page."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.evaluation.base import PairResult
from touchstone.reporting.base import CandidateResult, Comparison


def ranked(comparison: Comparison) -> tuple[CandidateResult, ...]:
    """The candidates, best mean first, those without an estimate last; equals in the order they were given."""
    return tuple(
        sorted(
            comparison.candidates,
            key=lambda c: (c.estimate is None, -c.estimate.mean if c.estimate else 0.0),
        )
    )


def find(comparison: Comparison, name: str | None) -> CandidateResult | None:
    """The candidate of that name; None when there is none."""
    return next((c for c in comparison.candidates if c.name == name), None)


def difference(pairs: Sequence[PairResult], a: str, b: str) -> PairResult | None:
    """The pair seen as a minus b, whichever way round it was measured; None when it was not."""
    for pair in pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            return pair.model_copy(
                update={"a": a, "b": b, "difference": -pair.difference, "low": -pair.high, "high": -pair.low}
            )
    return None


def is_proven(pair: PairResult, confidence: float) -> bool:
    """Whether the two differ at this confidence after correction for the number of pairs."""
    return pair.adjusted_p <= 1 - confidence


def peers(comparison: Comparison) -> tuple[str, ...]:
    """Everybody who cannot be told apart from the chosen one, without itself."""
    decision = comparison.decision
    return tuple(name for name in decision.indistinguishable if name != decision.chosen)


def runner_up(comparison: Comparison) -> CandidateResult | None:
    """The best other candidate that may be chosen; None when nobody is left."""
    decision = comparison.decision
    out = {rejected.candidate for rejected in decision.rejected} | {decision.chosen}
    return next((c for c in ranked(comparison) if c.estimate and c.name not in out), None)
