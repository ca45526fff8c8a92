from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.values import options_of, split_of, tags_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("001", "001"),
        (" as it is\n", " as it is\n"),
        (7, "7"),
        (7.0, "7"),
        (-0.5, "-0.5"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (True, "true"),
        (False, "false"),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (["a", 1, None], '["a",1,null]'),
        ({"名": math.nan}, '{"名":null}'),
        (10**30, "1" + "0" * 30),
    ],
)
def test_cell_as_text(value: Any, text: str | None) -> None:
    """Text stays, numbers lose no digit and gain no noise, missing values are missing."""
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_as_text_is_the_same_number(value: float) -> None:
    """The text of a number is that very number."""
    text = text_of(value)
    assert text is not None
    assert float(text) == value


@pytest.mark.parametrize(
    ("value", "split"),
    [
        ("train", "train"),
        ("Validation", "dev"),
        ("VAL", "dev"),
        ("valid", "dev"),
        (" test ", "test"),
        ("", "test"),
        (None, "test"),
        ("tset", None),
        (3, None),
    ],
)
def test_split_names(value: Any, split: str | None) -> None:
    """Common names of splits are understood in any capitals; an empty cell is test; other names are none."""
    assert split_of(value) == split


@pytest.mark.parametrize(
    "value",
    [
        ["red", "green, dark", "blue"],
        ("red", "green, dark", "blue"),
        '["red", "green, dark", "blue"]',
        "red\ngreen, dark\n\nblue\n",
        "red | green, dark | blue",
        {"A": "red", "B": "green, dark", "C": "blue"},
        {"text": ["red", "green, dark", "blue"], "label": ["A", "B", "C"]},
        '{"A": "red", "B": "green, dark", "C": "blue"}',
    ],
)
def test_options_in_any_usual_shape(value: Any) -> None:
    """Lists, JSON, lines, bars and the objects of published sets give the same options."""
    assert options_of(value) == ("red", "green, dark", "blue")


@pytest.mark.parametrize("value", [{"x": "red"}, [f"option {n}" for n in range(27)], ["red", None]])
def test_options_that_make_no_sense(value: Any) -> None:
    """Options without a letter, or missing ones, are refused."""
    with pytest.raises(ValueError):
        options_of(value)


def test_no_options() -> None:
    """An empty cell has none, a single text is a single option."""
    assert options_of(None) == options_of("") == ()
    assert options_of("[not json") == ("[not json",)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), max_size=8))
def test_options_of_a_list_stay_as_they_are(options: list[str]) -> None:
    """A list, or the JSON text of one, gives exactly its texts."""
    assert options_of(options) == tuple(options)
    assert options_of(json.dumps(options)) == tuple(options)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("a; b,c ;a", ("a", "b,c")),
        ("a, b,,c", ("a", "b", "c")),
        (["a", 1, " b "], ("a", "1", "b")),
        ('["a", "b"]', ("a", "b")),
        ("[a", ("[a",)),
        (None, ()),
        (" ", ()),
        (7.0, ("7",)),
    ],
)
def test_tags(value: Any, tags: tuple[str, ...]) -> None:
    """Lists and separated texts give tags without space around them and without repeats."""
    assert tags_of(value) == tags
