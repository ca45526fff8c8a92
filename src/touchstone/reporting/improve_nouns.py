"""What an improvement is to its readers: what was tried, what it brought, what pays, and what would change that."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from touchstone.decision.improve_base import Prospect
from touchstone.decision.ladder_base import Ladder
from touchstone.decision.learning_curve import LearningCurve
from touchstone.decision.what_if import Changed
from touchstone.noun import Noun
from touchstone.reporting.base import Comparison


class ModelPlan(Noun):
    """Which ways are tried for one model."""

    model: str
    ways: tuple[Prospect, ...]


class ImprovePlan(Noun):
    """What `improve` would do, before anybody is asked."""

    task: str
    models: tuple[ModelPlan, ...]
    candidates: tuple[str, ...]
    """Everybody in the table, those of the task file first."""


class Remeasured(Noun):
    """The second measurement, after the facts changed."""

    comparison: str
    """Its id."""
    spent_usd: float | None
    """All that was paid for it; None where a price is not known."""
    finished: bool
    """Whether everybody answered; else nothing is said of who is stale."""


class Improvement(Noun):
    """What `improve --json` returns; fields may be added, never renamed."""

    version: Literal["touchstone.improvement/1"] = Field(default="touchstone.improvement/1", alias="schema")
    plan: ImprovePlan
    ladder: Ladder
    curves: tuple[LearningCurve, ...] = ()
    changes: tuple[Changed, ...] = ()
    comparison: Comparison
    """The comparison that all of it was measured in, with what is to be said against it."""
    after: Remeasured | None = None
    """None where nothing was measured after the facts changed."""
    machine_usd_per_hour: float | None = None
    """What an hour of the user's machine was taken to cost; None where it was left out of the costs."""
