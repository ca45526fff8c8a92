"""What a word diff promises: both texts come back from its pieces, and what is the same is said to be."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting.word_diff import Piece, word_diff

texts = st.text(alphabet="ab 退款中。\n<&\u202e", max_size=60)


@given(before=texts, after=texts)
def test_both_texts_come_back(before: str, after: str) -> None:
    """Letter by letter: nothing is lost, whatever the texts hold."""
    pieces = word_diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


def test_words_are_compared_whole() -> None:
    """A changed word is replaced as a word, not letter by letter."""
    assert word_diff("pay the old bill", "pay the new bill") == (
        Piece("same", "pay the "),
        Piece("removed", "old"),
        Piece("added", "new"),
        Piece("same", " bill"),
    )


def test_chinese_is_compared_by_characters() -> None:
    """There are no spaces, so a sentence is not one word."""
    assert word_diff("我要退款", "我要退货") == (
        Piece("same", "我要退"),
        Piece("removed", "款"),
        Piece("added", "货"),
    )


def test_equal_texts_are_one_piece() -> None:
    """And two empty ones are none."""
    assert word_diff("same", "same") == (Piece("same", "same"),)
    assert word_diff("", "") == ()


def test_long_texts_take_no_long_time() -> None:
    """Texts of ten thousand words that share little are compared line by line."""
    before = "\n".join(f"alpha {n} beta {n % 7} gamma" for n in range(3_000))
    after = "\n".join(f"delta {n} beta {n % 5} gamma" for n in range(3_000))
    began = time.process_time()
    pieces = word_diff(before, after)
    assert time.process_time() - began < 5
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
