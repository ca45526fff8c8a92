"""The ladder of a comparison that lies in the store: for another volume, another time, after the facts changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import orjson
from pydantic import Field

from touchstone.data.base import CaseSource
from touchstone.decision.ladder_base import Stretch
from touchstone.decision.what_if import after_the_facts_changed
from touchstone.errors import UnknownName
from touchstone.evaluation.amendments import Amendments
from touchstone.evaluation.base import PairResult
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.noun import Noun
from touchstone.reporting.base import ReportData
from touchstone.reporting.improve_nouns import Improvement, ImprovePlan
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec
from touchstone.training.leaks import TestTexts
from touchstone.workspace.base import Demands
from touchstone.workspace.improve import Planned, improvement, ladder_of, remeasured, stretch_of
from touchstone.workspace.improve_facts import paired_changes
from touchstone.workspace.improve_section import ImproveSection
from touchstone.workspace.leaks import leaks_by_place
from touchstone.workspace.shortlist_cases import CasesLook
from touchstone.workspace.taskfile import Task, TaskFile, task_place

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_MADE = 32
"""Terms under which a ladder is kept: people go back and forth between a few."""

_UPDATED = "-updated"
"""What `improve` adds to a task's name where it measures after the facts changed."""


class Terms(Noun):
    """What somebody asks about a ladder; None leaves it as the comparison has it."""

    requests_per_month: float | None = Field(default=None, gt=0)
    months: float | None = Field(default=None, gt=0, le=600)
    facts_change_days: float | None = Field(default=None, gt=0, le=36_500)
    baseline: str | None = None
    """Whom the others are held against."""


class Sides(Noun):
    """The comparisons that belong together: before and after the facts changed."""

    before: str | None = None
    """For one that was measured after."""
    after: str | None = None
    """For one that was measured before."""


class StoredLadder:
    """
    What a comparison says of the ways of improving, under any terms; its cells are read once.

    Args:
        place: The workspace.
        comparison: Id of the comparison.

    Raises:
        UnknownName: there is no such comparison.
    """

    def __init__(self, place: Workspace, comparison: str) -> None:
        self.data = place.decide(comparison, Demands())
        self.comparison = self.data.comparison.comparison_id
        self._planned = _planned(place.reader, self.comparison)
        self.sides = sides_of(place, self.comparison)
        self._made: dict[Terms, Improvement] = {}
        self._guard = threading.Lock()
        self._after: tuple[Planned, ReportData, dict[str, PairResult]] | None = None
        if self.sides.after is not None:
            later = place.decide(self.sides.after, Demands())
            pairs = paired_changes(place.reader, self.comparison, self.sides.after)
            self._after = _planned(place.reader, self.sides.after), later, pairs

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates."""
        return self._planned.plan.candidates

    @property
    def file(self) -> TaskFile:
        """The task as it was measured, with everybody in it."""
        return self._planned.task.file

    @property
    def specs(self) -> tuple[CandidateSpec, ...]:
        """The candidates' entries."""
        return self._planned.specs

    def at(self, place: Workspace, terms: Terms) -> Improvement:
        """
        The ladder under some terms. The plan is empty: which ways were worth trying was said when it was made.

        Raises:
            UnknownName: the baseline is no candidate.
        """
        with self._guard:
            known = self._made.get(terms)
        if known is not None:
            return known
        planned, stretch = self._under(self._planned, terms)
        found = improvement(planned, self.data, place, stretch)
        if self._after is not None:
            renamed, later, pairs = self._after
            ladder = ladder_of(self._under(renamed, terms)[0], later, place, stretch)
            change = after_the_facts_changed(found.ladder, ladder, pairs, self.file.race.confidence)
            found = found.model_copy(update={"changes": (*found.changes, change), "after": remeasured(later)})
        with self._guard:
            self._made[terms] = found
            while len(self._made) > _MADE:
                self._made.pop(next(iter(self._made)))
        return found

    def _under(self, planned: Planned, terms: Terms) -> tuple[Planned, Stretch]:
        if terms.baseline is not None:
            if terms.baseline not in self.names:
                raise UnknownName(kind="candidate", name=terms.baseline, known=self.names)
            planned = planned._replace(baseline=terms.baseline)
        given = terms.model_dump(exclude={"baseline"}, exclude_none=True)
        return planned, stretch_of(planned).model_copy(update=given)


def usual_terms(place: Workspace, comparison: str) -> tuple[Terms, tuple[str, ...]]:
    """
    (the terms of a comparison where nobody asks for others, its candidates), without reading a cell.

    Raises:
        UnknownName: there is no such comparison.
    """
    planned = _planned(place.reader, comparison)
    said = stretch_of(planned).model_dump(include={"requests_per_month", "months", "facts_change_days"})
    return Terms(**said, baseline=planned.baseline), planned.plan.candidates


