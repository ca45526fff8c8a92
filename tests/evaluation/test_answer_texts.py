"""What the file of texts promises: words are found where they stand, in any language; nothing typed is a command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation import answer_texts
from touchstone.evaluation.answer_texts import Texts, make_texts, open_texts
from touchstone.evaluation.base import Outcome, Recipe
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import Reading, Score

INPUTS = ("我要退款，谢谢", "Where is my order?", 'He said "now" OR NOT', "*")
OUTPUTS = (("refund", "order_status", "other", "退"), ("refund", "Order_Status", "小退款", None))
ANSWERS = (("a", "b", "a", None), ("a", "c", "b", "x"))
DIGEST = "d" * 64


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.sqlite")
    cases = [Case(id=f"q{n}", input=text, target=f"goal {n}") for n, text in enumerate(INPUTS)]
    summary = CaseSummary(counts={"test": 4}, labels={}, tags={}, groups=0, digest=DIGEST, described="")
    ledger.datasets.add(summary, cases)

    async def keep() -> None:
        for who, outputs in enumerate(OUTPUTS):
            trial = Comparisons(ledger).trial(f"t{who}", Recipe(model="m", strategy="prompt"))
            for place, text in enumerate(outputs):
                outcome = Outcome(
                    case=f"q{place}",
                    candidate="m",
                    kind="error" if text is None else "scored",
                    completion=None if text is None else Completion(parts=(TextPart(text=text),)),
                    reading=Reading(answer=ANSWERS[who][place], how="whole") if text is not None else None,
                    scores=() if text is None else (Score(scorer="exact", value=1.0),),
                    error="no connection; nothing was sent" if text is None else None,
                )
                await ledger.keep_outcome(trial, place, outcome)
        await ledger.drain()

    asyncio.run(keep())
    yield ledger
    ledger.close()


@pytest.fixture
def texts(ledger: Ledger, tmp_path: Path) -> Texts:
    make(ledger, tmp_path / "texts.sqlite")
    found = open_texts(tmp_path / "texts.sqlite", (2, 4), "key")
    assert found is not None
    return found


def make(ledger: Ledger, path: Path, key: str = "key") -> None:
    trials = [Comparisons(ledger).find_trial(f"t{who}") for who in (0, 1)]
    made = make_texts(ledger, path, dataset=DIGEST, trials=[one or 0 for one in trials], repeats=1, cases=4, key=key)
    assert made.cells == 8


def cells(texts: Texts, words: str, where: str = "any") -> list[tuple[int, int]]:
    """(case, column) of what is found."""
    mask = texts.find(words, where).mask  # type: ignore[arg-type]
    return [(int(case), int(column)) for case, column in zip(*mask.T.nonzero(), strict=True)]


def test_words_are_found_where_they_stand(texts: Texts) -> None:
    """In the answer alone, or in the case of which all answers are shown."""
    assert cells(texts, "refund", "output") == [(0, 0), (0, 1)]
    assert cells(texts, "order_status") == [(1, 0), (1, 1)]
    assert cells(texts, "where is", "input") == [(1, 0), (1, 1)]
    assert cells(texts, "goal", "target") == [(case, column) for case in range(4) for column in (0, 1)]
    assert cells(texts, "goal", "output") == []
    assert cells(texts, "no connection", "output") == [(3, 1)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("退款", [(2, 1)]),
        ("退", [(2, 1), (3, 0)]),
        ("小退款", [(2, 1)]),
        ("款", [(2, 1)]),
        ("fu", [(0, 0), (0, 1)]),
        ("货", []),
    ],
)
def test_one_and_two_characters_are_found_too(texts: Texts, words: str, found: list[tuple[int, int]]) -> None:
    """Most Chinese words have two, and they may be the last ones of a text."""
    assert cells(texts, words, "output") == found


@pytest.mark.parametrize("words", ['"', '""', "OR", "NOT", "*", "a*", "text:refund", "(", "^refund", "-refund", "\0"])
def test_nothing_that_is_typed_is_a_command(texts: Texts, words: str) -> None:
    """Signs of the query language are looked for as they are."""
    expected = [case for case, text in enumerate(INPUTS) if words.lower() in text.lower()]
    assert sorted({case for case, _column in cells(texts, words, "input")}) == expected


def test_all_words_must_stand_in_one_text(texts: Texts) -> None:
    """Not one in the question and another in the answer."""
    assert cells(texts, "order where", "input") == [(1, 0), (1, 1)]
    assert cells(texts, "where refund") == []


def test_who_answers_differently_is_known(texts: Texts) -> None:
    """Of the answers that were read; who gave none differs from nobody."""
    assert texts.answers_differ.tolist() == [False, True, True, False]


def test_a_search_that_finds_too_much_says_so(texts: Texts, monkeypatch: pytest.MonkeyPatch) -> None:
    """And looks at the first texts only."""
    monkeypatch.setattr(answer_texts, "_MOST_HITS", 2)
    found = texts.find("goal", "target")
    assert found.is_cut
    assert found.mask.sum() == 4


def test_a_file_of_other_cells_is_none(ledger: Ledger, tmp_path: Path) -> None:
    """Another key, another shape, no file, or bytes that are no file of ours."""
    path = tmp_path / "folder" / "texts.sqlite"
    assert open_texts(path, (2, 4), "key") is None
    make(ledger, path)
    assert open_texts(path, (2, 4), "key") is not None
    assert open_texts(path, (2, 4), "other") is None
    assert open_texts(path, (3, 4), "key") is None
    make(ledger, path, "other")
    assert open_texts(path, (2, 4), "other") is not None
    path.write_bytes(b"no database" * 100)
    assert open_texts(path, (2, 4), "other") is None


def test_making_it_leaves_nothing_else_behind(ledger: Ledger, tmp_path: Path) -> None:
    """Also where it fails half-way."""
    path = tmp_path / "folder" / "texts.sqlite"
    with pytest.raises(ZeroDivisionError):
        make_texts(
            ledger, path, dataset=DIGEST, trials=[1], repeats=1, cases=4, key="k", progress=lambda _done, _all: 1 // 0
        )  # fmt: skip
    make(ledger, path)
    assert [one.name for one in path.parent.iterdir()] == ["texts.sqlite"]
