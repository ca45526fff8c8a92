"""Reading a label, a text, a JSON value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.read_label import LabelReader

LABELS = ("card_arrival", "card", "lost-card", "Refund", "退款", "物流 查询")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("card_arrival", "card_arrival"),
        (" Card arrival. ", "card_arrival"),
        ("`LOST CARD`", "lost-card"),
        ("“refund”", "Refund"),
        ("退款。", "退款"),
        ('{"intent": "refund"}', "Refund"),
        ('```json\n{"label": "card", "why": "not a refund"}\n```', "card"),
        ("It is no refund.\nIntent: card arrival", "card_arrival"),
        ("The intent is **card_arrival**, not card.", "card_arrival"),
        ("意图：退款", "退款"),
        ("The customer asks about a card_arrival problem", "card_arrival"),
        ("用户想要退款，请处理", "退款"),
        ("类别是物流查询吗？分类：物流 查询", "物流 查询"),
        ("refund, refund and refund", "Refund"),
        ("a card or a refund", None),
        ("cardboard", None),
        ("none of these", None),
        ("", None),
    ],
)
def test_a_label_of_the_list_is_read_in_its_own_spelling(read, text: str, label: str | None) -> None:
    """Exact, in JSON, after its name or alone in the text; two different labels are no answer."""
    assert read("label", text, labels=LABELS) == label


def test_last_takes_the_label_that_occurs_last(read) -> None:
    """For those who want it, the last of several labels."""
    assert read("label", "not a refund but a lost card", "last", labels=LABELS) == "lost-card"


def test_other_places_hold_the_label_or_one_label(read) -> None:
    """A JSON field of another name and a first line are read too."""
    assert read("label", '{"class_name": "Lost_Card"}', "json.class_name", labels=LABELS) == "lost-card"
    assert read("label", "It is: refund\ncard", "first_line", labels=LABELS) == "Refund"


def test_without_a_list_the_first_line_is_the_label(read) -> None:
    """An open list gives the line without quotes."""
    assert read("label", '\n"spam".\nbecause', "auto") == "spam"
    assert read("label", "  ") is None


@given(st.text(), st.sampled_from(["auto", "whole", "last", "first_line"]))
def test_any_text_gives_a_label_of_the_list_or_nothing(text: str, source: str) -> None:
    """No text breaks the reader, and nothing outside the list comes out."""
    reader = LabelReader(AnswerSpec(kind="label", labels=LABELS, source=source))
    assert reader.read(text, Case(id="c")).answer in {None, *LABELS}


@given(st.sets(st.text(alphabet="abc_- ", min_size=1).filter(lambda text: text.strip("_- ")), min_size=1))
def test_every_label_alone_reads_as_a_label_spelled_alike(labels: set[str]) -> None:
    """A reply that is one of the labels is read, even when labels contain each other."""
    reader = LabelReader(AnswerSpec(kind="label", labels=tuple(sorted(labels))))
    for label in labels:
        found = reader.read(label, Case(id="c")).answer
        assert found is not None
        assert found.replace("_", " ").replace("-", " ").split() == label.replace("_", " ").replace("-", " ").split()


@given(st.lists(st.text()), st.text())
def test_any_list_of_labels_can_be_looked_for(labels: list[str], text: str) -> None:
    """Labels made of anything break neither the search nor the reading."""
    reader = LabelReader(AnswerSpec(kind="label", labels=tuple(labels)))
    assert reader.read(text, Case(id="c")).answer in {None, *labels} or not labels


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris", "Paris"),
        ("Let me think.\nAnswer: Paris", "Paris"),
        ("Answer: Rome\n**Final answer:** Paris", "Paris"),
        ("答案：北京", "北京"),
        ("two\nlines", "two\nlines"),
        (" \n", None),
    ],
)
def test_text_is_what_follows_answer_or_everything(read, text: str, answer: str | None) -> None:
    """A line that begins with Answer: is the answer, else the whole text."""
    assert read("text", text) == answer


def test_free_text_is_everything_as_it_is(read) -> None:
    """Only an empty text is no answer."""
    assert read("free", " a\n ") == " a\n "
    assert read("free", " \n ") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"b": 1, "a": [1.0, "é"]}', '{"a":[1.0,"é"],"b":1}'),
        ('Here:\n```json\n{"a": true}\n```', '{"a":true}'),
        ("[1, 2]", "[1,2]"),
        (" 3 ", "3"),
        ('"x"', '"x"'),
        ("{'a': 1}", None),
        ('{"a": 1', None),
        ("no JSON", None),
    ],
)
def test_json_is_given_in_canonical_form(read, text: str, answer: str | None) -> None:
    """Fences do not matter, order of keys does not matter, broken JSON is never repaired."""
    assert read("json", text) == answer


def test_a_json_member_may_be_the_answer(read) -> None:
    """json.FIELD gives the member, a text under it as a JSON string."""
    assert read("json", '{"result": {"b": 1, "a": 2}}', "json.result") == '{"a":2,"b":1}'
    assert read("json", '{"result": "plain words"}', "json.result") == '"plain words"'


@given(st.text(), st.sampled_from(["text", "free", "json"]))
def test_any_text_is_read_alike_twice(text: str, kind: str) -> None:
    """Texts and JSON never break a reader."""
    from touchstone.scoring.reading import make_reader

    reader = make_reader(AnswerSpec(kind=kind))
    assert reader.read(text, Case(id="c")) == reader.read(text, Case(id="c"))
