"""A comparison as it lies in the store: what it was told, and what it was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from touchstone.data.base import CaseSummary
from touchstone.decision.base import CaseChanges
from touchstone.evaluation.base import Recipe
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.cells import Cells, Vector
from touchstone.evaluation.comparisons import Comparisons, TextCounts
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.recovery import balance_of
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.taskfile import TaskFile

if TYPE_CHECKING:
    from touchstone.workspace.amended import Corrections


@dataclass(frozen=True)
class Asked:
    """What a comparison asked and was answered: all that grows with the number of its cases."""

    cells: tuple[Cells, ...]
    texts: tuple[Mapping[str, TextCounts], ...]
    """What the cells of each candidate say in words."""
    order: CaseOrder
    groups: tuple[str | None, ...] | None


@dataclass(frozen=True)
class Stored:
    """A comparison as it lies in the store; its cells come as arrays, and are read when somebody first wants them."""

    identity: str
    created: str
    state: str
    ending: str | None
    fingerprint: str
    dataset: str
    spec: Mapping[str, Any]
    balance: Balance | None
    """The money of the run; None for a comparison of an older version, or where nothing was sent."""
    summary: CaseSummary
    specs: tuple[CandidateSpec, ...]
    settings: tuple[Mapping[str, Any], ...]
    recipes: tuple[Recipe, ...]
    trials: tuple[int, ...]
    closed: tuple[str | None, ...]
    """Why each candidate could not be asked any further; None where it could."""
    read: Callable[[], Asked]
    """Reads the cells, once."""
    steps: tuple[Mapping[str, Any], ...]
    """Of the race, as they happened."""
    judge: Mapping[str, Any] | None
    kept: Vector | None = None
    """Places in their split of the cases that count, in order; every array is of these alone. None: all of them."""
    rescored: Corrections | None = None
    """Cells under right answers that were corrected since."""
    further: tuple[Mapping[str, Mapping[int, float]], ...] = ()
    """Of each candidate and further scorer, by the case's place in its split: what it says of corrected cases now."""
    changes: CaseChanges | None = None
    """What people changed about the cases; None where nothing stands."""

    @property
    def cells(self) -> tuple[Cells, ...]:
        """The cells of each candidate."""
        return self.read().cells

    @property
    def texts(self) -> tuple[Mapping[str, TextCounts], ...]:
        """What the cells of each candidate say in words."""
        return self.read().texts

    @property
    def order(self) -> CaseOrder:
        """In which the cases were asked."""
        return self.read().order

    @property
    def groups(self) -> tuple[str | None, ...] | None:
        """Cluster of each case; None where no case has one."""
        return self.read().groups

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates, in the order of the task file."""
        return tuple(spec.name for spec in self.specs)

    @property
    def test_cases(self) -> int:
        """Test cases of the comparison that count."""
        return int(self.spec["test_cases"]) if self.kept is None else len(self.kept)

    def places(self, cases: Sequence[int]) -> list[int]:
        """Places in their split of cases by their place among those that count."""
        return [int(case if self.kept is None else self.kept[case]) for case in cases]

    @property
    def raced(self) -> bool:
        """
        Whether what was asked depended on what had been answered, or the run stopped somewhere.

        Intervals that hold for one look at a fixed number of cases say nothing then.
        """
        return len(self.specs) > 1 and (bool(self.spec.get("racing")) or self.state != "finished")

    @property
    def repeats(self) -> int:
        """Answers per case and candidate."""
        return int(self.spec["options"]["repeats"])

    @property
    def answers(self) -> int:
        """Answers of a run that asks everybody everything."""
        return len(self.specs) * self.test_cases * self.repeats

    @cached_property
    def strict(self) -> Vector:
        """Strict scores (candidates, cases), NaN where a cell has none."""
        return np.stack([cells.strict() for cells in self.cells])

    @cached_property
    def asked(self) -> Vector:
        """Whether every answer to a case was asked for (candidates, cases)."""
        return np.stack([cells.whole() for cells in self.cells])


def load(ledger: Ledger, row: Mapping[str, Any]) -> Stored:
    """What a row of the `comparison` table and everything under it says."""
    spec = orjson.loads(row["spec"])
    entries = Comparisons(ledger).entries(row["id"])
    return Stored(
        identity=row["id"],
        created=row["created"],
        state=row["state"],
        ending=row["ending"],
        fingerprint=row["fingerprint"],
        dataset=row["dataset"],
        spec=spec,
        balance=balance_of(ledger, row["id"]) or _old_balance(row),
        summary=CaseSummary.model_validate(spec["cases"]),
        specs=tuple(CandidateSpec.model_validate(item) for item in spec["candidates"]),
        settings=tuple(orjson.loads(entry["settings"]) for entry in entries),
        recipes=tuple(Recipe.model_validate_json(entry["recipe"]) for entry in entries),
        trials=tuple(entry["trial"] for entry in entries),
        closed=tuple(entry["closed"] for entry in entries),
        read=cache(lambda: _asked(ledger, row, spec, entries)),
        steps=tuple(race_steps(row)),
        judge=orjson.loads(row["judge"]) if row["judge"] else None,
    )


def _asked(
    ledger: Ledger, row: Mapping[str, Any], spec: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> Asked:
    comparisons = Comparisons(ledger)
    cases, repeats = int(spec["test_cases"]), int(spec["options"]["repeats"])
    known = None
    if ledger.datasets.has_groups(row["dataset"], "test"):
        known = tuple(ledger.datasets.case_column(row["dataset"], "test", "group_name"))
    return Asked(
        cells=tuple(
            Cells.load(
                comparisons,
                entry["trial"],
                planned_cases=cases,
                repeats=repeats,
                run=row["id"],
                rest=entry["rest"] or ("planned" if row["run_key"] else "skipped_cancel"),
            )
            for entry in entries
        ),
        texts=tuple(comparisons.texts(entry["trial"], repeats) for entry in entries),
        order=CaseOrder.draw(cases, TaskFile.model_validate(spec["file"]).race.seed, known),
        groups=known,
    )


def _old_balance(row: Mapping[str, Any]) -> Balance | None:
    """What an older version had counted."""
    if not row["calls"]:
        return None
    calls = orjson.loads(row["calls"])
    return Balance(
        run=row["id"],
        spent_usd=calls["spent_usd"] or 0.0,
        made=calls["made"],
        retries=calls["retries"],
        in_doubt=calls["in_doubt"],
        unpriced=calls["spent_usd"] is None,
    )


def race_steps(row: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a stored race, empty when there are none."""
    return list(orjson.loads(row["race"])["steps"]) if row is not None and row["race"] else []
