"""Values that hold from a day on, as steps: how prices changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale
from touchstone.reporting.text import cut

HEIGHT = 300
_TOP, _BOTTOM = 24.0, 262.0
_LEFT, _WIDTH = 7.0, 74.0
"""Percent of the picture: the scale stands at its left, the names at its right."""
_LABEL_HEIGHT = 15.0


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
        steps: Few enough to be told apart by their names at the right.
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
    inside = "".join(_level(value, scale, write) for value in scale.ticks)
    inside += _days(first, last)
    for number, (step, top) in enumerate(zip(drawn, _label_tops(drawn, scale), strict=True)):
        inside += _line(step, first, last, scale, number)
        inside += (
            f'<text class="label" x="{_LEFT + _WIDTH + 1:.2f}%" y="{top:.1f}" dominant-baseline="central">'
            f"{escape(cut(step.name, 34))}</text>"
        )
    drawing = f'<svg class="steps" role="img" height="{HEIGHT}" aria-label="{escape(title)}">{inside}</svg>'
    return Picture(title, caption, Markup(drawing))  # noqa: S704 - built here from numbers and escaped text


def _x(day: date, first: date, last: date) -> float:
    return _LEFT + _WIDTH * (day - first).days / max((last - first).days, 1)


def _y(value: float, scale: Scale) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * scale.position(value) / 100


def _level(value: float, scale: Scale, write: Callable[[float], str]) -> str:
    y = _y(value, scale)
    return (
        f'<line class="grid" x1="{_LEFT}%" x2="{_LEFT + _WIDTH}%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="0%" y="{y:.1f}" dominant-baseline="central">{escape(write(value))}</text>'
    )


def _days(first: date, last: date) -> str:
    ends = ((first, "start"), (last, "end"))
    return "".join(
        f'<text class="axis" x="{_x(day, first, last):.2f}%" y="{_BOTTOM + 24:.1f}" text-anchor="{anchor}">{day}</text>'
        for day, anchor in ends
    )


def _line(step: Step, first: date, last: date, scale: Scale, number: int) -> str:
    parts = []
    for index, (day, value) in enumerate(step.points):
        following = step.points[index + 1] if index + 1 < len(step.points) else (last, value)
        x1, x2, y = _x(day, first, last), _x(following[0], first, last), _y(value, scale)
        parts.append(f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        if index + 1 < len(step.points):
            parts.append(f'<line x1="{x2:.2f}%" x2="{x2:.2f}%" y1="{y:.1f}" y2="{_y(following[1], scale):.1f}"/>')
    return f'<g class="line n{number % 6}">{"".join(parts)}</g>'


def _label_tops(steps: Sequence[Step], scale: Scale) -> list[float]:
    """Where the names stand: at the end of their lines, pushed apart where they would meet."""
    wanted = sorted((_y(step.points[-1][1], scale), place) for place, step in enumerate(steps))
    tops = [0.0] * len(steps)
    lowest = -_LABEL_HEIGHT
    for y, place in wanted:
        lowest = max(y, lowest + _LABEL_HEIGHT)
        tops[place] = lowest
    return tops
