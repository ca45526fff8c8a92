"""Windows of a budget: every moment lies in one, numbers go up with time, ends are those of the UTC calendar."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.base import Window
from touchstone.deployment.govern.windows import ends_s, retry_after_s, starts_s, window_at

KINDS = get_args(Window)
moments = st.floats(min_value=0, max_value=4e9)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@given(st.sampled_from(KINDS), moments)
def test_a_moment_lies_in_its_window(kind: Window, at_s: float) -> None:
    """A window holds its first moment and not its end."""
    number = window_at(kind, at_s)

    assert starts_s(kind, number) <= at_s < ends_s(kind, number)


@given(st.sampled_from(KINDS), moments, moments)
def test_later_moments_have_no_lower_number(kind: Window, one: float, other: float) -> None:
    """Numbers of windows are in the order of time, so that the highest one is the newest."""
    first, second = sorted((one, other))

    assert window_at(kind, first) <= window_at(kind, second)


@given(st.sampled_from([kind for kind in KINDS if kind != "ever"]), moments)
def test_windows_join(kind: Window, at_s: float) -> None:
    """The end of one is the first moment of the next, whose number is one higher."""
    number = window_at(kind, at_s)

    assert window_at(kind, ends_s(kind, number)) == number + 1
    assert window_at(kind, math.nextafter(ends_s(kind, number), 0)) == number


@pytest.mark.parametrize(
    ("kind", "moment", "start", "end"),
    [
        ("hour", "2026-11-27T23:59:59", "2026-11-27T23:00", "2026-11-28T00:00"),
        ("day", "2026-11-27T23:59:59", "2026-11-27T00:00", "2026-11-28T00:00"),
        ("week", "2026-11-27T12:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("week", "2026-11-30T00:00", "2026-11-30T00:00", "2026-12-07T00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "2028-02-29T01:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("day", "2026-03-29T01:30", "2026-03-29T00:00", "2026-03-30T00:00"),
    ],
)
def test_ends_are_those_of_the_calendar(kind: Window, moment: str, start: str, end: str) -> None:
    """Weeks begin on Monday, months on the first; the nights on which Europe changes its clocks are like others."""
    number = window_at(kind, at(moment))

    assert (starts_s(kind, number), ends_s(kind, number)) == (at(start), at(end))


def test_when_to_come_back() -> None:
    """Whole seconds to the end of the window, at least one; never where a window does not end."""
    day = window_at("day", at("2026-11-27T23:59:59"))

    assert retry_after_s("day", day, at("2026-11-27T23:59:59")) == 1
    assert retry_after_s("day", day, at("2026-11-27T12:00")) == 12 * 3600
    assert retry_after_s("day", day, at("2026-11-28T09:00")) == 1
    assert retry_after_s("ever", 0, at("2026-11-27T12:00")) is None


def test_a_clock_that_went_back_waits_for_the_window_that_is_open() -> None:
    """The window that is used up is tomorrow's, so it takes until its end, not until tonight."""
    tomorrow = window_at("day", at("2026-11-28T12:00"))

    assert retry_after_s("day", tomorrow, at("2026-11-27T12:00")) == 36 * 3600
