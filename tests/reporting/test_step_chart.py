"""Prices over time as steps: every coordinate is a number within the picture, and numbers of lines do not meet."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting.line_parts import HEIGHT, LABEL_HEIGHT, LINES
from touchstone.reporting.step_chart import Step, step_chart

from .conftest import HOSTILE

DAYS = st.dates(min_value=date(2023, 1, 1), max_value=date(2027, 1, 1))
VALUES = st.floats(min_value=0, max_value=1e6, allow_subnormal=False)
POINTS = st.lists(st.tuples(DAYS, VALUES), min_size=2, max_size=6, unique_by=lambda one: one[0]).map(sorted)
STEPS = st.lists(st.builds(Step, st.text(max_size=60), POINTS), min_size=1, max_size=LINES)


def chart(steps: list[Step], until: date = date(2026, 8, 1)) -> str:
    found = step_chart(steps, until=until, write=lambda value: f"${value:g}", title="Prices", caption="USD")
    return "" if found is None else str(found.drawn)


def numbers(drawn: str, *names: str) -> list[float]:
    return [float(value) for name in names for value in re.findall(rf' {name}="([^"%]+)%?"', drawn)]


@given(STEPS, DAYS)
def test_every_coordinate_is_a_number_within_the_picture(steps: list[Step], until: date) -> None:
    """Neither NaN, for which no comparison holds, nor outside; percent across, pixels down."""
    drawn = chart(steps, until)

    assert all(0 <= value <= 100 for value in numbers(drawn, "x", "x1", "x2"))
    assert all(0 <= value <= HEIGHT for value in numbers(drawn, "y", "y1", "y2"))


@given(STEPS)
def test_numbers_of_lines_do_not_overlap(steps: list[Step]) -> None:
    """Lines that end at the same price have their numbers one below the other, each in the picture."""
    tops = sorted(map(float, re.findall(r'class="label number" x="[^"]+" y="([^"]+)"', chart(steps))))

    assert len(tops) == (len(steps) if len(steps) > 1 else 0)
    assert all(after - before >= LABEL_HEIGHT - 0.11 for before, after in pairwise(tops))


@given(STEPS)
def test_days_go_from_left_to_right(steps: list[Step]) -> None:
    """Each piece of a line ends where the next one begins, at the same day or a later one."""
    for line in re.findall(r'<g class="line n\d">(.*?)</g>', chart(steps)):
        pieces = [(float(a), float(b)) for a, b in re.findall(r'x1="([^"%]+)%" x2="([^"%]+)%"', line)]
        assert all(start <= end for start, end in pieces)
        assert all(before[1] == after[0] for before, after in pairwise(pieces))


@pytest.mark.parametrize("steps", [[], [Step("Quill", [(date(2026, 1, 1), 1.0)])]])
def test_without_a_change_there_is_no_picture(steps: list[Step]) -> None:
    """One price says nothing over time."""
    assert chart(steps) == ""


def test_lines_end_today_or_with_what_is_already_known_of_later() -> None:
    """A price that begins next year is drawn to its day; both ends of the time are written."""
    steps = [Step("Quill", [(date(2026, 1, 1), 1.0), (date(2027, 1, 1), 2.0)])]

    assert ">2026-01-01<" in chart(steps)
    assert ">2027-01-01<" in chart(steps)
    assert ">2026-08-01<" not in chart(steps)
    later = chart(steps, date(2027, 1, 1) + timedelta(days=31))
    assert ">2027-02-01<" in later


def test_the_legend_names_every_line_and_a_name_is_only_text() -> None:
    """Each line's number and name stand below the picture; markup in a name is shown."""
    points = [(date(2026, 1, 1), 1.0), (date(2026, 2, 1), 2.0)]
    drawn = chart([Step("Quill", points), Step(HOSTILE, points)])

    assert "<b>1</b> Quill</li>" in drawn
    assert "&lt;script&gt;" in drawn
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert 'aria-label="Prices"' in drawn
