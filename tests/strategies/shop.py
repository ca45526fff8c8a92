"""A workshop with learning cases and one fake model, for strategies that shape what a chat model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from touchstone.data.base import Case
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.joined import strategy_named
from touchstone.training.leaks import TestTexts
from touchstone.workspace.leaks import named_in_test

LABELS = AnswerSpec(kind="label", labels=("refund", "shipping", "login"))
TRAIN = (
    ("t1", "I want my money back", "refund"),
    ("t2", "Give me the money back, please", "refund"),
    ("t3", "Where is my parcel", "shipping"),
    ("t4", "The parcel is late, where is it?", "shipping"),
    ("t5", "I cannot log in", "login"),
    ("t6", "My password does not work when I log in", "login"),
)


def case(number: str, text: str, target: str | None = None, split: Any = "test", **more: Any) -> Case:
    return Case(id=number, input=text, target=target, split=split, **more)


def train_cases(rows: Sequence[tuple[str, str, str]] = TRAIN) -> tuple[Case, ...]:
    return tuple(case(number, text, target, "train") for number, text, target in rows)


class Shop:
    """Makes candidates by strategy name over its learning cases; `tested` are cases of the test split."""

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        *,
        learning: Sequence[Case] = train_cases(),
        tested: Sequence[Case] = (),
        answer: AnswerSpec = LABELS,
        columns: Sequence[str] = (),
        **more: Any,
    ) -> None:
        self.model = FakeModel(reply="refund")
        self.learning = learning
        self.looked_at: list[str] = []
        tested_keys = frozenset(question_key(one) for one in tested)
        self.workshop = Workshop(
            instruction="Name the intent.",
            answer=answer,
            columns=frozenset({"input", "options", "id", *columns}),
            folder=folder,
            media_folders={"": folder},
            learning_cases=self._learning,
            make_caller=self._caller,
            ledger=ledger,
            seed=7,
            asked_in_test=lambda keys: keys & tested_keys,
            named_in_test=lambda keys, questions: named_in_test(TestTexts(tested), keys, questions),
            **more,
        )
        self.parameters: Mapping[str, Any] = {}

    def _learning(self, split: str) -> Iterator[Case]:
        for one in self.learning:
            if one.split == split:
                self.looked_at.append(one.id)
                yield one

    def _caller(self, reference: str, parameters: Mapping[str, Any]) -> Journal:
        self.parameters = {"model": reference, **parameters}
        return Journal(self.model, Purse(self.workshop.ledger))

    def spec(self, strategy: str = "few_shot", **parameters: Any) -> CandidateSpec:
        return CandidateSpec(name="mine", model="fake/parrot", strategy=strategy, parameters=parameters)

    async def make(self, strategy: str = "few_shot", **parameters: Any) -> PromptCandidate:
        candidate = await strategy_named(strategy).prepare(self.spec(strategy, **parameters), self.workshop)
        assert isinstance(candidate, PromptCandidate)
        return candidate

    async def settings(self, strategy: str = "few_shot", **parameters: Any) -> Mapping[str, Any]:
        candidate = await self.make(strategy, **parameters)
        return strategy_named(strategy).settings(self.spec(strategy, **parameters), candidate)


def turns(request: ChatRequest) -> list[tuple[str, str]]:
    """(role, text) of every turn but the system text."""
    return [(turn.role, str(turn.content)) for turn in request.messages if turn.role != "system"]


def shown(request: ChatRequest) -> list[str]:
    """The questions of the examples, in order."""
    return [text for role, text in turns(request) if role == "user"][:-1]
