"""What charts of lines share: levels of values, numbers at the ends of lines, and a legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from touchstone.reporting.scales import Scale
from touchstone.reporting.text import shown

HEIGHT = 300
TOP, BOTTOM = 24.0, 262.0
LABEL_HEIGHT = 15.0
LINES = 6
"""So many kinds of lines the style tells apart."""


def height_of(value: float, scale: Scale) -> float:
    """Where a value stands, in pixels from the top."""
    return BOTTOM - (BOTTOM - TOP) * scale.position(value) / 100


def levels(scale: Scale, write: Callable[[float], str], right: float) -> str:
    """A line for each tick of the values, from the left edge to `right` percent, with its value on it."""
    return "".join(
        f'<line class="grid" x1="0%" x2="{right}%" y1="{(y := height_of(value, scale)):.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="0%" y="{y - 5:.1f}">{escape(write(value))}</text>'
        for value in scale.ticks
    )


def end_numbers(wanted: Sequence[float], at: float) -> str:
    """The numbers of the lines beside their ends, at `at` percent; none where there is one line."""
    if len(wanted) < 2:
        return ""
    return "".join(
        f'<text class="label number" x="{at:.2f}%" y="{top:.1f}" dominant-baseline="central">{number}</text>'
        for number, top in enumerate(apart(wanted), start=1)
    )


def apart(wanted: Sequence[float]) -> list[float]:
    """Heights close to the wanted ones at which no two numbers meet, all in the picture."""
    tops = [0.0] * len(wanted)
    lowest = -math.inf
    for rank, (y, place) in enumerate(sorted((y, place) for place, y in enumerate(wanted))):
        # Those still to come need room below.
        lowest = max(min(y, HEIGHT - LABEL_HEIGHT * (len(wanted) - rank)), lowest + LABEL_HEIGHT)
        tops[place] = lowest
    return tops


def line_picture(names: Sequence[str], inside: str, title: str) -> Markup:
    """The drawing with its legend; `title` is its text alternative."""
    legend = "".join(
        f'<li><svg class="steps swatch" aria-hidden="true"><g class="line n{number % LINES}">'
        f'<line x1="0" x2="14" y1="7" y2="7"/></g></svg>'
        f"{f'<b>{number + 1}</b> ' if len(names) > 1 else ''}{shown(name)}</li>"
        for number, name in enumerate(names)
    )
    return Markup(  # noqa: S704 - built here from numbers and escaped text
        f'<svg class="steps" role="img" height="{HEIGHT}" aria-label="{escape(title)}">{inside}</svg>'
        f'<ul class="legend">{legend}</ul>'
    )
