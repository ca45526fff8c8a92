"""The wordings of invented shops: complete, and no question that asks for two things at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from touchstone.training.starter.values import VALUES
from touchstone.training.starter.wording import Attribute, Topic, expanded, topics


def every_attribute() -> Iterator[tuple[Topic, Attribute]]:
    return ((topic, attribute) for topic in topics() for attribute in topic.attributes)


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("plain", ("plain",)),
        ("a [b|c] d", ("a b d", "a c d")),
        ("[a|b] [c|d]", ("a c", "a d", "b c", "b d")),
        ("to {v}[ at most|]", ("to {v} at most", "to {v}")),
        ("it [very |]often [|rains]", ("it very often", "it very often rains", "it often", "it often rains")),
    ],
)
def test_brackets_hold_alternatives(template: str, texts: tuple[str, ...]) -> None:
    """One of which stands in the text, also an empty one, with single spaces around it."""
    assert expanded(template) == texts


def test_every_attribute_can_be_said_asked_and_answered() -> None:
    """In several ways, with nothing to fill in but subject, value and place."""
    for topic, attribute in every_attribute():
        assert attribute.kind in VALUES
        says = [text for wording in (*attribute.say, *attribute.does) for text in wording]
        refuses = [text for wording in (*attribute.say_no, *attribute.does_no) for text in wording]
        asks = [text for wording in attribute.ask for text in wording]
        assert says, attribute.name
        assert len(set(asks)) > 1, attribute.name
        assert bool(refuses) is (attribute.kind == "yes_no")
        assert bool(attribute.full) is (attribute.kind != "yes_no")
        for text in (*says, *refuses, *asks, *attribute.full):
            assert set(re.findall(r"\{\w+\}", text)) <= {"{s}", "{S}", "{v}", "{at}"}, text
            assert not re.search(r"[\[\]|]|  ", text), text
        for text in (*says, *attribute.full):
            assert ("{v}" in text) is (attribute.kind != "yes_no"), text
        for text in asks:
            assert ("{s}" in text or "{at}" in text) is (topic.of != "shop"), text
            assert text.endswith("?"), text
            assert text[0].isupper() or text.startswith("{"), text


def test_every_attribute_has_a_clause_that_names_its_subject() -> None:
    """A first sentence must not leave open whom it is about."""
    for topic, attribute in every_attribute():
        for options in (attribute.say, attribute.say_no):
            if topic.of != "shop" and options:
                named = [["{s}" in text or "{at}" in text for text in wording] for wording in options]
                assert any(all(each) for each in named), attribute.name
                assert all(all(each) or not any(each) for each in named), attribute.name


def test_a_clause_begins_small_and_ends_without_a_stop() -> None:
    """So that it can be joined with another."""
    for _, attribute in every_attribute():
        for text in (text for wording in (*attribute.say, *attribute.say_no) for text in wording):
            assert not text[0].isupper(), text
            assert text[-1] not in ".!?", text


def test_no_question_asks_for_two_things() -> None:
    """Neither among the attributes of one topic, nor among all those of the shop itself."""
    groups = [list(topic.attributes) for topic in topics()]
    groups.append([attribute for topic, attribute in every_attribute() if topic.of == "shop"])
    for group in groups:
        owners: dict[str, str] = {}
        for attribute in group:
            for text in (*attribute.noun, *(text for wording in attribute.ask for text in wording)):
                assert owners.setdefault(text, attribute.name) == attribute.name, text
