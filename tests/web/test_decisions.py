"""The memo that people forward, decided again at will, as a file, and the whole report in a frame of its own."""

from __future__ import annotations

import orjson
import pytest
from tests.web.visiting import RunningSite, Visitor


@pytest.fixture
def comparison(site: RunningSite) -> str:
    """The id of the one comparison that was measured."""
    return site.site.workspace("default").comparisons()[0].id


def test_the_list_leads_to_the_memo(visitor: Visitor, comparison: str) -> None:
    """Each decision stands in the list with its sentence."""
    page = visitor.get("/decisions")
    assert f'href="/decisions/{comparison}"' in page.text
    assert visitor.get("/decisions/latest").path == f"/decisions/{comparison}"


def test_a_memo_says_what_people_ask(visitor: Visitor, comparison: str) -> None:
    """Question, options, evidence, cost, risks, what would change it."""
    words = visitor.get(f"/decisions/{comparison}").words
    for head in ("The question", "The options", "The evidence", "What it costs", "Risks", "What would change it"):
        assert head in words
    assert "396" in words


def test_the_cost_follows_the_volume(visitor: Visitor, comparison: str) -> None:
    """Another volume gives other sums, and the page says that it is not the task's own."""
    other = visitor.get(f"/decisions/{comparison}?requests_per_month=5000000")
    assert "50,000,000 requests" in other.words
    assert "Decided again under other conditions" in other.words


def test_a_condition_that_cannot_be_used_is_told_beside_the_stored_decision(visitor: Visitor, comparison: str) -> None:
    """The memo is still there; nothing is lost by a slip."""
    page = visitor.get(f"/decisions/{comparison}?min_score=7")
    assert page.status == 422
    assert "min_score" in page.words
    assert "The evidence" in page.words


def test_the_same_as_a_command_says_the_same_conditions(visitor: Visitor, comparison: str) -> None:
    """Whoever types it decides under what the page decided under."""
    page = visitor.get(f"/decisions/{comparison}?requests_per_month=20000&goal=cheapest-within:+0.05&self_hostable=1")
    asked = "--goal 'cheapest-within: 0.05' --self-hostable --requests-per-month 20000"
    assert f"touchstone decide {comparison} {asked}" in page.words


def test_only_the_memo_is_sent_to_a_script(visitor: Visitor, comparison: str) -> None:
    """A part of the page for whoever moves the slider."""
    part = visitor.get(f"/decisions/{comparison}?requests_per_month=20000", headers={"HX-Request": "true"})
    assert "The evidence" in part.words
    assert "<html" not in part.text


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("memo.html", b"<!doctype html>"),
        ("memo.pdf", b"%PDF-"),
        ("report.html", b"<!doctype html>"),
        ("summary.md", b"## "),
    ],
)
def test_it_can_be_forwarded_as_a_file(visitor: Visitor, comparison: str, file: str, begins: bytes) -> None:
    """PDF, one HTML file, Markdown."""
    answer = visitor.get(f"/decisions/{comparison}/files/{file}")
    assert answer.status == 200
    assert answer.body.lstrip().startswith(begins)
    assert answer.headers["content-disposition"].startswith("attachment")


def test_the_numbers_are_those_of_the_command(visitor: Visitor, comparison: str) -> None:
    """`result.json` is what `compare --json` prints."""
    found = orjson.loads(visitor.get(f"/decisions/{comparison}/files/result.json").body)
    assert found["schema"] == "touchstone.comparison/1"
    assert found["comparison_id"] == comparison


def test_the_report_stands_in_a_frame_without_an_origin(visitor: Visitor, comparison: str) -> None:
    """Whatever a model wrote can reach neither this site nor anybody else."""
    assert 'sandbox="allow-scripts"' in visitor.get(f"/decisions/{comparison}/report").text
    policy = visitor.get(f"/decisions/{comparison}/files/framed.html").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize("path", ["/decisions/nothing", "/decisions/nothing/report", "/decisions/{id}/files/passwd"])
def test_what_is_not_there_is_not_there(visitor: Visitor, comparison: str, path: str) -> None:
    """Ids of nobody, and files of nobody."""
    assert visitor.get(path.format(id=comparison)).status == 404
