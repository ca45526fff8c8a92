"""The memo that people forward, decided again at will, as a file, and the whole report in a frame of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from tests.web.visiting import Reply, RunningSite, Visitor

from touchstone.web.looks import Looks
from touchstone.web.pages import decisions
from touchstone.workspace import numbers_kept
from touchstone.workspace.case_changes import change_case, take_back


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


# Many answers --------------------------------------------------------------------------------------------------------

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def unknown(site: RunningSite, comparison: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nobody has looked at the answers, and they are too many to look at while somebody waits; gives the file."""
    monkeypatch.setattr(decisions, "AT_ONCE", 100)
    file = site.workspace / "measured" / f"{comparison}.json"
    file.unlink(missing_ok=True)
    numbers_kept._entries.clear()
    site.site.looks = Looks()
    yield file
    deadline = time.monotonic() + 60  # whoever comes next finds no look going on
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def until_there(visitor: Visitor, path: str) -> Reply:
    """What a script of the page is given in the end; it is told to leave the page as it is until then."""
    deadline = time.monotonic() + 60
    while (reply := visitor.get(path, headers=FRAGMENT)).status == 204:
        assert reply.text == ""
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return reply


def test_many_answers_are_looked_at_beside_the_request(visitor: Visitor, comparison: str, unknown: Path) -> None:
    """The page says so at once, with a link for whoever has no scripts; the memo takes its place with its form."""
    here = f"/decisions/{comparison}"
    first = visitor.get(f"{here}?requests_per_month=5000000")
    assert first.status == 200
    assert "396 cases and 4 candidates are looked at" in first.words
    assert f'href="{here}?requests_per_month=5000000">Look again' in first.text
    assert f'hx-get="{here}?waiting=page&amp;requests_per_month=5000000"' in first.text
    assert "What it costs" not in first.words
    there = until_there(visitor, f"{here}?waiting=page&requests_per_month=5000000")
    assert "<html" not in there.text
    assert "50,000,000 requests" in there.words
    assert 'hx-target="#memo"' in there.text
    assert "waiting=" not in there.text
    assert unknown.exists()
    again = visitor.get(f"{here}?requests_per_month=7000000")
    assert "70,000,000 requests" in again.words


def test_the_slider_waits_for_the_memo_alone(visitor: Visitor, comparison: str, unknown: Path) -> None:
    """A part of the page waits, and the form below it stays."""
    here = f"/decisions/{comparison}?requests_per_month=5000000"
    part = visitor.get(here, headers=FRAGMENT)
    assert "waiting=memo" in part.text
    assert 'hx-target="#memo"' in part.text
    there = until_there(visitor, f"{here}&waiting=memo")
    assert "50,000,000 requests" in there.words
    assert "<form" not in there.text


def test_a_file_waits_for_the_answers(visitor: Visitor, comparison: str, unknown: Path) -> None:
    """Two who ask at once are one look; what a file says is what the page says."""
    visitor.get(f"/decisions/{comparison}")
    found = orjson.loads(visitor.get(f"/decisions/{comparison}/files/result.json").body)
    assert found["task"]["cases"] == 396
    assert "The evidence" in visitor.get(f"/decisions/{comparison}").words


def test_a_change_of_a_case_shows_at_once(site: RunningSite, visitor: Visitor, comparison: str) -> None:
    """Of a memo that was looked at a moment ago; and so does its being taken back."""
    here, workspace = f"/decisions/{comparison}", site.site.workspace("default")
    before = visitor.get(here)
    ids = workspace.ledger.datasets.case_column(_dataset(site, comparison), "test", "case_id")
    said = change_case(workspace, comparison, ids[0], "exclude", reason="unclear", who="ann")
    assert "395" in visitor.get(here).words
    take_back(workspace, comparison, said.id, reason="no", who="ann")
    assert visitor.get(here).words == before.words


def test_numbers_of_an_older_day_expire_at_once(site: RunningSite, visitor: Visitor, comparison: str) -> None:
    """When it is to be measured again is told from when it was measured, which is looked up each time."""
    ledger = site.site.workspace("default").ledger
    here = f"/decisions/{comparison}"
    before = visitor.get(here)
    with ledger.writing() as connection:
        [[created]] = connection.exec_driver_sql("SELECT created FROM comparison")
        connection.exec_driver_sql("UPDATE comparison SET created = '2020-01-01T00:00:00.000+00:00'")
    assert "2020" in visitor.get(here).words
    assert "2020" not in before.words
    with ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE comparison SET created = ?", (created,))


def _dataset(site: RunningSite, comparison: str) -> str:
    from touchstone.workspace.case_changes import dataset_of

    return dataset_of(site.site.workspace("default"), comparison)