_kept: OrderedDict[tuple[str, str], tuple[str, StoredLadder]] = OrderedDict()
_KEPT = 8
"""Ladders in memory; their cells are read again for others."""
_guard = threading.Lock()
_at_work: dict[tuple[str, str], threading.Lock] = {}


def stored_ladder(place: Workspace, comparison: str, *, wait: bool = True) -> StoredLadder | None:
    """
    The ladder of a comparison, kept in memory for as long as its cells and its cases stay as they are.

    Args:
        wait: Whether it is made where it is not there; else None says that it takes a while.

    Raises:
        UnknownName: there is no such comparison.
    """
    stored = Comparisons(place.reader)
    row = stored.find(comparison)
    if row is None:
        raise UnknownName(kind="comparison", name=comparison, known=[one["id"] for one in stored.all()])
    at = (str(place.settings.store_url or place.settings.workspace.absolute()), str(row["id"]))
    after = sides_of(place, row["id"]).after
    changes = Amendments(place.reader).revision(row["dataset"])
    key = f"{stored.revision([one['trial'] for one in stored.entries(row['id'])])} {row['state']} {changes} {after}"

    def there() -> StoredLadder | None:
        with _guard:
            found = _kept.get(at)
            if found is None or found[0] != key:
                return None
            _kept.move_to_end(at)
            return found[1]

    found = there()
    if found is not None or not wait:
        return found
    with _guard:
        lock = _at_work.setdefault(at, threading.Lock())
    with lock:
        found = there() or StoredLadder(place, row["id"])
        with _guard:
            _kept[at] = (key, found)
            _kept.move_to_end(at)
            while len(_kept) > _KEPT:
                _kept.popitem(last=False)
    return found


def sides_of(place: Workspace, comparison: str) -> Sides:
    """What was measured of the same task on the other side of a change of the facts, the newest of it that is whole."""
    every = place.comparisons()
    own = next((one for one in every if one.id == comparison), None)
    if own is None or own.path is None:
        return Sides()
    same = [one for one in every if one.path == own.path and one.candidates == own.candidates]
    if own.task.endswith(_UPDATED):
        name = own.task.removesuffix(_UPDATED)
        before = [one.id for one in same if one.task == name and one.created < own.created]
        return Sides(before=next(iter(before), None))
    after = [
        one.id
        for one in same
        if one.task == own.task + _UPDATED and one.created > own.created and one.state == "finished"
    ]
    return Sides(after=next(iter(after), None))


def _planned(ledger: Ledger, comparison: str) -> Planned:
    """What the ladder needs of a plan, out of the store."""
    row = Comparisons(ledger).find(comparison)
    if row is None:
        raise UnknownName(kind="comparison", name=comparison, known=())
    spec = orjson.loads(row["spec"])
    file = TaskFile.model_validate(spec["file"])
    specs = tuple(CandidateSpec.model_validate(one) for one in spec["candidates"])
    section = file.improve or ImproveSection()
    names = tuple(one.name for one in specs)
    baseline = section.baseline if section.baseline in names else _baseline(specs, section)
    path = task_place(spec)
    task = Task(
        path=path,
        folder=path.parent,
        file=file,
        source=CaseSource(files={}),
        answer=AnswerSpec.model_validate(spec["answer"]),
        lines={},
    )
    look = _look(ledger, row["dataset"], drop=file.leaks == "drop")
    plan = ImprovePlan(task=file.task, models=(), candidates=names)
    return Planned(plan, task, specs, section, look, baseline)


def _baseline(specs: tuple[CandidateSpec, ...], section: ImproveSection) -> str:
    """The first model that is asked as it is, of those that were improved; the first candidate where there is none."""
    plain = [one.name for one in specs if one.strategy == "prompt"]
    wanted = [name for name in plain if not section.models or name in section.models]
    return next(iter([*wanted, *plain, specs[0].name]))


def _look(ledger: Ledger, dataset: str, *, drop: bool) -> CasesLook:
    """How many cases there were to learn from, without those that nobody may learn from."""
    counts = {split: ledger.datasets.case_count(dataset, split) for split in ("train", "dev", "test")}
    if drop:
        tested = TestTexts(case for _place, case in ledger.datasets.cases(dataset, "test"))
        for split in ("train", "dev"):
            counts[split] -= len(leaks_by_place(ledger.datasets.cases(dataset, split), tested))
    return CasesLook(**counts)
