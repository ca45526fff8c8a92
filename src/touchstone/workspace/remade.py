"""
A measured candidate made again to be looked at: which examples it shows, which passages it finds, what it would send.

Everything comes from the store and from what was built for the run. Nobody is asked, nothing is built, nothing is
written; a candidate whose index or files are gone says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from touchstone.data.base import Case, CaseSource
from touchstone.errors import SettingsError, UnknownName, UserError
from touchstone.evaluation.purse import Purse
from touchstone.models.base import Message
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate, Shots
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.example_reasons import ExampleReason, example_reasons
from touchstone.strategies.joined import strategy_named
from touchstone.strategies.passages_traced import SearchTrace, trace_search
from touchstone.strategies.rag_finder import Finder
from touchstone.workspace.answers import OpenedAnswers
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.taskfile import Task, TaskFile, task_place

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_PATIENCE_S = 20.0
_INDEX_DIGITS = 12
"""Of an index's digest, as a candidate's settings hold them."""

Looked = TypeVar("Looked")


@dataclass(frozen=True)
class Seen:
    """What a candidate brings to a case."""

    candidate: str
    shots: Shots | None
    finder: Finder | None
    has_changed: bool
    """Whether the documents were indexed anew since the run, so that what is found may be something else."""
    why_not: UserError | None = None
    """Why there are no passages although it reads some."""

    def examples(self, case: Case) -> tuple[ExampleReason, ...]:
        """The examples of a case, with reasons. Raises `SettingsError` where it shows none."""
        if self.shots is None:
            raise SettingsError(
                "{name} is shown no examples; look at a candidate whose strategy is few_shot", name=self.candidate
            )
        return example_reasons(self.shots, case)

    def search(self, query: str, case: Case | None = None) -> SearchTrace:
        """
        The passages of a question, step by step.

        Args:
            case: Whose question it is, where it is one's: a labelled case never reads itself.

        Raises:
            SettingsError: it reads none, or they cannot be looked up any more.
        """
        if self.finder is None:
            raise self.why_not or SettingsError(
                "{name} reads no passages; look at a candidate whose strategy is rag", name=self.candidate
            )
        own = str(question_key(case)) if case is not None and self.finder.reads_cases else None
        return trace_search(self.finder, query, own)


def spec_of(opened: OpenedAnswers, candidate: str) -> CandidateSpec:
    """The entry of a measured candidate. Raises `UnknownName`."""
    found = next((one for one in opened.spec["candidates"] if one["name"] == candidate), None)
    if found is None:
        raise UnknownName(kind="candidate", name=candidate, known=opened.names)
    return CandidateSpec.model_validate(found)


def seen(workspace: Workspace, opened: OpenedAnswers, candidate: str, settings: Mapping[str, Any]) -> Seen:
    """
    What shows examples and finds passages for a candidate.

    Args:
        opened: The comparison.
        settings: Of the candidate, as they were stored.

    Raises:
        UserError: it cannot be made again.
    """

    def look(made: PromptCandidate) -> Seen:
        finder = made.finder if isinstance(made.finder, Finder) else None
        stored = settings.get("index_digest")
        now = None if finder is None else finder.opened.digest[:_INDEX_DIGITS]
        gone = made.finder is not None and finder is None
        return Seen(
            candidate=candidate,
            shots=made.shots,
            finder=finder,
            has_changed=now is not None and stored is not None and now != stored,
            why_not=SettingsError(
                "the index of {name} is not in this workspace any more; run the task again to build it, "
                "which asks nobody twice",
                name=candidate,
            )
            if gone
            else None,
        )

    return _with(workspace, opened, candidate, look)


def sent(workspace: Workspace, opened: OpenedAnswers, candidate: str, case: Case) -> tuple[Message, ...]:
    """What a candidate sends for a case: system text, examples, passages, question. Raises `UserError`."""
    return _with(workspace, opened, candidate, lambda made: made.messages(case))


def _with(
    workspace: Workspace, opened: OpenedAnswers, candidate: str, look: Callable[[PromptCandidate], Looked]
) -> Looked:
    spec = spec_of(opened, candidate)

    async def run() -> Looked:
        made = await strategy_named(spec.strategy).prepare(spec, _workshop(workspace, opened))
        try:
            if not isinstance(made, PromptCandidate):
                raise SettingsError(
                    "{name} is no chat model with a prompt; there is nothing to look at", name=candidate
                )
            return look(made)
        finally:
            await made.close()

    try:
        return asyncio.run(asyncio.wait_for(run(), _PATIENCE_S))
    except TimeoutError as error:
        raise SettingsError("making {name} again takes too long here", name=candidate) from error
    except OSError as error:
        raise SettingsError(
            "the files that this candidate was made of are not where they were: {reason}",
            reason=error.strerror or type(error).__name__,
        ) from error


def _workshop(workspace: Workspace, opened: OpenedAnswers) -> Workshop:
    ledger, spec = workspace.reader, opened.spec
    file = TaskFile.model_validate(spec["file"])
    path = task_place(spec)
    task = Task(
        path=path,
        folder=path.parent,
        file=file,
        source=CaseSource(files={}),
        answer=AnswerSpec.model_validate(spec["answer"]),
        lines={},
    )
    first = next(iter(ledger.datasets.cases(opened.dataset, "test")), None)
    columns = frozenset({"input", "options", "id", *(first[1].fields if first is not None else ())})
    # Planning: an index or weights that are not there are not made, and stored replies alone say how a search went.
    return make_workshop(
        task,
        opened.dataset,
        columns,
        Purse(ledger, cap_usd=0.0),
        Lanes(1, 0),
        offline=True,
        asking=False,
        planning=True,
        workspace=workspace.settings.workspace,
    )
