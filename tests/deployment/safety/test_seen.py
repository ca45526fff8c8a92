"""The forms in which rules read a text, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.seen import see

ODD = "aB 1é\u0301\u200b\u202e\u00adＡ１３，。ﬁßⅣ½中文💬\ud800\x00\x1f\n\U000e0041\ufe0f한\u1161"


@pytest.mark.parametrize(
    ("text", "plain", "folded"),
    [
        ("Plain", "Plain", "plain"),
        ("１３８，ＡＢＣ", "138,ABC", "138,abc"),
        ("cafe\u0301", "café", "café"),
        ("1\u200b3\u20608", "138", "138"),
        ("ﬁne Ⅳ", "fine IV", "fine iv"),
        ("STRASSE straße", "STRASSE straße", "strasse strasse"),
        ("a\x00b\x1fc\td\n", "abc\td\n", "abc\td\n"),
        ("\u200b\u200b", "", ""),
        ("", "", ""),
    ],
)
def test_what_reads_the_same_is_the_same(text: str, plain: str, folded: str) -> None:
    """Full-width and composed forms, ligatures, invisible and control characters make no difference."""
    seen = see(text)
    assert (seen.plain, seen.folded) == (plain, folded)


@given(st.text(st.sampled_from(ODD), max_size=30))
def test_every_place_leads_back(text: str) -> None:
    """Each character of either form has a place in the text; places are in order and never empty."""
    seen = see(text)
    for form, back in ((seen.plain, seen.span), (seen.folded, seen.folded_span)):
        reached = 0
        for place in range(len(form)):
            start, end = back(place, place + 1)
            assert reached <= start < end <= len(text)
            reached = start
        if form:
            assert back(0, len(form))[1] <= len(text)


@given(st.text(st.sampled_from(ODD), max_size=10), st.text(st.sampled_from(ODD), max_size=10))
def test_a_word_among_odd_characters_is_found_where_it_is(before: str, after: str) -> None:
    """The place of a word is the word, with no more than invisible characters behind it."""
    text = f"{before} needle {after}"
    seen = see(text)
    place = seen.folded.index("needle")
    start, end = seen.folded_span(place, place + 6)
    assert see(text[start:end]).folded == "needle"


def test_a_half_of_a_pair_is_no_error() -> None:
    """A text may hold half a surrogate pair, which no encoding has a place for."""
    assert see("a\ud800b").plain == "a?b"
