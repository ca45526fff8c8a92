"""The pages of answers: found by every filter, held side by side, changed with a reason and taken back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.web.visiting import RunningSite, Seen, Visitor

from touchstone.config import Settings
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.workspace import Workspace

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture(scope="module")
def comparison(site: RunningSite) -> str:
    """The measured comparison of the site."""
    with Workspace(Settings(workspace=site.workspace, workspace_from="test")) as workspace:
        return workspace.comparisons()[0].id


@pytest.fixture(scope="module")
def address(comparison: str) -> str:
    """Where its answers are."""
    return f"/decisions/{comparison}/answers"


def cases_on(text: str) -> list[str]:
    """Ids of the cases that a list links to, in order."""
    return re.findall(r'<th scope="row" class="left"><a href="[^"]*/answers/([^"?]*)', text)


def total(words: str) -> int:
    """How many answers the list says it has."""
    found = re.search(r"([\d,]+) answers?\b", words.partition("Show")[2])
    assert found is not None
    return int(found[1].replace(",", ""))


def test_the_list_has_a_row_for_each_case_and_a_mark_for_each_candidate(visitor: Visitor, address: str) -> None:
    """Fifty on a page, in the order of the cases, with counts for every filter."""
    page = visitor.get(address)
    assert page.status == 200
    assert len(cases_on(page.text)) == 50
    assert page.text.count('class="mark') == 50 * page.text.count('class="lane"')
    assert "Page 1 of" in page.words


def test_every_link_of_the_list_leads_somewhere(visitor: Visitor, address: str) -> None:
    """To a case and to one answer, with the filters along, and from there to the next case."""
    page = visitor.get(f"{address}?by=answer&bucket=zero&q=a")
    for link in re.findall(r'<t[hd][^>]*><a href="([^"]+)"', page.text)[:4]:
        assert visitor.get(unescape(link)).status == 200
    cases = visitor.get(f"{address}?bucket=zero")
    first, second = re.findall(r'<th scope="row" class="left"><a href="([^"]+)"', cases.text)[:2]
    seen = visitor.get(unescape(first))
    after = re.search(r'rel="next" href="([^"]+)"', seen.text)
    assert after is not None
    assert after[1] == second


def test_filters_narrow_and_counts_say_by_how_much(visitor: Visitor, address: str) -> None:
    """What a facet promises is what its filter shows."""
    page = visitor.get(f"{address}?by=answer")
    promised = re.search(
        r'name="bucket" value="zero">[^<]*<span class="what">0</span> <span class="count">([\d,]+)', page.text
    )
    assert promised is not None
    narrowed = visitor.get(f"{address}?by=answer&bucket=zero")
    assert total(narrowed.words) == int(promised[1].replace(",", ""))
    assert total(narrowed.words) < total(page.words)


@pytest.mark.parametrize(
    "query",
    [
        "candidate=nobody", "kind=scored", "low=0.5", "high=0.5", "differ=score", "differ=answer", "state=excluded",
        "sort=disagreement", "sort=score", "sort=score-high", "sort=cost&by=answer", "sort=latency&by=answer",
        "q=order&where=input", "q=order&where=output&by=answer", "page=2", "page=9999",
    ],
)  # fmt: skip
def test_every_question_is_answered(visitor: Visitor, address: str, query: str) -> None:
    """Each alone, with a list or the word that nothing meets it."""
    page = visitor.get(f"{address}?{query}")
    assert page.status == 200
    assert cases_on(page.text) or "No answer meets all of this." in page.words


def test_a_bad_number_is_told_beside_its_field(visitor: Visitor, address: str) -> None:
    """The list stands, and the status says that the question could not be used."""
    page = visitor.get(f"{address}?low=seven")
    assert page.status == 422
    assert "low is" in page.words


def test_words_are_found_in_what_was_asked(visitor: Visitor, address: str) -> None:
    """Every case that is listed holds the word."""
    page = visitor.get(f"{address}?q=card&where=input")
    listed = cases_on(page.text)
    assert listed
    rows = page.text.split("<tbody>")[1].split("</tr>")[: len(listed)]
    assert sum("card" in row.lower() for row in rows) == len(rows)


def test_a_script_asks_for_the_results_alone(visitor: Visitor, address: str) -> None:
    """The same address gives the part that changes, without the frame."""
    part = visitor.get(f"{address}?kind=scored", headers={"HX-Request": "true"})
    assert part.status == 200
    assert "<html" not in part.text
    assert cases_on(part.text)


def test_a_case_shows_everybody_and_a_word_diff(visitor: Visitor, address: str) -> None:
    """Each candidate's answer, and two of them held against each other, in words for who cannot see colours."""
    case = cases_on(visitor.get(f"{address}?sort=disagreement").text)[0]
    page = visitor.get(f"{address}/{case}")
    assert page.status == 200
    assert page.text.count("<article") >= 2
    assert "<del>" in page.text
    assert "only in the first:" in page.words


