"""After the facts changed: the same questions before and after, candidate by candidate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from touchstone.evaluation.base import PairResult
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.paired import compare_pairs
from touchstone.workspace.stored import Stored, load
from touchstone.workspace.taskfile import TaskFile


def paired_changes(ledger: Ledger, before: str, after: str) -> dict[str, PairResult]:
    """
    Candidate to (after - before) on the test cases that two comparisons share by id.

    Empty where ids do not tell cases apart, and after a race: what was asked depended on the answers then.
    """
    was, now = _stored(ledger, before), _stored(ledger, after)
    if was.raced or now.raced:
        return {}
    old, new = (ledger.datasets.case_column(one.dataset, "test", "case_id") for one in (was, now))
    place = {case: at for at, case in enumerate(new)}
    if len(place) < len(new) or len(set(old)) < len(old):
        return {}
    shared = [(at, place[case]) for at, case in enumerate(old) if case in place]
    groups = None if was.groups is None else [was.groups[at] for at, _ in shared]
    race = TaskFile.model_validate(was.spec["file"]).race
    found = {}
    for name in was.names:
        if name not in now.names or not shared:
            continue
        rows = now.strict[now.names.index(name)], was.strict[was.names.index(name)]
        scores = np.array([[rows[0][there] for _, there in shared], [rows[1][at] for at, _ in shared]])
        known = ~np.isnan(scores)
        for pair in compare_pairs((name, name), np.nan_to_num(scores), known, groups, race.confidence, race.seed):
            found[name] = pair
    return found


def _stored(ledger: Ledger, comparison: str) -> Stored:
    row = Comparisons(ledger).find(comparison)
    assert row is not None
    return load(ledger, row)


class SaidOnce:
    """
    Lines for whoever waits; a second measurement says only what the first has not said of its own cases.

    Args:
        notice: Told every line that is new.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._said: set[str] = set()

    def first(self, line: str) -> None:
        """A line of the first measurement."""
        self._said.add(line)
        self._notice(line)

    def second(self, file: str, instead_of: str) -> Callable[[str], None]:
        """Takes lines of a second measurement, which call the cases `file` where the first called them otherwise."""

        def tell(line: str) -> None:
            if line.replace(file, instead_of) not in self._said:
                self._notice(line)

        return tell
