"""Spans made one, and masks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.base import Span
from touchstone.deployment.safety.spans import apart, masked

SPANS = st.lists(
    st.builds(
        lambda kind, start, size, score: Span(kind, start, start + size, score),
        st.sampled_from(["email", "card"]),
        st.integers(0, 20),
        st.integers(1, 8),
        st.sampled_from([0.5, 0.9]),
    ),
    max_size=6,
)


def test_the_surest_gives_its_name_and_nothing_is_left_between() -> None:
    """Two rules that point at one place leave one mask over both."""
    found = apart([Span("phone", 0, 6, 0.7), Span("card", 4, 12, 0.9), Span("email", 12, 14, 0.5)])
    assert found == (Span("card", 0, 12, 0.9), Span("email", 12, 14, 0.5))
    assert masked("0123456789abXY!", found, lambda kind: f"[{kind}]") == "[card][email]!"


def test_where_both_are_as_sure_the_longer_gives_its_name() -> None:
    """`jo.do` within `jo.doe@example.com` is a mail."""
    assert apart([Span("url", 0, 5, 0.5), Span("email", 0, 18, 0.5)]) == (Span("email", 0, 18, 0.5),)


@given(SPANS)
def test_spans_lie_apart_and_cover_what_they_covered(spans: list[Span]) -> None:
    """Every character that a rule pointed at is under exactly one mask, and no other is."""
    found = apart(spans)
    assert all(one.end <= other.start for one, other in pairwise(found))
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert {place for span in found for place in range(span.start, span.end)} == covered
    text = "".join(chr(0x4E00 + place) for place in range(40))
    left = masked(text, found, lambda kind: "_")
    assert [place for place in range(40) if text[place] in left] == [n for n in range(40) if n not in covered]
