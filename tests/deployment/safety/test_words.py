"""Block and allow lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.seen import see
from touchstone.deployment.safety.words import WordList
from touchstone.errors import InvalidValue, SettingsError


def found(term: str, text: str) -> list[str]:
    return [text[one.start : one.end] for one in WordList([term]).find(see(text))]


@pytest.mark.parametrize(
    ("term", "text", "places"),
    [
        ("acme", "Acme, ACME and ａｃｍｅ", ["Acme", "ACME", "ａｃｍｅ"]),
        ("ass", "class assets", []),
        ("project x", "the Project\n  X is", ["Project\n  X"]),
        ("退款", "请申请退款吧", ["退款"]),
        ("c++", "I like C++ and c+", ["C++"]),
        ("naïve", "nai\u0308ve naïveté", ["nai\u0308ve"]),
        ("straße", "STRASSE", ["STRASSE"]),
        ("acme", "关于acme公司", ["acme"]),
        ("ac\u200bme", "acme", ["acme"]),
        ("/a.?c/", "abc AC xay", ["abc", "AC"]),
        ("/\\d{3}/", "１２３ 45", ["１２３"]),
        ("ab ab", "ab ab ab", ["ab ab"]),
        ("ab ab", "xab ab ab", ["ab ab"]),
        ("a/b", "the a/b test", ["a/b"]),
    ],
)
def test_a_term_is_found_however_it_is_written(term: str, text: str, places: list[str]) -> None:
    """Whole words where a script has words, in any form; expressions between slashes."""
    assert found(term, text) == places


@pytest.mark.parametrize("term", ["", "  ", "\u200b", "/.*/", "/a?/"])
def test_a_term_that_would_match_everything_is_refused(term: str) -> None:
    """A list that blocks every text is a mistake."""
    with pytest.raises(InvalidValue):
        WordList([term])


def test_a_broken_expression_is_refused() -> None:
    """With the reason in RE2's words."""
    with pytest.raises(SettingsError, match="RE2"):
        WordList(["/(/"])


def test_no_terms_find_nothing() -> None:
    """An empty list is false."""
    assert not WordList([])
    assert WordList([]).find(see("anything")) == []


@given(st.text(min_size=1, max_size=12).filter(lambda term: see(term).folded.split()), st.text(max_size=10))
def test_any_term_is_found_in_a_text_that_holds_it(term: str, beside: str) -> None:
    """A literal is a literal, whatever signs are in it."""
    if len(term) > 2 and term[0] == term[-1] == "/":
        return
    assert WordList([term]).find(see(f"{beside} {term} {beside}"))
