"""
The engine: asks every candidate every case, a bounded number at a time, and yields one outcome per cell.

Keeping the outcomes is the caller's job. A failure is an outcome of its own kind, never a score.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from pydantic import ValidationError

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError
from touchstone.evaluation.base import Candidate, Outcome, OutcomeKind
from touchstone.evaluation.journal import CellCalls, cell_calls
from touchstone.models.base import Completion
from touchstone.scoring.base import AnswerReader, Score, Scorer

_LONGEST_VALUE = 100
"""Characters of a refused value that are quoted."""

_FINISH_KINDS: dict[str, OutcomeKind] = {"refusal": "refused", "filter": "filtered", "length": "truncated"}


async def answer_cell(
    candidate: Candidate, case: Case, reader: AnswerReader, scorers: Sequence[Scorer], *, repeat: int = 0
) -> Outcome:
    """
    One cell: ask, read the answer out, score it.

    Returns:
        An outcome whose kind says what happened; its `scores` are filled only when the kind is `scored`.
    """
    calls = CellCalls()
    token = cell_calls.set(calls)
    try:
        completion = await candidate.answer(case, draw=repeat)
    except ModelError as error:
        return Outcome(
            case=case.id,
            candidate=candidate.name,
            repeat=repeat,
            kind="in_doubt" if error.maybe_billed else "error",
            error=str(error),
            retries=calls.retries,
            retry_usd=calls.retry_usd,
        )
    except BudgetStop as stop:
        return Outcome(
            case=case.id,
            candidate=candidate.name,
            repeat=repeat,
            kind="skipped_budget",
            error=str(stop),
            retries=calls.retries,
            retry_usd=calls.retry_usd,
        )
    finally:
        cell_calls.reset(token)
    outcome = await score_completion(candidate.name, case, completion, reader, scorers, repeat=repeat)
    return outcome.model_copy(
        update={
            "retries": calls.retries,
            "retry_usd": calls.retry_usd,
            "from_cache": calls.from_cache > 0 and calls.made == 0,
        }
    )


async def score_completion(
    name: str,
    case: Case,
    completion: Completion,
    reader: AnswerReader,
    scorers: Sequence[Scorer],
    *,
    repeat: int = 0,
) -> Outcome:
    """The outcome of an answer that came: what was read out of it and what it scores."""
    kind = _FINISH_KINDS.get(completion.finish or "")
    reading = reader.read(completion.text, case)
    if kind is None and not completion.text.strip():
        kind = "empty"
    if kind == "refused" and getattr(scorers[0], "scores_refusals", False):
        kind = None
    if kind is not None:
        return Outcome(case=case.id, candidate=name, repeat=repeat, kind=kind, completion=completion, reading=reading)
    scores: list[Score] = []
    for scorer in scorers:
        if scorer.reads_answer and reading.answer is None:
            scores.append(Score(scorer=scorer.name, value=None, reason=reading.how))
            continue
        try:
            scores.append(await scorer.score(case, completion, reading))
        except ModelError as error:
            # A judge that could not be asked says nothing about the answer.
            scores.append(Score(scorer=scorer.name, value=None, reason=str(error), failed=True))
        except ValidationError as error:
            # A plug-in's mistake, after the answer was paid for: the run goes on, and the cell says what was wrong.
            scores.append(Score(scorer=scorer.name, value=None, reason=_refused(scorer, error), failed=True))
        except BudgetStop as stop:
            if scores:
                scores.append(Score(scorer=scorer.name, value=None, reason=str(stop), failed=True))
                continue
            # The answer was paid for, its judge no longer: the cell keeps what it cost and has no score.
            return Outcome(
                case=case.id,
                candidate=name,
                repeat=repeat,
                kind="skipped_budget",
                completion=completion,
                reading=reading,
                error=str(stop),
            )
    first = scores[0]
    if first.failed:
        kind = "judge_unparsed"
    elif first.value is None:
        kind = "unparsed"
    return Outcome(
        case=case.id,
        candidate=name,
        repeat=repeat,
        kind=kind or "scored",
        completion=completion,
        reading=reading,
        scores=tuple(scores),
    )


def _refused(scorer: Scorer, error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"]) or "verdict"
    return f"the scorer {scorer.name} gave the {place} {str(found['input'])[:_LONGEST_VALUE]!r}: {found['msg']}"


async def outcomes(
    candidates: Sequence[Candidate],
    cases: Iterable[tuple[int, Case]],
    reader: AnswerReader,
    scorers: Sequence[Scorer],
    *,
    concurrency: int = 16,
    repeats: int = 1,
) -> AsyncGenerator[tuple[int, int, Outcome]]:
    """
    Yield (candidate's position, case's ordinal, outcome) for every cell, as they come.

    Cases are drawn from the iterable only as fast as they are answered, so memory does not grow with their number.
    All candidates get a case at about the same time: what changes during a run changes for all of them.

    Args:
        concurrency: Cells in flight at most, over all candidates.
        repeats: Independent draws per cell.
    """
    cells = _cells(len(candidates), cases, repeats)
    done: asyncio.Queue[tuple[int, int, Outcome] | BaseException | None] = asyncio.Queue(maxsize=4 * concurrency)
    closing = False

    async def work() -> None:
        try:
            for position, ordinal, repeat, case in cells:
                found = await answer_cell(candidates[position], case, reader, scorers, repeat=repeat)
                await done.put((position, ordinal, found))
        except BaseException as error:  # the consumer raises it; a worker that dies silently would hang the run
            if closing:
                raise  # nobody listens any more; waiting for room in a full queue would hang for ever
            await done.put(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            await done.put(None)

    workers = [asyncio.create_task(work()) for _ in range(concurrency)]
    try:
        left = len(workers)
        while left:
            item = await done.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        closing = True
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _cells(candidates: int, cases: Iterable[tuple[int, Case]], repeats: int) -> Iterable[tuple[int, int, int, Case]]:
    # One generator shared by all workers: they run in one thread, so each cell is drawn once.
    for ordinal, case in cases:
        for repeat in range(repeats):
            for position in range(candidates):
                yield position, ordinal, repeat, case
