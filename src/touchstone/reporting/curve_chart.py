"""Score against a number of examples: lines through measured points, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from touchstone.decision.learning_curve import LearningCurve
from touchstone.reporting.line_parts import BOTTOM, LINES, end_numbers, height_of, levels, line_picture
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale

_LEFT, _WIDTH = 12.0, 81.0
"""Percent of the picture: values stand on their levels at its left, the numbers of the lines at its right."""


def curve_chart(
    curves: Sequence[LearningCurve], *, write: Callable[[float], str], title: str, caption: str
) -> Picture | None:
    """
    The curves in one picture; None where there is none.

    Numbers of examples stand at even distances: they are chosen in ratios, and 0 has no place on a logarithmic axis.

    Args:
        curves: The first `LINES` are drawn, so that no two look alike.
        write: How a score is written on the axis.
        title: Of the picture, which is its text alternative too.
        caption: What it shows.
    """
    if not curves:
        return None
    drawn = curves[:LINES]
    places = sorted({point.examples for curve in drawn for point in curve.points})
    ends = [end for curve in drawn for point in curve.points for end in (point.score.low, point.score.high)]
    scale = linear_scale(ends, ceiling=1.0)
    inside = levels(scale, write, _LEFT + _WIDTH)
    inside += "".join(
        f'<text class="axis" x="{_across(place, places):.2f}%" y="{BOTTOM + 24:.1f}" text-anchor="middle">'
        f"{place:,}</text>"
        for place in places
    )
    inside += "".join(
        # Beside each other, so that intervals of one number of examples do not cover each other.
        _line(curve, places, scale, number, aside=0.8 * (number - (len(drawn) - 1) / 2))
        for number, curve in enumerate(drawn)
    )
    ends_at = [height_of(curve.points[-1].score.mean, scale) for curve in drawn]
    inside += end_numbers(ends_at, _LEFT + _WIDTH + 2)
    return Picture(title, caption, line_picture([curve.name for curve in drawn], inside, title))


def _across(examples: int, places: Sequence[int]) -> float:
    return _LEFT + _WIDTH * places.index(examples) / max(len(places) - 1, 1)


def _line(curve: LearningCurve, places: Sequence[int], scale: Scale, number: int, aside: float) -> str:
    across = [_across(point.examples, places) + aside for point in curve.points]
    parts = []
    for point, x in zip(curve.points, across, strict=True):
        low, high = height_of(point.score.low, scale), height_of(point.score.high, scale)
        parts.append(f'<line class="spread" x1="{x:.2f}%" x2="{x:.2f}%" y1="{low:.1f}" y2="{high:.1f}"/>')
    means = [height_of(point.score.mean, scale) for point in curve.points]
    for (x1, y1), (x2, y2) in pairwise(zip(across, means, strict=True)):
        parts.append(f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>')
    return f'<g class="line n{number % LINES}">{"".join(parts)}</g>'
