"""
Nouns of published results: a benchmark, and what somebody says a model scored on it.

A claim restates a published fact with its source and date. Two claims are alike only when benchmark, subset, harness,
setting and measurer are; `Claim.condition` is what they must share to stand in one ranking.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from touchstone.catalog.model import ModelId, PartialDate, Words
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

Area = Literal[
    "general-knowledge",
    "reasoning",
    "maths",
    "coding",
    "agents",
    "instruction-following",
    "long-context",
    "chinese",
    "multilingual",
    "safety",
    "factuality",
    "embedding",
    "reranking",
    "speech",
    "image",
    "vision",
    "preference",
]


class Benchmark(Noun):
    """One published test."""

    id: str
    name: str
    name_zh: str | None = None
    area: Area
    scenarios: tuple[str, ...] = ()
    """Ids of scenarios (`coding`, `customer-service`, …) for whose leaderboards it is worth a look."""
    explanation: Words
    """What it asks, in two sentences, with what it does not show."""
    metric: str
    """What the value is, such as `accuracy`, `pass@1`, `WER`, `nDCG@10`, `Elo`."""
    unit: Literal["percent", "points", "ratio"]
    """`percent` runs from 0 to 100; `points` is a scale of its own, such as Elo."""
    kind: Literal["share", "score"]
    """A `share` counts right answers, so that its error follows from the number of questions; a `score` does not."""
    higher_is_better: bool = True
    questions: int | None = Field(default=None, ge=1)
    chance: float | None = None
    """What guessing scores."""
    languages: tuple[str, ...] = ()
    released: PartialDate | None = None
    known_issues: Words | None = None
    """Contamination, saturation, wrong labels, as somebody published them."""
    url: str


class Claim(Noun):
    """One result, as published."""

    model: ModelId
    snapshot: str | None = None
    """The dated version that was measured, where the source names it."""
    benchmark: str
    """Id of a `Benchmark`."""
    subset: str | None = None
    value: float
    """In the benchmark's unit."""
    low: float | None = None
    high: float | None = None
    """Ends of the published 95 % interval."""
    questions: int | None = Field(default=None, ge=1)
    """How many this value was measured on, where that differs from the benchmark's own number or is known better."""
    setting: str | None = None
    """Prompt, shots, reasoning effort, tools: whatever changes the value, as short as the source says it."""
    harness: str | None = None
    """The program that measured; None where nobody says."""
    harness_version: str | None = None
    measured_by: str
    """Who measured: the model's lab, the benchmark's authors, a third party, or `ours`."""
    date: PartialDate | None = None
    """When it was measured or published; None where the source does not say."""
    source: str
    url: str | None = None
    as_of: PartialDate
    """The day the source was read."""
    usd: float | None = Field(default=None, ge=0)
    """What the measurement cost in all, where the source says it."""
    ours: bool = False
    """Measured by the user's own team, in this workspace."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise InvalidValue(
                "{value} of {model} on {benchmark} lies outside its interval {low} to {high}",
                value=self.value,
                model=self.model,
                benchmark=self.benchmark,
                low=self.low,
                high=self.high,
            )
        return self

    @property
    def condition(self) -> tuple[str, ...]:
        """What claims must share to be ranked together: benchmark, subset, setting, harness, who measured."""
        return tuple(part or "" for part in (self.benchmark, self.subset, self.setting, self.harness, self.measured_by))
