"""
What each day cost, or took, as lines: in a page, or as a picture that stands alone, an SVG file without scripts, light
and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Literal, NamedTuple

from markupsafe import escape

from touchstone.deployment.govern.usage_report import UsageRow
from touchstone.language import N_, _, ngettext
from touchstone.reporting.line_parts import BOTTOM, HEIGHT, LINES, end_numbers, height_of, levels, line_picture
from touchstone.reporting.numbers import money, money_tick
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import Scale, linear_scale
from touchstone.reporting.text import cut, visible

_LEFT, _WIDTH = 10.0, 83.0
"""Percent of the picture: values stand on their levels at its left, the numbers of the lines at its right."""
_PIXELS, _HEAD, _LINE = 960, 56, 20
_STYLE = """
svg { background: #fcfbf8; color: #1c1b19; font: 13px system-ui, sans-serif; }
text { fill: currentColor; } .head { font-size: 17px; font-weight: 600; } .axis { fill: #66625a; font-size: 12px; }
.number { font-weight: 600; } .grid { stroke: #e2ded4; } .line { color: #5c5850; }
.line line { stroke: currentColor; stroke-width: 2; } .line circle { fill: currentColor; }
.n0, .n4 { color: #c27803; } .n2 { color: #a1301f; } .n3 { color: #8f8a80; } .n5 { color: #1c1b19; }
.n1 line, .n4 line { stroke-dasharray: 6 3; } .n2 line, .n5 line { stroke-dasharray: 2 3; }
@media (prefers-color-scheme: dark) {
  svg { background: #151412; color: #ece8df; } .axis { fill: #a49e92; } .grid { stroke: #36322c; }
  .line { color: #b8b1a4; } .n0, .n4 { color: #e5a02c; } .n2 { color: #f08a76; } .n5 { color: #ece8df; }
}
"""


class _Drawn(NamedTuple):
    """Lines that fit into one picture, the largest first."""

    names: tuple[str, ...]
    sums: tuple[float, ...]
    inside: str
    """The picture without its frame."""


Measure = Literal["usd", "requests", "tokens"]
"""What the height of a line says."""

MEASURES: Mapping[Measure, str] = {
    "usd": N_("USD a day"),
    "requests": N_("Requests a day"),
    "tokens": N_("Tokens a day, in and out"),
}
"""What a picture of each is called."""


def usage_chart(rows: Sequence[UsageRow], parts: Sequence[str] = ()) -> str:
    """
    The costs of each day as lines, one for each combination of `parts` that occurs; the costliest `LINES`, numbered.

    Args:
        rows: By `day`, and by every one of `parts`.
        parts: What the lines are; none draws one for everything.
    """
    drawn = _draw(rows, parts, "usd", None)
    top = _HEAD + HEIGHT + _LINE
    legend = "".join(
        _named(number, f"{cut(name, 60)}: {money(total)}", top + _LINE * number, alone=len(drawn.names) == 1)
        for number, (name, total) in enumerate(zip(drawn.names, drawn.sums, strict=True))
    )
    end = top + _LINE * len(drawn.names)
    caption = _left_out(rows, parts, drawn)
    if caption:
        legend += f'<text class="axis" x="16" y="{end}">{escape(caption)}</text>'
        end += _LINE
    title = escape(_("USD a day"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_PIXELS}" height="{end}" '
        f'viewBox="0 0 {_PIXELS} {end}" aria-label="{title}"><title>{title}</title><style>{_STYLE}</style>'
        f'<text class="head" x="16" y="32">{title}</text>'
        f'<svg x="16" y="{_HEAD}" width="{_PIXELS - 32}" height="{HEIGHT}">{drawn.inside}</svg>{legend}</svg>\n'
    )


def _named(number: int, text: str, y: float, *, alone: bool) -> str:
    """What a line stands for: a piece of it, its number where there are several, and words."""
    return (
        f'<g class="swatch line n{number % LINES}"><line x1="16" x2="40" y1="{y - 4}" y2="{y - 4}"/></g>'
        + ("" if alone else f'<text class="number" x="50" y="{y}">{number + 1}</text>')
        + f'<text x="{50 if alone else 66}" y="{y}">{escape(visible(text))}</text>'
    )


def _left_out(rows: Sequence[UsageRow], parts: Sequence[str], drawn: _Drawn) -> str:
    """How many lines there was no room for; empty where all are drawn."""
    count = len({_line_of(row, parts) for row in rows}) - len(drawn.names)
    if count <= 0:
        return ""
    return ngettext(
        "The largest are drawn; {count} more is in the table.",
        "The largest are drawn; {count} more are in the table.",
        count,
    ).format(count=count)


def usage_picture(
    rows: Sequence[UsageRow], part: str | None, measure: Measure = "usd", days: tuple[date, date] | None = None
) -> Picture | None:
    """
    The same as a part of a page; None where there is nothing to draw.

    Args:
        rows: By `day`, and by `part` where it is given.
        part: What the lines are; None draws one for everything.
        measure: What their height says.
        days: The first and the last that are drawn; those of the rows by default.
    """
    if not rows:
        return None
    parts = () if part is None else (part,)
    drawn = _draw(rows, parts, measure, days)
    title = _(MEASURES[measure])
    names = [f"{cut(name, 60)}: {_WRITE[measure](total)}" for name, total in zip(drawn.names, drawn.sums, strict=True)]
    return Picture(title, _left_out(rows, parts, drawn), line_picture(names, drawn.inside, title))


_VALUE: Mapping[Measure, Callable[[UsageRow], float]] = {
    "usd": lambda row: row.usd,
    "requests": lambda row: float(row.requests),
    "tokens": lambda row: float(row.input_tokens + row.output_tokens),
}
_WRITE: Mapping[Measure, Callable[[float], str]] = {
    "usd": money,
    "requests": lambda value: f"{value:,.0f}" if value == round(value) else f"{value:,.1f}",
    "tokens": lambda value: f"{value:,.0f}",
}
_TICK: Mapping[Measure, Callable[[float], str]] = {**_WRITE, "usd": money_tick}


def _line_of(row: UsageRow, parts: Sequence[str]) -> tuple[str, ...]:
    """Which line a row belongs to."""
    return tuple(row.parts[part] for part in parts)


def _draw(rows: Sequence[UsageRow], parts: Sequence[str], measure: Measure, days: tuple[date, date] | None) -> _Drawn:
    sums: dict[tuple[str, ...], dict[date, float]] = {}
    for row in rows:
        day = date.fromisoformat(row.parts["day"])
        found = sums.setdefault(_line_of(row, parts), {})
        found[day] = found.get(day, 0.0) + _VALUE[measure](row)
    drawn = sorted(sums, key=lambda line: -sum(sums[line].values()))[:LINES]
    all_days = [day for found in sums.values() for day in found]
    first, last = days or ((min(all_days), max(all_days)) if all_days else (date.min, date.min))
    scale = linear_scale([value for line in drawn for value in sums[line].values()], zero=True)
    inside = levels(scale, _TICK[measure], _LEFT + _WIDTH) + _ends(first, last, shown=bool(all_days))
    lines = [_values(sums[line], first, last) for line in drawn]
    for number, values in enumerate(lines):
        inside += _line(values, scale, number)
    inside += end_numbers([height_of(values[-1], scale) for values in lines], _LEFT + _WIDTH + 1)
    names = tuple(" · ".join(line) or _("all requests") for line in drawn)
    return _Drawn(names, tuple(sum(sums[line].values()) for line in drawn), inside)


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
