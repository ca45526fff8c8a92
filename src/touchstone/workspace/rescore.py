"""Stored answers scored by another right answer: for free, as far as no judge would have to be asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from touchstone.data.base import Case
from touchstone.errors import ModelError, UserError
from touchstone.evaluation.base import OutcomeKind
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import AnswerReader, AnswerSpec, Reading, Score, Scorer
from touchstone.scoring.judge import Judge
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.workspace.taskfile import TaskFile

_SCORED_AGAIN = frozenset({"scored", "unparsed"})
"""Kinds of cells whose answer a scorer saw; the others came to their end without one."""


class Rescored(NamedTuple):
    """A cell under another right answer."""

    kind: OutcomeKind
    score: float | None
    scores: tuple[Score, ...]
    has_answer: bool
    """Whether an answer was read out of what came."""
    is_kept: bool
    """Whether the deciding score is the one it had, because it cannot be given again for free."""


class _Nobody:
    """Stands where a judge's model would, and is never asked."""

    async def complete(self, request: Any) -> Completion:
        raise AssertionError(f"a judge is not asked again: {request}")

    async def forget(self, requests: Any) -> bool:
        raise AssertionError(f"a judge is not asked again: {requests}")


class Rescorer:
    """
    The reader and the scorers of a stored comparison.

    Args:
        spec: Of the comparison, as it is stored.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        file = TaskFile.model_validate(spec["file"])
        answer = AnswerSpec.model_validate(spec["answer"])
        self.reader: AnswerReader | None = None
        self.scorers: tuple[Scorer, ...] = ()
        try:
            self.reader = make_reader(answer)
            wanted = file.scorers or default_scorers(answer.kind)
            self.scorers = tuple(make_scorer(one, models=lambda _reference, _given: _Nobody()) for one in wanted)
        except UserError:
            self.reader = None  # a plug-in that is not here any more: its scores stay what they are

    def score(self, case: Case, cells: Sequence[Mapping[str, Any]]) -> list[Rescored]:
        """
        Cells of one case, as rows of the `outcome` table, scored by the case's target.

        Args:
            case: With the target that holds now.
        """
        return asyncio.run(self._all(case, cells))

    async def _all(self, case: Case, cells: Sequence[Mapping[str, Any]]) -> list[Rescored]:
        return [await self._one(case, cell) for cell in cells]

    async def _one(self, case: Case, cell: Mapping[str, Any]) -> Rescored:
        before = scores_of(cell)
        text = cell["text"]
        if cell["kind"] not in _SCORED_AGAIN or text is None or self.reader is None or not self.scorers:
            is_kept = cell["kind"] in _SCORED_AGAIN | {"judge_unparsed"}
            return Rescored(cell["kind"], cell["score"], before, cell["answer"] is not None, is_kept)
        completion = Completion(parts=(TextPart(text=text),))
        reading = self.reader.read(text, case)
        found: list[Score] = []
        for place, scorer in enumerate(self.scorers):
            old = before[place] if place < len(before) else None
            found.append(await _again(scorer, case, completion, reading, old))
        first, decides = found[0], self.scorers[0]
        kind: OutcomeKind = "judge_unparsed" if first.failed else "unparsed" if first.value is None else "scored"
        # What no target can change is no less right for being what it was.
        return Rescored(kind, first.value, tuple(found), reading.answer is not None, isinstance(decides, Judge))


async def _again(scorer: Scorer, case: Case, completion: Completion, reading: Reading, old: Score | None) -> Score:
    if isinstance(scorer, Judge) or not scorer.needs_target:
        # A judge would be paid; others looked at more than is stored, such as passages, and at no target.
        return old if old is not None else Score(scorer=scorer.name, value=None)
    if scorer.reads_answer and reading.answer is None:
        return Score(scorer=scorer.name, value=None, reason=reading.how)
    try:
        return await scorer.score(case, completion, reading)
    except (ModelError, UserError) as error:
        return Score(scorer=scorer.name, value=None, reason=str(error), failed=True)


def scores_of(cell: Mapping[str, Any]) -> tuple[Score, ...]:
    """All scores of a row of the `outcome` table, the deciding one first; its reason is empty where none was told."""
    if cell["scores"]:
        return tuple(Score.model_validate(one) for one in orjson.loads(cell["scores"]))
    if cell["score"] is None:
        return ()
    return (Score(scorer="", value=cell["score"]),)
