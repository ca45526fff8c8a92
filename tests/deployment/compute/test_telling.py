"""Pieces of a text that is being written never have to be taken back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.compute.telling import Stopped, Telling
from touchstone.models.starter.folder import SHIPPED
from touchstone.models.starter.tokens import Tokens

TOKENS = Tokens.read(SHIPPED / "tokenizer.json")


def written(numbers: Sequence[int], stop: Sequence[str]) -> tuple[str, int]:
    """What `write` makes of tokens: (text, how many were read until then)."""
    for count in range(1, len(numbers) + 1):
        text = TOKENS.decode(numbers[:count])
        place = min((at for at in (text.find(one) for one in stop) if at >= 0), default=-1)
        if place >= 0:
            return text[:place], count - 1
    return TOKENS.decode(numbers), len(numbers)


@given(
    st.one_of(
        st.text(max_size=40).map(TOKENS.encode),
        st.lists(st.integers(4, TOKENS.size - 1), max_size=40),
    ),
    st.lists(st.text(min_size=1, max_size=4), max_size=2),
)
def test_the_pieces_are_the_text(numbers: list[int], stop: list[str]) -> None:
    """Whatever the tokens, half characters and stop texts included: joined they are the answer, or that is said."""
    pieces: list[str] = []
    text, told = written(numbers, stop)
    telling = Telling(TOKENS.decode, stop=stop, tell=pieces.append, stopped=lambda: False)
    for number in numbers[:told]:
        telling.hear(number)
    if telling.end(text):
        assert "".join(pieces) == text
    else:
        assert "\ufffd" in text  # only where tokens are no text could one have said too much


def test_what_may_be_the_beginning_of_a_stop_text_is_held_back() -> None:
    """Also while less was written than the stop text is long."""
    pieces: list[str] = []
    telling = Telling(lambda numbers: "0" * len(numbers), stop=["0000"], tell=pieces.append, stopped=lambda: False)
    for number in range(3):
        telling.hear(number)
    assert pieces == []


@given(st.text(alphabet="ab 7包裹é🙂\n", max_size=40))
def test_what_is_text_is_always_told(text: str) -> None:
    """Word by word, as it comes."""
    pieces: list[str] = []
    telling = Telling(TOKENS.decode, stop=(), tell=pieces.append, stopped=lambda: False)
    for number in TOKENS.encode(text):
        telling.hear(number)
    assert "".join(pieces) == text
    assert telling.end(text)
    assert all(pieces)


def test_a_stop_text_is_held_back() -> None:
    """As many characters as could be its beginning."""
    pieces: list[str] = []
    telling = Telling(TOKENS.decode, stop=("END",), tell=pieces.append, stopped=lambda: False)
    for number in TOKENS.encode("all of it EN"):
        telling.hear(number)
    assert "".join(pieces) == "all of it "


def test_nobody_waits_any_more() -> None:
    """Then writing ends with the next token."""
    telling = Telling(TOKENS.decode, stop=(), tell=lambda _: None, stopped=lambda: True)
    with pytest.raises(Stopped):
        telling.hear(5)
