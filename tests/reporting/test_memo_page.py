"""A decision as a memo: what people ask, each number with its interval, and what would change it."""

from __future__ import annotations

import socket
from contextvars import copy_context
from pathlib import Path

import pytest

from touchstone.language import set_language
from touchstone.reporting.base import Constraint, ReportData
from touchstone.reporting.memo_page import memo_page
from touchstone.reporting.page_html import html_page
from touchstone.reporting.pages import Bullets, Table
from touchstone.reporting.pdf import pdf_of


def _texts(data: ReportData, anchor: str) -> str:
    section = next(one for one in memo_page(data).sections if one.anchor == anchor)
    found: list[str] = []
    for block in section.blocks:
        if isinstance(block, Bullets):
            found += block.items
        elif isinstance(block, Table):
            found += [" ".join(block.heads), *(" ".join(row) for row in block.rows)]
    return "\n".join(found)


def test_it_answers_what_people_ask(twelve: ReportData) -> None:
    """Question, options, evidence, cost, risks, what would change it: none is empty."""
    page = memo_page(twelve)
    assert [one.anchor for one in page.sections] == ["question", "options", "evidence", "cost", "risks", "changes"]
    assert all(one.blocks for one in page.sections)


def test_every_option_has_its_interval_and_its_n(twelve: ReportData) -> None:
    """No mean without them."""
    options = _texts(twelve, "options")
    for candidate in twelve.comparison.candidates:
        assert candidate.name in options
        if candidate.estimate is not None:
            assert f"{candidate.estimate.n:,}" in options


def test_the_cost_is_told_at_the_volume_that_is_asked_about(twelve: ReportData) -> None:
    """A tenth of it, it, and ten times it."""
    heads = _texts(twelve.model_copy(update={"requests_per_month": 70_000}), "cost").splitlines()[0]
    assert "7,000 requests" in heads
    assert "70,000 requests" in heads
    assert "700,000 requests" in heads


def test_it_says_from_which_volume_on_it_would_cost_too_much(twelve: ReportData) -> None:
    """By the careful end of the cost."""
    chosen = next(one for one in twelve.comparison.candidates if one.name == twelve.comparison.decision.chosen)
    careful = chosen.cost.per_case_high_usd or chosen.cost.per_case_usd
    assert careful
    limited = twelve.model_copy(update={"constraints": (Constraint(name="max_usd_per_month", limit="10"),)})
    assert f"{round(10 / careful):,} requests a month" in _texts(limited, "changes")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_becomes_a_pdf(twelve: ReportData, language: str) -> None:
    """Without a browser, in either language."""

    def made() -> bytes:
        set_language(language)
        return pdf_of(html_page(memo_page(twelve)))

    body = copy_context().run(made)
    assert body.startswith(b"%PDF-")
    assert len(body) > 5_000


def test_a_pdf_fetches_nothing(tmp_path: Path) -> None:
    """Whatever an output may name, nobody is asked for it, and no file is read."""
    secret = tmp_path / "secret.css"
    secret.write_text("body { color: red }")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        body = pdf_of(
            f'<html><head><link rel="stylesheet" href="{secret.as_uri()}"></head>'
            f'<body><img src="http://127.0.0.1:{port}/x.png"><p>still here</p></body></html>'
        )
        with pytest.raises(TimeoutError):
            listener.accept()
    assert body.startswith(b"%PDF-")
