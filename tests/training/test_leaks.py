"""A test case among the rows to learn from is found, in whatever dress, with both rows named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.training.leaks import PIECE_WORDS, find_leaks

LONG = "our parcel was left with a neighbour on the third floor who is away until monday morning and nobody answers"


def cases(split: str, texts: Sequence[str]) -> list[Case]:
    return [
        Case.model_validate({"id": f"{split}{row}", "input": text, "target": "x", "split": split, "row": row})
        for row, text in enumerate(texts, start=1)
    ]


@pytest.mark.parametrize(
    ("train", "kind"),
    [
        ("Where is my parcel?", "same"),
        ("WHERE is my parcel?", "same"),
        ("where is my parcel !!", "near"),
        (f"Hello, I am Kim. {LONG.upper()}, so please help", "piece"),
        (LONG.partition(" a ")[2], "piece"),
    ],
)
def test_a_planted_test_case_is_found_with_both_rows(train: str, kind: str) -> None:
    """The row to learn from, the test case, and what they share."""
    (leak,) = find_leaks(cases("train", ["Something else", train]), cases("test", ["Where is my parcel?", LONG]))

    assert leak.kind == kind
    assert (leak.train_id, leak.train_row) == ("train2", 2)
    assert leak.test_row in (1, 2)
    assert len(leak.piece.split()) == (PIECE_WORDS if kind == "piece" else 0)


def test_short_texts_that_only_share_words_are_no_leak() -> None:
    """Thirteen words in a row are one, twelve are none."""
    words = LONG.split()
    almost = " ".join([*words[:12], "and", "then"])

    assert find_leaks(cases("train", ["Where is my bag?", almost]), cases("test", ["Where is my parcel?", LONG])) == ()


def test_chinese_counts_its_characters() -> None:
    """A script without spaces would else be one long word."""
    test = "我的包裹昨天被送到了三楼的邻居那里而他要到星期一才回来"
    (leak,) = find_leaks(cases("train", ["您好，" + test[5:] + "，请帮忙"]), cases("test", [test]))

    assert leak.kind == "piece"
    assert find_leaks(cases("train", ["您好，" + test[5:12]]), cases("test", [test])) == ()


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8), st.lists(st.text(min_size=1, max_size=40), max_size=8))
def test_whatever_stands_in_both_is_found(train: list[str], test: list[str]) -> None:
    """And each row at most once."""
    found = find_leaks(cases("train", train), cases("test", test))
    rows = [leak.train_row for leak in found]

    assert len(set(rows)) == len(rows)
    for row, text in enumerate(train, start=1):
        assert row in rows or text not in test


def test_answers_do_not_matter() -> None:
    """Whoever knows the question has seen what went with it."""
    train = cases("train", ["Where is my parcel?"])[0].model_copy(update={"target": "another"})

    assert len(find_leaks([train], cases("test", ["Where is my parcel?"]))) == 1
