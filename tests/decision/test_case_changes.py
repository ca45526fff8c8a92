"""What a decision says of changed cases: how many, why, whether answers could be seen, and what it was before."""

from __future__ import annotations

import pytest

from touchstone.decision.base import CaseChanges, Verdict
from touchstone.decision.case_changes import about_changes


def said(changes: CaseChanges | None, verdict: Verdict = "winner", chosen: str | None = "a") -> list[str]:
    return [reason.text() for reason in about_changes(changes, verdict, chosen)]


def test_nothing_is_said_of_nothing() -> None:
    """Also where the verdict is known to be the same."""
    assert said(None) == []
    assert said(CaseChanges(cases=10, verdict_before="winner", chosen_before="a")) == []


def test_what_was_left_out_is_counted_with_its_reasons() -> None:
    """And, where so, that it was done with answers in sight."""
    quiet = CaseChanges(cases=10, excluded=2, reasons=("unclear", "twice (2)"))
    assert said(quiet) == ["2 of 10 cases are left out for every candidate: unclear; twice (2)"]
    [line] = said(quiet.model_copy(update={"excluded_seen": 1}))
    assert "1 of them after answers could be seen" in line


def test_corrected_answers_and_kept_verdicts_are_counted() -> None:
    """A judge's verdict is of the old answer, and that is said."""
    first, second = said(CaseChanges(cases=10, corrected=3, corrected_seen=3, kept_verdicts=2))
    assert first.startswith("3 of 10 right answers were corrected, 3 of them after answers could be seen")
    assert second.startswith("2 corrected cases keep the score they had")


@pytest.mark.parametrize(
    ("before", "chosen", "words"),
    [
        ("winner", "b", "b would have won"),
        ("tie", "b", "a tie, with b taken"),
        ("tie", None, "a tie"),
        ("none_qualifies", None, "nobody met the conditions"),
        ("insufficient", None, "not enough evidence to choose"),
    ],
)
def test_a_decision_that_turned_comes_first(before: Verdict, chosen: str | None, words: str) -> None:
    """Each verdict in words."""
    changes = CaseChanges(cases=10, excluded=1, reasons=("x",), verdict_before=before, chosen_before=chosen)
    first, *_rest = said(changes)
    assert first.endswith(words)
