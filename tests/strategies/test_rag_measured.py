"""How finding is measured apart from answering, and what a completion tells of the passages it was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case

from touchstone.errors import UserError
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.engine import answer_cell
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import Completion, TextPart
from touchstone.models.fake import FakeModel
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.exact import Exact
from touchstone.scoring.grounded import Citations, Faithful
from touchstone.scoring.reading import make_reader
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose, describe
from touchstone.strategies.rag import Rag
from touchstone.strategies.rag_finder import Finder
from touchstone.strategies.rag_measured import measure_case, right_ones

HANDBOOK = "# Gifts\n\nWe wrap presents.\n\n# Returns\n\nGoods are sent back.\n\n# Parcels\n\nParcels take a week.\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    (tmp_path / "handbook.md").write_text(HANDBOOK)
    kind = AnswerSpec(kind="text")
    return Shop(ledger, tmp_path, answer=kind, learning=(), columns=("section",), workspace=tmp_path / "home")


async def make(shop: Shop, **more: Any) -> PromptCandidate:
    return await compose((Rag(),), shop.spec("rag", documents="handbook.md", **more), shop.workshop)


async def test_a_completion_tells_what_was_read(shop: Shop) -> None:
    """The passages in the order of their numbers; told again when the answer is asked for again."""
    candidate = await make(shop, passages=2)
    asked = case("q", "Can goods be sent back?")
    first, again = await candidate.answer(asked), await candidate.answer(asked)
    assert first.passages == again.passages == tuple(one.text for one in await candidate.passages(asked))
    assert first.passages[0] == "Returns: Goods are sent back."


async def test_scorers_see_the_passages_that_were_shown(shop: Shop) -> None:
    """An answer is held against what its own candidate was given to read; one that reads nothing is not held to it."""
    shop.model = FakeModel(reply="Goods are sent back [1]")
    reader = make_reader(AnswerSpec(citations=True))
    asked = case("q", "Can goods be sent back?", "Goods are sent back")
    scorers = (Exact(), Citations(), Faithful())
    plain = await compose((), shop.spec("prompt"), shop.workshop)
    found = [await answer_cell(one, asked, reader, scorers) for one in (await make(shop, passages=2), plain)]
    values = [[score.value for score in one.scores] for one in found if isinstance(one, Outcome)]
    assert values == [[1, 1, 1], [1, None, None]]


async def test_nothing_found_is_not_nobody_reads(shop: Shop) -> None:
    """A candidate that reads and found nothing says so; one that reads nothing says nothing."""
    asked = case("q", "Can goods be sent back?")
    assert (await (await make(shop, min_score=1e6)).answer(asked)).passages == ()
    assert (await (await compose((), shop.spec("prompt"), shop.workshop)).answer(asked)).passages is None


def test_passages_are_never_written_down() -> None:
    """What is stored of a completion does not hold them: they can be found again."""
    completion = Completion(parts=(TextPart(text="yes"),), passages=("secret handbook",))
    assert "secret" not in completion.model_dump_json()
    assert "secret" not in repr(completion)


async def test_the_column_of_right_passages_changes_nothing_that_is_found(shop: Shop) -> None:
    """`gold` is told to whoever measures; what a model is asked, and the settings that are shown, stay the same."""
    plain, measured = await make(shop), await make(shop, gold={"heading": "section"})
    assert measured.asks == plain.asks
    told = [dict(describe(shop.spec("rag", documents="handbook.md"), one)) for one in (plain, measured)]
    for one in told:
        one.pop("build")
    assert told[0] == told[1]
    assert isinstance(measured.finder, Finder)
    assert isinstance(plain.finder, Finder)
    assert (plain.finder.wanted.right, measured.finder.wanted.right) == (None, ("heading", "section"))


async def test_the_column_of_the_search_serves_as_well(shop: Shop) -> None:
    """Who names right passages for `tune` need not name them twice; one of its own wins."""
    tune = {"gold": {"heading": "section"}, "by": "passages", "over": {"size": [None], "passages": [1]}}
    dev = [case(f"d{n}", "Goods back?", None, "dev", fields={"section": "Returns"}) for n in range(5)]
    shop.learning = dev
    finder = (await make(shop, tune=tune)).finder
    assert isinstance(finder, Finder)
    assert finder.wanted.right == ("heading", "section")
    finder = (await make(shop, tune=tune, gold={"text": "section"})).finder
    assert isinstance(finder, Finder)
    assert finder.wanted.right == ("text", "section")


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("nowhere", "the column 'nowhere', which the cases do not have"),
        ({"heading": "section", "text": "section"}, "name one column"),
        ({}, "name one column"),
        ({"chapter": "section"}, "document"),
    ],
)
async def test_a_column_that_cannot_serve_is_refused(shop: Shop, gold: Any, said: str) -> None:
    """Before anything is asked, with what would do."""
    with pytest.raises(UserError, match=said):
        await make(shop, gold=gold)


@pytest.mark.parametrize(
    ("section", "recall", "rank"),
    [("Returns", 1.0, 1.0), ("Returns; Parcels", 0.5, 1.0), ("Nowhere", 0.0, 0.0)],
)
async def test_a_case_is_measured_by_what_it_is_shown(shop: Shop, section: str, recall: float, rank: float) -> None:
    """Of several right ones, those among the passages count; what no document has is never found."""
    candidate = await make(shop, passages=1, gold={"heading": "section"})
    assert isinstance(candidate.finder, Finder)
    asked = case("q", "Are goods sent back?", fields={"section": section})
    found = measure_case(candidate.finder, asked, "heading", "section")
    assert (found.recall, found.reciprocal_rank) == (recall, rank)
    assert shop.model.calls == []


async def test_sections_that_share_a_passage_are_found_in_it(shop: Shop, tmp_path: Path) -> None:
    """Each heading inside a passage is found with it, at its rank; words of a sentence are no heading."""
    (tmp_path / "handbook.md").write_text(f"# Book\n\n{HANDBOOK.replace('# ', '## ')}")
    finder = (await make(shop, passages=2, gold={"heading": "section"})).finder
    assert isinstance(finder, Finder)
    [passage] = finder.find(case("q", "Are goods sent back?"))
    assert "Parcels take a week" in passage.text
    for section, recall in (("Returns", 1), ("Gifts; Parcels", 1), ("Goods", 0)):
        asked = case("q", "Are goods sent back?", fields={"section": section})
        found = measure_case(finder, asked, "heading", "section")
        assert (found.recall, found.reciprocal_rank, found.ndcg) == (recall, recall, recall)


def test_right_ones_are_parted_by_semicolons() -> None:
    """Each once, without blanks; an empty cell names none."""
    assert right_ones(case("q", "?", fields={"section": " a;b ; a;"}), "section") == ("a", "b")
    assert right_ones(case("q", "?"), "section") == ()
