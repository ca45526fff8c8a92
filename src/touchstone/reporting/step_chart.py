"""Values that hold from a day on, as steps: how prices changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale
from touchstone.reporting.text import shown

HEIGHT = 300
_TOP, _BOTTOM = 24.0, 262.0
_LEFT, _WIDTH = 9.0, 86.0
"""Percent of the picture: values stand on their levels at its left, the numbers of the lines at its right."""
LABEL_HEIGHT = 15.0
LINES = 6
"""So many kinds of lines the style tells apart."""


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
    inside = "".join(_level(value, scale, write) for value in scale.ticks)
    inside += _days(first, last)
    for number, (step, top) in enumerate(zip(drawn, _label_tops(drawn, scale), strict=True)):
        inside += _line(step, first, last, scale, number)
        if len(drawn) > 1:
            inside += (
                f'<text class="label number" x="{_LEFT + _WIDTH + 1:.2f}%" y="{top:.1f}" '
                f'dominant-baseline="central">{number + 1}</text>'
            )
    legend = "".join(
        f'<li><svg class="steps swatch" aria-hidden="true">{_swatch(number)}</svg>'
        f"{f'<b>{number + 1}</b> ' if len(drawn) > 1 else ''}{shown(step.name)}</li>"
        for number, step in enumerate(drawn)
    )
    drawing = (
        f'<svg class="steps" role="img" height="{HEIGHT}" aria-label="{escape(title)}">{inside}</svg>'
        f'<ul class="legend">{legend}</ul>'
    )
    return Picture(title, caption, Markup(drawing))  # noqa: S704 - built here from numbers and escaped text


def _swatch(number: int) -> str:
    return f'<g class="line n{number % LINES}"><line x1="0" x2="14" y1="7" y2="7"/></g>'


def _x(day: date, first: date, last: date) -> float:
    return _LEFT + _WIDTH * (day - first).days / max((last - first).days, 1)


def _y(value: float, scale: Scale) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * scale.position(value) / 100


def _level(value: float, scale: Scale, write: Callable[[float], str]) -> str:
    y = _y(value, scale)
    return (
        f'<line class="grid" x1="0%" x2="{_LEFT + _WIDTH}%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="0%" y="{y - 5:.1f}">{escape(write(value))}</text>'
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
    return f'<g class="line n{number % LINES}">{"".join(parts)}</g>'


def _label_tops(steps: Sequence[Step], scale: Scale) -> list[float]:
    """Where the numbers stand: at the end of their lines, pushed apart where they would meet, all in the picture."""
    wanted = sorted((_y(step.points[-1][1], scale), place) for place, step in enumerate(steps))
    tops = [0.0] * len(steps)
    lowest = -LABEL_HEIGHT
    for rank, (y, place) in enumerate(wanted):
        # Those still to come need room below.
        lowest = max(min(y, HEIGHT - LABEL_HEIGHT * (len(wanted) - rank)), lowest + LABEL_HEIGHT)
        tops[place] = lowest
    return tops
