"""Amounts that grow over months: a line each, with a step where something is paid at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from touchstone.reporting.line_parts import BOTTOM, LINES, end_numbers, height_of, levels, line_picture
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale

_LEFT, _WIDTH = 10.0, 84.0
"""Percent of the picture: amounts stand on their levels at its left, the numbers of the lines at its right."""
_MOST_POINTS = 240
"""Of a line; of more, every other one or fewer are drawn."""

Growing = tuple[str, Sequence[tuple[float, float]]]
"""A name, and (month, amount) with months that do not fall."""


def months_chart(
    lines: Sequence[Growing], *, write: Callable[[float], str], title: str, caption: str
) -> Picture | None:
    """
    The lines in one picture; None where there is none, or no time passes.

    Args:
        lines: At most `LINES`, so that no two look alike.
        write: How an amount is written on the axis.
        title: Of the picture, which is its text alternative too.
        caption: What it shows.
    """
    drawn = [(name, _thinned(points)) for name, points in lines if len(points) > 1]
    months = max((points[-1][0] for _name, points in drawn), default=0.0)
    if not months:
        return None
    scale = linear_scale([amount for _name, points in drawn for _month, amount in points], zero=True)
    inside = levels(scale, write, _LEFT + _WIDTH)
    inside += "".join(
        f'<text class="axis" x="{_LEFT + _WIDTH * share:.2f}%" y="{BOTTOM + 24:.1f}" text-anchor="{anchor}">'
        f"{months * share:.4g}</text>"
        for share, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end"))
    )
    inside += "".join(_line(points, months, scale, number) for number, (_name, points) in enumerate(drawn))
    inside += end_numbers([height_of(points[-1][1], scale) for _name, points in drawn], _LEFT + _WIDTH + 1.5)
    return Picture(title, caption, line_picture([name for name, _points in drawn], inside, title))


def _line(points: Sequence[tuple[float, float]], months: float, scale: Scale, number: int) -> str:
    places = [(_LEFT + _WIDTH * month / months, height_of(amount, scale)) for month, amount in points]
    parts = "".join(
        f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>' for (x1, y1), (x2, y2) in pairwise(places)
    )
    return f'<g class="line n{number % LINES}">{parts}</g>'


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if len(points) <= _MOST_POINTS:
        return points
    step = -(-len(points) // _MOST_POINTS)
    return [*points[:-1:step], points[-1]]
