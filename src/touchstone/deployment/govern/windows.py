"""
Windows of a budget: which one a moment lies in, and when it ends. Pure, in UTC, where no hour is skipped or repeated.

Windows are counted, so that they can be put in order: a budget only ever goes on to a window with a higher number. A
clock that jumps back therefore reopens nothing, and whoever spent a budget does not get it twice.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from touchstone.deployment.base import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_S, _DAY_S = 3_600, 86_400
_MONDAY_DAYS = 3
"""The first of January 1970 was a Thursday: three days after a Monday."""
_LAST_MONTH = 12 * 9_999 - 1
"""December 9998: the calendar knows no further year."""


def window_at(kind: Window, at_s: float) -> int:
    """
    The number of the window that a moment lies in.

    Args:
        kind: How long windows are.
        at_s: Seconds since 1970, UTC. A window holds its first moment and not its end.
    """
    if kind == "ever":
        return 0
    if kind == "hour":
        return math.floor(at_s / _HOUR_S)
    days = math.floor(at_s / _DAY_S)
    if kind == "day":
        return days
    if kind == "week":
        return (days + _MONDAY_DAYS) // 7
    day = _EPOCH + timedelta(days=days)
    return 12 * day.year + day.month - 1


def starts_s(kind: Window, number: int) -> float:
    """When a window begins, seconds since 1970; minus infinity for `ever`."""
    if kind == "ever":
        return -math.inf
    if kind == "hour":
        return float(number * _HOUR_S)
    if kind == "day":
        return float(number * _DAY_S)
    if kind == "week":
        return float((7 * number - _MONDAY_DAYS) * _DAY_S)
    number = min(max(number, 12), _LAST_MONTH + 1)
    return (datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()


def ends_s(kind: Window, number: int) -> float:
    """When a window ends and the next begins, seconds since 1970; infinity for `ever`."""
    return math.inf if kind == "ever" else starts_s(kind, number + 1)


def retry_after_s(kind: Window, number: int, at_s: float) -> int | None:
    """
    Whole seconds, at least 1, until a window is over; None where it never is.

    Args:
        kind: How long windows are.
        number: The window that is used up; ahead of the moment where the clock went back.
        at_s: The moment, seconds since 1970.
    """
    end_s = ends_s(kind, number)
    return None if math.isinf(end_s) else max(1, math.ceil(end_s - at_s))
