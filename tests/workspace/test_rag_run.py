"""What reading passages promises in a real run: finding and answering measured apart, citations scored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run
from tests.workspace.learner import Learner, learner

from touchstone.data.base import Case
from touchstone.evaluation.base import RetrievalScores
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ChatRequest
from touchstone.workspace import retrieval_scores as measured
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.identity import identify
from touchstone.workspace.prepare import prepare
from touchstone.workspace.taskfile import load_task

GOODS = ("lamp", "chair", "table", "shelf", "clock", "mirror", "carpet", "kettle", "pillow", "basket")
ENTRY = {"strategy": "rag", "documents": "goods.md", "passages": 2}


def reads(request: ChatRequest) -> str:
    """Says the price of the first passage that names the thing, with its number; without one it does not know."""
    above, _, question = str(request.messages[-1].content).partition("Question: ")
    for line in above.splitlines():
        number, _, passage = line.partition("] ")
        if number.startswith("[") and any(name in question and f"The {name}" in passage for name in GOODS):
            return f"{passage.rpartition('costs ')[2].rstrip('.')} [{number[1:]}]"
    return "I do not know"


@pytest.fixture
def shop(tmp_path: Path, touchstone: Run) -> Iterator[Learner]:
    with learner(tmp_path, touchstone, reads) as found:
        goods = [f"# The {name}\n\nIt costs {place + 10} dollars.\n" for place, name in enumerate(GOODS)]
        (tmp_path / "goods.md").write_text("\n".join(goods))
        rows = [
            f"t{place},{'x' if place < 5 else 'y'},What does the {name} cost?,{place + 10} dollars,"
            f"{'The ' + name if place < 9 else 'Nowhere'}"
            for place, name in enumerate(GOODS)
        ]
        (tmp_path / "cases.csv").write_text("\n".join(["id,group,input,target,section", *rows]) + "\n")
        yield found


def task(shop: Learner, *entries: dict[str, Any], **more: Any) -> None:
    answer = {"kind": "text", "citations": True}
    shop.task(*entries, **{"answer": answer, "scorers": ["exact"], **more})


def test_finding_is_shown_apart_from_answering(shop: Learner) -> None:
    """Recall, MRR and nDCG with intervals in result and page; who reads nothing, or was told nothing, has none."""
    task(
        shop,
        shop.entry(name="plain"),
        shop.entry(name="reads", **ENTRY, gold={"heading": "section"}),
        shop.entry(name="untold", **ENTRY),
        columns={"group": "group"},
    )
    result = shop.compare("--full", "--report", "report.html")
    by_name = {one["name"]: one for one in result["candidates"]}
    assert [by_name[name]["retrieval"] for name in ("plain", "untold")] == [None, None]
    found = by_name["reads"]["retrieval"]
    assert found["k"] == 2
    # One of ten names a section that no document has; the answers are right all the same.
    assert found["recall"]["mean"] == pytest.approx(0.9)
    assert found["recall"]["n"] == 10
    assert found["recall"]["low"] < 0.9 < found["recall"]["high"]
    assert 0 < found["mrr"]["mean"] <= 0.9
    assert 0 < found["ndcg"]["mean"] <= 0.9
    assert by_name["reads"]["estimate"]["mean"] == by_name["untold"]["estimate"]["mean"] == 1
    page = (shop.folder / "report.html").read_text()
    assert "What was found to read" in page
    assert "Recall at k" in page
    sold = shop.sold
    assert shop.compare("--full")["candidates"] == result["candidates"]
    assert shop.sold == sold


def test_measuring_asks_no_model(shop: Learner) -> None:
    """With `gold` as many answers are bought as without; with both, none twice."""
    task(shop, shop.entry(name="reads", **ENTRY))
    shop.compare("--full")
    assert shop.sold == 10
    task(shop, shop.entry(name="reads", **ENTRY, gold={"heading": "section"}))
    assert shop.compare("--full")["candidates"][0]["retrieval"]["recall"]["n"] == 10
    assert shop.sold == 10


async def scores(
    shop: Learner, *, stop_at: int | None = None, **entry: Any
) -> tuple[RetrievalScores | None, list[str]]:
    """(what a run would measure, None where it was stopped; ids of the cases it was measured on)."""
    task(shop, shop.entry(name="reads", **ENTRY, **entry))
    ledger = Ledger(shop.folder / "own.db")
    prepared = await prepare(load_task(shop.folder / "task.yaml"), ledger, CompareOptions())
    seen: list[str] = []
    finder = prepared.candidates[0].finder  # type: ignore[attr-defined]  # a chat candidate
    inner = finder.found

    def found(one: Case) -> Any:
        seen.append(one.id)
        if len(seen) == stop_at:
            running.cancel()
        return inner(one)

    finder.found = found
    work = measured.retrieval_scores(prepared.candidates, ledger, prepared.summary.digest, confidence=0.95, seed=7)
    running = asyncio.ensure_future(work)
    [ended] = await asyncio.gather(running, return_exceptions=True)
    await prepared.close()
    ledger.close()
    if isinstance(ended, asyncio.CancelledError):
        return None, seen
    assert isinstance(ended, tuple), ended
    return ended[0], seen


async def test_only_cases_that_name_right_passages_count(shop: Learner) -> None:
    """A case with an empty cell has nothing to find; groups widen the interval as they do for answers."""
    rows = (shop.folder / "cases.csv").read_text().replace(",The lamp\n", ",\n")
    (shop.folder / "cases.csv").write_text(rows)
    found, seen = await scores(shop, gold={"heading": "section"})
    assert found is not None
    assert found.recall.n == len(seen) == 9
    assert "t0" not in seen
    assert "cluster" in found.recall.method or "group" in found.recall.method


async def test_many_cases_are_drawn_from(shop: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more cases than are measured the same ones are drawn every time, and n says how many."""
    monkeypatch.setattr(measured, "MOST_CASES", 4)
    found, seen = await scores(shop, gold={"heading": "section"})
    assert found is not None
    assert found.recall.n == len(seen) == 4
    assert (await scores(shop, gold={"heading": "section"}))[1] == seen


