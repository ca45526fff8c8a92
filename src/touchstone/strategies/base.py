"""What a strategy is: it prepares a model for a task and returns a Candidate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from touchstone.catalog.base import Facts, Price
from touchstone.data.base import Case
from touchstone.evaluation.base import BuildCost as BuildCost
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.base import Finding as Finding
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ChatRequest, Completion
from touchstone.noun import Noun
from touchstone.scoring.base import AnswerReader, AnswerSpec, Scorer
from touchstone.training.steps import TrainingProgress


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
    swept: Mapping[str, Any] = Field(default_factory=dict)
    """The values that a `sweep` gave it, by parameter; empty for an entry that stands for itself."""


class ContextPassage(Protocol):
    """A piece of text that a model is given to read."""

    @property
    def id(self) -> str:
        """What names it in its source."""
        ...

    @property
    def text(self) -> str:
        """What is shown to the model."""
        ...


class ContextFinder(Protocol):
    """Finds what a model should read before it answers a case; what retrieval gives to a strategy."""

    @property
    def identity(self) -> str:
        """A digest of everything that decides what is found: texts, index, settings."""
        ...

    def find(self, case: Case) -> Sequence[ContextPassage] | Awaitable[Sequence[ContextPassage]]:
        """
        The passages for a case, best first; none is an answer too.

        It is clocked as part of the answer. What takes more than a few milliseconds is awaited, in a thread, so that
        it does not stop the clocks of the models that are measured beside it.

        Raises:
            ModelError: they cannot be found now.
        """
        ...

    def stand_in(self, case: Case) -> Sequence[ContextPassage]:
        """
        What a plan is priced with: about as long as what would be found, or the very same where that costs nothing.

        Nobody is asked, and nothing goes online.
        """
        ...


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


class Bench(Protocol):
    """
    Where variants of a candidate are measured before it is finished.

    It has a purse of its own, so that what was spent on building is known apart from what the comparison spends; the
    cap of the run holds for both together.
    """

    @property
    def reader(self) -> AnswerReader:
        """The task's."""
        ...

    @property
    def scorers(self) -> Sequence[Scorer]:
        """The task's first scorer alone: it decides."""
        ...

    @property
    def concurrency(self) -> int:
        """Calls in flight at most."""
        ...

    def make_caller(self, reference: str, parameters: Mapping[str, Any]) -> Caller:
        """A model whose calls are journalled and paid from this bench's purse."""
        ...

    async def close(self) -> None:
        """Release the scorer's model, and take what was spent off the cap of the run."""
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
    planning: bool = False
    """
    Whether only a plan is made: nobody is asked, nothing is trained or indexed that is not ready already. A strategy
    then gives a candidate that costs to ask about what the finished one will, and tells what building it will take
    (`BuildCost.forecast`).
    """
    workspace: Path | None = None
    """
    The workspace's folder. What a strategy builds lies below it under a digest of everything that decides it
    (`trained/DIGEST`, `index/DIGEST`), with its `BuildCost`, so that the next run finds it. None where nothing is kept.
    """
    notice: Callable[[str], None] = lambda _line: None
    """Says a line, in the reader's language, to whoever waits while something is built."""
    watch: Callable[[TrainingProgress], None] = lambda _progress: None
    """Told where a training stands with each of its reports, for pages; people are told by `notice`."""
    asked_in_test: Callable[[frozenset[int]], frozenset[int]] = lambda _keys: frozenset()
    """Which of these keys of questions (`example_pool.question_key`) are keys of test cases; all it says of them."""
    named_in_test: Callable[[frozenset[int], Iterable[str]], Sequence[str]] = lambda _keys, _texts: ()
    """
    (keys, questions) to the names of the test cases, with their rows, that ask what one of the keys stands for or one
    of the questions asks, or share 13 words in a row with one.
    """
    leaks: Callable[[str], Sequence[Finding]] = lambda _split: ()
    """What the cases of a learning split give away of test; whoever learns from them passes it on as a finding."""
    open_bench: Callable[[str, float | None], Bench] | None = None
    """(what for, most USD) to a bench; None where nothing can be measured beforehand."""


class Strategy(Protocol):
    """
    Prepares a model for a task.

    Constructors take nothing; everything comes with `prepare`, so that a recipe alone can rebuild a candidate.
    """

    name: str

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """
        A candidate ready to answer.

        Ctrl-C cancels it wherever it awaits: long work belongs into a thread or a process, and what was finished of it
        is kept for the next time.

        Raises:
            UserError: the spec cannot work; nothing was paid.
        """
        ...

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """
        How it will answer, for the report: model, prompt digest, temperature, price and the like.

        They are stored with every comparison that the candidate takes part in, and whatever stands there tells a trial
        from others, so it must be the same whenever the same candidate is made. Two keys are about the making alone and
        tell nothing apart: `build`, a `BuildCost` as JSON (without it nobody knows what building took), and `findings`,
        a list of `Finding`s as JSON.
        """
        ...


ABOUT_THE_MAKING = frozenset({"build", "findings", "weights_learned"})
"""Settings that may differ between two candidates that answer alike."""
