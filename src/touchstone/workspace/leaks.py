"""Which learning cases give away what test cases ask; a strategy is told that, and never the test cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from touchstone.data.base import Case, CaseSummary, Problem
from touchstone.data.cases import read_cases
from touchstone.evaluation.base import Finding
from touchstone.language import N_, _
from touchstone.strategies.base import CandidateSpec
from touchstone.training.leaks import Leak, TestTexts
from touchstone.workspace.taskfile import Task

DROPPED = "leaks_dropped"
"""Kind of the finding that says which cases nobody learned from."""

_NAMED = 10
"""Pairs, or rows, that a finding names."""
_BUILDS_NOTHING = frozenset({"prompt", "recorded", "rag"})
_TWINS = frozenset({"twin_across_splits", "near_twin_across_splits"})


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
                "write `leaks: drop` in the task file, or take them out of {split} or out of test"
            ),
            values={"count": len(leaks), "split": split, "pairs": named + (", …" if len(leaks) > _NAMED else "")},
            blocks=True,
        ),
    )


def leaks_by_place(learning: Iterable[tuple[int, Case]], tested: TestTexts) -> dict[int, Leak]:
    """Place in its split to how a case gives away what is tested; who gives nothing away is missing."""
    return {place: found for place, case in learning if (found := tested.leak(case)) is not None}


def dropped_findings(leaks: Collection[Leak], split: str) -> tuple[Finding, ...]:
    """
    One finding that says how many cases of a split nobody learns from, and names the first.

    It blocks nothing: nobody has seen them.
    """
    if not leaks:
        return ()
    rows = [_place(one.train_id, one.train_row) for one in leaks]
    return (
        Finding(
            kind=DROPPED,
            template=N_(
                "`leaks: drop` keeps {count:,} cases of {split} from whoever learns, because they ask what test cases "
                "ask or share 13 words in a row with one: {rows}"
            ),
            values={
                "count": len(rows),
                "split": split,
                "rows": ", ".join(rows[:_NAMED]) + (", …" if len(rows) > _NAMED else ""),
            },
        ),
    )


def kept_from_learners(task: Task) -> Mapping[str, int]:
    """Split to how many of its cases `leaks: drop` keeps from whoever learns; reads the cases twice."""
    tested = TestTexts(case for case in read_cases(task.source) if case.split == "test")
    learning = (case for case in read_cases(task.source) if case.split != "test")
    return Counter(case.split for case in learning if tested.leak(case) is not None)


def learns(spec: CandidateSpec) -> bool:
    """Whether what a candidate is depends on learning cases: shown, looked up, tuned on or trained on."""
    if not _BUILDS_NOTHING.issuperset(spec.strategy.split("+")):
        return True
    return isinstance(spec.parameters.get("documents"), Mapping) or bool(spec.parameters.get("tune"))


def telling(settings: Mapping[str, Any], dropped: Iterable[Finding]) -> Mapping[str, Any]:
    """The settings of somebody who learns, with what was kept from it, unless they say so already."""
    known = list(settings.get("findings", ()))
    told = {(one["kind"], one["values"].get("split")) for one in known}
    more = [one.model_dump() for one in dropped if (one.kind, one.values["split"]) not in told]
    return {**settings, "findings": [*known, *more]} if more else settings


def without_twins(summary: CaseSummary) -> CaseSummary:
    """The summary without the advice to take twins of test cases out, where nobody learns from them anyway."""
    return summary.model_copy(update={"problems": tuple(_not_twins(summary.problems))})


def _not_twins(problems: Iterable[Problem]) -> Iterator[Problem]:
    return (one for one in problems if one.kind not in _TWINS or one.values.get("split") != "test")


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
