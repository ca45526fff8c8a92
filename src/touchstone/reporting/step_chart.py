"""Values that hold from a day on, as steps: how prices changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from touchstone.reporting.line_parts import BOTTOM, LINES, end_numbers, height_of, levels, line_picture
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale

_LEFT, _WIDTH = 9.0, 86.0
"""Percent of the picture: values stand on their levels at its left, the numbers of the lines at its right."""


@dataclass(frozen=True)
class Step:
    """One line: from each day on, the value."""

    name: str
    points: Sequence[tuple[date, float]]
    """Days ascending, values not negative."""


def step_chart(
    steps: Sequence[Step], *, until: date, write: Callable[[float], str], title: str, caption: str
) -> Picture | None:
    """
    The lines, each to the day `until`; None when there is no line with a change.

    Args:
        steps: At most `LINES`, so that no two look alike.
        until: Where the lines end.
        write: How a value is written on the axis.
        title: Of the picture.
        caption: What it shows, and in which unit.
    """
    drawn = [step for step in steps if len(step.points) > 1]
    if not drawn:
        return None
    first = min(step.points[0][0] for step in drawn)
    last = max(until, *(step.points[-1][0] for step in drawn))
    scale = linear_scale([value for step in drawn for _day, value in step.points], zero=True)
    inside = levels(scale, write, _LEFT + _WIDTH)
    inside += _days(first, last)
    inside += "".join(_line(step, first, last, scale, number) for number, step in enumerate(drawn))
    inside += end_numbers([height_of(step.points[-1][1], scale) for step in drawn], _LEFT + _WIDTH + 1)
    return Picture(title, caption, line_picture([step.name for step in drawn], inside, title))


def _x(day: date, first: date, last: date) -> float:
    return _LEFT + _WIDTH * (day - first).days / max((last - first).days, 1)


def _days(first: date, last: date) -> str:
    ends = ((first, "start"), (last, "end"))
    return "".join(
        f'<text class="axis" x="{_x(day, first, last):.2f}%" y="{BOTTOM + 24:.1f}" text-anchor="{anchor}">{day}</text>'
        for day, anchor in ends
    )


def _line(step: Step, first: date, last: date, scale: Scale, number: int) -> str:
    parts = []
    for index, (day, value) in enumerate(step.points):
        following = step.points[index + 1] if index + 1 < len(step.points) else (last, value)
        x1, x2, y = _x(day, first, last), _x(following[0], first, last), height_of(value, scale)
        parts.append(f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        if index + 1 < len(step.points):
            parts.append(
                f'<line x1="{x2:.2f}%" x2="{x2:.2f}%" y1="{y:.1f}" y2="{height_of(following[1], scale):.1f}"/>'
            )
    return f'<g class="line n{number % LINES}">{"".join(parts)}</g>'
