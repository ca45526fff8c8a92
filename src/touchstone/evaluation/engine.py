"""
One cell: ask, read the answer out, score it.

A failure is an outcome of its own kind, never a score. What was not asked after all is no outcome: its cell stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError
from touchstone.evaluation.base import Candidate, Outcome, OutcomeKind
from touchstone.evaluation.journal import CellCalls, cell_calls
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.purse import NotStored, Stopped
from touchstone.models.base import Completion
from touchstone.scoring.base import AnswerReader, Reading, Score, Scorer

_LONGEST_VALUE = 100
"""Characters of a refused value that are quoted."""

_FINISH_KINDS: dict[str, OutcomeKind] = {"refusal": "refused", "filter": "filtered", "length": "truncated"}


@dataclass(frozen=True, slots=True)
class Unasked:
    """A cell that nobody answered: the cap, a stop, or an account that cannot be asked. It stays open."""

    reason: BudgetStop | Stopped | NotStored | LaneClosed | ModelError
    """A `ModelError` is the failure that closed the endpoint or the account: it says nothing of this cell."""
    of_judge: bool = False
    """Whether the answer is there and its judge could not be asked."""


async def answer_cell(
    candidate: Candidate, case: Case, reader: AnswerReader, scorers: Sequence[Scorer], *, repeat: int = 0
) -> Outcome | Unasked:
    """
    Ask, read the answer out, score it.

    Returns:
        An outcome whose kind says what happened, its `scores` filled only when the kind is `scored`; or why nobody was
        asked.
    """
    calls = CellCalls()
    token = cell_calls.set(calls)
    try:
        completion = await candidate.answer(case, draw=repeat)
    except ModelError as error:
        if error.stops_lane:
            return Unasked(error.with_traceback(None))
        return Outcome(
            case=case.id,
            candidate=candidate.name,
            repeat=repeat,
            kind="in_doubt" if error.maybe_billed else "error",
            error=str(error),
            retries=calls.retries,
            retry_usd=calls.retry_usd,
            queue_s=calls.queue_s,
        )
    except (BudgetStop, Stopped, NotStored, LaneClosed) as reason:
        return Unasked(reason)
    finally:
        cell_calls.reset(token)
    try:
        return await score_completion(candidate.name, case, completion, reader, scorers, repeat=repeat, calls=calls)
    except (Stopped, NotStored, LaneClosed, ModelError) as reason:
        return Unasked(reason.with_traceback(None), of_judge=True)


async def score_completion(
    name: str,
    case: Case,
    completion: Completion,
    reader: AnswerReader,
    scorers: Sequence[Scorer],
    *,
    repeat: int = 0,
    calls: CellCalls | None = None,
) -> Outcome:
    """
    The outcome of an answer that came: what was read out of it and what it scores.

    Raises:
        LaneClosed, ModelError: the judge that decides cannot be asked.
        Stopped: the run was told to stop before the judge that decides was asked.
        NotStored: the run is offline, and the judge's verdict was never bought.
    """
    calls = calls or CellCalls()

    def outcome(kind: OutcomeKind, scores: Sequence[Score] = (), error: str | None = None) -> Outcome:
        return Outcome(
            case=case.id,
            candidate=name,
            repeat=repeat,
            kind=kind,
            completion=completion,
            reading=reading,
            scores=tuple(scores),
            error=error,
            retries=calls.retries,
            retry_usd=calls.retry_usd,
            queue_s=calls.queue_s,
            from_cache=calls.from_cache > 0 and calls.made == 0,
        )

    kind = _FINISH_KINDS.get(completion.finish or "")
    reading = reader.read(completion.text, case)
    if kind is None and not completion.text.strip():
        kind = "empty"
        if completion.finish == "tool" or completion.reasoning:
            # Something came, and no answer in it: a call of a tool, or thoughts alone (promises.md, F11).
            kind = "unparsed"
            reading = Reading(answer=None, how="tool call" if completion.finish == "tool" else "reasoning alone")
    if kind == "refused" and getattr(scorers[0], "scores_refusals", False):
        kind = None
    if kind is not None:
        return outcome(kind)
    scores: list[Score] = []
    for scorer in scorers:
        if scorer.reads_answer and reading.answer is None:
            scores.append(Score(scorer=scorer.name, value=None, reason=reading.how))
            continue
        try:
            scores.append(await scorer.score(case, completion, reading))
        except ModelError as error:
            if error.stops_lane and not scores:
                raise
            # A judge that could not be asked says nothing about the answer.
            scores.append(Score(scorer=scorer.name, value=None, reason=str(error), failed=True))
        except ValidationError as error:
            # A plug-in's mistake, after the answer was paid for: the run goes on, and the cell says what was wrong.
            scores.append(Score(scorer=scorer.name, value=None, reason=_refused(scorer, error), failed=True))
        except (BudgetStop, Stopped, NotStored, LaneClosed) as stop:
            if scores:
                scores.append(Score(scorer=scorer.name, value=None, reason=str(stop), failed=True))
            elif isinstance(stop, BudgetStop):
                # The answer was paid for, its judge no longer: the cell keeps what it cost and has no score.
                return outcome("skipped_budget", error=str(stop))
            else:
                raise
    first = scores[0]
    if first.failed:
        kind = "judge_unparsed"
    elif first.value is None:
        kind = "unparsed"
    return outcome(kind or "scored", scores)


def _refused(scorer: Scorer, error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"]) or "verdict"
    return f"the scorer {scorer.name} gave the {place} {str(found['input'])[:_LONGEST_VALUE]!r}: {found['msg']}"
