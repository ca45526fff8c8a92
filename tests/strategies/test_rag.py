"""What retrieval promises a candidate: the right passages above the question, the same ones again, told where from."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case, train_cases

from touchstone.errors import ExtraMissing, UserError
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import Completion
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose, describe
from touchstone.strategies.few_shot import FewShot
from touchstone.strategies.rag import CITE, Rag
from touchstone.strategies.rag_finder import Read
from touchstone.strategies.request_fields import OWN_FIELDS

HANDBOOK = Path(__file__).parents[2] / "src" / "touchstone" / "workspace" / "handbook"
TEXT = AnswerSpec(kind="text")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    (tmp_path / "handbook.md").write_text((HANDBOOK / "handbook.md").read_text())
    return Shop(ledger, tmp_path, answer=TEXT, learning=(), workspace=tmp_path / "home")


async def make(shop: Shop, *parts: Any, **parameters: Any) -> PromptCandidate:
    return await compose(parts or (Rag(),), shop.spec("rag", **parameters), shop.workshop)


async def read(candidate: PromptCandidate, text: str) -> tuple[Read, ...]:
    return await candidate.passages(case("q", text))  # type: ignore[return-value]  # of our finder


def about(shop: Shop, candidate: PromptCandidate, **parameters: Any) -> Mapping[str, Any]:
    return describe(shop.spec("rag", **parameters), candidate)


async def test_passages_stand_above_the_question(shop: Shop) -> None:
    """Numbered, each with its heading in front of it; the question comes last, as it was asked."""
    candidate = await make(shop, documents="handbook.md", passages=2)
    await candidate.answer(case("q", "What does gift wrapping cost?"))
    [system, user] = shop.model.calls[0].messages
    assert system.content == "Name the intent."
    lines = str(user.content).splitlines()
    assert lines[0] == "Passages:"
    assert lines[1].startswith("[1] Gifts: We wrap presents for $6.20.")
    assert lines[2].startswith("[2] ")
    assert lines[3:] == ["", "Question: What does gift wrapping cost?"]


async def test_the_passages_of_a_case_can_be_had_again(shop: Shop) -> None:
    """The same ids, texts and scores, with the document that each stands in."""
    candidate = await make(shop, documents="handbook.md", passages=3)
    first = await read(candidate, "What does express delivery cost?")
    assert first == await read(candidate, "What does express delivery cost?")
    assert first[0].document == "handbook.md"
    assert "Express costs $14.50" in first[0].text
    assert [one.score for one in first] == sorted((one.score for one in first), reverse=True)
    again = await make(shop, documents="handbook.md", passages=3)
    assert await read(again, "What does express delivery cost?") == first
    assert again.asks == candidate.asks


@pytest.mark.parametrize("retriever", ["lexical", "dense", "hybrid"])
@pytest.mark.parametrize("rerank", [None, "terms"])
async def test_the_handbook_is_found(shop: Shop, retriever: str, rerank: str | None) -> None:
    """However it is searched, the section that a dev question of the handbook needs is nearly always among four."""
    if retriever != "lexical":
        pytest.importorskip("sklearn", reason="the extra 'classical' is not installed")
    candidate = await make(shop, documents="handbook.md", retriever=retriever, rerank=rerank)
    with (HANDBOOK / "cases.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "dev"]
    held = [any(row["target"] in passage.text for passage in await read(candidate, row["input"])) for row in rows]
    assert len(held) > 40
    assert sum(held) / len(held) > 0.9


async def test_settings_tell_what_was_read(shop: Shop) -> None:
    """Documents, passages, how they are cut and found, what indexing took; told alike by the next run."""
    wanted = {"documents": "handbook.md", "chunk": {"way": "sentence", "size": 60, "overlap": 10}, "min_score": 0.1}
    told = about(shop, await make(shop, **wanted), **wanted)
    assert told["chunk"] == {"way": "sentence", "size": 60, "overlap": 10}
    assert (told["retriever"], told["passages"], told["min_score"]) == ("lexical", 4, 0.1)
    assert told["documents"] == ["handbook.md"]
    assert told["documents_read"] == 1
    assert told["chunks"] > 10
    assert told["build"]["took_s"] > 0
    assert told["build"]["usd"] == 0
    assert about(shop, await make(shop, **wanted), **wanted) == told


async def test_other_words_or_settings_are_another_candidate(shop: Shop, tmp_path: Path) -> None:
    """A changed document, another number of passages, another way to cut: each is another recipe and asks anew."""
    base = {"documents": "handbook.md"}
    made = [
        await make(shop, **base),
        await make(shop, **base, passages=3),
        await make(shop, **base, chunk="sentence"),
        await make(shop, **base, rerank=True),
        await make(shop, **base, min_score=1.0),
    ]
    (tmp_path / "handbook.md").write_text("## Gifts\n\nWrapping is free now.\n")
    made.append(await make(shop, **base))
    assert len({candidate.recipe.fingerprint for candidate in made}) == len(made)
    assert len({candidate.asks for candidate in made}) == len(made)
    assert (await read(made[-1], "Is wrapping free?"))[0].text == "Gifts: Wrapping is free now."


async def test_only_what_changed_is_indexed_again(shop: Shop, tmp_path: Path) -> None:
    """A second candidate with the same documents opens the index; one changed file is read alone."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"The {name} costs 5.")
    await make(shop, documents="docs")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "home").rglob("*") if file.is_file()}
    await make(shop, documents="docs", passages=1)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "home").rglob("*") if file.is_file()} == before
    (folder / "a.txt").write_text("The a costs 7.")
    candidate = await make(shop, documents="docs")
    assert (await read(candidate, "What does the a cost?"))[0].text == "The a costs 7."
    assert {one.document for one in await read(candidate, "costs")} == {"a.txt", "b.txt", "c.txt"}


