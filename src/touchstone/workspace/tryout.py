"""One candidate on a few cases, to be looked at before anything is measured: what is sent, said, read and scored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from touchstone.data.base import Case
from touchstone.errors import RequestRejected, SettingsError, UnknownName
from touchstone.evaluation.base import Candidate, Outcome
from touchstone.evaluation.engine import Unasked, answer_cell
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recovery import recover
from touchstone.language import _
from touchstone.models.base import ChatRequest
from touchstone.noun import Noun
from touchstone.storage.lock import EngineLock
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.prepare import Prepared, prepare
from touchstone.workspace.racing import draw_order
from touchstone.workspace.session import event_loop
from touchstone.workspace.taskfile import Task

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

MOST_CASES = 3
_BUILT_LONG = frozenset({"fine_tune", "pretrain", "prompt_search"})
"""Strategies that ask or train for long before they answer anything."""


class Message(Noun):
    """A part of what was sent."""

    role: str
    text: str


class Tried(Noun):
    """One case: what was sent, said, read out of it and scored."""

    case: str
    row: int | None
    input: str
    target: str | None
    sent: tuple[Message, ...] = ()
    """Empty for who is not asked by a prompt."""
    kind: str | None = None
    """Kind of the outcome; None where nobody was asked."""
    output: str = ""
    answer: str | None = None
    how: str = ""
    """How the answer was read out of the output."""
    score: float | None = None
    reason: str = ""
    """What the deciding scorer says, or why there is no score."""
    cost_usd: float | None = None
    latency_s: float | None = None
    from_store: bool = False
    """Whether the reply had been bought before."""


class Tryout(Noun):
    """A candidate on a few cases."""

    candidate: str
    scorer: str
    tried: tuple[Tried, ...]
    spent_usd: float | None
    """None when a price is unknown."""


def candidate_names(task: Task, ledger: Ledger) -> tuple[str, ...]:
    """What the candidates of a task file are called, one entry being several where it says so."""
    return tuple(spec.name for spec in read_specs(task, ledger))


def may_cost(workspace: Workspace, task: Task, options: CompareOptions) -> bool:
    """
    Whether anybody who would be asked takes money, a judge included; nobody is asked.

    Raises:
        UserError: something must be changed first.
    """

    async def look() -> bool:
        folder = workspace.settings.workspace
        prepared = await prepare(task, workspace.ledger, options, planning=True, workspace=folder)
        try:
            return any(map(_is_paid, prepared.candidates)) or any(judge.paid for judge in prepared.judges)
        finally:
            await prepared.close()

    return asyncio.run(look())


def _is_paid(candidate: Candidate) -> bool:
    if isinstance(candidate, PromptCandidate):
        return candidate.caller.paid
    return candidate.recipe.strategy not in ("baseline", "recorded")


def try_out(
    workspace: Workspace,
    task: Task,
    name: str,
    *,
    cap_usd: float,
    cases: int = MOST_CASES,
    deadline_s: float = 60.0,
) -> Tryout:
    """
    Ask one candidate the first cases of the race; replies are journalled, so that a run does not buy them again.

    Args:
        name: Of the candidate.
        cap_usd: What it may cost, its judge included; 0 asks only who is free.
        deadline_s: What has not come by then is left open.

    Raises:
        UnknownName: no candidate is called so.
        SettingsError: the candidate is made only by long work.
        UserError: something must be changed first; nobody was asked.
        StoreBusy: a run measures into this workspace.
    """
    alone = _alone(task, workspace.ledger, name)
    with EngineLock(workspace.ledger.engine) as lock:
        workspace.ledger.fence = lock.number
        try:
            recover(workspace.ledger)
            with asyncio.Runner(loop_factory=event_loop) as runner:
                return runner.run(
                    _tried(alone, workspace.ledger, name, cap_usd, cases, deadline_s, workspace.settings.workspace)
                )
        finally:
            workspace.ledger.fence = None


def _alone(task: Task, ledger: Ledger, name: str) -> Task:
    """The task with the one entry of its candidates that has this name."""
    known: list[str] = []
    for position, entry in enumerate(task.file.candidates):
        file = task.file.model_copy(update={"candidates": (entry,), "gate": None})
        lines = {("candidates", 0): line} if (line := task.line("candidates", position)) else {}
        one = task.model_copy(update={"file": file, "lines": {**task.lines, **lines}})
        specs = read_specs(one, ledger)
        found = next((spec for spec in specs if spec.name == name), None)
        if found is not None:
            if _BUILT_LONG & set(found.strategy.split("+")):
                raise SettingsError(
                    "{name} is made by long work ({strategy}); run the task to see what it answers",
                    name=name,
                    strategy=found.strategy,
                )
            return one
        known += [spec.name for spec in specs]
    raise UnknownName(kind="candidate", name=name, known=known)


async def _tried(
    task: Task, ledger: Ledger, name: str, cap_usd: float, cases: int, deadline_s: float, folder: Path
) -> Tryout:
    prepared = await prepare(task, ledger, CompareOptions(max_usd=cap_usd, full=True), workspace=folder)
    try:
        candidate = next(one for one in prepared.candidates if one.name == name)
        dataset = prepared.summary.digest
        order = draw_order(ledger, dataset, ledger.datasets.case_count(dataset, "test"), task.file.race.seed)
        ordinals = order.cases_of(0, min(cases, order.units)).tolist()[:cases]
        asked = ledger.datasets.cases_at(dataset, "test", sorted(ordinals))
        asking = [asyncio.create_task(_one(candidate, case, prepared)) for case in asked]
        done, late = await asyncio.wait(asking, timeout=deadline_s)
        if late:
            prepared.purse.stopping = True
            for one in late:
                one.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await ledger.drain()
        tried = [
            one.result() if one in done else _unanswered(candidate, case, _("no answer came in time"))
            for one, case in zip(asking, asked, strict=True)
        ]
        return Tryout(
            candidate=name, scorer=prepared.scorers[0].name, tried=tuple(tried), spent_usd=prepared.purse.spent_usd
        )
    finally:
        await prepared.close()


async def _one(candidate: Candidate, case: Case, prepared: Prepared) -> Tried:
    outcome = await answer_cell(candidate, case, prepared.reader, prepared.scorers)
    if isinstance(outcome, Unasked):
        return _unanswered(candidate, case, outcome.reason.text(_))
    return _answered(candidate, case, outcome)


def _answered(candidate: Candidate, case: Case, outcome: Outcome) -> Tried:
    completion, reading, first = outcome.completion, outcome.reading, next(iter(outcome.scores), None)
    return _unanswered(candidate, case, outcome.error or (first.reason if first else "")).model_copy(
        update={
            "kind": outcome.kind,
            "output": "" if completion is None else completion.text,
            "answer": None if reading is None else reading.answer,
            "how": "" if reading is None else reading.how,
            "score": None if first is None else first.value,
            "cost_usd": None if completion is None else completion.cost_usd,
            "latency_s": None if completion is None else completion.latency_s,
            "from_store": outcome.from_cache,
        }
    )


def _unanswered(candidate: Candidate, case: Case, reason: str) -> Tried:
    return Tried(
        case=case.id, row=case.row, input=case.text, target=case.target, sent=_sent(candidate, case), reason=reason
    )


def _sent(candidate: Candidate, case: Case) -> tuple[Message, ...]:
    if not isinstance(candidate, PromptCandidate):
        return ()
    try:
        request: ChatRequest = candidate.request(case, 0)
    except RequestRejected as error:
        return (Message(role="error", text=error.text(_)),)
    return tuple(Message(role=message.role, text=_text(message.content)) for message in request.messages)


def _text(content: str | Sequence[object]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(getattr(part, "text", None) or f"[{getattr(part, 'type', 'part')}]") for part in content)
