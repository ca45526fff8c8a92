"""Whether more data would pay: score against the number of examples that a candidate shows or learned from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from touchstone.decision.base import Reason
from touchstone.decision.evidence import Contest
from touchstone.evaluation.base import Estimate, PairResult
from touchstone.language import N_
from touchstone.noun import Noun

Trend = Literal["rising", "flat", "falling", "open"]
"""
Over its last step the score rose, did not rise by as much as matters, or fell, each shown by the paired interval of the
difference; or these cases cannot tell.
"""


class CurvePoint(Noun):
    """One measured candidate of a curve."""

    examples: int
    candidate: str
    score: Estimate


class LearningCurve(Noun):
    """What one way makes of more and more examples."""

    name: str
    """Which model and way."""
    kind: Literal["shown", "learned"]
    """Examples stand in the prompt, or were learned from."""
    points: tuple[CurvePoint, ...]
    """By rising number of examples; at least two."""
    trend: Trend
    said: Reason


def make_curve(
    name: str,
    kind: Literal["shown", "learned"],
    points: Sequence[CurvePoint],
    pairs: Sequence[PairResult],
    *,
    matters: float,
    settled: Collection[str] = (),
    confidence: float = 0.95,
) -> LearningCurve:
    """
    A curve and what it says.

    The last step is judged by the paired difference between its two ends, so no shape is assumed beyond what was
    measured: a power law (Hestness et al. 2017, arXiv:1712.00409) fits such curves well, but three or four points with
    intervals as wide as these do not fix its exponent.

    Args:
        points: In any order; two of one number of examples are refused.
        matters: A rise smaller than this does not matter, as a score from 0 to 1.
        settled: Whom a race asked no more; what their cases cannot tell, more calls might.

    Raises:
        ValueError: there are fewer than two points, or two of one number.
    """
    ordered = tuple(sorted(points, key=lambda point: point.examples))
    if len(ordered) < 2:
        raise ValueError("a curve needs two points")
    if len({point.examples for point in ordered}) < len(ordered):
        raise ValueError("a curve has one point for each number of examples")
    before, last = ordered[-2], ordered[-1]
    pair = Contest(pairs, confidence).pair(last.candidate, before.candidate)
    values: dict[str, str | int | float] = {"few": before.examples, "many": last.examples}
    if pair is None:
        return LearningCurve(
            name=name,
            kind=kind,
            points=ordered,
            trend="open",
            said=Reason(
                template=N_("the candidates with {few:,} and {many:,} examples share no case, so nothing is said"),
                values=values,
            ),
        )
    trend: Trend = (
        "falling" if pair.high < 0 else "flat" if pair.high < matters else "rising" if pair.low > 0 else "open"
    )
    values |= {"points": 100 * pair.difference, "low": 100 * pair.low, "high": 100 * pair.high}
    template = _SAID[kind, trend]
    if trend == "open" and not {last.candidate, before.candidate}.isdisjoint(settled):
        template = _STOPPED
    return LearningCurve(
        name=name, kind=kind, points=ordered, trend=trend, said=Reason(template=template, values=values)
    )


_STOPPED = N_(
    "from {few:,} to {many:,} examples the difference is {points:.1f} points ({low:.1f} to {high:.1f}): the race asked "
    "them no more before that could be told; --full asks on"
)


_SAID: Mapping[tuple[str, Trend], str] = {
    ("learned", "rising"): N_(
        "from {few:,} to {many:,} examples it gained {points:.1f} points ({low:.1f} to {high:.1f}): it is still "
        "rising, so more labelled data would pay"
    ),
    ("learned", "flat"): N_(
        "from {few:,} to {many:,} examples it gained {points:.1f} points ({low:.1f} to {high:.1f}), less than matters: "
        "more data of this kind would not pay"
    ),
    ("learned", "falling"): N_(
        "from {few:,} to {many:,} examples it lost {points:.1f} points ({low:.1f} to {high:.1f}): look at the data "
        "before collecting more"
    ),
    ("learned", "open"): N_(
        "from {few:,} to {many:,} examples the difference is {points:.1f} points ({low:.1f} to {high:.1f}): these test "
        "cases cannot tell whether more data would pay"
    ),
    ("shown", "rising"): N_(
        "from {few:,} to {many:,} shown examples it gained {points:.1f} points ({low:.1f} to {high:.1f}): it is still "
        "rising, so show more of them"
    ),
    ("shown", "flat"): N_(
        "from {few:,} to {many:,} shown examples it gained {points:.1f} points ({low:.1f} to {high:.1f}), less than "
        "matters: showing more would not pay"
    ),
    ("shown", "falling"): N_(
        "from {few:,} to {many:,} shown examples it lost {points:.1f} points ({low:.1f} to {high:.1f}): show fewer"
    ),
    ("shown", "open"): N_(
        "from {few:,} to {many:,} shown examples the difference is {points:.1f} points ({low:.1f} to {high:.1f}): "
        "these test cases cannot tell whether more would pay"
    ),
}
