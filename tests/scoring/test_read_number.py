"""Reading a number out of an output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.read_number import NumberReader


@pytest.mark.parametrize(
    ("text", "answer", "how"),
    [
        ('{"reasoning": "1 + 1", "answer": "2 apples"}', "2", "json.answer"),
        ("1 + 1 = 2\n#### 1,002", "1002", "after ####"),
        ("With 3 boxes the answer is $1,260.50.", "1260.5", "after answer"),
        ("3 boxes.\n**Answer:** 1/2 of 7", "0.5", "after answer"),
        ("有3个盒子，答案是 20%。", "20%", "after answer"),
        (r"3 boxes, so \boxed{\$18} in total of 4", "18", "boxed"),
        ("It takes 5 hours.", "5", "only number"),
        ("十二", "12", "only number"),
        ("2 and 3 make 5", "5", "last number"),
        ("no idea", None, "nothing found"),
        ("", None, "nothing found"),
    ],
)
def test_auto_takes_the_documented_steps_in_order(text: str, answer: str | None, how: str) -> None:
    """Each step of `auto` is named in the reading."""
    reading = NumberReader(AnswerSpec(kind="number")).read(text, Case(id="c"))
    assert (reading.answer, reading.how) == (answer, how)


@pytest.mark.parametrize(
    ("text", "answer", "how"),
    [
        ('{"answer": "$25,000/year"}', "25000", "json.answer"),
        ('{"answer": "20 * 40 = 800"}', "20", "json.answer"),
        ('{"reasoning": ”bad”, "answer": "7"}', "7", "json.answer, quoted field"),
        ('{"reasoning": ”bad”, "answer": 7}', "7", "json.answer, unquoted field"),
        ('{"answer": "cannot be determined"}', "cannot be determined", "json.answer, no number in it"),
        (r"long text without JSON, 12 steps, \boxed{7}", "7", "json.answer, boxed"),
        (r"\boxed{7} and then a great many words that do not matter", None, "nothing found"),
        (r"<think>perhaps \boxed{7}", None, "nothing found"),
        ("there are 7 of them", None, "nothing found"),
    ],
)
def test_a_json_field_is_read_with_its_fall_backs(text: str, answer: str | None, how: str) -> None:
    """The field's first number counts; words in the field are a wrong answer, no field is none."""
    reading = NumberReader(AnswerSpec(kind="number", source="json", argument="answer")).read(text, Case(id="c"))
    assert (reading.answer, reading.how) == (answer, how)


def test_last_takes_the_last_number(read) -> None:
    """`last` is for outputs that end with their result."""
    assert read("number", "1 + 1 = 2.", "last") == "2"
    assert read("number", "1 + 1 = 2.", "whole") == "1"


@given(st.text(), st.sampled_from(["auto", "whole", "last", "first_line", "json"]))
def test_any_text_is_read_without_error_and_alike(text: str, source: str) -> None:
    """No text breaks the reader, and reading twice gives the same."""
    reader = NumberReader(AnswerSpec(kind="number", source=source))
    assert reader.read(text, Case(id="c")) == reader.read(text, Case(id="c"))


@given(st.integers(-(10**9), 10**9))
def test_a_stated_integer_is_the_answer(value: int) -> None:
    """Whatever the integer, "the answer is …" gives it back."""
    reader = NumberReader(AnswerSpec(kind="number"))
    assert reader.read(f"First 17 steps. The answer is {value:,}.", Case(id="c")).answer == str(value)
