"""Invented names: those of held-back shops are never those that are learned from, nor those of the handbook."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter import names
from touchstone.training.starter.conversations import conversations
from touchstone.training.starter.names import Draw, is_held_back, words

_LISTS = ("plain", "given", "family", "street")
_MAKERS = (names.proper, names.place, names.person, names.street, names.label, names.shop_name, names.company)
_COMMON = {
    "New", "Saint", "Port", "Upper", "Lower", "Bad", "San", "North", "Old", "Dr", "Ms", "Mr", "Mrs",
    *names._MODELS, *names._STREETS, *names._COURIERS, *words("trades"),
}  # fmt: skip
"""What both sides say around a name."""


@given(st.integers(0, 100_000), st.booleans(), st.sampled_from(_MAKERS))
@settings(max_examples=300, deadline=None)
def test_every_name_belongs_to_one_side(seed: int, held_back: bool, make: Callable[[Draw], str]) -> None:
    """Each of its words that is no common one; a name of both sides would be an answer known by heart."""
    made = make(Draw(Random(seed), held_back))
    for word in re.split(r"[\s-]", made):
        if word in _COMMON or not re.fullmatch(r"[^\W\d_]{2,}(?:'s)?", word):
            continue
        assert is_held_back(word) is held_back, made


@pytest.mark.parametrize("listed", _LISTS)
def test_both_sides_have_words_of_every_list(listed: str) -> None:
    """About one in ten is held back."""
    held = [word for word in words(listed) if is_held_back(word)]
    assert 0 < len(held) < len(words(listed)) / 4


def handbook_names() -> set[str]:
    """Words of the handbook that are written with a capital within a sentence: its people, places and products."""
    text = files("touchstone.workspace.handbook").joinpath("handbook.md").read_text("utf-8")
    inside = set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}", text))
    ordinary = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "March", "October"}
    ordinary |= {"The", "Lane", "Road", "Circle", "Parcels", "Branch"}
    return inside - ordinary


def test_no_name_of_the_handbook_is_in_a_list() -> None:
    """It examines the models, so that none of them may have learned it."""
    found = handbook_names()
    assert len(found) > 10
    listed = {word for name in (*_LISTS, "trades", "things", "materials") for word in words(name)}
    assert not found & {part.capitalize() for word in listed for part in word.split()}


def test_no_name_of_the_handbook_is_in_what_is_learned() -> None:
    """As far as a sample shows."""
    said = " ".join(text for turns in conversations(11, 300) for _, text in turns)
    assert not handbook_names() & set(re.findall(r"[A-Z][a-z]+", said))
