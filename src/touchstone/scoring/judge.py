"""A model that judges answers, by a rubric or against another answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import ChatRequest, Completion
from touchstone.noun import Noun
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.judge_verdict import (
    PairVerdict,
    again,
    pair_messages,
    read_pair,
    read_rubric,
    response_format,
    rubric_messages,
)
from touchstone.scoring.normal import short
from touchstone.scoring.source import without_reasoning

_Verdict = TypeVar("_Verdict", bound=Noun)
_FIRST_WINS = {"first": 1.0, "tie": 0.5, "second": 0.0}


class JudgeModel(Protocol):
    """What a judge asks; the caller keeps the journal, retries and the money cap."""

    async def complete(self, request: ChatRequest) -> Completion:
        """The model's reply. Raises `ModelError` when there is none."""
        ...

    async def forget(self, requests: Sequence[ChatRequest]) -> bool:
        """
        Told that the replies to these requests gave no verdict; whether asking once more may bring others.

        It may where a kept reply was repeated that is worth no repeating.
        """
        ...


class Judge:
    """
    A model's verdict on an answer, from 0 to 1.

    `rubric` mode asks for a whole number on `scale` (from worst to best; `binary` is 0 or 1) and maps it to [0, 1]. The
    case's target is shown as the reference answer where there is one.

    `pairwise` mode compares with the case's target, or with `baseline[case id]`, in both orders, since judges favour a
    place: 1 when both orders prefer the answer, 0 when both prefer the other, else 0.5 (`Score.orders_agree` tells).

    A reply that is not exactly the verdict's JSON is asked for once more; then the score has failed and no value. What
    a judge's calls cost is on the score, unknown when one of them is. All that is judged is fenced as data.
    """

    name = "judge"
    reads_answer = False

    def __init__(
        self,
        model: Any,
        rubric: str,
        mode: Literal["rubric", "pairwise"] = "rubric",
        scale: tuple[int, int] | Literal["binary"] = (1, 5),
        baseline: Mapping[str, str] | None = None,
        human: str | None = None,
        structured: bool = False,
        passages: bool = False,
        temperature: float | None = 0.0,
        max_tokens: int | None = 1024,
    ) -> None:
        """
        Args:
            model: A `JudgeModel`.
            rubric: What makes an answer good, in the words of the people who would judge it.
            baseline: Case id to the answer to compare with; None means the targets.
            human: File of people's own verdicts (columns case_id, candidate, verdict), read by whoever runs the judge.
            structured: Whether to send the verdict's JSON Schema along; not every server takes it.
            passages: Whether it reads the passages that the answer was given to read; an answer that was given none
                then has no verdict.
            temperature: None leaves it to the provider; some reasoning models refuse any.
            max_tokens: Limit of one verdict, its reasoning included.
        """
        if mode not in ("rubric", "pairwise"):
            raise SettingsError("judge: mode is {mode!r}; use rubric or pairwise", mode=mode)
        if not rubric.strip():
            raise SettingsError("judge: the rubric is empty; say what makes an answer good")
        low, high = (0, 1) if scale == "binary" else scale
        if low >= high:
            raise SettingsError("judge: scale is {low} to {high}; write worst, then best", low=low, high=high)
        self.model: JudgeModel = model
        self.rubric = rubric
        self.mode = mode
        self.scale = scale
        self.baseline = baseline
        self.human = human
        self.structured = structured
        self.passages = passages
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.low, self.high = low, high

    @property
    def needs_target(self) -> bool:
        """Only a pairwise judge without a baseline must have a target."""
        return self.mode == "pairwise" and self.baseline is None

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """The verdict; `failed` when the judge gave none. Raises `ModelError` when the judge cannot be asked."""
        answer = reading.answer if reading.answer is not None else without_reasoning(completion.text)
        parts = {"question": case.text}
        if self.passages:
            if completion.passages is None:
                return Score(scorer=self.name, value=None, reason="no passages were shown")
            # With its marks, so that a rubric can ask for them.
            answer = answer if reading.cited is None else reading.cited
            listed = (f"[{place}] {text}" for place, text in enumerate(completion.passages, start=1))
            parts["passages"] = "\n".join(listed)
        if self.mode == "pairwise":
            return await self._pairwise(case, parts, answer)
        if case.target is not None:
            parts["reference answer"] = case.target
        parts["answer"] = answer
        request = self._request(
            messages=rubric_messages(self.rubric, self.low, self.high, parts),
            response_format=response_format(self.low, self.high) if self.structured else None,
        )
        verdict, costs = await self._ask(request, lambda text: read_rubric(text, self.low, self.high))
        if verdict is None:
            return self._failed(costs)
        value = (verdict.score - self.low) / (self.high - self.low)
        return Score(
            scorer=self.name,
            value=value,
            reason=f"{verdict.score} of {self.high}: {short(verdict.reason)}",
            cost_usd=total(costs),
        )

    async def _pairwise(self, case: Case, given: Mapping[str, str], answer: str) -> Score:
        other = case.target if self.baseline is None else self.baseline.get(case.id)
        if other is None:
            what = "no target" if self.baseline is None else "no answer of the baseline"
            return Score(scorer=self.name, value=None, reason=f"{what} to compare with", failed=True)
        verdicts: list[PairVerdict] = []
        costs: list[float | None] = []
        for first, second in ((answer, other), (other, answer)):
            parts = {**given, "first answer": first, "second answer": second}
            request = self._request(
                messages=pair_messages(self.rubric, parts),
                response_format=response_format() if self.structured else None,
            )
            verdict, spent = await self._ask(request, read_pair)
            costs += spent
            if verdict is None:
                return self._failed(costs)
            verdicts.append(verdict)
        forth, back = _FIRST_WINS[verdicts[0].winner], 1 - _FIRST_WINS[verdicts[1].winner]
        agree = forth == back
        words = {1.0: "better", 0.5: "tie", 0.0: "worse"}[forth] if agree else "orders disagree"
        return Score(
            scorer=self.name,
            value=forth if agree else 0.5,
            reason=f"{words}: {short(verdicts[0].reason)}",
            cost_usd=total(costs),
            orders_agree=agree,
        )

    def _request(self, **fields: Any) -> ChatRequest:
        return ChatRequest(temperature=self.temperature, max_tokens=self.max_tokens, **fields)

    async def _ask(
        self, request: ChatRequest, read: Callable[[str], _Verdict | None]
    ) -> tuple[_Verdict | None, list[float | None]]:
        """The verdict of at most two calls, with what each cost."""
        verdict, costs, asked = await self._ask_twice(request, read)
        if verdict is None and await self.model.forget(asked):
            verdict, costs, _ = await self._ask_twice(request, read)
        return verdict, costs

    async def _ask_twice(
        self, request: ChatRequest, read: Callable[[str], _Verdict | None]
    ) -> tuple[_Verdict | None, list[float | None], list[ChatRequest]]:
        reply = await self.model.complete(request)
        verdict, costs, asked = read(reply.text), [reply.cost_usd], [request]
        if verdict is None:
            asked.append(again(request, reply.text))
            reply = await self.model.complete(asked[-1])
            verdict = read(reply.text)
            costs.append(reply.cost_usd)
        return verdict, costs, asked

    def _failed(self, costs: Sequence[float | None]) -> Score:
        return Score(
            scorer=self.name,
            value=None,
            reason="the judge gave no verdict in the form asked for",
            cost_usd=total(costs),
            failed=True,
        )


def total(costs: Sequence[float | None]) -> float | None:
    """The sum, or None when one of them is unknown or there are none."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None
