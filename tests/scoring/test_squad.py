"""Token F1 and exact match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.scoring.squad import SquadExactMatch, TokenF1, exact_match, token_f1, words


@pytest.mark.parametrize(
    ("answer", "target", "f1", "em"),
    [
        ("The Eiffel Tower!", "eiffel tower", 1.0, 1.0),
        ("in Paris, France", "Paris", 0.5, 0.0),
        ("Denver Broncos", "Broncos Denver", 1.0, 0.0),
        ("a cat", "dog", 0.0, 0.0),
        ("北京市", "北京", 0.8, 0.0),
        ("北京。", "北京", 1.0, 1.0),
        ("iPhone 12 手机", "iphone 12手机", 1.0, 1.0),
        ("the", "The", 1.0, 1.0),
        ("the", "a", 0.0, 0.0),
        ("", "", 0.0, 0.0),
        ("café", "cafe\u0301", 1.0, 1.0),
    ],
)
def test_words_are_compared_as_squad_does(answer: str, target: str, f1: float, em: float) -> None:
    """Case, articles and punctuation do not matter; Chinese counts by character (hand-worked)."""
    assert token_f1(answer, target) == pytest.approx(f1)
    assert exact_match(answer, target) == em


def test_articles_are_words_of_their_own() -> None:
    """A lone article goes, the beginning of "theory" stays."""
    assert words("A theory of an apple, the best") == ["theory", "of", "apple", "best"]


async def test_the_best_of_several_targets_counts(score) -> None:
    """A JSON list accepts each of its members."""
    assert (await score(TokenF1(), "NYC", '["New York", "NYC"]')).value == 1.0
    assert (await score(SquadExactMatch(), "42", "[41, 42]")).value == 1.0
    assert (await score(SquadExactMatch(), "[see note]", "[see note]")).value == 1.0
    assert (await score(TokenF1(), "NYC", None)).value is None


@given(st.text(), st.text())
def test_f1_is_symmetric_bounded_and_one_for_equals(one: str, other: str) -> None:
    """F1 lies between 0 and 1, does not depend on the order of its sides, and exact matches have F1 1."""
    assert token_f1(one, other) == token_f1(other, one)
    assert 0.0 <= token_f1(one, other) <= 1.0
    assert token_f1(one, one) == float(bool(one.strip()))
    assert token_f1(one, other) >= exact_match(one, other)
