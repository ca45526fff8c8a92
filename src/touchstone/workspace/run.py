"""One run of a comparison: check, prepare, ask, keep. What it means is worked out afterwards from the store."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any

import orjson

from touchstone import __version__
from touchstone.data.base import CaseSummary
from touchstone.data.cases import read_cases
from touchstone.data.check import check_cases
from touchstone.errors import DataError, SettingsError, TaskError, UserError
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.engine import outcomes
from touchstone.evaluation.journal import CallTally, Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.models.resolve import make_model
from touchstone.reporting.live import Progress
from touchstone.scoring.base import AnswerReader, AnswerSpec, Scorer
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.candidates import make_candidates, make_workshop, read_specs
from touchstone.workspace.judging import judge_controls, judge_facts, judge_of, read_human_verdicts
from touchstone.workspace.taskfile import Task

_PROGRESS_EVERY_S = 0.2
_LIBRARIES = ("numpy", "pydantic", "scikit-learn", "sacrebleu", "pyarrow")
"""Libraries whose version can change a number of the report."""


class Prepared:
    """A task that was checked and is ready to be asked; nobody has been asked yet."""

    def __init__(
        self,
        task: Task,
        summary: CaseSummary,
        answer: AnswerSpec,
        specs: Sequence[CandidateSpec],
        candidates: Sequence[Candidate],
        settings: Sequence[Mapping[str, Any]],
        reader: AnswerReader,
        scorers: Sequence[Scorer],
        tally: CallTally,
        human: Mapping[tuple[str, str], str],
        judges: Sequence[Journal],
    ) -> None:
        self.task = task
        self.summary = summary
        self.answer = answer
        self.specs = specs
        self.candidates = candidates
        self.settings = settings
        self.reader = reader
        self.scorers = scorers
        self.tally = tally
        self.human = human
        self.judges = judges

    async def close(self) -> None:
        """Release every candidate and every judge's model."""
        for candidate in self.candidates:
            await candidate.close()
        for judge in self.judges:
            await judge.close()


def check_task(task: Task, ledger: Ledger) -> tuple[CaseSummary, AnswerSpec]:
    """
    Look at every case once, keep them in the store, and complete the label list from the targets.

    Raises:
        DataError: the cases have errors; the first is named, and how many there are.
    """
    needs_target = task.answer.kind != "free"
    summary = check_cases(task.source, labels=task.answer.labels, needs_target=needs_target, kind=task.answer.kind)
    if summary.errors:
        first = summary.errors[0]
        raise DataError(
            first.template,
            path=first.path,
            row=first.rows[0] if first.rows else None,
            **dict(first.values),
        )
    ledger.add_dataset(summary, read_cases(task.source))
    answer = task.answer
    if answer.kind == "label" and not answer.labels:
        answer = answer.model_copy(update={"labels": tuple(sorted(summary.labels))})
    return summary, answer


async def prepare(task: Task, ledger: Ledger, options: CompareOptions, *, asking: bool = True) -> Prepared:
    """
    Everything short of asking: cases, candidates (baselines are trained), reader, scorers.

    Args:
        asking: Whether somebody will be asked afterwards, so that keys must be there.

    Raises:
        UserError: something must be changed first; nobody was asked.
    """
    summary, answer = check_task(task, ledger)
    task = task.model_copy(update={"answer": answer})
    try:
        reader = make_reader(answer)
    except UserError as error:
        raise TaskError.of(error, path=task.path, line=task.line("answer")) from error
    cap = options.max_usd if options.max_usd is not None else task.file.limits.max_usd
    tally = CallTally(cap_usd=cap)
    specs = read_specs(task, ledger)
    _check_gate_names(task, specs)
    scorers, judges = make_scorers(task, ledger, tally, offline=options.offline)
    columns = frozenset({"input", "options", "id"}) | frozenset(
        name for _, case in islice(ledger.cases(summary.digest, "test"), 100) for name in case.fields
    )
    workshop = make_workshop(
        task, ledger, summary.digest, columns, tally, offline=options.offline, asking=asking and not options.offline
    )
    made = await make_candidates(task, specs, workshop)
    prepared = Prepared(
        task,
        summary,
        answer,
        specs,
        [candidate for candidate, _ in made],
        [settings for _, settings in made],
        reader,
        scorers,
        tally,
        read_human_verdicts(judge, task.folder) if (judge := judge_of(scorers)) is not None else {},
        judges,
    )
    if cap is not None:
        _refuse_unknown_prices(prepared, cap)
    return prepared


