"""What cutting promises: true sizes, true places, and sentences in two languages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.pieces import Span, cut, estimated_tokens, packed, pieces, sentences, trimmed

TEXTS = st.text(st.sampled_from("ab c.!?\n。退货，\"' 1."), max_size=80)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("cat", 1), ("battery", 2), ("a cat", 2), ("退货", 2), ("买iPhone", 3), (" \n ", 0), ("没有。", 3)],
)
def test_estimate_counts_cjk_characters_and_fours_of_others(text: str, tokens: int) -> None:
    """One token for a CJK character or mark, one for every four other characters of a word that were begun."""
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.50 USD. Pay now.", ["It costs 3.50 USD.", "Pay now."]),
        ("Dr. Smith came, e.g. today. Good.", ["Dr. Smith came, e.g. today.", "Good."]),
        ("So do I. You?", ["So do I.", "You?"]),
        ("J. Smith left.", ["J. Smith left."]),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
        ("三十天内可以退货。请保留发票！运费？", ["三十天内可以退货。", "请保留发票！", "运费？"]),
        ("他说：“不行。”然后走了。", ["他说：“不行。”", "然后走了。"]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("no end", ["no end"]),
        (" \n\n ", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    """Ends, quotes, abbreviations, numbers and lines."""
    assert [text[span.start : span.end] for span in sentences(text)] == found


@given(TEXTS)
def test_sentences_lose_nothing(text: str) -> None:
    """In order, apart from each other, and with every character that is not blank."""
    found = sentences(text)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert "".join("".join(text[span.start : span.end].split()) for span in found) == "".join(text.split())


@given(TEXTS, st.integers(1, 9), st.data())
def test_cuts_cover_and_fit(text: str, size: int, data: st.DataObject) -> None:
    """No part is longer than its size, every character that is not blank is in one, and each part gets further."""
    overlap = data.draw(st.integers(0, size // 2))
    found = list(cut(text, Span(0, len(text)), size, overlap))

    covered = {place for span in found for place in range(*span)}
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)
    assert all(len(pieces(text, *span)) <= size for span in found)
    assert all(estimated_tokens(text[span.start : span.end]) <= size for span in found)
    assert all(first.end < second.end for first, second in pairwise(found))


def test_cuts_between_words() -> None:
    """A part ends before the word that does not fit, and a word is only cut when it is longer than a part."""
    text = "alpha beta gamma delta"
    assert [text[a:b] for a, b in cut(text, Span(0, len(text)), 3)] == ["alpha beta", "gamma", "delta"]
    assert [text[a:b] for a, b in cut(text, Span(0, len(text)), 4, 2)] == ["alpha beta", "beta gamma", "gamma delta"]
    assert list(cut("abcdefghij", Span(0, 10), 2)) == [Span(0, 8), Span(8, 10)]


@given(TEXTS, st.integers(1, 12), st.data())
def test_packing_covers_and_fits(text: str, size: int, data: st.DataObject) -> None:
    """As for cuts; and a sentence that fits is never parted."""
    overlap = data.draw(st.integers(0, size // 2))
    units = sentences(text)
    found = list(packed(text, units, size, overlap))

    covered = {place for span in found for place in range(*span)}
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)
    assert all(len(pieces(text, *span)) <= size for span in found)
    for unit in units:
        if len(pieces(text, *unit)) <= size:
            assert any(span.start <= unit.start and unit.end <= span.end for span in found)


@given(TEXTS)
def test_trimming(text: str) -> None:
    """What is left begins and ends with a character."""
    found = trimmed(text, Span(0, len(text)))
    assert (text[found.start : found.end] if found else "") == text.strip()
