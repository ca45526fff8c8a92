"""
Charts as inline SVG without a view box: x in percent, y in pixels.

So they stretch with the page while text, dots and lines keep their size, on a phone as on paper. Colours are classes
and come from the page's variables. A strip is one row's picture; the numbers stand beside it as text, so strips are
hidden from screen readers. No coordinate is ever NaN: what is unknown is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup, escape

from touchstone.reporting.numbers import known
from touchstone.reporting.scales import Scale


def interval_strip(
    scale: Scale,
    mean: float | None,
    low: float | None,
    high: float | None,
    *,
    baseline: float | None = None,
    marked: bool = False,
) -> Markup:
    """A mean as a dot on its interval, or an arrow when it is below the axis; `baseline` is a dashed line."""
    inside = _grid(scale)
    if known(baseline):
        inside += _vertical(scale, baseline, "reference")
    if known(low) and known(high) and high > scale.low:
        inside += _horizontal(scale, low, high, "whisker")
    if known(mean):
        if mean < scale.low:
            inside += '<text class="beyond" x="0%" y="50%" dominant-baseline="central">◂</text>'
        else:
            inside += f'<circle class="dot" cx="{_x(scale, mean)}" cy="50%" r="{6 if marked else 5}"/>'
    return drawn(inside, "strip marked" if marked else "strip")


def range_strip(
    scale: Scale, low: float | None, high: float | None, tick: float | None = None, *, marked: bool = False
) -> Markup:
    """A bar from `low` (its solid end) to `high`, and a short upright line at `tick`: p50, p95, first token."""
    inside = _grid(scale)
    if known(low) and known(high):
        inside += _horizontal(scale, low, high, "bar")
    if known(low):
        inside += f'<circle class="dot" cx="{_x(scale, low)}" cy="50%" r="5"/>'
    if known(tick):
        inside += f'<line class="tick" x1="{_x(scale, tick)}" x2="{_x(scale, tick)}" y1="25%" y2="75%"/>'
    return drawn(inside, "strip marked" if marked else "strip")


def stack_strip(parts: Iterable[tuple[str, float]], total: float) -> Markup:
    """
    Shares of a whole side by side.

    Args:
        parts: (class name of the kind, how many), left to right; what is not positive is left out.
        total: What fills the strip.
    """
    inside, start = "", 0.0
    for kind, size in parts:
        if not (known(size) and size > 0 and total > 0):
            continue
        width = min(100 * size / total, 100 - start)
        inside += f'<rect class="kind {kind}" x="{start:.3f}%" y="6" width="{width:.3f}%" height="16"/>'
        start += width
    return drawn(inside, "strip stack")


def spark(scale: Scale, mean: float | None, low: float | None, high: float | None) -> Markup:
    """A small interval for a table cell; the bare rail when the mean is below the axis."""
    inside = '<line class="rail" x1="0%" x2="100%" y1="50%" y2="50%"/>'
    if known(low) and known(high) and high > scale.low:
        inside += _horizontal(scale, low, high, "whisker")
    if known(mean) and mean >= scale.low:
        inside += f'<circle class="dot" cx="{_x(scale, mean)}" cy="50%" r="3.5"/>'
    return drawn(inside, "spark")


def axis(scale: Scale, write: Callable[[float], str]) -> Markup:
    """The ticks of a scale, written out under or above its strips."""
    inside = ""
    for value, position in _apart(scale):
        anchor = "start" if position < 4 else "end" if position > 96 else "middle"
        inside += f'<text x="{position:.2f}%" y="15" text-anchor="{anchor}">{escape(write(value))}</text>'
    return drawn(inside, "axis")


def key(kind: str) -> Markup:
    """A swatch of one outcome kind for a legend."""
    return drawn(f'<rect class="kind {escape(kind)}" width="14" height="14" rx="2"/>', "swatch")


def patterns(kinds: Sequence[str]) -> Markup:
    """Hatches that tell outcome kinds apart without colour; put once into a page, used as `url(#hatch-KIND)`."""
    shapes = (
        '<path d="M0 8 8 0M-2 2 2-2M6 10 10 6"/>',
        '<path d="M0 0 8 8M-2 6 2 10M6-2 10 2"/>',
        '<path d="M0 2H8M0 6H8"/>',
        '<path d="M2 0V8M6 0V8"/>',
        '<circle cx="2" cy="2" r="1.1"/><circle cx="6" cy="6" r="1.1"/>',
        '<path d="M0 0 8 8M8 0 0 8"/>',
        '<path d="M4 0V8M0 4H8"/>',
    )
    inside = "".join(
        f'<pattern id="hatch-{kind}" class="hatch {kind}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8"/>{shapes[index % len(shapes)]}</pattern>'
        for index, kind in enumerate(kinds)
    )
    return drawn(f"<defs>{inside}</defs>", "defs")


def hatch(kind: str) -> Markup:
    """A hatch of one kind that only some pages have; put once into its section, used as `url(#hatch-KIND)`."""
    return drawn(
        f'<defs><pattern id="hatch-{kind}" class="hatch {kind}" width="7" height="7" patternUnits="userSpaceOnUse">'
        f'<rect width="7" height="7"/><path d="M0 7 7 0M-2 2 2-2M5 9 9 5"/></pattern></defs>',
        "defs",
    )


def _apart(scale: Scale) -> list[tuple[float, float]]:
    """Ticks that stand at least 9 percent apart, so that their labels do not touch on a phone."""
    kept: list[tuple[float, float]] = []
    for value in scale.ticks:
        position = scale.position(value)
        if not kept or position - kept[-1][1] >= 9:
            kept.append((value, position))
    return kept


def _grid(scale: Scale) -> str:
    return "".join(_vertical(scale, value, "grid") for value, _position in _apart(scale))


def _vertical(scale: Scale, value: float, name: str) -> str:
    x = _x(scale, value)
    return f'<line class="{name}" x1="{x}" x2="{x}" y1="0" y2="100%"/>'


def _horizontal(scale: Scale, low: float, high: float, name: str) -> str:
    return f'<line class="{name}" x1="{_x(scale, low)}" x2="{_x(scale, high)}" y1="50%" y2="50%"/>'


def _x(scale: Scale, value: float) -> str:
    return f"{scale.position(value):.2f}%"


def drawn(inside: str, names: str) -> Markup:
    """
    A picture that is no page content of its own; what it shows stands beside it as text.

    Args:
        inside: Its SVG, made of numbers and escaped text alone.
        names: Its classes.
    """
    picture = f'<svg class="{names}" aria-hidden="true" focusable="false">{inside}</svg>'
    return Markup(picture)  # noqa: S704 - made here of numbers and escaped text
