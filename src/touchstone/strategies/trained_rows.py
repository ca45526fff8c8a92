"""From learning cases to conversations: what the candidate will ask, with the answer that would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.data.digests import digest64
from touchstone.errors import RequestRejected, SettingsError, UserError
from touchstone.evaluation.base import Recipe
from touchstone.models.base import ChatRequest, Completion, Message
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import Draft, answering
from touchstone.strategies.example_answer import AnswerWriter
from touchstone.strategies.example_pool import question_key
from touchstone.training.base import Example

MOST_ROWS = 200_000
"""Of a learning split; more are a job for tools that stream."""
_FEWEST_BATCH_TOKENS, _MOST_BATCH_TOKENS = 256, 4_096
_MOST_HELD_BACK = 500
"""Dev cases whose loss is measured before and after."""


@dataclass(frozen=True)
class LearningRows:
    """What a training learns from, and what was kept out of it."""

    examples: Sequence[Example]
    held_back: Sequence[Example]
    """Of the dev cases; what the loss is measured on."""
    keys: frozenset[int]
    """`question_key` of every case that is learned from."""
    in_test: int = 0
    """Cases that ask what test cases ask; they are never learned from."""
    without_target: int = 0
    unusable: int = 0
    """Cases that lack a column which the template names."""

    @property
    def estimated_tokens(self) -> int:
        """Of the examples, four bytes a token."""
        return max(1, sum(len(text.encode()) for one in self.examples for _, text in one.turns) // 4)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every different answer, sorted."""
        return tuple(sorted({example.turns[-1][1] for example in self.examples}))


def batch_tokens_for(rows: LearningRows) -> int:
    """Tokens of a step where nobody says how many: at least 16 steps an epoch, so that few cases are learned too."""
    return min(_MOST_BATCH_TOKENS, max(_FEWEST_BATCH_TOKENS, rows.estimated_tokens // 16))


def epochs_for(rows: LearningRows, batch_tokens: int) -> float:
    """How often rows are seen where nobody says: 3 times, and few of them up to 20 times, for 100 steps in all."""
    steps = max(1.0, rows.estimated_tokens / batch_tokens)
    return float(min(20, max(3, round(100 / steps))))


class _Nobody:
    """Stands where a model will be, while rows are written; it is never asked."""

    name = "nobody"
    endpoint = "nobody"
    price: Price | None = None
    paid = False

    async def complete(self, request: ChatRequest) -> Completion:
        """A mistake of ours."""
        raise AssertionError("nobody is asked while rows are written")

    async def close(self) -> None:
        """There is nothing to release."""


def read_rows(draft: Draft, workshop: Workshop, train_cases: int | None) -> LearningRows:
    """
    Conversations of the train cases, and of some dev cases.

    A case that asks what a test case asks is left out, whatever else is said about it: no test case is ever learned.

    Args:
        draft: Its words are what the candidate will say.
        workshop: With the cases.
        train_cases: So many, drawn with the seed, where a draw holds every smaller one; None takes all.

    Raises:
        UserError: there is nothing to learn from, or a case holds more than text.
    """
    candidate = answering(draft, Recipe(model=draft.model, strategy="rows"), _Nobody(), workshop)
    writer = AnswerWriter(draft.answer, make_reader(workshop.answer), None, draft.name)
    counts = {"without": 0, "unusable": 0}
    cases: list[Case] = []
    for case in workshop.learning_cases("train"):
        if case.target is None:
            counts["without"] += 1
        else:
            cases.append(case)
            if len(cases) > MOST_ROWS:
                raise UserError(
                    "{name}: the train split has more than {most:,} cases; make it smaller",
                    name=draft.name,
                    most=MOST_ROWS,
                )
    keys = {case.id: question_key(case) for case in cases}
    tested = workshop.asked_in_test(frozenset(keys.values()))
    usable = [case for case in cases if keys[case.id] not in tested]
    examples: list[Example] = []
    learned: set[int] = set()
    for case in _drawn(usable, train_cases, workshop.seed, draft.name):
        example = _example(case, candidate, writer)
        if example is None:
            counts["unusable"] += 1
        else:
            examples.append(example)
            learned.add(keys[case.id])
    if not examples:
        raise UserError(
            "{name} learns from train cases and there is none with a target that it could learn from; give some rows "
            "split = train, or draw some with `split: {{train: 0.3}}`",
            name=draft.name,
        )
    held_back = []
    for case in workshop.learning_cases("dev"):
        if case.target is not None and (found := _example(case, candidate, writer)) is not None:
            held_back.append(found)
            if len(held_back) == _MOST_HELD_BACK:
                break
    return LearningRows(
        examples=examples,
        held_back=held_back,
        keys=frozenset(learned),
        in_test=len(cases) - len(usable),
        without_target=counts["without"],
        unusable=counts["unusable"],
    )


def _drawn(cases: Sequence[Case], wanted: int | None, seed: int, name: str) -> Sequence[Case]:
    if wanted is None:
        return cases
    if wanted > len(cases):
        raise SettingsError(
            "{name}: train_cases is {value} and the train split has {n} cases with a target; lower it or add cases",
            name=name,
            value=wanted,
            n=len(cases),
        )
    drawn = sorted(range(len(cases)), key=lambda place: (digest64(str(seed), cases[place].id), place))[:wanted]
    return [cases[place] for place in sorted(drawn)]


def _example(case: Case, candidate: PromptCandidate, writer: AnswerWriter) -> Example | None:
    """The conversation of a case; None where it lacks a column of the template."""
    try:
        turns = tuple((_role(turn), _text(turn, candidate.name, case)) for turn in candidate.messages(case))
    except RequestRejected:
        return None
    return Example(turns=(*turns, ("assistant", writer.write(case))))


def _role(turn: Message) -> str:
    return "system" if turn.role == "developer" else turn.role


def _text(turn: Message, name: str, case: Case) -> str:
    content: Any = turn.content
    if not isinstance(content, str):
        raise UserError(
            "{name}: case {case} holds an image or a recording; what is trained here reads text only",
            name=name,
            case=case.id,
        )
    return content