def _check_gate_names(task: Task, specs: Sequence[CandidateSpec]) -> None:
    if task.file.gate is None:
        return
    names = {spec.name for spec in specs}
    for key in ("candidate", "baseline"):
        name = getattr(task.file.gate, key)
        if name is not None and name not in names:
            raise TaskError(
                "the gate's {key} is {name!r}, and no candidate is called so; there are {known}",
                path=task.path,
                line=task.line("gate", key),
                key=key,
                name=name,
                known=", ".join(sorted(names)),
            )


def make_scorers(
    task: Task, ledger: Ledger, tally: CallTally, *, offline: bool = False
) -> tuple[tuple[Scorer, ...], tuple[Journal, ...]]:
    """
    The task's scorers, and the journalled models of those that are judges.

    Raises:
        TaskError: one is unknown or its parameters cannot be used; the line is named.
    """
    journals: list[Journal] = []

    def judge_model(reference: str, parameters: Mapping[str, Any]) -> Journal:
        model = make_model(reference, parameters=parameters)
        journals.append(Journal(model, ledger, tally, purpose="judge", offline=offline))
        return journals[-1]

    wanted: tuple[str | dict[str, Any], ...] = task.file.scorers or default_scorers(task.answer.kind)
    if not wanted:
        raise TaskError(
            "answers of kind {kind} have no scorer of their own; name one under `scorers`, such as judge or length",
            path=task.path,
            line=task.line("answer"),
            kind=task.answer.kind,
        )
    made = []
    for position, spec in enumerate(wanted):
        try:
            made.append(make_scorer(spec, models=judge_model))
        except UserError as error:
            raise TaskError.of(error, path=task.path, line=task.line("scorers", position)) from error
    return tuple(made), tuple(journals)


def _refuse_unknown_prices(prepared: Prepared, cap: float) -> None:
    for candidate in prepared.candidates:
        caller = getattr(candidate, "caller", None)
        if caller is not None and caller.paid and caller.price is None:
            raise SettingsError(
                "the price of {name} is unknown, so a cap of ${cap} could not hold; "
                "give the candidate a `price: {{input_usd: …, output_usd: …}}` or run without a cap",
                name=candidate.name,
                cap=cap,
            )


async def run(
    prepared: Prepared,
    ledger: Ledger,
    options: CompareOptions,
    *,
    command: str,
    progress: Callable[[Progress], None],
) -> str:
    """
    Ask every candidate every test case and keep what came; returns the comparison's id.

    Raises:
        StoreError: something could not be kept; nothing further was asked.
    """
    task, summary = prepared.task, prepared.summary
    test_cases = ledger.case_count(summary.digest, "test")
    comparison = ledger.start_comparison(
        task=task.file.task,
        fingerprint=fingerprint(prepared, options),
        dataset=summary.digest,
        spec=_spec(prepared, options, command, test_cases),
    )
    trials = [
        ledger.add_trial(comparison, position, candidate.name, candidate.recipe, settings)
        for position, (candidate, settings) in enumerate(zip(prepared.candidates, prepared.settings, strict=True))
    ]
    watch = _Watch(prepared, test_cases * options.repeats, progress)
    stopped = False
    started = time.perf_counter()
    state = "stopped"
    controls: dict[str, Any] | None = None
    try:
        controls = await judge_controls(prepared.scorers, ledger, summary.digest)
        stream = outcomes(
            prepared.candidates,
            ledger.cases(summary.digest, "test"),
            prepared.reader,
            prepared.scorers,
            concurrency=task.file.limits.concurrency,
            repeats=options.repeats,
        )
        # Closed at once when keeping fails: the workers must not go on asking until somebody collects the stream.
        async with aclosing(stream):
            async for position, ordinal, outcome in stream:
                await ledger.keep_outcome(trials[position], ordinal, outcome)
                stopped = stopped or outcome.kind == "skipped_budget"
                watch.saw(position, outcome.kind, outcome.scores[0].value if outcome.scores else None)
        state = "stopped" if stopped else "finished"
    finally:
        # Also after an interruption: what was answered is on disk before the command ends.
        await ledger.drain()
        tally = prepared.tally
        judge = judge_of(prepared.scorers)
        facts = None
        if judge is not None and controls is not None:
            facts = judge_facts(
                judge,
                controls,
                prepared.human,
                ledger,
                summary.digest,
                dict(zip((spec.name for spec in prepared.specs), trials, strict=True)),
                {spec.name: spec.model for spec in prepared.specs},
            )
        ledger.finish_comparison(
            comparison,
            state=state,
            calls={
                "made": tally.made,
                "from_cache": tally.from_cache,
                "retries": tally.retries,
                "in_doubt": tally.in_doubt,
                "spent_usd": None if tally.unpriced else tally.spent_usd,
                "seconds": time.perf_counter() - started,
            },
            judge=facts,
        )
    watch.finish()
    return comparison


