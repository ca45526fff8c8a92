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


def _place(case: str, row: int | None) -> str:
    return case if row is None else _("{case} (row {row})").format(case=case, row=row)
