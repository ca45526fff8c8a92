"""Where a value stands on an axis, in percent of its length, so that charts stretch with the page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_ZERO_SLOT = 8.0
"""Percent of a logarithmic axis kept apart at its start for values of exactly zero."""


@dataclass(frozen=True)
class Scale:
    """
    An axis from `low` to `high`, both finite and different; of a logarithmic one, both positive.

    Attributes:
        ticks: Values to be written along the axis, ascending.
        logarithmic: Equal ratios, not equal differences, are equally far apart.
        zero: A logarithmic axis with a place of its own for zero.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False
    zero: bool = False

    def position(self, value: float) -> float:
        """Percent of the axis, from 0 to 100, whatever the value; outside the axis its nearer end."""
        if math.isnan(value):
            return 0.0
        if not self.logarithmic:
            return _within(100 * ((min(max(value, self.low), self.high) - self.low) / (self.high - self.low)))
        if value <= 0:
            return 0.0
        start = _ZERO_SLOT if self.zero else 0.0
        value = min(max(value, self.low), self.high)
        share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return _within(start + (100 - start) * share)


def linear_scale(values: Iterable[float | None], *, zero: bool = False, ceiling: float | None = None) -> Scale:
    """
    An axis with round ticks that holds all finite `values`.

    Args:
        values: What will be drawn; None and NaN are left out.
        zero: Whether the axis starts at zero.
        ceiling: The largest value that exists at all (1 for a share); the axis never goes further.
    """
    found = [v for v in values if v is not None and math.isfinite(v) and abs(v) < 1e100]
    if zero or not found:
        found.append(0.0)
    low, high = min(found), max(found)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        room = abs(high) * 0.1 or 1.0
        low, high = (low if zero else low - room), high + room
    step = _round_step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    bottom, top = first * step, last * step
    if ceiling is not None and top > ceiling >= high:
        top = ceiling
    ticks = tuple(k * step for k in range(first, last + 1) if k * step <= top * (1 + 1e-9) + 1e-12)
    return Scale(bottom, top, ticks)


def focused(lows: Iterable[float], highs: Iterable[float]) -> list[float]:
    """
    Values for the axis of scores: one far-off candidate must not press the others together.

    Args:
        lows: Lower ends of the intervals.
        highs: Their upper ends, at least one.

    Returns:
        What the axis should hold: all ends, less those of intervals that lie further below the best upper end than
        four times the distance of the median lower end from it.
    """
    lows, highs = sorted(lows), list(highs)
    top = max(highs)
    spread = max(top - lows[len(lows) // 2], 0.05)
    return [low for low in lows if low >= top - 4 * spread] + [top]


def log_scale(values: Iterable[float | None]) -> Scale:
    """A logarithmic axis with ticks at 1, 2 and 5, at 1 and 3, or at powers of ten, the longer the fewer."""
    kept = [v for v in values if v is not None and math.isfinite(v)]
    found = [min(max(v, 1e-100), 1e100) for v in kept if v > 0]
    if not found:
        return linear_scale(kept, zero=True)
    low, high = min(found), max(found)
    steps = (1.0, 2.0, 5.0) if high / low < 15 else (1.0, 3.0) if high / low < 300 else (1.0,)
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    marks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    bottom = max(mark for mark in marks if mark <= low * (1 + 1e-9))
    top = min(mark for mark in marks if mark >= high * (1 - 1e-9) and mark > bottom)
    ticks = [mark for mark in marks if bottom <= mark <= top]
    while len(ticks) > 8:
        ticks = ticks[::2]
    has_zero = any(v == 0 for v in kept)
    return Scale(bottom, top, ((0.0,) if has_zero else ()) + tuple(ticks), logarithmic=True, zero=has_zero)


def cost_scale(values: Iterable[float | None]) -> Scale:
    """Logarithmic when the costs span more than a factor of ten, else from zero on."""
    kept = [v for v in values if v is not None and math.isfinite(v) and v >= 0]
    positive = [v for v in kept if v > 0]
    if positive and max(positive) / min(positive) > 10:
        return log_scale(kept)
    return linear_scale(kept, zero=True)


def _within(percent: float) -> float:
    return min(max(percent, 0.0), 100.0)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= rough * (1 - 1e-9))
