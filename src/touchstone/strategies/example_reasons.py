"""Why these examples stand before a case: their rank, what they share with it, and who was left out."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.data.base import Case
from touchstone.noun import Noun
from touchstone.retrieval.tokens import words
from touchstone.strategies.chat import Shots
from touchstone.strategies.example_choice import Nearest, OneSet
from touchstone.strategies.example_pool import Example, question_key

FURTHER = 5
"""Examples that are told beyond those shown, so that one sees how close it was."""


class ExampleReason(Noun):
    """One example, and why it is shown or not."""

    id: str
    """The case's."""
    question: str
    answer: str
    """As the model sees it."""
    place: int | None
    """Where it stands among the examples shown, from 1; None where it is not shown."""
    rank: int | None = None
    """By likeness, from 1; None where likeness decides nothing, or it fills up."""
    score: float | None = None
    """BM25; None where likeness decides nothing, or it shares no word."""
    shared: tuple[str, ...] = ()
    """Words that its question has in common with the case's."""
    asks_the_same: bool = False
    """Whether it asks just what the case asks, for which it is never shown."""


def example_reasons(shots: Shots, case: Case, further: int = FURTHER) -> tuple[ExampleReason, ...]:
    """
    The examples of a case in the order in which they are shown, and behind them the next ones that are not.

    Args:
        shots: Who chose them.
        case: What will be asked.
        further: How many that are not shown are told.
    """
    own, asked = question_key(case), frozenset(words(case.text))
    shown = shots.choose(case)
    ranked = shots.ranked(case, len(shown) + 1 + further) if isinstance(shots, Nearest) else ()
    # By the very objects: ids of cases need not be different.
    ranks = {id(one.shown): (rank, score) for rank, (one, score) in enumerate(ranked, start=1)}
    found = []
    for place, one in enumerate(shown, start=1):
        rank, score = ranks.get(id(one), (None, None))
        found.append(
            ExampleReason(
                id=one.case.id,
                question=one.case.text,
                answer=one.answer,
                place=place,
                rank=rank,
                score=score,
                shared=_shared(asked, one.case.text),
            )
        )
    there = {id(one) for one in shown}
    spare: list[tuple[Example, int | None, float | None]] = [
        (one, rank, score) for rank, (one, score) in enumerate(ranked, start=1) if id(one.shown) not in there
    ]
    if isinstance(shots, OneSet):
        spare = [(one, None, None) for one in shots.examples if one.key == own]
    for example, rank, score in spare[:further]:
        found.append(
            ExampleReason(
                id=example.id,
                question=example.shown.case.text,
                answer=example.shown.answer,
                place=None,
                rank=rank,
                score=score,
                shared=_shared(asked, example.shown.case.text),
                asks_the_same=example.key == own,
            )
        )
    return tuple(found)


def _shared(asked: frozenset[str], text: str) -> Sequence[str]:
    return tuple(dict.fromkeys(word for word in words(text) if word in asked))
