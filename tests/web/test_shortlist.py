"""A dozen questions, and who fits."""

from __future__ import annotations

import re

from tests.web.visiting import Visitor

ASKED = "task=chat&speaks=zh&max_usd_per_month=200&requests_per_month=50000&input_tokens=800&output_tokens=200"


def test_nothing_is_looked_for_before_anything_is_asked(visitor: Visitor) -> None:
    """The empty form says how to begin."""
    page = visitor.get("/shortlist")
    assert "Nothing is asked for yet" in page.words
    assert "Who qualifies" not in page.words


def test_who_fits_comes_in_order_and_the_others_with_a_reason(visitor: Visitor) -> None:
    """The same page as the command's, with what to do next."""
    page = visitor.get(f"/shortlist?{ASKED}")
    for head in ("Who qualifies", "Who is left out, and by how much", "What giving up one limit brings back"):
        assert head in page.words
    assert 'action="/tasks/new"' in page.text
    assert 'name="models"' in page.text


def test_a_tighter_limit_never_adds_a_model(visitor: Visitor) -> None:
    """Results move as limits move."""

    def fits(most: int) -> int:
        words = visitor.get(
            f"/shortlist?task=chat&requests_per_month=50000&input_tokens=800&output_tokens=200&max_usd_per_month={most}"
        ).words
        found = re.search(r"([\d,]+) of [\d,]+ models? meets? every limit", words)
        assert found
        return int(found[1].replace(",", ""))

    assert 0 < fits(5) < fits(1_000_000)


def test_why_a_model_is_not_among_them(visitor: Visitor) -> None:
    """Every limit against one model."""
    words = visitor.get("/shortlist/why?task=chat&max_usd_per_month=1&requests_per_month=50000&input_tokens=800"
                        "&output_tokens=200&model=openai/gpt-4o").words  # fmt: skip
    assert "misses" in words


def test_a_number_that_is_none_is_told_of(visitor: Visitor) -> None:
    """Beside the form, which keeps what was written."""
    page = visitor.get("/shortlist?task=chat&max_usd_per_month=plenty")
    assert page.status == 422
    assert "max_usd_per_month is &#39;plenty&#39;" in page.text
    assert 'value="plenty"' in page.text


def test_a_model_that_nobody_knows_is_not_found(visitor: Visitor) -> None:
    """And its name is text."""
    page = visitor.get("/shortlist/why?task=chat&model=<script>alert(1)</script>/x")
    assert page.status == 404
    assert "<script>alert" not in page.text
