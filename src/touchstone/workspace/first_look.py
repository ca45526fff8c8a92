"""A first look at cases: rows as they stand in the file, how they would be read, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from touchstone.data.base import CaseSource, Problem
from touchstone.data.cases import case_counts, read_cases
from touchstone.data.sniff import Proposal, propose
from touchstone.errors import TouchstoneError, UserError
from touchstone.evaluation.base import Finding
from touchstone.noun import Noun
from touchstone.training.leaks import TestTexts
from touchstone.workspace.init import TRAIN_SHARE, draws_train
from touchstone.workspace.leaks import leak_findings
from touchstone.workspace.tasks import first_rows

MOST_CASES = 20_000
"""As many are looked at before anything is made of them; a run looks at all of them before anybody is asked."""


class FirstLook(Noun):
    """What is known of a file that may become the cases of a task."""

    columns: tuple[str, ...]
    """Of the file; empty where not even the first rows can be read."""
    rows: tuple[tuple[str, ...], ...]
    proposal: Proposal | None
    """None where it cannot be used so; `error` says why."""
    error: Any = None
    counts: Mapping[str, int] = {}
    """Cases per split, with those that are drawn to learn from."""
    draws: bool = False
    """Whether train cases are drawn, because the file names no split."""
    leaks: tuple[Finding, ...] = ()
    """Which cases to learn from give away what is tested."""
    whole: bool = True
    """Whether all cases were looked at."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the cases, errors first."""
        found = () if self.proposal is None else self.proposal.problems
        return sorted(found, key=lambda problem: problem.severity)

    @property
    def is_good(self) -> bool:
        """Whether a run could use it as it is."""
        return self.proposal is not None and all(problem.severity != "error" for problem in self.problems)


def look_at(
    cases: Path, *, columns: Mapping[str, str] | None = None, kind: str | None = None, most: int = MOST_CASES
) -> FirstLook:
    """
    Look at a file of cases; an error is part of what was seen.

    Args:
        columns: Our column to the file's column, where somebody has said so.
        kind: Kind of answer, where somebody has said so.
        most: At most so many cases are looked at.
    """
    names: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    try:
        names, rows = _rows(cases)
        proposal = propose(cases, columns=columns, kind=kind, limit=most)
        draws = draws_train(proposal)
        source = proposal.source.model_copy(update={"shares": {"train": TRAIN_SHARE}}) if draws else proposal.source
        counts = case_counts(source, limit=most)
        return FirstLook(
            columns=tuple(names),
            rows=tuple(map(tuple, rows)),
            proposal=proposal,
            counts=counts,
            draws=draws,
            leaks=leaks_in(source, counts, most),
            whole=sum(proposal.counts.values()) < most,
        )
    except UserError as error:
        return FirstLook(columns=tuple(names), rows=tuple(map(tuple, rows)), proposal=None, error=error)


def _rows(cases: Path) -> tuple[Sequence[str], list[list[str]]]:
    try:
        return first_rows(cases)
    except TouchstoneError as error:
        guess = error.values.get("guess")
        if guess is None:
            raise
        return first_rows(cases, encoding=str(guess))


def leaks_in(source: CaseSource, counts: Mapping[str, int], most: int) -> tuple[Finding, ...]:
    """One finding for each split whose cases give away what test cases ask."""
    splits = [split for split in ("train", "dev") if counts.get(split)]
    if not splits or not counts.get("test"):
        return ()
    tested = TestTexts(case for case in read_cases(source, limit=most) if case.split == "test")
    found: list[Finding] = []
    for split in splits:
        learning = (case for case in read_cases(source, limit=most) if case.split == split)
        found += leak_findings(learning, tested, split)
    return tuple(found)
