"""What a run would do and cost, before anybody is asked."""

from __future__ import annotations

from touchstone.catalog.base import Price
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.journal import worst_case_usd
from touchstone.evaluation.ledger import Ledger, request_key
from touchstone.evaluation.power import cases_needed, detectable_difference
from touchstone.language import _
from touchstone.models.base import ChatRequest, TextPart
from touchstone.strategies.prompt import PromptCandidate
from touchstone.workspace.base import CompareOptions, Plan, PlannedCandidate
from touchstone.workspace.prepare import Prepared, prepare
from touchstone.workspace.taskfile import Task

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
        candidates = [_planned(candidate, prepared, ledger, options) for candidate in prepared.candidates]
    finally:
        await prepared.close()
    cases = ledger.case_count(prepared.summary.digest, "test")
    difference, needed = asked_difference(task)
    return Plan(
        task=task.file.task,
        cases=cases,
        train=prepared.summary.counts.get("train", 0),
        dev=prepared.summary.counts.get("dev", 0),
        candidates=tuple(candidates),
        described=prepared.summary.described,
        minimum_detectable_difference=detectable_difference(cases) if cases > 1 else None,
        cases_needed=needed,
        difference=difference,
        warnings=tuple(problem.text(_) for problem in prepared.summary.problems),
    )


def asked_difference(task: Task) -> tuple[float, int]:
    """(smallest difference that matters to the user, cases that would find it); never below one point."""
    difference = max(task.file.race.epsilon, 0.01)
    return difference, cases_needed(difference)


def _planned(candidate: Candidate, prepared: Prepared, ledger: Ledger, options: CompareOptions) -> PlannedCandidate:
    strategy = candidate.recipe.strategy
    dataset = prepared.summary.digest
    if not isinstance(candidate, PromptCandidate):
        cases = ledger.case_count(dataset, "test") * options.repeats
        return PlannedCandidate(name=candidate.name, strategy=strategy, calls=cases, paid=False)
    calls = 0
    input_bytes = 0
    worst_usd = 0.0
    for _ordinal, case in ledger.cases(dataset, "test"):
        for draw in range(options.repeats):
            request = ChatRequest(messages=candidate.messages(case), draw=draw, **candidate.fields)
            if candidate.caller.paid and ledger.reply(request_key(candidate.caller.endpoint, request)) is not None:
                continue
            calls += 1
            input_bytes += text_bytes(request)
            worst_usd += worst_case_usd(candidate.caller.price, request) or 0.0
    limit = candidate.fields.get("max_tokens")
    expected_output = min(limit or 10**9, _EXPECTED_OUTPUT_TOKENS.get(prepared.answer.kind, 256))
    return PlannedCandidate(
        name=candidate.name,
        strategy=strategy,
        calls=calls,
        paid=candidate.caller.paid,
        remote=True,
        input_tokens=input_bytes // 4,
        low_usd=_usd(candidate.caller.price, calls, input_bytes // 4, 0),
        expected_usd=_usd(candidate.caller.price, calls, input_bytes // 4, expected_output),
        worst_usd=None if candidate.caller.price is None else worst_usd,
    )


def _usd(price: Price | None, calls: int, input_tokens: int, output_tokens_per_call: int) -> float | None:
    if price is None:
        return None
    if not calls:
        return 0.0
    tokens_usd = price.cost_usd(input_tokens, output_tokens_per_call * calls)
    return None if tokens_usd is None else tokens_usd + price.per_call_usd * (calls - 1)


def text_bytes(request: ChatRequest) -> int:
    """UTF-8 bytes of the texts of a request, without the JSON around them."""
    texts = []
    for message in request.messages:
        parts = message.content if not isinstance(message.content, str) else ()
        texts += [part.text for part in parts if isinstance(part, TextPart)]
        if isinstance(message.content, str):
            texts.append(message.content)
    return sum(len(text.encode("utf-8", "backslashreplace")) for text in texts)
