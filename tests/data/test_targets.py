from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.targets import is_number


@pytest.mark.parametrize(
    "text",
    ["42", "-1.5", "+3", " 7 ", "1,234,567.89", "1.234,56", "1 234", "$5.20", "-$5", "€ 12", "12 €", "50%", "3/4", ".5",
     "1e-9", "6.02E23", "5 kg", "¥1,000", "−3", "1'000"],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str) -> None:
    """Signs, groups, currencies, percent, fractions and exponents make a number."""
    assert is_number(text)


@pytest.mark.parametrize(
    "text", ["", " ", "five", "about 5", "5 or 6", "1-2", "NaN", "inf", "x5", "12:30", "2024-01-02"]
)
def test_other_texts(text: str) -> None:
    """Words, ranges, times and dates are no numbers."""
    assert not is_number(text)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_every_number_is_one(value: float) -> None:
    """Whatever Python writes as a number is one."""
    assert is_number(str(value))


@given(st.text(max_size=5).map(lambda text: "1" * 200 + text))
def test_long_texts_are_judged_quickly(text: str) -> None:
    """No text takes a time that grows beyond its length."""
    assert is_number(text) in (True, False)
