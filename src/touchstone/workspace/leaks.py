"""Which learning cases give away what test cases ask; a strategy is told that, and never the test cases."""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.data.base import Case
from touchstone.evaluation.base import Finding
from touchstone.language import N_, _
from touchstone.training.leaks import TestTexts

_NAMED = 10
"""Pairs that a finding names."""


def leak_findings(learning: Iterable[Case], tested: TestTexts, split: str) -> tuple[Finding, ...]:
    """
    One finding that names the learning cases which ask what test cases ask, or hold a long piece of one.

    Args:
        learning: Cases of a split.
        tested: The test cases.
        split: What the split is called.
    """
    leaks = [found for case in learning if (found := tested.leak(case)) is not None]
    if not leaks:
        return ()
    named = ", ".join(
        f"{_place(one.train_id, one.train_row)} = {_place(one.test_id, one.test_row)}" for one in leaks[:_NAMED]
    )
    return (
        Finding(
            kind="leak",
            template=N_(
                "{count} cases of {split} ask what test cases ask ({pairs}): what learned from them knows the answers; "
                "take them out of {split} or out of test"
            ),
            values={"count": len(leaks), "split": split, "pairs": named + (", …" if len(leaks) > _NAMED else "")},
            blocks=True,
        ),
    )


def named_in_test(tested: TestTexts, keys: Iterable[int], questions: Iterable[str]) -> tuple[str, ...]:
    """
    The test cases that somebody who learned from these has seen, each once, with its row.

    Args:
        tested: The test cases.
        keys: Of what was asked, as `question_key` has them.
        questions: What was asked, where that is known too; a long piece of one is found.
    """
    found = (*(tested.asked_by(key) for key in sorted(keys)), *map(tested.shared_with, questions))
    places = sorted({place for place in found if place is not None}, key=lambda place: (place[1] or 0, place[0]))
    return tuple(_place(*place) for place in places)


def _place(case: str, row: int | None) -> str:
    return case if row is None else _("{case} (row {row})").format(case=case, row=row)
