"""Text becomes tokens and comes back, and never becomes a special one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.models.starter.folder import SHIPPED, TOKENIZER
from touchstone.models.starter.tokens import SPECIAL, Tokens, byte_signs, render

TOKENS = Tokens.read(SHIPPED / TOKENIZER)
ODD = (
    "",
    " ",
    "  a  ",
    "\n\t",
    "3 000,50 €",
    "x²ⅷ",
    "退货标签多少钱？",
    "é e\u0301",
    "😀‍👩",
    "\ud7ff",
    "'s",
    "a" * 500,
    "\u3000",
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(TEXTS)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """Every byte has a token of its own, so nothing is unknown."""
    assert TOKENS.decode(TOKENS.encode(text)) == text


@given(TEXTS, TEXTS)
def test_no_text_becomes_a_special_token(before: str, after: str) -> None:
    """Whoever writes the sign for a turn into a question has written text, not a turn."""
    for name in SPECIAL:
        numbers = TOKENS.encode(before + name + after)
        assert not set(numbers) & set(TOKENS.special.values())
        assert TOKENS.decode(numbers) == before + name + after


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_the_same_numbers_as_in_the_library(text: str) -> None:
    """The library that trains the vocabulary and ours that uses it agree."""
    library = pytest.importorskip("tokenizers")
    reference = library.Tokenizer.from_file(str(SHIPPED / TOKENIZER))

    assert TOKENS.encode(text) == reference.encode(text, add_special_tokens=False).ids


@given(text=TEXTS)
def test_all_texts_are_the_same_numbers_as_in_the_library(text: str) -> None:
    """Also what nobody thought of."""
    library = pytest.importorskip("tokenizers")
    reference = library.Tokenizer.from_file(str(SHIPPED / TOKENIZER))

    assert TOKENS.encode(text) == reference.encode(text, add_special_tokens=False).ids


def test_digits_stand_alone() -> None:
    """So that a price can be copied digit by digit."""
    assert len(TOKENS.encode("2026")) == 4


def test_half_a_character_is_shown_as_one_that_is_missing() -> None:
    """Writing may stop in the middle of a character."""
    numbers = TOKENS.encode("ü")
    signs = {sign: byte for byte, sign in byte_signs().items()}
    assert len(signs) == 256
    assert TOKENS.decode(numbers[:1] if len(numbers) > 1 else [TOKENS._numbers[byte_signs()[0xC3]]]) == "\ufffd"


def test_a_conversation_says_which_tokens_the_assistant_writes() -> None:
    """Its words and the end of its turn; not the sign that its turn begins."""
    numbers, said = render(TOKENS, [("system", "a"), ("user", "b"), ("assistant", "c d")])
    end, role = TOKENS.special["<|end|>"], TOKENS.special["<|assistant|>"]
    first = numbers.index(role)

    assert not any(said[: first + 1])
    assert all(said[first + 1 :])
    assert numbers[-1] == end
    assert render(TOKENS, [("user", "b")], open_ended=True)[0][-1] == role


def _changed(**changes: Any) -> dict[str, Any]:
    return {**orjson.loads((SHIPPED / TOKENIZER).read_bytes()), **changes}


@pytest.mark.parametrize(
    "written",
    [
        b"not JSON",
        b"[]",
        orjson.dumps(_changed(model={"type": "Unigram"})),
        orjson.dumps(_changed(pre_tokenizer={"pretokenizers": [{"type": "Split", "pattern": {"Regex": "(a+)+$"}}]})),
        orjson.dumps(_changed(model={"type": "BPE", "vocab": {"\u2603": 0}, "merges": []})),
    ],
)
def test_another_kind_of_tokenizer_is_refused(tmp_path: Path, written: bytes) -> None:
    """Its text would become other numbers, and its pattern is not ours to run."""
    (tmp_path / TOKENIZER).write_bytes(written)

    with pytest.raises(DataError):
        Tokens.read(tmp_path / TOKENIZER)


def test_a_huge_tokenizer_is_not_read(tmp_path: Path) -> None:
    """Its size is looked at first."""
    shutil.copy(SHIPPED / TOKENIZER, tmp_path / TOKENIZER)
    with (tmp_path / TOKENIZER).open("r+b") as opened:
        opened.truncate(5_000_000)

    with pytest.raises(DataError, match="larger than"):
        Tokens.read(tmp_path / TOKENIZER)
