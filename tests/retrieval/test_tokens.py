"""What lexical tokens promise: the same words whatever the case, and Chinese without a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.tokens import reduced, terms, weight, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Where IS my order?", ["where", "is", "my", "order"]),
        ("don't re-send v2.0", ["don't", "re", "send", "v2", "0"]),
        ("snake_case", ["snake", "case"]),
        ("退货", ["退", "货", "退货"]),
        ("我要退货!", ["我", "要", "退", "货", "我要", "要退", "退货"]),
        ("买iPhone手机", ["买", "iphone", "手", "机", "手机"]),
        ("  \n…!", []),
        ("", []),
    ],
)
def test_words_of_english_and_chinese(text: str, found: list[str]) -> None:
    """English by words, Chinese by characters and overlapping pairs, mixed text by both."""
    assert words(text) == found


@given(st.text(max_size=60))
def test_words_are_bare(text: str) -> None:
    """No word is empty or holds a blank, and casing makes no difference."""
    found = words(text)
    assert all(word and not any(character.isspace() for character in word) for word in found)
    assert found == words(text.casefold())


@given(st.lists(st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=6), max_size=6))
def test_blanks_part_words(parts: list[str]) -> None:
    """The words of a text are those of its parts."""
    assert words(" ".join(parts)) == [word for part in parts for word in words(part)]


@pytest.mark.parametrize(
    ("word", "kept"),
    [("batteries", "battery"), ("ties", "ty"), ("boxes", "boxe"), ("glasses", "glasse"), ("shoes", "shoes"),
     ("lamps", "lamp"), ("glass", "glass"), ("bus", "bus"), ("days", "day"), ("status", "status"),
     ("customer's", "customer"),
         ("is", "is"), ("movies", "movy")],
)  # fmt: skip
def test_plurals_and_possessives(word: str, kept: str) -> None:
    """The S-stemmer's three rules: one form for both numbers, whether or not it is a word."""
    assert reduced(word) == kept


def test_terms_are_words_reduced() -> None:
    """What is not English stays as it is, and a query meets a passage in either number."""
    assert terms("The batteries' chargers 退货") == ["the", "battery", "charger", "退", "货", "退货"]


def test_single_characters_weigh_half() -> None:
    """A CJK character alone says less than the pair it comes again in."""
    assert [weight(term) for term in ("退", "退货", "a", "é")] == [0.5, 1, 1, 1]
