"""What a run would do and cost, before anybody is asked."""

from __future__ import annotations

from touchstone.errors import RequestRejected, UserError
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.journal import worst_case_usd
from touchstone.evaluation.ledger import Ledger, request_key
from touchstone.evaluation.power import cases_needed, detectable_difference
from touchstone.language import _
from touchstone.models.base import ChatRequest, Checkable, TextPart
from touchstone.strategies.prompt import PromptCandidate
from touchstone.workspace.base import CompareOptions, Plan, PlannedCandidate
from touchstone.workspace.judging import CONTROL_ROWS, judge_of
from touchstone.workspace.prepare import Prepared, prepare
from touchstone.workspace.taskfile import Task, TaskFile

_EXPECTED_OUTPUT_TOKENS = {"label": 8, "choice": 64, "number": 64}
"""Guess of the output per answer kind, said to be one; 256 for every other kind."""


async def make_plan(task: Task, ledger: Ledger, options: CompareOptions) -> Plan:
    """
    The plan of a comparison.

    Raises:
        UserError: something must be changed first.
    """
    prepared = await prepare(task, ledger, options, asking=False)
    try:
        keys = _missing_keys(prepared)
        candidates = [_planned(candidate, prepared, ledger, options) for candidate in prepared.candidates]
        candidates += _judge_plan(prepared, ledger, options)
    finally:
        await prepared.close()
    cases = ledger.case_count(prepared.summary.digest, "test")
    difference = asked_difference(task.file)
    return Plan(
        task=task.file.task,
        cases=cases,
        train=prepared.summary.counts.get("train", 0),
        dev=prepared.summary.counts.get("dev", 0),
        candidates=tuple(candidates),
        described=prepared.summary.described,
        minimum_detectable_difference=detectable_difference(cases) if cases > 1 else None,
        cases_needed=cases_needed(difference),
        difference=difference,
        warnings=(*(f"{problem.path}: {problem.text(_)}" for problem in prepared.summary.problems), *keys),
    )


def _missing_keys(prepared: Prepared) -> list[str]:
    """What would stop the run before the first call; a plan can be made without a key."""
    found = []
    for asked in (*(getattr(candidate, "caller", None) for candidate in prepared.candidates), *prepared.judges):
        model = getattr(asked, "model", None)
        if isinstance(model, Checkable):
            try:
                model.check()
            except UserError as error:
                found.append(error.text(_))
    return found


def asked_difference(file: TaskFile) -> float:
    """The smallest difference that matters to the user, in score; never below one point."""
    return max(file.race.epsilon, 0.01)


def _planned(candidate: Candidate, prepared: Prepared, ledger: Ledger, options: CompareOptions) -> PlannedCandidate:
    strategy = candidate.recipe.strategy
    dataset = prepared.summary.digest
    cases = ledger.case_count(dataset, "test") * options.repeats
    if strategy in ("baseline", "recorded"):
        return PlannedCandidate(name=candidate.name, strategy=strategy, calls=cases, paid=False)
    if not isinstance(candidate, PromptCandidate):
        # What another strategy will send is known to itself alone; unknown is not free.
        return PlannedCandidate(name=candidate.name, strategy=strategy, calls=cases, paid=True, remote=True)
    price = candidate.caller.price
    expected_output = min(
        candidate.fields.get("max_tokens") or 10**9, _EXPECTED_OUTPUT_TOKENS.get(prepared.answer.kind, 256)
    )
    calls = input_tokens = 0
    low_usd = expected_usd = worst_usd = 0.0
    for _ordinal, case in ledger.cases(dataset, "test"):
        for draw in range(options.repeats):
            try:
                request = candidate.request(case, draw)
            except RequestRejected:
                continue  # a cell that will fail before anything is sent
            if candidate.caller.paid and ledger.reply(request_key(candidate.caller.endpoint, request)) is not None:
                continue
            tokens = text_bytes(request) // 4
            calls += 1
            input_tokens += tokens
            if price is not None:
                # Call by call: a dearer tier is reached by one long request, not by many short ones.
                low_usd += price.cost_usd(tokens, 0) or 0.0
                expected_usd += price.cost_usd(tokens, expected_output) or 0.0
                worst_usd += worst_case_usd(price, request) or 0.0
    return PlannedCandidate(
        name=candidate.name,
        strategy=strategy,
        calls=calls,
        paid=candidate.caller.paid,
        remote=True,
        input_tokens=input_tokens,
        low_usd=None if price is None else low_usd,
        expected_usd=None if price is None else expected_usd,
        worst_usd=None if price is None else worst_usd,
    )


def _judge_plan(prepared: Prepared, ledger: Ledger, options: CompareOptions) -> list[PlannedCandidate]:
    """A judge reads every answer; what that costs depends on answers nobody has seen yet."""
    judge = judge_of(prepared.scorers)
    if judge is None:
        return []
    answers = ledger.case_count(prepared.summary.digest, "test") * options.repeats * len(prepared.candidates)
    orders = 2 if judge.mode == "pairwise" else 1
    return [
        PlannedCandidate(
            name=_("judge {model}").format(model=prepared.judges[0].name),
            strategy="judge",
            calls=(answers + CONTROL_ROWS) * orders,
            paid=prepared.judges[0].paid,
            remote=True,
        )
    ]


def text_bytes(request: ChatRequest) -> int:
    """UTF-8 bytes of the texts of a request, without the JSON around them."""
    texts = []
    for message in request.messages:
        parts = message.content if not isinstance(message.content, str) else ()
        texts += [part.text for part in parts if isinstance(part, TextPart)]
        if isinstance(message.content, str):
            texts.append(message.content)
    return sum(len(text.encode("utf-8", "backslashreplace")) for text in texts)