def test_one_answer_shows_all_that_is_known(visitor: Visitor, address: str) -> None:
    """Scores with reasons, how it went, and why there is no request of a baseline."""
    case = cases_on(visitor.get(address).text)[0]
    link = re.search(r'<h3><a href="([^"]+)"', visitor.get(f"{address}/{case}").text)
    assert link is not None
    page = visitor.get(link[1])
    assert page.status == 200
    for words in ("What was read out of it", "Scores", "decides", "Latency", "Tokens in", "Tries after the first"):
        assert words in page.words
    asked = visitor.get(link[1] + "?call=1")
    assert asked.status == 200
    assert "no model is asked" in asked.words or "Raw reply" in asked.words or "no raw reply is kept" in asked.words


@pytest.mark.parametrize(
    "path",
    ["/decisions/none/answers", "/decisions/latest/answers", "/decisions/none/answers/x", "/decisions/none/answers/x/y",
     "/decisions/none/answers-file/csv", "/decisions/none/answers-changes", "/decisions/../answers"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(visitor: Visitor, path: str) -> None:
    """Ids of strangers are looked up, and nothing else is done with them."""
    assert visitor.get(path).status == 404


def test_unknown_cases_candidates_and_formats_are_not_found(visitor: Visitor, address: str) -> None:
    """Below a comparison that is there."""
    case = cases_on(visitor.get(address).text)[0]
    assert visitor.get(f"{address}/no-such-case").status == 404
    assert visitor.get(f"{address}/{case}/nobody").status == 404
    assert visitor.get(f"{address}-file/xlsx").status == 404
    assert visitor.post(f"{address}-changes", {"case": "no-such-case", "kind": "exclude", "reason": "x"}).status == 404
    assert visitor.post(f"{address}-changes/back", {"number": 999, "reason": "x"}).status == 404


def test_a_case_is_left_out_with_a_reason_and_taken_back(visitor: Visitor, site: RunningSite, address: str) -> None:
    """The decision counts one case fewer and says why; taken back, it is as it was."""
    case = cases_on(visitor.get(address).text)[3]
    refused = visitor.post(f"{address}-changes", {"case": case, "kind": "exclude", "reason": " "})
    assert refused.status == 422
    assert "say why" in refused.words
    page = visitor.post(f"{address}-changes", {"case": case, "kind": "exclude", "reason": HOSTILE})
    assert page.status == 200
    assert "not counted" in page.words
    assert HOSTILE not in page.text
    assert "&lt;script&gt;" in page.text
    assert cases_on(visitor.get(f"{address}?state=excluded").text) == [case]
    with Workspace(Settings(workspace=site.workspace, workspace_from="test")) as workspace:
        changes = workspace.decide(address.split("/")[2], Demands()).comparison.decision.changes
    assert changes is not None
    assert (changes.excluded, changes.excluded_seen) == (1, 1)
    said = visitor.get(f"{address}-changes")
    number = re.search(r'name="number" value="(\d+)"', said.text)
    assert number is not None
    back = visitor.post(f"{address}-changes/back", {"number": number[1], "reason": "a mistake"})
    assert back.status == 200
    assert "Taken back" in back.words
    assert "No answer meets all of this." in visitor.get(f"{address}?state=excluded").words
    assert "a mistake" in visitor.get(f"{address}-changes").words


def test_a_corrected_answer_is_scored_again(visitor: Visitor, address: str) -> None:
    """Who answered what is right now has the point, and the case says what was right before."""
    case = cases_on(visitor.get(f"{address}?sort=disagreement").text)[0]
    before = visitor.get(f"{address}/{case}")
    wrong = re.search(r"<b>\s*0%.*?Read as: <b>(.*?)</b>", before.text, re.DOTALL)
    assert wrong is not None
    page = visitor.post(f"{address}-changes", {"case": case, "kind": "correct", "target": wrong[1], "reason": "typo"})
    assert page.status == 200
    assert "The right answer was corrected by" in page.words
    assert re.search(r"<b>\s*100%\s*</b>.*?Read as: <b>" + re.escape(wrong[1]), page.text, re.DOTALL)
    number = re.search(r'name="number" value="(\d+)"', page.text)
    assert number is not None
    visitor.post(f"{address}-changes/back", {"number": number[1]})


def test_files_hold_what_is_asked_for(visitor: Visitor, address: str) -> None:
    """JSON Lines exactly, CSV with one line a row behind its head."""
    wanted = total(visitor.get(f"{address}?by=answer&bucket=zero").words)
    lines = visitor.get(f"{address}-file/jsonl?bucket=zero")
    assert lines.headers["content-disposition"].startswith("attachment")
    rows = [json.loads(line) for line in lines.body.splitlines()]
    assert len(rows) == wanted
    assert all(row["score"] == 0 for row in rows)
    table = visitor.get(f"{address}-file/csv?bucket=zero")
    assert table.text.startswith("\ufeffcase,candidate,")


def test_hostile_texts_are_shown_as_text(
    measured_once: Path, tmp_path: Path, start_site: Callable[[Path], RunningSite]
) -> None:
    """In the case, the answer, the reason, the error and the name of a candidate; a formula in CSV is text."""
    folder = tmp_path / "hostile"
    shutil.copytree(measured_once, folder)
    task = tmp_path / "task.yaml"
    (tmp_path / "cases.jsonl").write_text(
        "".join(
            json.dumps({"id": f"<i>{n}</i>/../=x", "input": f"{HOSTILE} {n}", "target": "=1+1", "tags": HOSTILE}) + "\n"
            for n in range(3)
        )
    )
    (tmp_path / "out.jsonl").write_text(
        "".join(
            json.dumps({"case_id": f"<i>{n}</i>/../=x", "model": "m", "output": f"=cmd|{HOSTILE}"}) + "\n"
            for n in range(3)
        )
    )
    task.write_text(
        json.dumps(
            {
                "task": HOSTILE,
                "instruction": "say it",
                "cases": "cases.jsonl",
                "answer": {"kind": "text"},
                "candidates": [
                    {"recorded": "out.jsonl", "model": "m", "name": HOSTILE},
                    {"recorded": "out.jsonl", "model": "m", "name": "other"},
                ],
            }
        )
    )
    with Workspace(Settings(workspace=folder, workspace_from="test")) as workspace:
        data = workspace.compare(workspace.load_task(task), CompareOptions())
    visitor = start_site(folder).visitor()
    place = f"/decisions/{data.comparison.comparison_id}/answers"
    case = quote("<i>0</i>/../=x", safe="")
    for path in (place, f"{place}?by=answer&q=script", f"{place}/{case}", f"{place}/{case}/{quote(HOSTILE, safe='')}"):
        page = visitor.get(path)
        assert page.status == 200, path
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "<i>0" not in page.text
    table = visitor.get(f"{place}-file/csv").text
    assert "'=cmd|" in table
    assert ",=cmd" not in table
    assert ',"=cmd' not in table


def test_texts_of_many_answers_are_scanned_until_a_job_has_made_them_searchable(
    site: RunningSite, visitor: Visitor, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said of the search is true, and the button stands where the index is not made by itself."""
    from touchstone.workspace import answers

    shutil.rmtree(site.workspace / "answers", ignore_errors=True)
    answers._entries.clear()
    monkeypatch.setattr(answers, "_AT_ONCE", 1)
    monkeypatch.setattr(answers, "_SCANNED", 20)
    page = visitor.get(f"{address}?q=a&by=answer")
    assert page.status == 200
    assert "not searchable yet" in page.words
    assert "Make the texts searchable" in page.words
    assert "left out" in visitor.get(f"{address}?differ=answer").words


def test_the_browser_filters_without_loading_the_page(open_page: Callable[..., Seen], address: str) -> None:
    """A tick changes the rows and the address; words are looked for while they are typed."""
    page = open_page(address).page
    page.check('input[name="bucket"][value="zero"]')
    page.wait_for_url("**bucket=zero**")
    page.locator("#found [role=status]").wait_for(state="attached")
    page.fill("#q", "card")
    page.wait_for_url("**q=card**")
    assert page.evaluate("document.activeElement.id") == "q"


def test_the_request_comes_by_itself_where_scripts_run(open_page: Callable[..., Seen], address: str) -> None:
    """The slow part of the page of one answer is loaded after it."""
    page = open_page(address).page
    page.click("th[scope=row] a")
    page.click("article h3 a")
    page.wait_for_selector("#call .note, #call pre")
