"""What a run would do and cost, before anybody is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from touchstone.data.base import Case
from touchstone.errors import UserError
from touchstone.evaluation.base import BuildCost, Candidate, Finding
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.journal import OUTPUT_TOKENS_WITHOUT_LIMIT, worst_case_usd
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.power import cases_needed, detectable_difference
from touchstone.evaluation.recovery import balance_of
from touchstone.evaluation.scorecard import ASKED_AGAIN, FAILED
from touchstone.language import _
from touchstone.models.base import Checkable
from touchstone.reporting.notes import Note
from touchstone.scoring.judge import Judge
from touchstone.scoring.judge_verdict import AGAIN_BYTES
from touchstone.strategies.chat import PromptCandidate, passage_lines
from touchstone.workspace.base import (
    CompareOptions,
    Plan,
    PlannedCandidate,
    PlannedFinding,
    Translate,
    cap_sentence,
)
from touchstone.workspace.case_changes import asked_all_the_same
from touchstone.workspace.identity import identify
from touchstone.workspace.judging import CONTROL_ROWS, judge_of
from touchstone.workspace.plan_room import room_of
from touchstone.workspace.plan_sums import sums_of
from touchstone.workspace.prepare import Prepared, prepare
from touchstone.workspace.racing import fixed_calls, ruled_out_beforehand
from touchstone.workspace.taskfile import Task, TaskFile

_EXPECTED_OUTPUT_TOKENS = {"label": 8, "choice": 64, "number": 64}
"""Guess of the output per answer kind, said to be one; 256 for every other kind."""


_SECONDS_A_CALL = 2.0
"""Assumed where nothing was measured, and said to be assumed."""

_JUDGE_OUTPUT_TOKENS = 96
"""Guess of a verdict with its reason."""


async def make_plan(
    task: Task,
    ledger: Ledger,
    options: CompareOptions,
    *,
    workspace: Path | None = None,
    notice: Callable[[str], None] = lambda _line: None,
) -> Plan:
    """
    The plan of a comparison.

    Args:
        workspace: Folder in which strategies keep what they build; what is ready there costs nothing more.
        notice: Told, line by line, what building will take.

    Raises:
        UserError: something must be changed first.
    """
    prepared = await prepare(task, ledger, options, planning=True, workspace=workspace, notice=notice)
    try:
        keys = _missing_keys(prepared)
        stored = _Stored(ledger, prepared, options)
        candidates = [
            _planned(candidate, prepared, ledger, options, stored, place)
            for place, candidate in enumerate(prepared.candidates)
        ]
        candidates += _judge_plan(prepared, ledger, options, stored)
    finally:
        await prepared.close()
    cases = ledger.datasets.case_count(prepared.summary.digest, "test")
    difference = asked_difference(task.file)
    seconds = stored.seconds_a_call
    racing = prepared.race(options)
    plan = Plan(
        task=task.file.task,
        cases=cases,
        train=prepared.to_learn_from("train"),
        dev=prepared.to_learn_from("dev"),
        candidates=tuple(candidates),
        described=prepared.summary.described,
        minutes=0.0,
        minutes_assumed=False,
        race=racing,
        race_calls=fixed_calls(task.file, options.repeats) if racing else None,
        cap_usd=prepared.purse.cap_usd,
        cap_is_firm=_cap_is_firm(prepared),
        spent_usd=spent_before(prepared, ledger, options),
        minimum_detectable_difference=detectable_difference(cases) if cases > 1 else None,
        cases_needed=cases_needed(difference),
        difference=difference,
        findings=findings_of(prepared),
        warnings=(
            *(f"{problem.path}: {problem.text(_)}" for problem in prepared.summary.problems),
            *keys,
            *filter(None, [asked_all_the_same(ledger, prepared.summary.digest)]),
        ),
    )
    remote = plan.remote_calls
    minutes = remote * (seconds or _SECONDS_A_CALL) / task.file.limits.concurrency / 60
    return plan.model_copy(update={"minutes": minutes, "minutes_assumed": seconds is None and remote > 0})


class _Stored:
    """What is there already: cells of the same trials, and how long calls took."""

    def __init__(self, ledger: Ledger, prepared: Prepared, options: CompareOptions) -> None:
        comparisons = Comparisons(ledger)
        self._done: list[set[tuple[int, int]]] = []
        seconds = []
        again = ASKED_AGAIN | (FAILED if options.retry_failed else frozenset())
        identity = identify(prepared, options)
        before = comparisons.to_go_on_with(identity.run_key)
        self._finished = before is not None and before["state"] == "finished" and not options.retry_failed
        # Where everybody is asked everything, a candidate that may not be chosen is measured too.
        self._ruled_out = frozenset(ruled_out_beforehand(prepared) if prepared.race(options) else ())
        for digest in identity.trials:
            trial = comparisons.find_trial(digest)
            if trial is None:
                self._done.append(set())
                continue
            cells = comparisons.numbers(trial)
            kept = ~is_kind(cells["kind"], again)
            self._done.append(set(zip(cells["ordinal"][kept].tolist(), cells["repeat"][kept].tolist(), strict=True)))
            seconds.append(cells["latency_s"][~np.isnan(cells["latency_s"])])
        known = np.concatenate(seconds) if seconds else np.empty(0)
        self.seconds_a_call = float(known.mean()) if known.size else None

    def has(self, place: int, ordinal: int, repeat: int) -> bool:
        """Whether a cell is there, or this very run ended without needing it, or nobody will ask for it."""
        return self._finished or place in self._ruled_out or (ordinal, repeat) in self._done[place]

    def left(self, place: int, cells: int, repeats: int) -> int:
        """How many of a candidate's planned cells would be asked."""
        if self._finished or place in self._ruled_out:
            return 0
        return cells - sum(1 for _, repeat in self._done[place] if repeat < repeats)


