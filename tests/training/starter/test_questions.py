"""Questions: in many forms, and always about somebody who is named."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter.names import Draw
from touchstone.training.starter.questions import asked
from touchstone.training.starter.shops import invent_shop


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_a_question_names_whom_it_is_about(seed: int) -> None:
    """Or the town of a branch; the answer uses the same name."""
    draw = Draw(Random(seed))
    for fact in invent_shop(draw).facts:
        text, called = asked(fact, draw)
        assert called in fact.subject.forms
        name = fact.subject.town or called.removeprefix("the ").removeprefix("our ").removeprefix("a ").removeprefix(
            "an "
        )
        assert name.lower() in text.lower()
        assert text == text.strip()
        assert "{" not in text


def test_a_fact_is_asked_for_in_many_ways() -> None:
    """Whole and in fragments, typed with care and without."""
    draw = Draw(Random(1))
    fact = next(fact for fact in invent_shop(draw).facts if fact.attribute.noun)
    texts = {asked(fact, draw)[0] for _ in range(400)}
    assert len(texts) > 60
    assert any(text == text.lower() for text in texts)
    assert any(text[-1] != "?" for text in texts)
