"""Texts of a body and the way back; the table of fields is in `promises/test_a19_one_choke_point.py`."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.texts import Texts, place_of
from touchstone.errors import InvalidValue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["content", "text", "arguments", "logprobs", "type", "role", "image_url", "odd", "x"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_putting_the_same_texts_back_changes_nothing(body: Any, reply: bool) -> None:
    """Any JSON at all can be read, and comes back as itself."""
    before = copy.deepcopy(body)
    read = Texts({"body": body}, reply=reply)
    assert read.put(read.texts) == {"body": before}


@given(JSON)
def test_no_word_of_a_body_is_overlooked(body: Any) -> None:
    """A word that stands anywhere, as a value or as the name of a field, is in one of the texts."""

    def words(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(word for inner in value.values() for word in words(inner))]
        if isinstance(value, list):
            return [word for inner in value for word in words(inner)]
        return [value] if isinstance(value, str) else []

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {f"needle {name}" if name not in KNOWN else name: marked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [marked(inner) for inner in value]
        return f"needle {value}" if isinstance(value, str) else value

    made = marked(body)
    found = "\n".join(Texts({"body": made}).texts)
    assert sum(word.startswith("needle ") for word in words(made)) <= found.count("needle ")


KNOWN = {"content", "text", "arguments", "logprobs", "type", "role", "image_url"}


def test_names_of_fields_are_put_back_in_order_and_apart() -> None:
    """Two names that become the same mask stay two fields, in their places."""
    read = Texts({"odd one": {"odd two": 1}, "content": "c", "odd three": 2})
    masked = read.put(["[X]" if text.startswith("odd") else text for text in read.texts])
    assert list(masked.items()) == [("[X]", {"[X]": 1}), ("content", "c"), ("[X] ", 2)]


def test_another_number_of_texts_is_a_mistake_of_ours() -> None:
    """It is never guessed which text belongs where."""
    with pytest.raises(ValueError, match="1 texts"):
        Texts({"content": "a"}).put([])


def test_a_body_may_be_put_back_twice() -> None:
    """What was put first leaves no trace in what is put next, also inside JSON written as a text."""
    read = Texts({"arguments": '{"alpha":"b","gamma":"d"}'})
    assert read.texts == ("alpha", "b", "gamma", "d")
    assert read.put(["alpha", "X", "gamma", "d"]) == {"arguments": '{"alpha":"X","gamma":"d"}'}
    assert read.put(["alpha", "b", "gamma", "Y"]) == {"arguments": '{"alpha":"b","gamma":"Y"}'}


def test_more_levels_than_are_read_are_refused() -> None:
    """A text below the 64th level would pass unseen."""
    body: Any = "x"
    for _ in range(70):
        body = [body]
    with pytest.raises(InvalidValue, match="64"):
        Texts(body)


def test_places_name_no_chosen_name() -> None:
    """Names that somebody chose may be personal; only names of the protocol are written down."""
    assert place_of(("messages", 0, "tool_calls", 1, "function", "arguments", "", "jane@example.com")) == (
        "messages[0].tool_calls[1].function.arguments: *"
    )