def spent_before(prepared: Prepared, ledger: Ledger, options: CompareOptions) -> float:
    """What earlier sessions of the run that the same command goes on with have spent."""
    run_key = identify(prepared, options).run_key
    before = Comparisons(ledger).to_go_on_with(run_key)
    balance = balance_of(ledger, run_key[:12] if before is None else str(before["id"]))
    return 0.0 if balance is None else balance.spent_usd


def cap_line(cap_usd: float, prepared: Prepared, translate: Translate, spent_usd: float = 0.0) -> str:
    """Which promise the cap makes (promises.md, P4); said before anybody is asked."""
    return cap_sentence(cap_usd, _cap_is_firm(prepared), translate, spent_usd)


def _cap_is_firm(prepared: Prepared) -> bool:
    judge = judge_of(prepared.scorers)
    if judge is not None and judge.max_tokens is None and prepared.judges[0].paid:
        return False
    return all(map(_has_limit, prepared.candidates))


def _has_limit(candidate: Candidate) -> bool:
    """Whether the worst case of its calls is known before they are sent (promises.md, P4)."""
    if not isinstance(candidate, PromptCandidate):
        return candidate.recipe.strategy in ("baseline", "recorded")
    return bool(candidate.fields.get("max_tokens")) or not candidate.caller.paid


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


def _planned(
    candidate: Candidate, prepared: Prepared, ledger: Ledger, options: CompareOptions, stored: _Stored, place: int
) -> PlannedCandidate:
    strategy = candidate.recipe.strategy
    dataset = prepared.summary.digest
    planned = stored.left(place, ledger.datasets.case_count(dataset, "test") * options.repeats, options.repeats)
    if strategy in ("baseline", "recorded"):
        return PlannedCandidate(name=candidate.name, strategy=strategy, calls=planned, paid=False)
    if not isinstance(candidate, PromptCandidate):
        # What another strategy will send is known to itself alone; unknown is not free.
        return PlannedCandidate(name=candidate.name, strategy=strategy, calls=planned, paid=True, remote=True)
    price = candidate.caller.price
    expected_output = min(
        candidate.fields.get("max_tokens") or 10**9, _EXPECTED_OUTPUT_TOKENS.get(prepared.answer.kind, 256)
    )
    # A network that is not trained yet has a vocabulary of its own; its stand-in says nothing of what fits.
    built = BuildCost.model_validate(candidate.about.get("build", {}))
    stands_in = built.forecast and "pretrain" in strategy.split("+")
    room = None if stands_in else room_of(getattr(candidate.caller, "model", None))
    has = partial(stored.has, place)
    sums = sums_of(candidate, ledger, dataset, options.repeats, has, expected_output, room)
    build = built
    if build.forecast and build.usd is not None and build.took_s is not None and not build.calls:
        machine = _machine_usd(prepared.task.file, build.took_s)
        build = build.model_copy(update={"usd": None if machine is None else build.usd + machine})
    if build.usd is None and build.calls and price is not None and sums.calls:
        # What variants ask is about as long as what the candidate will ask.
        build = build.model_copy(update={"usd": build.calls * sums.expected_usd / sums.calls})
    return PlannedCandidate(
        name=candidate.name,
        strategy=strategy,
        build=build if build.forecast else None,
        calls=sums.calls,
        paid=candidate.caller.paid,
        remote=True,
        input_tokens=sums.input_tokens,
        low_usd=None if price is None else sums.low_usd,
        expected_usd=None if price is None else sums.expected_usd,
        worst_usd=None if price is None else sums.worst_usd,
        worst_call_usd=None if price is None else sums.worst_call_usd,
        too_long=None if room is None else room.found(),
    )


