"""One run of a comparison: ask, keep, count. What it means is worked out afterwards from the store."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable
from contextlib import aclosing
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from touchstone import __version__
from touchstone.errors import SettingsError
from touchstone.evaluation.engine import outcomes
from touchstone.evaluation.ledger import Ledger
from touchstone.reporting.live import Progress
from touchstone.scoring.base import Scorer
from touchstone.scoring.judge import Judge
from touchstone.strategies.recorded import RecordedCandidate
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.judging import judge_controls, judge_facts, judge_of
from touchstone.workspace.prepare import Prepared

_PROGRESS_EVERY_S = 0.2
_LIBRARIES = ("numpy", "pydantic", "scikit-learn", "sacrebleu", "pyarrow")
"""Libraries whose version can change a number of the report."""


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
        SettingsError: the judge that decides cannot be asked; no candidate was asked.
        StoreError: something could not be kept; nothing further was asked.
    """
    task, summary = prepared.task, prepared.summary
    started = time.perf_counter()
    # Before the comparison is opened: a judge that cannot be asked leaves nothing behind that could pass for a result.
    controls = await judge_controls(prepared.scorers, ledger, summary.digest)
    if controls is not None and controls.get("error") and isinstance(prepared.scorers[0], Judge):
        # Answers that nobody can judge are not worth their price.
        raise SettingsError(
            "the judge {name} cannot be asked: {reason}; no candidate was asked",
            name=controls["model"],
            reason=controls["error"],
        )
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
    state = "stopped"
    try:
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
        "scorers": [scorer.name for scorer in prepared.scorers],
        "parameters": prepared.task.file.model_dump(mode="json", include={"scorers"}),
        "judges": [judge.endpoint for judge in prepared.judges],
        "recorded": [
            candidate.recordings.digest for candidate in prepared.candidates if isinstance(candidate, RecordedCandidate)
        ],
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
        "cases": prepared.summary.model_dump(mode="json"),
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
                spent_usd=None if self._tally.unpriced else self._tally.spent_usd,
                elapsed_s=now - self._started,
            )
        )