async def test_it_can_be_stopped(shop: Learner) -> None:
    """Ctrl-C ends it after the case that is looked at, before anybody was asked."""
    assert await scores(shop, stop_at=3, gold={"heading": "section"}) == (None, ["t0", "t1", "t2"])


async def test_nobody_names_right_passages(shop: Learner) -> None:
    """Without a column, or where it is empty, there is nothing to show."""
    assert (await scores(shop))[0] is None
    rows = (shop.folder / "cases.csv").read_text().splitlines()
    (shop.folder / "cases.csv").write_text("\n".join([rows[0], *(row.rpartition(",")[0] + "," for row in rows[1:])]))
    assert (await scores(shop, gold={"heading": "section"}))[0] is None


async def test_reading_citations_is_part_of_the_answer_rule(shop: Learner) -> None:
    """A task that does not ask for it has the identity that it had before there was the key."""
    ledger = Ledger(shop.folder / "own.db")
    found = []
    for answer in ({"kind": "text"}, {"kind": "text", "citations": False}, {"kind": "text", "citations": True}):
        task(shop, shop.entry(name="plain"), answer=answer)
        prepared = await prepare(load_task(shop.folder / "task.yaml"), ledger, CompareOptions())
        assert ("citations" in prepared.answer.model_dump(mode="json")) == answer.get("citations", False)
        found.append(identify(prepared, CompareOptions()).trials)
        await prepared.close()
    ledger.close()
    assert found[0] == found[1] != found[2]


def test_marks_are_no_part_of_the_answer(shop: Learner) -> None:
    """The same replies are wrong by `exact` where the task does not read marks, and right where it does."""
    entry = shop.entry(name="reads", **ENTRY)
    task(shop, entry, answer={"kind": "text"})
    assert shop.compare()["candidates"][0]["estimate"]["mean"] == 0
    task(shop, entry)
    assert shop.compare("--new")["candidates"][0]["estimate"]["mean"] == 1
    assert shop.sold == 10
