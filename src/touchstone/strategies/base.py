"""What a strategy is: it prepares a model for a task and returns a Candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from touchstone.catalog.base import Facts, Price
from touchstone.data.base import Case
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ChatRequest, Completion
from touchstone.noun import Noun
from touchstone.scoring.base import AnswerSpec


class CandidateSpec(Noun):
    """One entry of a task file's `candidates`, understood."""

    name: str
    """What tables call it; unique in a comparison."""
    model: str
    strategy: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    facts: Facts = Facts()
    """What the user or the catalog says of it; None where nobody knows."""
    line: int | None = None
    """Where it stands in the task file."""


class Caller(Protocol):
    """A model that can be asked: journalled, paced and priced by whoever made it."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def endpoint(self) -> str:
        """Identity of whom is asked."""
        ...

    @property
    def price(self) -> Price | None:
        """The price frozen for the run; None when it is unknown."""
        ...

    @property
    def paid(self) -> bool:
        """Whether calls are journalled."""
        ...

    async def complete(self, request: ChatRequest) -> Completion:
        """The model's answer. Raises `ModelError`."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True)
class Workshop:
    """What a strategy may use while it prepares a candidate; never the test cases."""

    instruction: str
    answer: AnswerSpec
    columns: frozenset[str]
    """Names a prompt template may use."""
    folder: Path
    """Where relative paths of the task file start."""
    learning_cases: Callable[[str], Iterator[Case]]
    """Cases of the split `train` or `dev`, streamed."""
    make_caller: Callable[[str, Mapping[str, Any]], Caller]
    """(model reference, its parameters) to a model that can be asked."""
    ledger: Ledger
    seed: int = 0
    media_folders: Mapping[str, Path] = field(default_factory=dict)
    """Split to where its paths of images and recordings start; the key "" where all splits have one folder."""
    extra: Mapping[str, Any] = field(default_factory=dict)


class Strategy(Protocol):
    """
    Prepares a model for a task.

    Constructors take nothing; everything comes with `prepare`, so that a recipe alone can rebuild a candidate.
    """

    name: str

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A candidate ready to answer. Raises `UserError` before anything is paid when the spec cannot work."""
        ...

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """How it will answer, for the report: model, prompt digest, temperature, price and the like."""
        ...
