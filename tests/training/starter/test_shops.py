"""Invented shops: every answer is one that the reader could have found, and the same seed says the same."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter.shops import conversations, invent_shop, topics, user_turn
from touchstone.training.starter.values import VALUES


def test_every_attribute_can_be_said_asked_and_answered() -> None:
    """With its subject and value, and with nothing else to fill in."""
    for topic in topics():
        for attribute in topic.attributes:
            assert attribute.kind in VALUES
            assert len(attribute.say) > 1
            assert len(attribute.ask) > 2
            for text in (*attribute.say, *attribute.full):
                assert "{v}" in text
                assert text.format(s="S", v="V")
            for text in attribute.ask:
                assert ("{s}" in text) is (topic.of != "shop")
                assert text.endswith("?") or "?" in text


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_every_fact_stands_in_its_passage(seed: int) -> None:
    """Its value word for word, so that it can be read there."""
    for passage in invent_shop(Random(seed)).passages:
        for fact in passage.facts:
            assert fact.value in passage.text


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_a_cited_passage_holds_the_answer(seed: int) -> None:
    """The number behind an answer is that of a passage in which the value stands."""
    for turns in conversations(seed, 3):
        passages: list[str] = []
        for role, text in turns:
            if role == "user" and text.startswith("Passages:"):
                passages = re.findall(r"^\[\d\] (.+)$", text, re.MULTILINE)
            cited = re.fullmatch(r"(.+) \[(\d)\]", text) if role == "assistant" else None
            if cited:
                words = set(re.findall(r"[\w$€£%@.:-]+", passages[int(cited[2]) - 1]))
                value = re.findall(r"[\w$€£%@.:-]*\d[\w$€£%@.:-]*", cited[1].rstrip("."))
                assert all(number.rstrip(".,") in {word.rstrip(".,") for word in words} for number in value)


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    """What was learned from can be made again."""
    assert list(conversations(3, 5)) == list(conversations(3, 5)) != list(conversations(4, 5))


def test_roles_take_turns_and_the_assistant_has_the_last_word() -> None:
    """As in any conversation."""
    for turns in conversations(5, 50):
        roles = [role for role, _ in turns if role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_passages_stand_before_the_question_with_their_numbers() -> None:
    """In the words that a retrieval-augmented candidate sends."""
    assert user_turn(["a", "b"], "c?") == "Passages:\n[1] a\n[2] b\n\nQuestion: c?"
    assert user_turn([], "c?") == "c?"
