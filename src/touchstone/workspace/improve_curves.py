"""Which candidates of a comparison lie on one learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from touchstone.decision.learning_curve import CurvePoint, LearningCurve, make_curve
from touchstone.reporting.base import CandidateResult, Comparison
from touchstone.strategies.base import CandidateSpec
from touchstone.strategies.few_shot import FewShot
from touchstone.workspace.taskfile import TaskFile


class _Axis(NamedTuple):
    """A swept parameter that is a number of examples."""

    key: str
    kind: Literal["shown", "learned"]


_AXES = (_Axis("k", "shown"), _Axis("train_cases", "learned"))


def curves_of(specs: Sequence[CandidateSpec], comparison: Comparison, file: TaskFile) -> list[LearningCurve]:
    """A curve for every sweep over a number of examples; what shows examples begins at the same without them."""
    results = {result.name: result for result in comparison.candidates}
    groups: dict[tuple[str, _Axis, str], list[CurvePoint]] = {}
    plain: dict[tuple[str, _Axis, str], CandidateResult | None] = {}
    for spec in specs:
        for axis in _AXES:
            count, result = spec.swept.get(axis.key), results.get(spec.name)
            if not isinstance(count, int) or result is None or result.estimate is None:
                continue
            # The number of examples is what the points of one curve differ by; all else that is swept names the curve.
            before, _ending, others = spec.name.rpartition(f", {axis.key}={count}")
            name = before + others
            key = (name, axis, spec.model)
            points = groups.setdefault(key, [])
            points.append(CurvePoint(examples=count, candidate=spec.name, score=result.estimate))
            plain.setdefault(key, _without_examples(spec, specs, results) if axis.kind == "shown" else None)
    found = []
    for (name, axis, model), points in groups.items():
        start = plain[name, axis, model]
        if start is not None and start.estimate is not None and all(point.examples for point in points):
            points.append(CurvePoint(examples=0, candidate=start.name, score=start.estimate))
        if len(points) > 1:
            found.append(
                make_curve(
                    name,
                    axis.kind,
                    points,
                    comparison.pairs,
                    matters=max(file.race.epsilon, 0.01),
                    settled=[result.name for result in comparison.candidates if result.state == "eliminated"],
                    confidence=file.race.confidence,
                )
            )
    return found


def _without_examples(
    spec: CandidateSpec, specs: Sequence[CandidateSpec], results: Mapping[str, CandidateResult]
) -> CandidateResult | None:
    """The candidate that differs from a few-shot one by its examples alone; None where there is none."""
    strategy = "+".join(part for part in spec.strategy.split("+") if part != FewShot.name) or "prompt"
    rest = {key: value for key, value in spec.parameters.items() if key not in FewShot.parameters}
    for one in specs:
        if one.strategy == strategy and one.model == spec.model and dict(one.parameters) == rest:
            return results.get(one.name)
    return None
