"""From learning cases to conversations: what the candidate will ask, with the answer that would be right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.data.likeness import asked_text, near_text
from touchstone.errors import RequestRejected, UserError
from touchstone.evaluation.base import Recipe
from touchstone.models.base import ChatRequest, Completion, Message
from touchstone.scoring.reading import make_reader
from touchstone.scoring.targets import accepted
from touchstone.strategies.base import ContextPassage, Workshop
from touchstone.strategies.chat import Shots, Shown
from touchstone.strategies.draft import Draft, answering
from touchstone.strategies.drawn import drawn_cases
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
    questions: Sequence[str] = ()
    """What these cases ask, as `asked_text` has it."""
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


@dataclass(frozen=True)
class _Untested:
    """Examples without those that test cases ask too: what stands in a row is never one of them."""

    shots: Shots
    tested: frozenset[int]

    @property
    def identity(self) -> str:
        return self.shots.identity

    @property
    def always(self) -> Sequence[Shown]:
        return self.shots.always

    def choose(self, case: Case) -> Sequence[Shown]:
        return [one for one in self.shots.choose(case) if question_key(one.case) not in self.tested]


async def read_rows(draft: Draft, workshop: Workshop, train_cases: int | None, *, cites: bool = True) -> LearningRows:
    """
    Conversations of the train cases, and of some dev cases, with the examples and passages that will be asked with.

    A case that asks what a test case asks is left out, whatever else is said about it: no test case is ever learned,
    and none stands among the examples and labelled passages of a row. Passages and examples of a case are found again
    as they are found here, so the same cases give the same rows. Where answers cite, the answer of a row names the
    first of its passages that holds it.

    Args:
        draft: What it asks is what the candidate will ask.
        workshop: With the cases.
        train_cases: So many, drawn with the seed, where a draw holds every smaller one; None takes all.
        cites: Whether an answer may name the passage that holds it; an encoder, which says labels, cannot.

    Raises:
        UserError: there is nothing to learn from, or a case holds more than text.
    """
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
    writer = _RowWriter(draft, workshop, tested, cites=cites)
    examples: list[Example] = []
    learned: list[Case] = []
    for case in drawn_cases(usable, train_cases, workshop.seed, draft.name):
        example = await writer.row(case)
        if example is None:
            counts["unusable"] += 1
        else:
            examples.append(example)
            learned.append(case)
    if not examples:
        raise UserError(
            "{name} learns from train cases and there is none with a target that it could learn from; give some rows "
            "split = train, or draw some with `split: {{train: 0.3}}`",
            name=draft.name,
        )
    held_back = []
    for case in workshop.learning_cases("dev"):
        if case.target is not None and (found := await writer.row(case)) is not None:
            held_back.append(found)
            if len(held_back) == _MOST_HELD_BACK:
                break
    return LearningRows(
        examples=examples,
        held_back=held_back,
        keys=frozenset(keys[case.id] for case in learned),
        questions=tuple(map(asked_text, learned)),
        in_test=len(cases) - len(usable),
        without_target=counts["without"],
        unusable=counts["unusable"],
    )


class _RowWriter:
    """Writes cases down as the conversations that a candidate will have, with the right answer at their end."""

    def __init__(self, draft: Draft, workshop: Workshop, tested: frozenset[int], *, cites: bool) -> None:
        if draft.shots is not None and tested:
            draft = replace(draft, shots=_Untested(draft.shots, tested))
        self._candidate = answering(draft, Recipe(model=draft.model, strategy="rows"), _Nobody(), workshop)
        self._writer = AnswerWriter(draft.answer, make_reader(workshop.answer), None, draft.name)
        self._tested = frozenset(map(str, tested))
        self._planning = workshop.planning
        self._cites = cites and draft.answer.citations
        self._shown = draft.shots is not None

    async def row(self, case: Case) -> Example | None:
        """The conversation of a case; None where it lacks a column of the template."""
        name = self._candidate.name
        try:
            passages = await self._passages(case)
            turns = tuple((_role(turn), _text(turn, name, case)) for turn in self._candidate.messages(case, passages))
        except RequestRejected:
            return None
        answer = self._writer.write(case)
        if self._cites:
            answer += _mark(accepted(case.target or "")[0], passages)
        return Example(turns=(*turns, ("assistant", answer)), last_alone=self._shown)

    async def _passages(self, case: Case) -> Sequence[ContextPassage]:
        finder = self._candidate.finder
        if finder is None:
            return ()
        found = finder.stand_in(case) if self._planning else await self._candidate.passages(case)
        # Of labelled cases a passage's document is the key of its question.
        return [one for one in found if getattr(one, "document", None) not in self._tested]


def _mark(answer: str, passages: Sequence[ContextPassage]) -> str:
    """` [2]` for the first passage in which the answer stands; nothing where it stands in none."""
    # Whole words, where a script has spaces between them.
    wanted = re.compile(rf"(?<![0-9a-z]){re.escape(near_text(answer))}(?![0-9a-z])")
    for number, passage in enumerate(passages, start=1):
        if answer and wanted.search(near_text(passage.text)):
            return f" [{number}]"
    return ""


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
