"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.base import Estimate
from touchstone.language import in_language, set_language
from touchstone.reporting import numbers


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "$0"),
        (0.0000213, "$0.0000213"),
        (0.00012, "$0.00012"),
        (0.0999, "$0.0999"),
        (0.42, "$0.42"),
        (0.5, "$0.50"),
        (12.4, "$12.40"),
        (999.99, "$1,000"),
        (1234567.2, "$1,234,567"),
        (-0.5, "−$0.50"),
        (1e-6, "$0.000001"),
        (9.999e-7, "< $0.000001"),
        (7.38e-8, "< $0.000001"),
        (5e-324, "< $0.000001"),
        (-7.38e-8, "> −$0.000001"),
        (-1e-6, "−$0.000001"),
    ],
)
def test_money_has_the_digits_that_matter(usd: float | None, text: str) -> None:
    """Three digits below a dollar, cents from there, none from a thousand on; unknown is a dash, tiny is a bound."""
    assert numbers.money(usd) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (7.38e-8, "$0.0000000738"),
        (-7.38e-8, "−$0.0000000738"),
        (1e-6, ""),
        (0.2, ""),
        (0, ""),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_an_amount_behind_a_bound_can_be_told(usd: float | None, text: str) -> None:
    """Where `money` tells a bound alone, the amount is told beside it; elsewhere there is nothing more to tell."""
    assert numbers.exact_money(usd) == text


def test_ticks_of_money_are_told_apart_however_small() -> None:
    """Ticks that all read as one bound would be no axis."""
    assert [numbers.money_tick(t) for t in (0, 1e-8, 1e-7, 1e-6, 0.1, 10)] == [
        "$0", "$0.00000001", "$0.0000001", "$0.000001", "$0.10", "$10.00",
    ]  # fmt: skip


def _read(money: str) -> float:
    """A number in the middle of what a reader of these words may think."""
    bound, _space, amount = money.rpartition(" ")
    value = float(amount.replace("$", "").replace(",", "").replace("−", "-"))
    return value / 2 if bound else value


amounts = st.floats(-1e9, 1e9) | st.floats(-1e-5, 1e-5)


@given(amounts, amounts)
def test_the_larger_amount_never_reads_as_the_smaller(one: float, other: float) -> None:
    """However amounts are rounded, they read in their order, and in both languages alike."""
    low, high = sorted((one, other))

    assert _read(numbers.money(low)) <= _read(numbers.money(high))
    assert in_language("zh", lambda: numbers.money(low)) == numbers.money(low)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"), (0.00002, "< 0.1 ms"), (0.0001, "0.1 ms"), (0.0421, "42 ms"),
        (0.84, "0.84 s"), (9.996, "10.0 s"), (12.34, "12.3 s"),
        (1234, "1,234 s"),
    ],
)  # fmt: skip
def test_times_have_the_digits_that_matter(seconds: float | None, text: str) -> None:
    """Milliseconds below a tenth of a second, three digits above."""
    assert numbers.seconds(seconds) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "< 0.001"), (0.0123, "0.012"), (0.05, "0.05"), (1.0, "1"), (None, "–")]
)
def test_p_values(p: float | None, text: str) -> None:
    """Three digits at most; nothing is ever zero."""
    assert numbers.p_value(p) == text


def test_ticks_of_time_are_short() -> None:
    """A round time on an axis has its own unit and no needless zeros."""
    ticks = [0, 0.00001, 0.001, 0.03, 0.1, 1, 10, 1000]

    assert [numbers.seconds_tick(t) for t in ticks] == [
        "0 ms", "10 µs", "1 ms", "30 ms", "0.1 s", "1 s", "10 s", "1,000 s",
    ]  # fmt: skip


def test_differences_have_signs() -> None:
    """Points carry a real minus, a plus, or neither when they round to nothing."""
    assert numbers.points(0.0512) == "+5.1"
    assert numbers.points(-0.0512) == "−5.1"
    assert numbers.points(-0.0001) == "0.0"
    assert numbers.points_range(-0.02, 0.08) == "−2.0 to +8.0"


def test_a_mean_has_its_n() -> None:
    """An estimate is mean, interval and n in one phrase; no estimate is a dash."""
    found = Estimate(mean=0.9123, low=0.88, high=0.93, n=1420, method="Wilson 95 %")

    assert numbers.estimate(found) == "91.2% (88.0–93.0%, n = 1,420)"
    assert numbers.estimate(None) == "–"


@given(st.one_of(st.none(), st.floats()))
def test_no_number_breaks_a_page(value: float | None) -> None:
    """Infinities and NaN are unknown, whichever way they are written."""
    for text in (
        numbers.money(value),
        numbers.percent(value),
        numbers.seconds(value),
        numbers.points(value),
        numbers.p_value(value),
    ):
        assert text
        assert "nan" not in text
        assert "inf" not in text


@pytest.mark.parametrize(
    ("iso", "en", "zh"), [("2026-11-23T08:00:00Z", "23 November 2026", "2026 年 11 月 23 日"), ("soon", "soon", "soon")]
)
def test_dates_in_both_languages(iso: str, en: str, zh: str) -> None:
    """A date is written the reader's way; what is none is left alone."""
    assert numbers.day(iso) == en
    try:
        set_language("zh")
        assert numbers.day(iso) == zh
    finally:
        set_language("en")


def test_names_in_a_row() -> None:
    """One, two and three names, with the language's own word for and."""
    assert numbers.listing(["a"]) == "a"
    assert numbers.listing(["a", "b"]) == "a and b"
    assert numbers.listing(["a", "b", "c"]) == "a, b and c"


def test_places_are_one_or_from_to() -> None:
    """A rank that is certain, one that is not, and none."""
    assert (numbers.places((2, 2)), numbers.places((1, 3)), numbers.places(None)) == ("2", "1–3", numbers.UNKNOWN)
