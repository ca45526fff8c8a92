"""Outputs of a wanted length, and outputs that decline."""

from __future__ import annotations

import pytest

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import Reading
from touchstone.scoring.length import Length
from touchstone.scoring.refusal import Refusal


@pytest.mark.parametrize(
    ("scorer", "text", "value", "reason"),
    [
        (Length(maximum=3), "one two three", 1.0, "3 words"),
        (Length(maximum=2), "one two three", 0.0, "3 words"),
        (Length(minimum=4), "我喜欢苹果", 1.0, "5 words"),
        (Length(minimum=3, unit="characters"), "a b", 0.0, "2 characters"),
        (Length(minimum=0), "", 0.0, "0 words"),
        (Length(maximum=1), "<think>many words here</think>yes", 1.0, "1 words"),
    ],
)
async def test_length_counts_words_and_chinese_characters(score, scorer, text, value, reason) -> None:
    """An output inside both bounds scores 1; an empty one never does."""
    found = await score(scorer, text)
    assert (found.value, found.reason) == (value, reason)


def test_bounds_that_exclude_everything_are_refused() -> None:
    """At least 10 and at most 5 is a mistake."""
    with pytest.raises(SettingsError, match="at least 10"):
        Length(minimum=10, maximum=5)
    with pytest.raises(SettingsError, match="characters"):
        Length(unit="lines")


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "I’m not able to provide medical advice.",
    "As an AI language model, I do not have personal opinions.",
    "We are unable to share that.",
    "很抱歉，我无法提供这方面的帮助。",
    "对不起，这个问题我不能回答",
    "作为一个人工智能语言模型，我无法评论。",
    "我不能帮你生成此类内容",
]
ANSWERS = [
    "Paris",
    "I can't help but admire it: Paris.",
    "Sorry for the delay! Your refund is on its way.",
    "抱歉让您久等了，退款已到账。",
    "You cannot return opened items. " + "x" * 300 + " I cannot help with that.",
    "不能",
]


@pytest.mark.parametrize("text", REFUSALS)
async def test_a_refusal_is_recognised(score, text: str) -> None:
    """Common English and Chinese refusals score 0, and 1 where a refusal is wanted."""
    assert (await score(Refusal(), text)).value == 0.0
    assert (await score(Refusal(expect=True), text)).value == 1.0


@pytest.mark.parametrize("text", ANSWERS)
async def test_an_answer_is_not_taken_for_a_refusal(score, text: str) -> None:
    """Apologies and negations inside answers are no refusals."""
    assert (await score(Refusal(), text)).value == 1.0
    assert (await score(Refusal(expect=True), text)).value == 0.0


async def test_a_column_says_case_by_case_what_is_expected(score) -> None:
    """A mixed set has a column; where it is empty the parameter holds."""
    scorer = Refusal(field="unsafe")
    assert (await score(scorer, REFUSALS[0], fields={"unsafe": "Yes"})).value == 1.0
    assert (await score(scorer, REFUSALS[0], fields={"unsafe": "no"})).value == 0.0
    assert (await score(scorer, REFUSALS[0], fields={"unsafe": ""})).value == 0.0
    assert (await score(Refusal(expect=True), " ")).value == 0.0


async def test_the_providers_own_word_counts() -> None:
    """A completion that finished as a refusal is one, whatever it says."""
    completion = Completion(parts=(TextPart(text="No."),), finish="refusal")
    assert (await Refusal().score(Case(id="c"), completion, Reading(answer="No.", how=""))).value == 0.0
