"""ROUGE, BLEU, chrF."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import SettingsError
from touchstone.scoring.overlap import Bleu, Chrf, Rouge, longest_common_subsequence, ngram_f1, subsequence_f1

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


@pytest.mark.parametrize(
    ("scorer", "answer", "target", "value"),
    [
        # police killed the gunman / police kill the gunman (Lin 2004): LCS 3 of 4 and 4 words
        (Rouge(), "police kill the gunman", "Police killed the gunman.", 0.75),
        (Rouge("1"), "police kill the gunman", "Police killed the gunman.", 0.75),
        (Rouge("2"), "police kill the gunman", "Police killed the gunman.", 1 / 3),
        (Rouge(), "the gunman police killed", "police killed the gunman", 0.5),
        (Rouge("1"), "the gunman police killed", "police killed the gunman", 1.0),
        (Rouge(), "我喜欢苹果", "我喜欢苹果", 1.0),
        (Rouge(), "我爱苹果", "我喜欢苹果", 6 / 9),
        (Rouge("2"), "Paris", "paris", 1.0),
        (Rouge(), "x", '["y", "x"]', 1.0),
        (Rouge(), "...", "x", 0.0),
        (Bleu(), "the cat sat on the mat", "the cat sat on the mat", 1.0),
        (Bleu(), "Paris", "Paris", 1.0),
        (Bleu(), "我喜欢苹果", "我喜欢苹果", 1.0),
        (Bleu(), " ", "x", 0.0),
        (Chrf(), "我喜欢苹果", "我喜欢苹果", 1.0),
        (Chrf(), "xyz", "abc", 0.0),
        (Chrf(), "x", None, None),
        (Bleu(), None, "x", None),
    ],
)
async def test_overlap_equals_the_hand_worked_value(score, scorer, answer, target, value) -> None:
    """Known pairs have known scores, Chinese included."""
    found = (await score(scorer, answer, target)).value
    assert found == (value if value is None else pytest.approx(value))


async def test_a_chinese_paraphrase_lies_between(score) -> None:
    """Close Chinese wording scores above distant wording."""
    for scorer in (Bleu(), Chrf(), Rouge()):
        close = (await score(scorer, "我很喜欢吃苹果", "我喜欢吃苹果")).value
        far = (await score(scorer, "今天天气不错", "我喜欢吃苹果")).value
        assert 0 <= far < close < 1


def test_an_unknown_variant_is_refused() -> None:
    """ROUGE has three variants here."""
    with pytest.raises(SettingsError, match="L, 1 or 2"):
        Rouge("W")


def plain_lcs(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for left in one:
        before = 0
        for index, right in enumerate(other, 1):
            before, row[index] = row[index], before + 1 if left == right else max(row[index], row[index - 1])
    return row[-1]


@given(WORDS, WORDS)
def test_the_fast_subsequence_equals_the_plain_one(one: list[str], other: list[str]) -> None:
    """Bits or table, the longest common subsequence is the same."""
    assert longest_common_subsequence(one, other) == plain_lcs(one, other)


@given(WORDS, WORDS, st.integers(1, 3))
def test_rouge_is_symmetric_and_bounded(one: list[str], other: list[str], n: int) -> None:
    """Swapping sides changes nothing; equal texts have 1."""
    assert subsequence_f1(one, other) == subsequence_f1(other, one)
    assert 0 <= subsequence_f1(one, other) <= 1
    assert ngram_f1(one, other, n) == ngram_f1(other, one, n)
    assert 0 <= ngram_f1(one, other, n) <= 1
    assert subsequence_f1(one, one) == float(bool(one))


def test_long_texts_take_little_time() -> None:
    """Twenty thousand words against twenty thousand are a matter of a second or two."""
    draw = random.Random(7)
    one, other = ([str(draw.randrange(500)) for _ in range(20_000)] for _ in range(2))
    assert 0 < longest_common_subsequence(one, other) < 20_000
