"""Lexical support: numbers by value, words without endings, Chinese without a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.scoring.support import Evidence, word_of

ENGLISH = Evidence(
    [
        "Returns: Unused goods can be sent back within 45 days. The return label costs $3.80.",
        "Gifts: We wrap presents for $1,200.50 or less; two batteries are included, 20% off. It isn't refundable.",
    ]
)
CHINESE = Evidence(["未使用的商品可在45天内退回，退货标签为3.80元。", "礼品卡￥20起。"])


@pytest.mark.parametrize(
    "text",
    [
        "45 days",
        "The goods can be sent back within 45.0 days.",
        "3.8 dollars",
        "USD 3.80",
        "$1200.5 for presents",
        "a battery",
        "2 batteries",
        "20 percent off",
        "never refundable",
        "ＲＥＴＵＲＮ labels",
        "Yes, it is.",
        "No.",
        "",
    ],
)
def test_what_stands_there_in_english(text: str) -> None:
    """The same number in another spelling, plural or singular, a sign or its word; function words say nothing."""
    assert ENGLISH.check(text).missing == ()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("46 days", ("46",)),
        ("4 days, 5 labels", ("4", "5")),
        ("$3.08", ("3.08",)),
        ("80 days", ("80",)),
        ("three goods", ("three",)),
        ("Free returns to Berlin", ("free", "berlin")),
        ("A4 labels", ("a4",)),
    ],
)
def test_what_is_missing_in_english(text: str, missing: tuple[str, ...]) -> None:
    """Another number is missing although its digits stand there; so is every word that does not."""
    assert ENGLISH.check(text).missing == missing


def test_a_denial_that_was_added_is_missing() -> None:
    """What the text does not deny, an answer may not."""
    assert Evidence(["Goods can be sent back."]).check("Goods cannot be sent back").missing == ("cannot",)
    assert Evidence(["Goods can not be sent back."]).check("No, goods can't be sent back").missing == ()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("45天", ()),
        ("未使用的商品在45天内退回。", ()),
        ("商品退回", ()),
        ("退货标签3.80元", ()),
        ("20元", ()),
        ("是的，可以", ("可", "以")),
        ("46天", ("46",)),
        ("运费", ("运", "费")),
        ("商品可换", ("换",)),
    ],
)
def test_chinese_needs_no_dictionary(text: str, missing: tuple[str, ...]) -> None:
    """A character stands there when it does beside one of its neighbours; single characters alone prove nothing."""
    assert CHINESE.check(text).missing == missing


def test_small_numbers_may_be_words() -> None:
    """Two is 2, whichever of the sides writes it out."""
    assert Evidence(["2 lamps"]).check("two lamps").missing == ()
    assert Evidence(["two lamps"]).check("2 lamps").missing == ()
    assert Evidence(["3 lamps"]).check("two lamps").missing == ("two",)


def test_the_word_of_a_number_is_part_of_it() -> None:
    """Millions in words and in digits are the same number."""
    assert Evidence(["2,000,000 people"]).check("2 million people").missing == ()
    assert Evidence(["2 people"]).check("2 million people").missing == ("2000000",)


def test_numbers_are_told_apart_from_words() -> None:
    """Whoever is content with most of the words is not with a wrong number."""
    assert ENGLISH.check("46 days").numbers_missing
    assert not ENGLISH.check("45 sunny days").numbers_missing
    assert ENGLISH.check("45 sunny days").share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("word", "form"),
    [("days", "day"), ("shop's", "shop"), ("batteries", "battery"), ("glass", "glass"), ("gas", "gas")],
)
def test_words_are_compared_without_their_endings(word: str, form: str) -> None:
    """The rules of the S-stemmer, as in retrieval."""
    assert word_of(word) == form


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=3))
def test_a_text_supports_itself(text: str, others: list[str]) -> None:
    """Whatever is said stands in itself, whatever else is there; and never more is missing than was said."""
    assert Evidence([text, *others]).check(text).missing == ()
    found = Evidence(others).check(text)
    assert 0 <= len(found.missing) <= found.units