async def test_several_places(shop: Shop, tmp_path: Path) -> None:
    """Files and folders side by side; ids say which of them a passage is from."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "zebra.txt").write_text("A zebra is on sale.")
    candidate = await make(shop, documents=["handbook.md", "more"])
    assert (await read(candidate, "zebra"))[0].document == "more/zebra.txt"
    assert (await read(candidate, "birthday members save"))[0].document == "handbook.md/handbook.md"


async def test_a_file_of_passages(shop: Shop, tmp_path: Path) -> None:
    """Rows of JSON Lines, with columns of one's own names."""
    (tmp_path / "p.jsonl").write_text(
        '{"no": "p1", "body": "Batteries are dangerous goods."}\n{"no": "p2", "body": "x"}\n'
    )
    candidate = await make(shop, documents="p.jsonl", columns={"id": "no", "text": "body"}, chunk="whole")
    [found] = await read(candidate, "Are batteries dangerous?")
    assert (found.document, found.text) == ("p1", "Batteries are dangerous goods.")


async def test_weak_passages_are_left_out(shop: Shop) -> None:
    """With a floor above every score a case is asked without passages, just as `prompt` asks."""
    candidate = await make(shop, documents="handbook.md", min_score=1e6)
    await candidate.answer(case("q", "What does gift wrapping cost?"))
    assert shop.model.calls[0].messages[-1].content == "What does gift wrapping cost?"


async def test_citations_are_asked_for(shop: Shop) -> None:
    """The system text ends with the request, and the recipe knows it."""
    plain = await make(shop, documents="handbook.md")
    cited = await make(shop, documents="handbook.md", cite=True, system="Be brief.")
    assert cited.system == f"Be brief.\n{CITE}"
    assert CITE not in plain.system
    assert cited.recipe.fingerprint != plain.recipe.fingerprint


async def test_labelled_cases_are_read_as_passages(ledger: Ledger, tmp_path: Path) -> None:
    """What was asked and answered before stands above the question, and never the very case that is asked."""
    shop = Shop(ledger, tmp_path, workspace=tmp_path / "home")
    candidate = await make(shop, documents={"cases": "train"}, passages=2)
    texts = [one.text for one in await read(candidate, "My parcel is late")]
    assert texts[0] == "The parcel is late, where is it?\nAnswer: shipping"
    asked = train_cases()[3]
    own = [one.text for one in await read(candidate, f"{(asked.input or '').upper()}!!")]
    assert len(own) >= 1
    assert not any(text.startswith("The parcel is late") for text in own)
    assert set(shop.looked_at) == {one.id for one in train_cases()}


async def test_joined_with_examples(ledger: Ledger, tmp_path: Path) -> None:
    """Examples stand before the case without passages; only the case itself gets some, and no parameter is both's."""
    (tmp_path / "d.txt").write_text("A parcel takes four days.")
    shop = Shop(ledger, tmp_path, workspace=tmp_path / "home")
    spec = shop.spec("few_shot+rag", k=1, documents="d.txt", passages=1)
    candidate = await compose((Rag(), FewShot()), spec, shop.workshop)
    await candidate.answer(case("q", "How long does a parcel take?"))
    contents = [str(turn.content) for turn in shop.model.calls[0].messages[1:]]
    assert len(contents) == 3
    assert "Passages:" not in contents[0]
    assert contents[2].startswith("Passages:\n[1] A parcel takes four days.\n\nQuestion: ")
    assert not FewShot.parameters & Rag.parameters


