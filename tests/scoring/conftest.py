"""What the tests of readers and scorers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from touchstone.data.base import Case
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import AnswerSpec, Reading, Score, Scorer
from touchstone.scoring.reading import make_reader, parse_from

Read = Callable[..., str | None]
ScoreIt = Callable[..., "Score"]


@pytest.fixture
def read() -> Read:
    """Reads one text the way a task would, and gives the answer."""

    def one(kind: str, text: str, origin: str | dict[str, str] = "auto", labels=(), options=()) -> str | None:
        source, argument = parse_from(origin)
        reader = make_reader(AnswerSpec(kind=kind, labels=labels, source=source, argument=argument))
        return reader.read(text, Case(id="c", input="?", options=options)).answer

    return one


@pytest.fixture
def score():
    """Scores one answer against a target; further arguments are fields of the case."""

    async def one(scorer: Scorer, answer: str | None, target: str | None = None, **fields: object) -> Score:
        case = Case(id="c", input="?", target=target, **fields)
        completion = Completion(parts=(TextPart(text=answer or ""),))
        return await scorer.score(case, completion, Reading(answer=answer, how="test"))

    return one
