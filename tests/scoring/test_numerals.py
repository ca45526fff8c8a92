"""Numbers as people write them."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.scoring.numerals import canonical, first_number, last_number, numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 hours", "5"),
        ("$1,260", "1260"),
        ("$1,260.50.", "1260.5"),
        ("-$14", "-14"),
        ("$-14", "-14"),
        ("−14", "-14"),
        ("(12)", "12"),
        ("20%", "20%"),
        ("20 percent", "20%"),
        ("12.5 %", "12.5%"),
        ("1/2", "0.5"),
        ("1/3 cup", "1/3"),
        ("3 1/2", "3.5"),
        ("3½", "3.5"),
        (r"\frac{3}{4}", "0.75"),
        (r"\$1{,}000", "1000"),
        ("1e3", "1000"),
        ("2.5E-3", "0.0025"),
        ("1.5 x 10^3", "1500"),
        (r"6.02 \times 10^{23}", "602000000000000000000000"),
        ("1.000,50", "1000.5"),
        ("12,50 €", "12.5"),
        ("1,00,000", "100000"),
        ("1 234 567", "1"),
        ("1\u202f234\u202f567", "1234567"),
        ("１２", "12"),
        ("￥１，２６０", "1260"),
        ("三", "3"),
        ("十二个", "12"),
        ("一百二十三元", "123"),
        ("两万五千", "25000"),
        ("二〇二四年", "2024"),
        ("百分之二十", "20%"),
        ("3万", "30000"),
        ("1.2亿元", "120000000"),
        ("2 million", "2000000"),
        (".5", "0.5"),
        ("10–15", "10"),
        ("10-15", "10"),
        ("2:00 pm", "2"),
        ("3/4/2020", "3"),
        ("version 1.2.3", "1.2"),
        ("86, 42", "86"),
        ("6,7,8", "6"),
        ("86,42,1", "86"),
        ("007", "7"),
        ("48g", "48"),
        ("-10°F", "-10"),
    ],
)
def test_a_number_is_read_as_its_value(text: str, value: str) -> None:
    """Currency, thousands, percent, fractions, powers and Chinese numerals read as what they mean."""
    found = first_number(text)
    assert found is not None
    assert found.canonical == value


@pytest.mark.parametrize(
    "text", ["", "none", "x1y", "1/0", "1e999999", "9" * 101, "一般来说不知道", "一些", "%", "-", "万"]
)
def test_what_is_no_number_is_not_read_as_one(text: str) -> None:
    """Words, division by zero and absurd lengths are no numbers."""
    assert first_number(text) is None


@given(st.fractions(min_value=-(10**12), max_value=10**12))
def test_a_canonical_number_reads_back_as_itself(value: Fraction) -> None:
    """Writing a value and reading it gives the value, exactly."""
    found = first_number(canonical(value))
    assert found is not None
    assert found.value == value


@given(st.integers(-(10**15), 10**15), st.sampled_from(["{:d}", "{:,d}", "${:,d}", "{:,d} km", "about {:d}."]))
def test_a_formatted_integer_comes_back(value: int, form: str) -> None:
    """However an integer is dressed up, it is found."""
    found = first_number(form.format(value))
    assert found is not None
    assert found.value == value


@given(st.floats(-1e12, 1e12, allow_nan=False), st.integers(0, 6))
def test_a_formatted_decimal_comes_back(value: float, places: int) -> None:
    """Decimals with thousands separators are read exactly as written."""
    text = f"{value:,.{places}f}"
    found = first_number(text)
    assert found is not None
    assert found.value == Fraction(text.replace(",", ""))


@given(st.text())
def test_any_text_is_searched_without_error(text: str) -> None:
    """No text breaks the search, and the last number is among the numbers."""
    found = list(numbers(text))
    assert last_number(text) == (found[-1] if found else None)


@pytest.mark.parametrize("piece", ["9", "1,", "1 ", "1/", "-", "1.", "1,1", "$-", "½", "1'"])
def test_hostile_text_costs_no_more_than_friendly_text(piece: str) -> None:
    """Four times the characters of half a number take about four times as long; looking back would take sixteen."""

    def took_s(characters: int) -> float:
        started = time.process_time()
        list(numbers(piece * (characters // len(piece))))
        return time.process_time() - started

    assert min(took_s(60_000) for _ in range(2)) < 9 * max(0.01, min(took_s(15_000) for _ in range(3)))
