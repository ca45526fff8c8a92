from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.data.likeness import asked_text, near_text, same_text
from touchstone.models.base import Message

MARKED = st.lists(st.one_of(st.sampled_from(list(".,!? -–5—'\"()（）。x\n")), st.text(max_size=3)), max_size=12).map(
    "".join
)


@settings(max_examples=500)
@given(MARKED)
def test_normal_forms_are_idempotent(text: str) -> None:
    """What was made alike once is not changed again."""
    assert same_text(same_text(text)) == same_text(text)
    assert near_text(near_text(text)) == near_text(text)
    assert near_text(same_text(text)) == near_text(text)


@given(MARKED)
def test_same_texts_are_near_texts(text: str) -> None:
    """Capitals and space around a text make it no other text."""
    assert same_text(f" {text}\n") == same_text(text)
    assert near_text(f"{text}?") in (near_text(text), same_text(f"{text}?"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I top up?", "how do i top-up"),
        ("I don't know.", "I don’t  know"),
        ("我的卡在哪里？", "我的卡在哪里"),
        ("STRASSE", "straße"),
        ("cafe\u0301", "caf\u00e9"),
        ("Wait... what?!", "wait what"),
    ],
)
def test_twins(one: str, other: str) -> None:
    """Capitals, punctuation, spacing and the way letters are composed make no difference."""
    assert near_text(one) == near_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2+2", "2*2"),
        ("2-2", "2 2"),
        ("-5", "5"),
        ("1.5", "15"),
        ("C#", "C++"),
        ("?", "!"),
        ("10 %", "10"),
        ("x²", "x2"),
        ("$5", "€5"),
    ],
)
def test_signs_that_matter(one: str, other: str) -> None:
    """Signs that change what is asked make another text."""
    assert near_text(one) != near_text(other)


def test_everything_that_is_asked_counts() -> None:
    """The same last question after another conversation, or with other options, is another case."""
    user = Message(role="user", content="And this?")
    one = Case(id="1", messages=(Message(role="system", content="Be brief."), user))
    other = Case(id="2", messages=(user,))
    assert asked_text(one) != asked_text(other)
    assert asked_text(Case(id="1", input="Which?", options=("a", "b"))) != asked_text(Case(id="1", input="Which?"))
    assert asked_text(Case(id="1", input="Which?")) == "Which?"