async def test_a_template_says_where_passages_stand(shop: Shop) -> None:
    """`{passages}` in the user's own prompt; what a passage says in braces is never filled in."""
    (shop.workshop.folder / "d.txt").write_text("Write {input} or {target}.")
    candidate = await make(shop, documents="d.txt", prompt="Read:\n{passages}\nThen answer {input}")
    await candidate.answer(case("q", "write what?"))
    assert shop.model.calls[0].messages[-1].content == (
        "Read:\n[1] Write {input} or {target}.\nThen answer write what?"
    )


async def test_what_cannot_be_read_is_told(shop: Shop, tmp_path: Path) -> None:
    """A file that is no text is a finding; without a single document nothing is made."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "bad.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match="holds no document"):
        await make(shop, documents="docs")
    (folder / "good.txt").write_text("A parcel takes four days.")
    [finding] = about(shop, await make(shop, documents="docs"))["findings"]
    assert finding["kind"] == "unread"
    assert finding["values"]["count"] == 1
    assert "bad.txt" in finding["values"]["named"]
    assert not finding["blocks"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "needs documents"),
        ({"documents": "nowhere.md"}, "do not exist"),
        ({"documents": ["handbook.md", "handbook.md"]}, "twice"),
        ({"documents": []}, "write a path"),
        ({"documents": {"cases": "test"}}, "cases: train"),
        ({"documents": "handbook.md", "embedder": "big"}, "static: FOLDER"),
        ({"documents": {"cases": "train"}}, "it has none"),
        ({"documents": {"cases": "train"}, "chunk": "sentence"}, "are not cut"),
        ({"documents": "handbook.md", "passages": 0}, "at least 1"),
        ({"documents": "handbook.md", "retriever": "magic"}, "lexical"),
        ({"documents": "handbook.md", "chunk": {"wy": "fixed"}}, "closest: way"),
        ({"documents": "handbook.md", "chunk": {"way": "fixed", "size": 0}}, "size is 0"),
        ({"documents": "handbook.md", "chunk": {"way": "whole", "size": 9}}, "setting"),
        ({"documents": "handbook.md", "retriever": "dense", "store": "cloud"}, "cloud"),
    ],
)
async def test_what_is_refused(shop: Shop, parameters: Mapping[str, Any], said: str) -> None:
    """Before anything is asked: what is wrong, where, and what to write instead."""
    with pytest.raises(UserError, match=said):
        await make(shop, **parameters)


async def test_an_extra_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors need a library; without it the entry is refused with the extra's name, and words still work."""
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.utils.extmath", None)
    with pytest.raises(ExtraMissing, match="classical"):
        await make(shop, documents="handbook.md", retriever="dense")
    await make(shop, documents="handbook.md")


async def test_a_plan_indexes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """Where nothing is indexed yet a plan reads a few documents for the length; afterwards it opens what is there."""
    (tmp_path / "handbook.md").write_text((HANDBOOK / "handbook.md").read_text())
    home = tmp_path / "home"
    planner = Shop(ledger, tmp_path, answer=TEXT, learning=(), workspace=home, planning=True)
    planned = await make(planner, documents="handbook.md", passages=3)
    question = case("q", "What does gift wrapping cost?")
    assert len(planned.messages(question)[-1].content) > 100
    assert str(planned.messages(question)[-1].content).count("\n[") == 3
    assert about(planner, planned)["build"]["forecast"]
    assert not list(home.rglob("index.json"))

    real = await make(
        Shop(ledger, tmp_path, answer=TEXT, learning=(), workspace=home), documents="handbook.md", passages=3
    )
    known = await make(planner, documents="handbook.md", passages=3)
    assert known.messages(question) == real.messages(question)
    assert not about(planner, known)["build"]["forecast"]
    assert known.recipe.fingerprint == real.recipe.fingerprint


async def test_without_a_workspace_the_index_is_held_for_the_candidate(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is kept, and the candidate answers."""
    (tmp_path / "d.txt").write_text("A parcel takes four days.")
    shop = Shop(ledger, tmp_path, answer=TEXT, learning=())
    candidate = await make(shop, documents="d.txt")
    said: Completion = await candidate.answer(case("q", "How long does a parcel take?"))
    assert said.text == "refund"
    assert "four days" in str(shop.model.calls[0].messages[-1].content)


def test_no_parameter_is_one_of_the_requests_own() -> None:
    """What an entry says of its passages never passes for what it says of its words."""
    assert not Rag.parameters & set(OWN_FIELDS)
