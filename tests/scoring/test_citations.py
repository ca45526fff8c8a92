"""Marks of citation: what is one, what it cites, and that it is no part of the answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone import plugins
from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.scoring.base import AnswerReader, AnswerSpec, Reading
from touchstone.scoring.citations import cited, last_marks, marks, statements, without_marks
from touchstone.scoring.reading import make_reader
from touchstone.testing.exams import AnswerReaderExam

CASE = Case(id="c", input="?", options=("a", "b"))


def read(text: str, kind: str = "text", **spec: object) -> Reading:
    return make_reader(AnswerSpec.model_validate({"kind": kind, "citations": True, **spec})).read(text, CASE)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("45 days [1]", (1,)),
        ("45 days [1][3]", (1, 3)),
        ("45 days [3, 1]", (1, 3)),
        ("45 days [1], [3]", (1, 3)),
        ("45 days [2-4]", (2, 3, 4)),
        ("45天【2】", (2,)),
        ("45天［1］【2、3】", (1, 2, 3)),
        ("[1,000,000]", (0, 1)),
        ("from [9-1] on", (1, 9)),
        ("[1-999]", (1, 999)),
        ("[a] [1a] [] [-1] [1234] (1)", ()),
    ],
)
def test_what_is_a_mark(text: str, numbers: tuple[int, ...]) -> None:
    """Numbers in square brackets of any width; lists and short ranges of them."""
    assert cited(text) == numbers


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("45 days [1]", "45 days"),
        ("45 days [1].", "45 days."),
        ("**45 days** [1]**", "**45 days****"),
        ('"45 days [1]"', '"45 days"'),
        ("45 days.[1][2] It costs $3.80. [2]", "45 days. It costs $3.80."),
        ("- 45 days [1]\n- $3.80 [2]\n", "- 45 days\n- $3.80\n"),
        ("可在45天内退回[1]。运费3.80元【2】", "可在45天内退回。运费3.80元"),
        ("See [2] for more", "See [2] for more"),
        ("[1] 45 days\n[2] $3.80", "[1] 45 days\n[2] $3.80"),
        ("[link][1](http://a.example)", "[link][1](http://a.example)"),
        ("version [1].5", "version [1].5"),
        ("[1]", ""),
    ],
)
def test_marks_at_the_ends_are_left_out(text: str, left: str) -> None:
    """At the end of the answer, of a sentence or of a line; elsewhere a mark may be part of what is said."""
    assert without_marks(text) == left


@pytest.mark.parametrize(
    ("kind", "text", "answer", "how"),
    [
        ("text", "45 days [1]", "45 days", "whole, without the citations [1]"),
        ("text", "Hm.\nAnswer: 45 days [1][3]", "45 days", "after Answer:, without the citations [1][3]"),
        ("text", "45 days", "45 days", "whole"),
        ("free", "45 days. [1, 2]", "45 days.", "whole, without the citations [1][2]"),
        ("label", "card_arrival [2]", "card_arrival", "whole, without the citations [2]"),
        ("number", "It is 45 [3]", "45", "only number, without the citations [3]"),
        ("choice", "B [1]", "B", "the letter alone, without the citations [1]"),
        ("choice", "Answer: B【1】", "B", "Answer: X, without the citations [1]"),
    ],
)
def test_every_kind_reads_what_is_left(kind: str, text: str, answer: str, how: str) -> None:
    """A label, number or letter with a mark behind it is read as without it, and the reading names the passages."""
    found = read(text, kind, labels=("card_arrival", "refund") if kind == "label" else ())
    assert (found.answer, found.how) == (answer, how)


def test_a_number_is_never_read_out_of_a_mark() -> None:
    """Where only a mark has a number there is none; without `citations` the mark would be read."""
    assert read("I do not know [3]", "number").answer is None
    assert make_reader(AnswerSpec(kind="number")).read("I do not know [3]", CASE).answer == "3"


@pytest.mark.parametrize(
    ("text", "spec", "marked"),
    [
        ("Passage [2] may do.\nAnswer: 45 days [1]", {}, "45 days [1]"),
        ("Answer: 45 days\n[1]", {}, "45 days [1]"),
        ('{"answer": "45 days [1]"}', {"source": "json", "argument": "answer"}, "45 days [1]"),
        ("So: 45 days [1]", {"source": "after", "argument": "So:"}, "45 days [1]"),
        ("<think>[9]</think>45 days [1]", {}, "45 days [1]"),
        ("Well.\n45 days [1]", {"source": "last"}, "45 days [1]"),
        ("Well.\n45 days\n[1]", {"source": "last"}, "45 days [1]"),
        ("45 days", {}, "45 days"),
    ],
)
def test_the_answer_is_kept_with_its_marks(text: str, spec: dict[str, str], marked: str) -> None:
    """Whoever scores citations sees those of the answer, not those of the thoughts before it."""
    found = read(text, **spec)
    assert (found.answer, found.cited) == ("45 days", marked)


def test_without_the_key_nothing_changes() -> None:
    """A task that does not ask for it reads marks as part of the answer, and its rule is written as ever."""
    found = make_reader(AnswerSpec()).read("45 days [1]", CASE)
    assert (found.answer, found.how, found.cited) == ("45 days [1]", "whole", None)
    assert AnswerSpec().model_dump(mode="json") == {
        "kind": "text",
        "labels": [],
        "source": "auto",
        "argument": None,
    }
    assert AnswerSpec(citations=True).model_dump(mode="json")["citations"] is True


def test_json_has_no_room_for_marks() -> None:
    """A list of numbers in JSON is data; the two together are refused."""
    with pytest.raises(SettingsError, match="leave `citations` out"):
        make_reader(AnswerSpec(kind="json", citations=True))


def test_sentences_and_what_they_cite() -> None:
    """A mark belongs to its sentence, also behind the full stop; points in numbers and abbreviations end nothing."""
    text = (
        "Goods are sent back in appr. a week, e.g. by post. [1] It costs $3.80 at No. 5 [2][3]. Ask Mr. Smith!\n"
        "- 退货需45天[1]。运费另计【2】。\n[4]"
    )
    assert [(one.text, one.cites) for one in statements(text)] == [
        ("Goods are sent back in appr. a week, e.g. by post.", (1,)),
        ("It costs $3.80 at No. 5.", (2, 3)),
        ("Ask Mr. Smith!", ()),
        ("- 退货需45天。", (1,)),
        ("运费另计。", (2, 4)),
    ]
    assert statements("[1]") == statements("") == ()


SIGNS = st.text(alphabet="ab1239 .。!\n,，、[]【】*-\"')", max_size=60)


@given(SIGNS)
def test_reading_takes_away_marks_and_blanks_alone(text: str) -> None:
    """Whatever is left stood there, in its order; taken away is nothing but marks with the blanks before them."""
    left = without_marks(text)
    place = 0
    for sign in left:
        place = text.index(sign, place) + 1
    inside = "".join(text[mark.start : mark.end] for mark in marks(text))
    gone = sum(text.count(sign) - left.count(sign) for sign in "ab.。!\n*\"'")
    assert gone == 0
    assert len(text) - len(left) <= len(inside) + text.count(" ")


SENTENCE = st.tuples(
    st.sampled_from(["Goods are sent back", "It costs $3.80", "退货需45天"]), st.lists(st.integers(1, 9))
)


@given(st.lists(SENTENCE, max_size=5), st.booleans())
def test_each_sentence_keeps_its_own_citations(said: list[tuple[str, list[int]]], behind: bool) -> None:
    """Before or behind the full stop, marks come back with the sentence that they were written for."""
    written = []
    for words, numbers in said:
        named = "".join(f"[{number}]" for number in numbers)
        written.append(f"{words}. {named}".strip() if behind else f"{words} {named}".strip() + ".")
    found = statements(" ".join(written))
    assert [one.text for one in found] == [f"{words}." for words, _ in said]
    assert [one.cites for one in found] == [tuple(dict.fromkeys(numbers)) for _, numbers in said]


@pytest.mark.parametrize("text", ["[1]" * 30_000, "[1] *" * 20_000, "[1]" + " " * 100_000, "a. " * 50_000])
def test_hostile_text_takes_no_longer(text: str) -> None:
    """Time grows with the length of the text, not with its square."""
    start = time.process_time()
    without_marks(text)
    statements(text)
    last_marks(text)
    assert time.process_time() - start < 8


class TestCitedReader(AnswerReaderExam):
    @pytest.fixture
    def answer_reader(self) -> AnswerReader:
        return make_reader(AnswerSpec(citations=True))

    @pytest.fixture
    def readable(self) -> tuple[Case, str, str]:
        return CASE, "Answer: 45 days [1]", "45 days"


@pytest.mark.parametrize("kind", sorted(set(plugins.shipped("answer_reader")) - {"json"}))
def test_every_reader_takes_marks(kind: str) -> None:
    """No shipped kind of answer forgets them."""
    right = {"label": "refund", "number": "45", "choice": "B"}.get(kind, "45 days")
    labels = ("refund", "login") if kind == "label" else ()
    assert read(f"{right} [2]", kind, labels=labels).answer == right
