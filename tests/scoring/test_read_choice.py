"""Reading the letter of a choice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.read_choice import ChoiceReader

AUTO = ChoiceReader(AnswerSpec(kind="choice"))


def letter(text: str, options: int = 0) -> str | None:
    return AUTO.read(text, Case(id="c", input="?", options=tuple(str(i) for i in range(options)))).answer


@pytest.mark.parametrize(
    "text",
    [
        "So the answer is (B).",
        "The answer is B",
        "the final answer is: **B**.",
        "**The answer is (B)**",
        r"The answer is $\boxed{B}$.",
        r"the answer is \boxed{\text{B}}",
        "The Answer is (B) because A is wrong",
        "The answer is (B). Question: next? The answer is (C).",
        "The answer is O = 4, A = 1. The answer is (B).",
        "The answer is I think unclear. The answer is (B).",
        "Some thoughts.\nAnswer: B",
        "Some thoughts.\n**Final Answer:** (B).",
        "**Answer: B**\nmore",
        "B",
        "b",
        "(B)",
        "**B**",
        "B.",
        "B. Paris",
        "B) Paris",
        "(B) Paris",
        "B: Paris",
        "B：巴黎",
        "B、巴黎",
        "**B. Paris**\n\nIt is the capital.",
        "B\n\nbecause it is the capital",
        r"Thus \boxed{A} is not it, \boxed{B}",
        "答案：B",
        "【答案】B<eoa>",
        "【答案】: B",
        "因此，答案是 B。",
        "正确答案为（B）。",
        "A错误，故选B。",
        "所以选 B",
    ],
)
def test_a_stated_letter_is_read(text: str) -> None:
    """Every documented way of naming B is read as B."""
    assert letter(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot answer this.",
        "A graph is connected when",
        "vitamin A, D, E",
        "Plan B would be better",
        "A.M. Turing proved it",
        "C:\\temp",
        "The answer is Indeterminate.",
        "The answer is I think unclear",
        "The answer is Both",
        "the answer is not (B)",
        "The answer is (N/A).",
        "I'd say so",
        "A) pH is low. B) pH is high.",
        "A. first option is wrong\nB. second option is right",
        "答案：A、C",
        "【答案】A，B",
        "不应选A",
        "选项A是错误的",
        "<think>the answer is (B)",
        r"\boxed{42}",
    ],
)
def test_a_stray_letter_is_not_an_answer(text: str) -> None:
    """What names no single option is unparsed: a letter is never guessed."""
    assert letter(text) is None


def test_a_letter_beyond_the_options_is_not_an_answer() -> None:
    """With four options E is none of them, and what follows belongs to another question."""
    assert letter("The answer is (E).\n\nQuestion: …\nThe answer is (D).", options=4) is None
    assert letter("E", options=4) is None
    assert letter("The answer is (K).") is None
    assert letter("The answer is (K).", options=12) == "K"


def test_the_first_of_several_letters_counts_and_is_named_so() -> None:
    """Of "(B) and (C)" B is read, and the cell shows that there were more."""
    reading = AUTO.read("The answer is (B) and (C).", Case(id="c"))
    assert (reading.answer, reading.how) == ("B", "answer is (X), first of several")


def test_false_is_read_as_f_only_where_there_is_an_f() -> None:
    """MMLU-Pro's quirk is kept for comparability and shown in the cell; it never invents an option."""
    assert AUTO.read("So the answer is False.", Case(id="c")).how == "answer is False, read as F"
    assert letter("So the answer is False. The answer is (C).", options=4) == "C"


def test_last_takes_the_last_letter_that_stands_alone(read) -> None:
    """For those who want it, `last` finds a letter in running text."""
    assert read("choice", "A is wrong, so it must be C I'd say", "last") == "C"
    assert read("choice", "no letter here", "last") is None


def test_other_places_are_read_as_a_letter_first(read) -> None:
    """A JSON field or a pattern may hold the bare letter, in lower case too."""
    assert read("choice", '{"answer": "c"}', "json.answer") == "C"
    assert read("choice", "choice=D;", {"regex": r"choice=(\w)"}) == "D"
    assert read("choice", "Final: (A) yes", {"after": "Final:"}) == "A"


@given(st.text())
def test_any_text_is_read_without_error_and_alike(text: str) -> None:
    """No text breaks the reader, and reading twice gives the same; the letter stands in the text."""
    case = Case(id="c", options=("1", "2", "3", "4"))
    first = AUTO.read(text, case)
    assert first == AUTO.read(text, case)
    assert first.answer is None or (first.answer in "ABCD" and first.answer in text.upper())


@given(st.text(alphabet="ABCDI answeris()*:\n.选答案是"))
def test_text_made_of_answer_phrases_gives_an_option_or_nothing(text: str) -> None:
    """Whatever the phrases say, the answer is one of the options."""
    assert letter(text, options=4) in {None, "A", "B", "C", "D"}
