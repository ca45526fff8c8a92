"""Why examples and passages were chosen: what is told is just what a candidate does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case, train_cases

from touchstone.evaluation.ledger import Ledger
from touchstone.retrieval.base import Passage
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.example_reasons import example_reasons
from touchstone.strategies.few_shot import FewShot
from touchstone.strategies.passages_traced import trace_search, whole_text
from touchstone.strategies.rag import Rag
from touchstone.strategies.rag_finder import Finder

HANDBOOK = Path(__file__).parents[2] / "src" / "touchstone" / "workspace" / "handbook"
QUESTION = "What does gift wrapping cost?"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    (tmp_path / "handbook.md").write_text((HANDBOOK / "handbook.md").read_text())
    return Shop(ledger, tmp_path, answer=AnswerSpec(kind="text"), learning=train_cases(), workspace=tmp_path / "home")


async def made(shop: Shop, part: Any, **parameters: Any) -> PromptCandidate:
    return await compose((part,), shop.spec(part.name, **parameters), shop.workshop)


async def finder(shop: Shop, **parameters: Any) -> Finder:
    found = (await made(shop, Rag(), **parameters)).finder
    assert isinstance(found, Finder)
    return found


# Examples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choose", ["similar", "random", "diverse", "fixed"])
async def test_the_examples_told_are_those_that_are_shown(shop: Shop, choose: str) -> None:
    """In their order, with the answers as the model sees them."""
    shots = (await made(shop, FewShot(), k=3, choose=choose)).shots
    assert shots is not None
    asked = case("q", train_cases()[0].text + " please")
    reasons = example_reasons(shots, asked)
    shown = [(one.id, one.answer) for one in reasons if one.place is not None]
    assert shown == [(one.case.id, one.answer) for one in shots.choose(asked)]
    assert [one.place for one in reasons if one.place is not None] == [1, 2, 3]


async def test_likeness_is_told_by_rank_score_and_words_in_common(shop: Shop) -> None:
    """The most like has rank 1 and the highest score, and stands last where that is asked for."""
    shots = (await made(shop, FewShot(), k=2)).shots
    assert shots is not None
    asked = case("q", train_cases()[0].text + " please")
    reasons = example_reasons(shots, asked)
    shown = [one for one in reasons if one.place is not None]
    assert [one.rank for one in shown] == [2, 1]
    assert shown[1].score is not None
    assert shown[0].score is not None
    assert shown[1].score >= shown[0].score > 0
    assert set(shown[1].shared) <= set(asked.text.casefold().split())
    assert shown[1].shared


async def test_an_example_that_asks_the_same_is_told_as_never_shown(shop: Shop) -> None:
    """It would give the answer away."""
    shots = (await made(shop, FewShot(), k=2)).shots
    assert shots is not None
    twin = train_cases()[0]
    reasons = example_reasons(shots, case("q", twin.text))
    [same] = [one for one in reasons if one.id == twin.id]
    assert same.asks_the_same
    assert (same.place, same.rank) == (None, 1)


# Passages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({"retriever": "lexical"}, ("lexical",)),
        ({"retriever": "dense"}, ("dense",)),
        ({"retriever": "hybrid"}, ("lexical", "dense", "fused")),
        ({"retriever": "hybrid", "rerank": "terms"}, ("lexical", "dense", "fused", "reranked")),
        ({"retriever": "lexical", "min_score": 2.0}, ("lexical",)),
    ],
)
async def test_what_is_told_as_read_is_what_a_candidate_reads(
    shop: Shop, given: dict[str, Any], steps: tuple[str, ...]
) -> None:
    """Step by step, for every way of searching; the last step decides."""
    found = await finder(shop, documents="handbook.md", passages=3, **given)
    for text in (QUESTION, "How long is the warranty of the Ember lamp?"):
        trace = trace_search(found, text)
        assert trace.steps == steps
        read = [one for one in trace.passages if one.place is not None]
        wanted = [(one.id, one.text) for one in found.find(case("q", text))]
        assert [(one.passage.id, one.text) for one in read] == wanted
        assert [one.place for one in read] == list(range(1, len(read) + 1))
        ranks = [one.rank for each in trace.passages if (one := getattr(each, steps[-1])) is not None]
        assert ranks == sorted(ranks)
        assert all((one.place is None) == (one.left_out is not None) for one in trace.passages)


async def test_words_in_common_come_with_the_rarest_first(shop: Shop) -> None:
    """They are what a search by words goes by."""
    found = await finder(shop, documents="handbook.md", passages=2)
    best = trace_search(found, QUESTION).passages[0]
    assert best.lexical is not None
    assert best.shared[0] in ("gift", "wrapping", "wrap")
    assert "the" not in best.shared[:1]


async def test_a_labelled_case_is_told_as_itself_and_never_read(shop: Shop) -> None:
    """Where labelled cases are looked up, a case finds itself first."""
    found = await finder(shop, documents={"cases": "train"}, passages=2)
    twin = train_cases()[0]
    trace = trace_search(found, twin.text, str(question_key(twin)))
    [itself] = [one for one in trace.passages if one.left_out == "itself"]
    assert itself.lexical is not None
    assert itself.lexical.rank == 1
    read = [one.passage.id for one in trace.passages if one.place is not None]
    assert read == [one.id for one in found.find(case("q", twin.text))]


def test_overlapping_passages_read_on_as_one_text() -> None:
    """Each adds what those before it have not said."""
    text = "0123456789"
    cut = [(0, 4), (2, 7), (7, 10)]
    parts = [Passage(id=str(a), document="d", text=text[a:b], start=a, end=b) for a, b in cut]
    assert "".join(added for _part, added in whole_text(parts)) == text
    loose = [Passage(id="x", document="d", text="one"), Passage(id="y", document="d", text="two")]
    assert [added for _part, added in whole_text(loose)] == ["one", "two"]
