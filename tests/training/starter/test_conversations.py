"""Conversations: every answer is one that the reader could have found, and the same seed says the same."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.models.starter.tokens import SPECIAL
from touchstone.training.starter.conversations import conversations, user_turn


@given(st.integers(0, 100_000))
@settings(max_examples=100, deadline=None)
def test_a_cited_passage_holds_the_answer(seed: int) -> None:
    """The number behind an answer is that of a passage in which the value stands."""
    for turns in conversations(seed, 3):
        passages: list[str] = []
        for role, text in turns:
            if role == "user" and text.startswith("Passages:"):
                listed = text.removeprefix("Passages:\n").split("\n\nQuestion: ")[0]
                passages = re.split(r"(?:^|\n)\[\d\] ", listed)[1:]
            cited = re.fullmatch(r"(.+) \[(\d)\]", text) if role == "assistant" else None
            if cited:
                passage = passages[int(cited[2]) - 1]
                for number in re.findall(r"\d[\d.,:]*\d|\d", cited[1]):
                    assert number in passage
                if not cited[1].endswith(".") and cited[1] not in ("yes", "no"):
                    assert cited[1].lower() in passage.lower()


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    """What was learned from can be made again."""
    assert list(conversations(3, 5)) == list(conversations(3, 5)) != list(conversations(4, 5))
    assert list(conversations(3, 5)) != list(conversations(3, 5, held_back=True))


def test_roles_take_turns_and_the_assistant_has_the_last_word() -> None:
    """As in any conversation, and no text spells a special token."""
    for turns in conversations(5, 100):
        roles = [role for role, _ in turns if role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert not any(sign in text for _, text in turns for sign in SPECIAL)


def test_few_questions_have_no_answer() -> None:
    """About one in twelve of those with passages: models that seldom see it would guess, others would give up."""
    answers = [
        text
        for turns in conversations(6, 1_500)
        for at, (role, text) in enumerate(turns)
        if role == "assistant" and any(said.startswith("Passages:") for _, said in turns[:at])
    ]
    unknown = sum("do not know" in text for text in answers) / len(answers)
    assert 0.05 < unknown < 0.1
    assert all(text.endswith("]") or "do not know" in text for text in answers)


def test_any_place_can_hold_the_answer() -> None:
    """From the first of five to the last."""
    places = {text[-2] for turns in conversations(8, 400) for _, text in turns if re.search(r" \[\d\]$", text)}
    assert places == set("12345")


def test_passages_stand_before_the_question_with_their_numbers() -> None:
    """In the words that a retrieval-augmented candidate sends."""
    assert user_turn(["a", "b"], "c?") == "Passages:\n[1] a\n[2] b\n\nQuestion: c?"
    assert user_turn([], "c?") == "c?"
