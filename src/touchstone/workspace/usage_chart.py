"""USD a day as a picture that stands alone: an SVG file without scripts, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from markupsafe import escape

from touchstone.deployment.govern.usage_report import UsageRow
from touchstone.language import _
from touchstone.reporting.line_parts import BOTTOM, HEIGHT, LINES, end_numbers, height_of, levels
from touchstone.reporting.numbers import money
from touchstone.reporting.scales import Scale, linear_scale
from touchstone.reporting.text import cut, visible

_LEFT, _WIDTH = 10.0, 83.0
"""Percent of the picture: values stand on their levels at its left, the numbers of the lines at its right."""
_PIXELS, _HEAD, _LINE = 960, 56, 20
_STYLE = """
svg { background: #fcfbf8; color: #1c1b19; font: 13px system-ui, sans-serif; }
text { fill: currentColor; } .head { font-size: 17px; font-weight: 600; } .axis { fill: #66625a; font-size: 12px; }
.grid { stroke: #e2ded4; } .line line { stroke: #5c5850; stroke-width: 2; } .line circle { fill: #5c5850; }
.n0 line { stroke: #c27803; } .n0 circle { fill: #c27803; } .n1 line { stroke-dasharray: 6 3; }
.n2 line { stroke: #a1301f; stroke-dasharray: 2 3; } .n3 line { stroke: #8f8a80; }
.n4 line { stroke: #c27803; stroke-dasharray: 6 3; } .n5 line { stroke: #1c1b19; stroke-dasharray: 2 3; }
@media (prefers-color-scheme: dark) {
  svg { background: #151412; color: #ece8df; } .axis { fill: #a49e92; } .grid { stroke: #36322c; }
  .line line { stroke: #b8b1a4; } .n0 line, .n4 line { stroke: #e5a02c; } .n2 line { stroke: #f08a76; }
  .n5 line { stroke: #ece8df; }
}
"""


def usage_chart(rows: Sequence[UsageRow], part: str | None) -> str:
    """
    The costs of each day as lines, one for each value of `part`; the costliest `LINES`, numbered.

    Args:
        rows: By `day`, and by `part` where it is given.
        part: What the lines are; None draws one for everything.
    """
    sums: dict[str, dict[date, float]] = {}
    for row in rows:
        name = _("all requests") if part is None else row.parts[part]
        day = date.fromisoformat(row.parts["day"])
        found = sums.setdefault(name, {})
        found[day] = found.get(day, 0.0) + row.usd
    names = sorted(sums, key=lambda name: -sum(sums[name].values()))[:LINES]
    days = [day for found in sums.values() for day in found]
    first, last = (min(days), max(days)) if days else (date.min, date.min)
    scale = linear_scale([usd for name in names for usd in sums[name].values()], zero=True)
    inside = levels(scale, money, _LEFT + _WIDTH) + _ends(first, last, shown=bool(days))
    lines = [_values(sums[name], first, last) for name in names]
    for number, values in enumerate(lines):
        inside += _line(values, scale, number)
    inside += end_numbers([height_of(values[-1], scale) for values in lines], _LEFT + _WIDTH + 1)
    legend = "".join(
        f'<text x="16" y="{_HEAD + HEIGHT + _LINE * (number + 1)}">'
        f"{f'{number + 1}  ' if len(names) > 1 else ''}{escape(visible(cut(name, 60)))}: "
        f"{escape(money(sum(sums[name].values())))}</text>"
        for number, name in enumerate(names)
    )
    title = escape(_("USD a day"))
    tall = _HEAD + HEIGHT + _LINE * (len(names) + 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_PIXELS}" height="{tall}" '
        f'aria-label="{title}"><title>{title}</title><style>{_STYLE}</style>'
        f'<text class="head" x="16" y="32">{title}</text>'
        f'<svg x="16" y="{_HEAD}" width="{_PIXELS - 32}" height="{HEIGHT}">{inside}</svg>{legend}</svg>\n'
    )


def _values(found: dict[date, float], first: date, last: date) -> list[float]:
    """Of every day from the first to the last; a day without a request cost nothing."""
    return [found.get(date.fromordinal(day), 0.0) for day in range(first.toordinal(), last.toordinal() + 1)]


def _ends(first: date, last: date, *, shown: bool) -> str:
    if not shown:
        return ""
    places: list[tuple[float, str, date]] = [(_LEFT, "start", first)]
    if last > first:
        places.append((_LEFT + _WIDTH, "end", last))
    return "".join(
        f'<text class="axis" x="{x:.2f}%" y="{BOTTOM + 24:.1f}" text-anchor="{anchor}">{day}</text>'
        for x, anchor, day in places
    )


def _line(values: Sequence[float], scale: Scale, number: int) -> str:
    apart = _WIDTH / max(len(values) - 1, 1)
    points = [(_LEFT + apart * index, height_of(value, scale)) for index, value in enumerate(values)]
    parts = "".join(
        f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>' for (x1, y1), (x2, y2) in pairwise(points)
    )
    if len(points) <= 40:
        parts += "".join(f'<circle cx="{x:.2f}%" cy="{y:.1f}" r="3"/>' for x, y in points)
    return f'<g class="line n{number % LINES}">{parts}</g>'