def fingerprint(prepared: Prepared, options: CompareOptions) -> str:
    """SHA-256 over what, changed, would make it another comparison: cases, answer rule, scorers, recipes, repeats."""
    body = {
        "cases": prepared.summary.digest,
        "answer": prepared.answer.model_dump(mode="json"),
        "scorers": [scorer_spec(scorer) for scorer in prepared.scorers],
        "recipes": [candidate.recipe.fingerprint for candidate in prepared.candidates],
        "repeats": options.repeats,
    }
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def scorer_spec(scorer: Scorer) -> dict[str, str]:
    """A scorer's name and the first line of what it says of itself."""
    words = (type(scorer).__doc__ or "").strip().splitlines()
    return {"name": scorer.name, "description": words[0] if words else ""}


def _spec(prepared: Prepared, options: CompareOptions, command: str, test_cases: int) -> dict[str, Any]:
    task = prepared.task
    return {
        "file": task.file.model_dump(mode="json", by_alias=True),
        "path": str(task.path),
        "digest": hashlib.sha256(task.path.read_bytes()).hexdigest(),
        "answer": prepared.answer.model_dump(mode="json"),
        "scorers": [scorer_spec(scorer) for scorer in prepared.scorers],
        "candidates": [spec.model_dump(mode="json") for spec in prepared.specs],
        "options": options.model_dump(mode="json"),
        "command": command,
        "test_cases": test_cases,
        "versions": {"touchstone": __version__, "python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Watch:
    """Counts what comes, and tells whoever looks about five times a second."""

    def __init__(self, prepared: Prepared, per_candidate: int, tell: Callable[[Progress], None]) -> None:
        self._tell = tell
        self._tally = prepared.tally
        self._names = [candidate.name for candidate in prepared.candidates]
        self._planned = per_candidate
        self._done = [0] * len(self._names)
        self._sums = [0.0] * len(self._names)
        self._scored = [0] * len(self._names)
        self._errors = [0] * len(self._names)
        self._next = 0.0
        self._started = time.monotonic()

    def saw(self, position: int, kind: str, score: float | None) -> None:
        """One more cell."""
        self._done[position] += 1
        if kind == "scored" and score is not None:
            self._sums[position] += score
        if kind in ("error", "in_doubt"):
            self._errors[position] += 1
        elif not kind.startswith("skipped"):
            self._scored[position] += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_EVERY_S
            self._say(now)

    def finish(self) -> None:
        """The last word."""
        self._say(time.monotonic())

    def _say(self, now: float) -> None:
        self._tell(
            Progress.of(
                names=self._names,
                planned=self._planned,
                done=self._done,
                sums=self._sums,
                scored=self._scored,
                errors=self._errors,
                spent_usd=self._tally.spent_usd,
                elapsed_s=now - self._started,
            )
        )


def run_to_end(coroutine: Any) -> Any:
    """Run a coroutine from plain code; the one door between the two colours."""
    return asyncio.run(coroutine)
