"""Answers that must be the same, and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading
from touchstone.scoring.exact import Choice, Exact, Label
from touchstone.scoring.number import Number

EMPTY = Completion(parts=())


@pytest.mark.parametrize(
    ("scorer", "answer", "target", "value"),
    [
        (Exact(), " Paris\n", "Paris", 1.0),
        (Exact(), "paris", "Paris", 0.0),
        (Exact(ignore_case=True), "paris", "Paris", 1.0),
        (Exact(), "e\u0301", "é", 1.0),
        (Exact(), "001", "1", 0.0),
        (Exact(), "", "", 0.0),
        (Exact(), "x", None, None),
        (Exact(), None, "x", None),
        (Label(), "Card arrival", "card_arrival", 1.0),
        (Label(), "card", "card_arrival", 0.0),
        (Choice(), "b", "B", 1.0),
        (Choice(), "B", "(B)", 1.0),
        (Choice(), "A", "B", 0.0),
        (Number(), "1260", "$1,260.00", 1.0),
        (Number(), "20%", "20", 1.0),
        (Number(), "0.2", "20%", 1.0),
        (Number(), "0.2", "20", 0.0),
        (Number(), "1/3", "0.3333333333333", 1.0),
        (Number(), "0.33", "1/3", 0.0),
        (Number(abs_tol=0.01), "0.33", "1/3", 1.0),
        (Number(rel_tol=0.1), "95", "100", 1.0),
        (Number(), "-5", "5", 0.0),
        (Number(), "unknown", "5", 0.0),
        (Number(), "5", "unknown", None),
        (Number(), None, "5", None),
    ],
)
async def test_sameness_is_what_the_scorer_says(score, scorer, answer, target, value) -> None:
    """Each scorer forgives exactly what its docstring names; unknown is None, never zero."""
    assert (await score(scorer, answer, target)).value == value


async def test_a_target_that_is_an_options_text_stands_for_its_letter(score) -> None:
    """Cases may name the right option by its text."""
    assert (await score(Choice(), "B", "Rome", options=("Paris", "Rome"))).value == 1.0
    assert (await score(Choice(), "A", "Rome", options=("Paris", "Rome"))).value == 0.0


async def test_a_wrong_answer_says_what_differs(score) -> None:
    """The reason shows both sides, cut to one line."""
    assert (await score(Exact(), "x\ny" * 100, "z")).reason.endswith("… is not z")


@given(st.text(), st.text())
async def test_sameness_is_symmetric_and_bounded(one: str, other: str) -> None:
    """Swapping answer and target changes nothing."""
    for scorer in (Exact(), Exact(ignore_case=True), Label(), Choice()):
        there = await scorer.score(Case(id="c", target=one), EMPTY, Reading(answer=other, how=""))
        back = await scorer.score(Case(id="c", target=other), EMPTY, Reading(answer=one, how=""))
        assert there.value == back.value
        assert there.value in (0.0, 1.0)


@given(st.fractions(), st.fractions())
async def test_numbers_are_compared_exactly_within_the_tolerance(one, other) -> None:
    """With an absolute tolerance only, the comparison is symmetric and means what it says."""
    scorer = Number(abs_tol=0.5, rel_tol=0.0)
    there = await scorer.score(Case(id="c", target=str(one)), EMPTY, Reading(answer=str(other), how=""))
    back = await scorer.score(Case(id="c", target=str(other)), EMPTY, Reading(answer=str(one), how=""))
    assert there.value == back.value == float(abs(one - other) <= 0.5)
