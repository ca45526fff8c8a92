"""Answers held against the passages that were shown: citations and faithfulness."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import AnswerSpec, Score, Scorer
from touchstone.scoring.grounded import Citations, Faithful, says_unknown
from touchstone.scoring.reading import make_reader
from touchstone.testing.exams import ODD_TEXTS

PASSAGES = (
    "Gifts: We wrap presents for $6.20. Gift cards start at $20.",
    "Returns: Unused goods can be sent back within 45 days. The return label costs $3.80.",
    "退货：未使用的商品可在45天内退回。",
)
CASE = Case(id="c", input="?")


async def score(
    scorer: Scorer, text: str, passages: tuple[str, ...] | None = PASSAGES, *, citations: bool = True
) -> Score:
    completion = Completion(parts=(TextPart(text=text),), passages=passages)
    return await scorer.score(CASE, completion, make_reader(AnswerSpec(citations=citations)).read(text, CASE))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45 days [2]", 1.0),
        ("45 days [1]", 0.0),
        ("45 days [1][2]", 1.0),
        ("45 days", 0.0),
        ("46 days [2]", 0.0),
        ("45 days [7]", 0.0),
        ("45天 [0]", 0.0),
        ("Goods can be sent back within 45 days. [2] Gift cards start at $20. [1]", 1.0),
        ("Goods can be sent back within 45 days. [2] Gift cards start at $25. [1]", 0.5),
        ("Goods can be sent back within 45 days. Gift cards start at $20. [1]", 0.5),
        ("Yes. Unused goods can be sent back [2].", 1.0),
        ("商品可在45天内退回【3】。", 1.0),
        ("商品可在30天内退回【3】。", 0.0),
        ("商品可在45天内退回。", 0.0),
    ],
)
async def test_sentences_rest_on_what_they_cite(text: str, value: float) -> None:
    """The share of sentences whose words and numbers all stand in the passages that the sentence itself cites."""
    found = await score(Citations(), text)
    assert found.value == pytest.approx(value)
    assert found.reason


async def test_the_reason_names_what_is_wrong() -> None:
    """The first sentence that is not supported, and what it lacks."""
    assert (await score(Citations(), "46 days [2]")).reason == "0 of 1 sentences; not in [2]: 46"
    assert (await score(Citations(), "45 days [7]")).reason == "0 of 1 sentences; cites 7 of 3 passages"
    assert (await score(Citations(), "45 days")).reason == "0 of 1 sentences; no citation: 45 days"


async def test_some_words_may_be_missing_but_no_number() -> None:
    """With `words` below 1 a sentence may say more than its passage; a wrong number is wrong all the same."""
    text = "Happily goods can be sent back within {} days [2]"
    assert (await score(Citations(), text.format(45))).value == 0
    assert (await score(Citations(words=0.8), text.format(45))).value == 1
    assert (await score(Citations(words=0.5), text.format(46))).value == 0
    with pytest.raises(SettingsError, match="share above 0"):
        Citations(words=0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45 days [1]", 1.0),
        ("45 days", 1.0),
        ("46 days", 0.5),
        ("Gift cards cost $9", 0.75),
        ("In Berlin", 0.0),
        ("商品45天", 1.0),
        ("商品46天", 0.75),
    ],
)
async def test_faithful_looks_at_all_passages(text: str, value: float) -> None:
    """The share of words and numbers that stand in any passage, cited or not; the marks are no words."""
    assert (await score(Faithful(), text)).value == pytest.approx(value)


@pytest.mark.parametrize("scorer", [Citations(), Faithful()], ids=lambda one: one.name)
async def test_who_shows_nothing_has_no_value(scorer: Scorer) -> None:
    """A candidate without passages is not blamed for it, and the reason says so; finding none is another thing."""
    found = await score(scorer, "45 days [1]", None)
    assert (found.value, found.reason) == (None, "no passages were shown")
    assert (await score(scorer, "45 days [1]", ())).value == 0


@pytest.mark.parametrize("scorer", [Citations(), Faithful()], ids=lambda one: one.name)
async def test_who_does_not_know_has_no_value(scorer: Scorer) -> None:
    """An answer that claims nothing is neither supported nor unsupported."""
    for text in ("I do not know", "I am sorry, I do not know. [1]", "不知道", "Yes.", "No [1]"):
        found = await score(scorer, text)
        assert found.value is None, text
        assert found.reason


async def test_marks_are_found_where_the_task_does_not_read_them() -> None:
    """Without `citations: true` they still stand in the answer."""
    assert (await score(Citations(), "45 days [2]", citations=False)).value == 1
    assert (await score(Faithful(), "45 days [2]", citations=False)).value == 1


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("I don't know.", True),
        ("I'm sorry, but I cannot find that in the handbook.", True),
        ("The passages do not mention a price [1].", True),
        ("Not stated", True),
        ("根据以上材料，无法确定", True),
        ("很抱歉，文中没有提到。", True),
        ("I do not know, but it costs $6.20", False),
        ("不知道，不过可能是45天", False),
        ("Not within 45 days", False),
        ("无需付费", False),
        ("45 days", False),
    ],
)
def test_who_says_that_they_do_not_know(text: str, unknown: bool) -> None:
    """In English and Chinese; a guess behind it is an answer."""
    assert says_unknown(text) == unknown


@pytest.mark.parametrize("text", ODD_TEXTS)
@pytest.mark.parametrize("scorer", [Citations(), Faithful()], ids=lambda one: one.name)
async def test_odd_texts_score_within_bounds(scorer: Scorer, text: str) -> None:
    """Whatever a model writes scores between 0 and 1 or not at all, the same again."""
    found = await score(scorer, text)
    assert found.value is None or 0 <= found.value <= 1
    assert found == await score(scorer, text)
    assert (scorer.reads_answer, scorer.needs_target) == (True, False)


@given(st.lists(st.sampled_from([one for text in PASSAGES for one in text.split(". ")]), min_size=1, max_size=4))
def test_what_is_copied_with_its_number_is_supported(parts: list[str]) -> None:
    """Sentences of the passages, each with the number of its own, score 1 by both."""
    numbered = []
    for part in parts:
        number = next(place for place, text in enumerate(PASSAGES, start=1) if part in text)
        numbered.append(f"{part.rstrip('.。')} [{number}].")
    text = "\n".join(numbered)
    assert asyncio.run(score(Citations(), text)).value == 1
    assert asyncio.run(score(Faithful(), text)).value == 1


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_real_answers_rest_on_their_own_passages(shared_data: Path, language: str) -> None:
    """XQuAD, every seventh question: its answer is supported by the passage it was taken from, and by no other."""
    folder = shared_data / f"rag-xquad-{language}"
    texts = [json.loads(line) for line in (folder / "passages.jsonl").read_text("utf-8").splitlines()]
    place = {one["passage_id"]: number for number, one in enumerate(texts)}
    own, other = [], []
    for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()[::7]:
        asked = json.loads(line)
        here = place[asked["gold_passage_id"]]
        shown = (texts[here]["text"], texts[here - 90]["text"])
        answer = asked["answers"][0]["text"]
        own.append((await score(Citations(), f"{answer} [1]", shown)).value)
        other.append((await score(Citations(), f"{answer} [2]", shown)).value)
    assert len(own) == 170
    assert sum(value or 0 for value in own) / len(own) >= 0.98
    assert sum(value or 0 for value in other) / len(other) <= 0.04
