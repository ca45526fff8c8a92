"""Which learning cases give away what test cases ask; a strategy is told that, and never the test cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from touchstone.data.base import Case
from touchstone.evaluation.base import Finding
from touchstone.language import N_
from touchstone.strategies.example_pool import question_key

_NAMED = 10
"""Pairs that a finding names."""


def question_keys(tested: Iterable[Case]) -> dict[int, str]:
    """Key of its question to the id of each test case; of those that ask the same, the first."""
    found: dict[int, str] = {}
    for case in tested:
        found.setdefault(question_key(case), case.id)
    return found


def find_leaks(learning: Iterable[Case], tested: Mapping[int, str], split: str) -> tuple[Finding, ...]:
    """
    One finding that names the learning cases which ask what test cases ask, but for capitals, punctuation and spacing.

    Args:
        learning: Cases of a split.
        tested: `question_keys` of the test cases.
        split: What the split is called.
    """
    pairs = [(case.id, tested[key]) for case in learning if (key := question_key(case)) in tested]
    if not pairs:
        return ()
    named = ", ".join(f"{own} = {other}" for own, other in pairs[:_NAMED])
    return (
        Finding(
            kind="leak",
            template=N_(
                "{count} cases of {split} ask what test cases ask ({pairs}): what learned from them knows the answers; "
                "take them out of {split} or out of test"
            ),
            values={"count": len(pairs), "split": split, "pairs": named + (", …" if len(pairs) > _NAMED else "")},
            blocks=True,
        ),
    )