def findings_of(prepared: Prepared) -> tuple[PlannedFinding, ...]:
    """What was found while candidates were made, each once with everybody whom it concerns; what blocks comes first."""
    found: dict[tuple[bool, str], PlannedFinding] = {}
    for candidate, settings in zip(prepared.candidates, prepared.settings, strict=True):
        for told in settings.get("findings", ()):
            one = Finding.model_validate(told)
            key = (not one.blocks, _told(one))
            names = (*(found[key].candidates if key in found else ()), candidate.name)
            text = Note(template=one.template, values=one.values)
            found[key] = PlannedFinding(candidates=names, text=text, blocks=one.blocks)
    return tuple(found[key] for key in sorted(found, key=lambda key: key[0]))


def _told(finding: Finding) -> str:
    return finding.template.format(**finding.values)


def _machine_usd(file: TaskFile, seconds: float) -> float | None:
    """What this machine takes for so long, by the hour that the `improve` part states; None where it states none."""
    hourly = None if file.improve is None else file.improve.machine_usd_per_hour
    return 0.0 if seconds == 0 else None if hourly is None else hourly * seconds / 3_600


def _judge_plan(prepared: Prepared, ledger: Ledger, options: CompareOptions, stored: _Stored) -> list[PlannedCandidate]:
    """A judge reads every answer; how long those will be is a guess, and at worst their limit."""
    judge = judge_of(prepared.scorers)
    if judge is None:
        return []
    dataset, model = prepared.summary.digest, prepared.judges[0]
    orders = 2 if judge.mode == "pairwise" else 1
    asked = 0
    input_bytes = 0
    left = fixed_calls(prepared.task.file, options.repeats) if prepared.race(options) else None
    for ordinal, case in ledger.datasets.cases(dataset, "test"):
        own = len(case.text.encode("utf-8", "replace")) + len((case.target or "").encode("utf-8", "replace"))
        for place, candidate in enumerate(prepared.candidates):
            new = sum(not stored.has(place, ordinal, draw) for draw in range(options.repeats))
            if left is not None:
                new = min(new, left)
                left -= new
            read = _read_by_judge(judge, candidate, case) if new else None
            if read is not None:
                asked += new
                input_bytes += new * (own + read)
    calls = (asked + CONTROL_ROWS) * orders if asked else 0
    rubric_bytes = len(judge.rubric.encode("utf-8", "replace"))
    answer_tokens = _EXPECTED_OUTPUT_TOKENS.get(prepared.answer.kind, 256)
    longest_tokens = max((_output_limit(candidate) for candidate in prepared.candidates), default=0)
    tokens = (input_bytes * orders + rubric_bytes * calls) // 4 + answer_tokens * calls
    price = model.price
    low = expected = worst = None
    if price is not None and calls:
        each = tokens // calls
        low = calls * (price.cost_usd(each, 0) or 0.0)
        expected = calls * (price.cost_usd(each, _JUDGE_OUTPUT_TOKENS) or 0.0)
        # Four bytes a token at most of what the candidates may write, one token a byte in what the judge reads.
        worst_bytes = (input_bytes * orders) // calls + rubric_bytes + 4 * longest_tokens + _JUDGE_FRAME_BYTES
        # A verdict that cannot be read is asked for once more, with what had come.
        worst = calls * sum(
            worst_case_usd(price, size, judge.max_tokens) or 0.0 for size in (worst_bytes, worst_bytes + AGAIN_BYTES)
        )
    return [
        PlannedCandidate(
            name=_("judge {model}").format(model=model.name),
            strategy="judge",
            calls=calls,
            paid=model.paid,
            remote=True,
            input_tokens=tokens,
            low_usd=low,
            expected_usd=expected,
            worst_usd=worst,
        )
    ]


def _read_by_judge(judge: Judge, candidate: Candidate, case: Case) -> int | None:
    """Bytes of the passages that a judge reads beside an answer; None where it is not asked for want of them."""
    if not judge.passages:
        return 0
    finder = candidate.finder if isinstance(candidate, PromptCandidate) else None
    return None if finder is None else len(passage_lines(finder.stand_in(case)).encode("utf-8", "replace"))


_JUDGE_FRAME_BYTES = 2_000
"""The words around what is judged."""


def _output_limit(candidate: Candidate) -> int:
    if not isinstance(candidate, PromptCandidate):
        return OUTPUT_TOKENS_WITHOUT_LIMIT
    return int(candidate.fields.get("max_tokens") or OUTPUT_TOKENS_WITHOUT_LIMIT)
