"""
What the answers of a comparison come to, whatever is asked of the winner.

Intervals, pairs and slices take seconds to minutes and depend on the answers alone; what a volume, a goal or a limit
makes of them takes milliseconds. So they are worked out apart, and the first part may be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from touchstone.decision.base import CaseChanges, Constraints, Goal, Volume
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.cells import Cells, Vector
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.live import anytime_pairs
from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.paired import compare_pairs
from touchstone.evaluation.summaries import Ground
from touchstone.noun import Noun
from touchstone.reporting.base import Calls, Example, Note, Slice
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace import gather
from touchstone.workspace.amended import amended
from touchstone.workspace.examples import disagreeing_cases, examples, worst_cases
from touchstone.workspace.racing import race_rules, unfit_facts
from touchstone.workspace.standings import Raced, rerun
from touchstone.workspace.stored import Stored
from touchstone.workspace.taskfile import TaskFile


class Counted(Noun):
    """Candidates in numbers."""

    cases: int
    """Test cases that count."""
    trials: tuple[TrialSummary, ...]
    """In the order of the task file; without the cost of a month, which needs a volume."""
    pairs: tuple[PairResult, ...]


class Measured(Noun):
    """All that a report says of the answers."""

    now: Counted
    before: Counted | None = None
    """On the cases as they were measured; None where nobody changed any."""
    changes: CaseChanges | None = None
    """What was changed about the cases; None where nothing was."""
    served: tuple[tuple[str, ...], ...]
    """Of each candidate, the names of the models that answered."""
    notes: tuple[Note, ...]
    """What failed, and what is odd about replies."""
    calls: Calls
    slices: tuple[Slice, ...]
    worst: tuple[Example, ...]
    disagreeing: tuple[Example, ...]


class Numbers:
    """
    A stored comparison in numbers: what was measured, and its race under any demands, each worked out once.

    Args:
        ledger: The store.
        stored: The comparison as it was measured; what people changed since is looked up.
        measured: What was worked out before; None where nobody did.
        races: The same of races, by what was asked; further ones are put in.
    """

    def __init__(
        self,
        ledger: Ledger,
        stored: Stored,
        measured: Measured | None = None,
        races: MutableMapping[str, Raced] | None = None,
    ) -> None:
        self.stored = stored
        self.races: MutableMapping[str, Raced] = {} if races is None else races
        self._ledger = ledger
        self._known = measured

    @property
    def is_known(self) -> bool:
        """Whether the answers need not be looked at for what was measured."""
        return self._known is not None

    @property
    def measured(self) -> Measured:
        """What was measured; it may take minutes the first time."""
        if self._known is None:
            self._known = measure(self._ledger, self.stored, self._amended)
        return self._known

    @cached_property
    def _amended(self) -> Stored:
        return amended(self._ledger, self.stored)

    def raced(
        self,
        file: TaskFile,
        specs: tuple[CandidateSpec, ...],
        goal: Goal,
        constraints: Constraints,
        volume: Volume,
        *,
        as_measured: bool,
    ) -> Raced:
        """
        Where the race stands under these demands.

        Args:
            file: The task file; see `standings.rerun`.
            specs: The candidates, with what is known of them.
            as_measured: Whether it is about the cases as they were measured.
        """
        asked = race_rules(file, self.stored.repeats, goal=goal, constraints=constraints, volume=volume)
        unfit = unfit_facts([spec.facts for spec in specs], constraints)
        key = f"{as_measured} {asked!r} {unfit!r}"
        found = self.races.get(key)
        if found is None:
            stored = replace(self.stored if as_measured else self._amended, specs=specs)
            found = self.races[key] = rerun(stored, file, goal, constraints, volume)
        return found


def measure(ledger: Ledger, stored: Stored, now: Stored) -> Measured:
    """
    Look at every answer of a comparison.

    Args:
        stored: As it was measured.
        now: As it is counted now; the very same where nobody changed a case.
    """
    served = gather.served_names(stored)
    counted, ground = _counted(ledger, now, served)
    means = [-1.0 if trial.estimate is None else trial.estimate.mean for trial in counted.trials]
    order = sorted(range(len(means)), key=lambda place: -means[place])
    disagreeing, worst = disagreeing_cases(now, order), worst_cases(now, order)
    return Measured(
        now=counted,
        before=None if now is stored else _counted(ledger, stored, served)[0],
        changes=now.changes,
        served=served,
        notes=(*gather.failures(now), *gather.remarks(now)),
        # What was left out afterwards was asked all the same.
        calls=_calls(stored),
        slices=gather.slices(ledger, now, ground),
        worst=examples(ledger, now, [place for place in worst if place not in disagreeing]),
        disagreeing=examples(ledger, now, disagreeing),
    )


def _counted(ledger: Ledger, stored: Stored, served: tuple[tuple[str, ...], ...]) -> tuple[Counted, Ground]:
    file = TaskFile.model_validate(stored.spec["file"])
    confidence, seed, strict = file.race.confidence, file.race.seed, stored.strict
    ground = Ground(
        groups=stored.groups,
        confidence=confidence,
        seed=seed,
        requests_per_month=None,
        concurrency=file.limits.concurrency,
        order=stored.order if stored.raced else None,
    )
    if stored.raced:
        pairs = anytime_pairs(stored.names, strict, stored.order, confidence, stored.asked)
    else:
        pairs = compare_pairs(stored.names, np.nan_to_num(strict), ~np.isnan(strict), stored.groups, confidence, seed)
    trials = gather.summaries(ledger, stored, ground, served)
    return Counted(cases=stored.test_cases, trials=trials, pairs=pairs), ground


def _calls(stored: Stored) -> Calls:
    offline = bool(stored.spec["options"]["offline"])
    full = len(stored.specs) * stored.test_cases * stored.repeats
    # A recorded answer or a baseline's is a call too: one answer asked of one candidate.
    asked = [_asked(cells, offline=offline) for cells in stored.cells]
    used = sum(_count(asked))
    # What another comparison had asked, or a stored reply of another run answered, was not bought by this one.
    here = sum(
        _count(
            own & cells.here & (np.nan_to_num(cells.from_cache) == 0)
            for own, cells in zip(asked, stored.cells, strict=True)
        )
    )
    return Calls(
        made=here,
        from_cache=used - here,
        full=full,
        share=used / full if full else None,
        retries=stored.balance.retries if stored.balance is not None else 0,
    )


def _count(which: Iterable[Vector]) -> list[int]:
    return [int(one.sum()) for one in which]


def _asked(cells: Cells, *, offline: bool) -> Vector:
    """Cells somebody was asked for; an offline run fails a cell without asking."""
    return cells.asked() & ~is_kind(cells.kind, ("error",)) if offline else cells.asked()
