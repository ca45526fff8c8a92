"""
Nouns of published results: a benchmark, a scenario that benchmarks speak for, and what somebody says a model scored.

A claim restates a published fact with its source and date. Two claims are alike only when benchmark, subset, harness,
setting and measurer are; `Claim.condition` is what they must share to stand in one ranking.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from touchstone.catalog.model import ModelId, PartialDate, Words
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

Area = Literal[
    "general-knowledge",
    "language-understanding",
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


Questions = Annotated[int, Field(ge=1, le=10**12)]
"""How many a test has. What is worked out from results is kept by a digest of numbers of 64 bits."""


class Benchmark(Noun):
    """One published test."""

    id: str
    name: str
    name_zh: str | None = None
    area: Area
    explanation: Words
    """What it asks, in two sentences, with what it does not show."""
    metric: str
    """What the value is, such as `accuracy`, `pass@1`, `WER`, `nDCG@10`, `Elo`."""
    unit: Literal["percent", "points", "ratio"]
    """`percent` runs from 0 to 100; `points` is a scale of its own, such as Elo."""
    kind: Literal["share", "score"]
    """A `share` counts right answers, so that its error follows from the number of questions; a `score` does not."""
    higher_is_better: bool = True
    questions: Questions | None = None
    """Of the whole test; None where versions differ or nobody says."""
    chance: float | None = None
    """What guessing scores, in the unit."""
    languages: tuple[str, ...] = ()
    released: PartialDate | None = None
    known_issues: Words | None = None
    """Contamination, saturation, wrong labels, as somebody published them."""
    url: str

    @model_validator(mode="after")
    def _counts_something(self) -> Self:
        if self.kind == "share" and self.unit == "points":
            raise InvalidValue(
                "{benchmark} counts a share in points; give it in percent or as a ratio", benchmark=self.id
            )
        return self

    @property
    def whole(self) -> float | None:
        """What full marks are in the unit; None on a scale of its own."""
        return {"percent": 100.0, "ratio": 1.0, "points": None}[self.unit]


class Fit(Noun):
    """Why one benchmark belongs to a scenario."""

    benchmark: str
    """Id of a `Benchmark`."""
    why: Words
    """What it has in common with the scenario."""
    misses: Words
    """What the scenario asks and this benchmark does not."""


class Scenario(Noun):
    """One business use, and the benchmarks worth a look for it. Their values are never averaged: scales differ."""

    id: str
    name: Words
    explanation: Words
    benchmarks: tuple[Fit, ...] = Field(min_length=1)
    """The closest first."""


class Claim(Noun):
    """One result, as published."""

    model: ModelId
    snapshot: str | None = None
    """The dated version that was measured, where the source names it."""
    benchmark: str
    """Id of a `Benchmark`."""
    subset: str | None = None
    value: float = Field(allow_inf_nan=False)
    """In the benchmark's unit."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Ends of the published 95 % interval."""
    questions: Questions | None = None
    """How many this value was measured on, where that differs from the benchmark's own number or is known better."""
    setting: str | None = None
    """How every model of the table was asked: prompt, shots, tools, as short as the source says it."""
    mode: str | None = None
    """How this one model was set where there is a choice: reasoning effort, thinking budget, edit format. Two modes
    of a model are two rows of one ranking."""
    harness: str | None = None
    """The program that measured; None where nobody says, and then only rows of the same source are alike."""
    harness_version: str | None = None
    measured_by: str
    """Who measured: the model's lab, the benchmark's authors, a third party, or `ours`."""
    date: PartialDate | None = None
    """When it was measured or published; None where the source does not say."""
    source: str
    url: str | None = None
    as_of: PartialDate
    """The day the source was read, or the date it carries."""
    usd: float | None = Field(default=None, ge=0)
    """What the measurement cost in all, where the source says it; published tables write 0 where they do not know."""
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
        if (self.low is None) != (self.high is None):
            raise InvalidValue(
                "{model} on {benchmark} has one end of an interval; give both or none",
                model=self.model,
                benchmark=self.benchmark,
            )
        if self.usd == 0 and not self.ours:
            raise InvalidValue(
                "{model} on {benchmark} cost 0 USD, which stands for unknown in published tables; leave it out",
                model=self.model,
                benchmark=self.benchmark,
            )
        return self

    @property
    def condition(self) -> tuple[str, ...]:
        """What claims must share to be ranked together: benchmark, subset, setting, harness, who measured."""
        harness = self.harness or f"as in {self.source}"
        return self.benchmark, self.subset or "", self.setting or "", harness, self.measured_by


CLAIMS = TypeAdapter(tuple[Claim, ...], config=ConfigDict(defer_build=True))
"""Reads many at once; made, as every noun, when it first does."""
