"""One run of a comparison: go on from what is stored, ask, keep, count. What it means is worked out afterwards."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from touchstone import __version__
from touchstone.errors import SettingsError, StoreFull
from touchstone.evaluation.base import Outcome, RetrievalScores
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.crash_points import crash_point
from touchstone.evaluation.engine import Unasked, answer_cell
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import Cell, Measurement, StopSignal
from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.race import Ask, Race, Standing
from touchstone.evaluation.scorecard import ASKED_AGAIN, FAILED, Scorecard
from touchstone.plugins import version_of
from touchstone.reporting.live import Progress
from touchstone.scoring.base import Scorer
from touchstone.scoring.judge import Judge
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.gather import RETRIEVAL
from touchstone.workspace.identity import Identity, identify, refuse_a_changed_task
from touchstone.workspace.judging import judge_controls, judge_facts, judge_of, until_stopped
from touchstone.workspace.prepare import Prepared, is_free
from touchstone.workspace.racing import draw_order, race_rules, ruled_out_beforehand
from touchstone.workspace.retrieval_scores import retrieval_scores
from touchstone.workspace.stored import race_steps
from touchstone.workspace.watch import Watch

_LIBRARIES = ("numpy", "pydantic", "scikit-learn", "sacrebleu", "pyarrow")
"""Libraries whose version can change a number of the report."""

_MOST_STEPS = 400
"""Steps of a race that are kept; of longer races every second one is forgotten, again and again."""

_KEEP_STEPS_EVERY_S = 1.0

_PACKED_FROM_CELLS = 2_000
"""Trials with fewer cells are read as quickly from their rows."""


async def run(
    prepared: Prepared,
    ledger: Ledger,
    options: CompareOptions,
    *,
    command: str,
    progress: Callable[[Progress], None],
    notice: Callable[[str], None],
    stop: StopSignal,
    make_room: Callable[[], None],
) -> str:
    """
    Ask what is missing and keep what comes; returns the comparison's id.

    The same run goes on where it ended, however it ended; what other comparisons asked of the same candidates is taken
    over.

    Args:
        make_room: Gives back the room that was kept for closing the run on a full disk.

    Raises:
        SettingsError: the judge that decides cannot be asked, or an unfinished comparison of this task began with
            something else; no candidate was asked.
        BudgetStop: the cap does not cover the control rows of the judge that decides; no candidate was asked.
        Stopped: it was told to stop before any candidate was asked.
        StoreError: something could not be kept; nothing further was asked.
    """
    comparisons = Comparisons(ledger)
    identity = identify(prepared, options)
    before = comparisons.to_go_on_with(identity.run_key)
    if before is None and not options.new:
        unfinished = comparisons.unfinished(prepared.task.file.task, str(prepared.task.path))
        if unfinished is not None:
            refuse_a_changed_task(unfinished, identity.parts)
    # Out of the run's own key: what a start that ends before the comparison is opened has spent counts for the next.
    comparison = identity.run_key[:12] if before is None else str(before["id"])
    prepared.purse.open(comparison)
    # Before the comparison is opened: a judge that cannot be asked leaves nothing behind that could pass for a result.
    controls = await until_stopped(
        judge_controls(prepared.scorers, ledger, prepared.summary.digest), prepared.purse, stop
    )
    if controls is not None and controls.get("refused") and isinstance(prepared.scorers[0], Judge):
        # Answers that nobody can judge are not worth their price.
        raise SettingsError(
            "the judge {name} cannot be asked: {reason}; no candidate was asked",
            name=controls["model"],
            reason=controls["error"],
        )
    retrieval: Sequence[RetrievalScores | None] = ()
    if before is None:
        race = prepared.task.file.race
        scores = retrieval_scores(
            prepared.candidates, ledger, prepared.summary.digest, confidence=race.confidence, seed=race.seed
        )
        retrieval = await until_stopped(scores, prepared.purse, stop)
    session = _Session(prepared, ledger, comparisons, options, comparison, identity, progress, stop, before)
    session.open(before, command, retrieval)
    try:
        await session.measure(notice)
    except StoreFull:
        # Everything that was committed is there; that, and how the run ended, is written into the reserve.
        make_room()
        session.measurement.ending = "store"
        session.finish(controls)
        raise
    session.finish(controls)
    return comparison


class _Session:
    """One sitting of a run."""

    def __init__(
        self,
        prepared: Prepared,
        ledger: Ledger,
        comparisons: Comparisons,
        options: CompareOptions,
        comparison: str,
        identity: Identity,
        progress: Callable[[Progress], None],
        stop: StopSignal,
        before: Mapping[str, Any] | None,
    ) -> None:
        self.prepared = prepared
        self.ledger = ledger
        self.comparisons = comparisons
        self.options = options
        self.comparison = comparison
        self.identity = identity
        file = prepared.task.file
        dataset = prepared.summary.digest
        self.test_cases = ledger.datasets.case_count(dataset, "test")
        self.order = draw_order(ledger, dataset, self.test_cases, file.race.seed)
        rules, requirements = race_rules(file, options.repeats)
        names = [candidate.name for candidate in prepared.candidates]
        self._edges = rules.edges(self.order.units)
        self._may_go_on = rules.max_calls is None
        self._ruled_out = frozenset(ruled_out_beforehand(prepared))
        self.card = Scorecard(self.order, len(names), options.repeats, requirements)
        self.trials = [
            comparisons.trial(digest, candidate.recipe)
            for digest, candidate in zip(identity.trials, prepared.candidates, strict=True)
        ]
        races = prepared.race(options) and self._saves(before)
        self.race = Race(len(names), self.order.sizes.tolist(), rules) if races else None
        purse = prepared.purse
        self.watch = Watch(names, self.card, lambda: purse.spent_usd, file.race.confidence, progress, self._ruled_out)
        self.measurement = Measurement(
            self.card,
            purse,
            self._answer,
            lambda ordinals: ledger.datasets.cases_at(dataset, "test", ordinals),
            len(names),
            concurrency=file.limits.concurrency,
            race=self.race,
            left_out=self._ruled_out if self.race is not None else frozenset(),
            stop=stop,
            on_round=self._round,
            unproven=self._unproven,
        )
        self.steps: list[dict[str, Any]] = []
        self._steps_kept = 0.0
        self._asked = False
        self._opened = False

    def _saves(self, before: Mapping[str, Any] | None) -> bool:
        """
        Whether a race can save calls, which it cannot where everybody was asked everything, whatever was answered.

        Intervals for a fixed number of cases hold then, and are narrower. Where a race bought all there is they do not:
        when it stopped depended on the answers.
        """
        if before is not None:  # a run that goes on is what it was
            return bool(orjson.loads(before["spec"]).get("racing", True))
        return not all(self.comparisons.asked_in_full(trial, self.options.repeats) for trial in self.trials)

    def open(self, before: Mapping[str, Any] | None, command: str, retrieval: Sequence[RetrievalScores | None]) -> None:
        """Open or reopen the comparison, with what each candidate finds, and take over what is stored."""
        spec = self._spec(command)
        self._opened = before is None or before["state"] != "finished" or self.options.retry_failed
        if before is None:
            self.comparisons.start(
                identity=self.comparison,
                task=self.prepared.task.file.task,
                fingerprint=self.identity.fingerprint,
                run_key=self.identity.run_key,
                parts=self.identity.parts,
                dataset=self.prepared.summary.digest,
                spec=spec,
            )
            for position, (candidate, settings, finds) in enumerate(
                zip(self.prepared.candidates, self.prepared.settings, retrieval, strict=True)
            ):
                # Beside the settings, which are of the candidate alone: this is of it and these cases.
                told = settings if finds is None else {**settings, RETRIEVAL: finds.model_dump(mode="json")}
                self.comparisons.enter(self.comparison, position, self.trials[position], candidate.name, told)
        elif self._opened:
            self.comparisons.go_on(self.comparison, spec)
        self.steps = race_steps(before)
        again = ASKED_AGAIN | (FAILED if self.options.retry_failed else frozenset())
        for position, trial in enumerate(self.trials):
            self._take_over(position, trial, again)
        if self.race is not None:
            for position in self._ruled_out:
                self.race.withdraw(position)

    def _take_over(self, position: int, trial: int, again: frozenset[str]) -> None:
        cells = self.comparisons.numbers(trial, self.comparison)
        kept = ~is_kind(cells["kind"], again) & (cells["repeat"] < self.options.repeats)
        if not kept.any():
            return
        cells = {name: values[kept] for name, values in cells.items()}
        units, low, high, bars, unit_usd = self.card.load(
            position,
            cells["ordinal"].astype(np.int64),
            cells["repeat"].astype(np.int64),
            cells["kind"],
            cells["score"],
            cells["cost_usd"],
            cells["retry_usd"],
            cells["latency_s"],
        )
        self.watch.loaded(position, cells["kind"], cells["score"])
        if self.race is not None:
            self.race.tell_many(position, units, low, high, bars, unit_usd)

    async def measure(self, notice: Callable[[str], None]) -> None:
        """Ask until nothing is left or something stops it; everything answered is on disk afterwards."""
        names = [candidate.name for candidate in self.prepared.candidates]
        self.measurement.on_closed = lambda position, reason: notice(f"{names[position]}: {reason}")
        try:
            # Closed at once when keeping fails: nobody must go on asking until somebody collects the stream.
            async with aclosing(self.measurement.run()) as stream:
                async for position, ordinal, outcome in stream:
                    if not self._asked:
                        self._asked = True
                        self.comparisons.drop_packed(self.trials)
                    crash_point("after-outcome")
                    await self.ledger.keep_outcome(self.trials[position], ordinal, outcome, self.comparison)
                    self.watch.saw(position, outcome.kind, outcome.scores[0].value if outcome.scores else None)
        finally:
            # Also after an interruption: what was answered is on disk before the command ends.
            await self.ledger.drain()
        self.watch.finish()

    def finish(self, controls: Mapping[str, Any] | None) -> None:
        """Close the comparison."""
        measurement, finished = self.measurement, self.measurement.ending == "finished"
        if not self._opened and not self._asked:
            return  # nothing was missing, and nothing is written: the result stays what it was, byte for byte
        crash_point("before-finish")
        if self.race is not None:
            self.comparisons.keep_race(self.comparison, {"steps": self.steps})
        judge, facts = judge_of(self.prepared.scorers), None
        if judge is not None and controls is not None:
            specs = self.prepared.specs
            facts = judge_facts(
                judge,
                controls,
                self.prepared.human,
                self.ledger,
                self.prepared.summary.digest,
                dict(zip((spec.name for spec in specs), self.trials, strict=True)),
                {spec.name: spec.model for spec in specs},
                self.options.repeats,
            )
        standing = None if self.race is None else self.race.standing()
        self.comparisons.finish(
            self.comparison,
            state="finished" if finished else "stopped",
            ending=None if finished else measurement.ending,
            judge=facts,
            rest=self._rest(standing),
            closed={position: reason for position, reason in measurement.closed.items() if reason},
        )
        for position, trial in enumerate(self.trials):
            if self._asked and self.card.answered(position) >= _PACKED_FROM_CELLS:
                self.comparisons.pack(trial)

    def _rest(self, standing: Standing | None) -> dict[int, str]:
        """What each candidate's cells without an outcome are."""
        kinds = {"finished": "skipped_race", "budget": "skipped_budget", "cancel": "skipped_cancel"}
        rest = dict.fromkeys(range(len(self.trials)), kinds.get(self.measurement.ending, "planned"))
        if standing is not None:
            rest.update({found.candidate: "skipped_race" for found in standing.settled if found.reason != "withdrawn"})
        rest.update({position: "planned" for position, reason in self.measurement.closed.items() if reason})
        return rest

    async def _answer(self, cell: Cell) -> Outcome | Unasked:
        return await answer_cell(
            self.prepared.candidates[cell.candidate],
            cell.case,
            self.prepared.reader,
            self.prepared.scorers,
            repeat=cell.repeat,
        )

    def _unproven(self, standing: Standing) -> list[Ask]:
        """
        Who is asked on although the race is over: a leader that has not yet shown that it meets the constraints, or
        that no rival was compared with, and whoever costs nothing to ask. A fixed number of calls stays what it is.
        """
        wanted = [
            position
            for position, candidate in enumerate(self.prepared.candidates)
            if is_free(candidate) and position not in self._ruled_out
        ]
        leader = standing.leader
        if (
            leader is not None
            and self._may_go_on
            and (self._has_no_rival(standing) or not self.card.shows(leader, self.prepared.task.file.race.confidence))
        ):
            wanted.append(leader)
        asks = []
        for position in dict.fromkeys(wanted):
            answered = standing.answered[position]
            stop = next((edge for edge in self._edges if edge > answered), None)
            if stop is not None and position not in self.measurement.closed:
                asks.append(Ask(position, answered, stop))
        return asks

    def _has_no_rival(self, standing: Standing) -> bool:
        """Whether nobody else may be chosen, by facts or constraints: it is then measured like a single candidate."""
        proven = any(found.reason in ("race", "halving") for found in standing.settled)
        return len(standing.running) == 1 and not proven and not self.measurement.closed

    def _round(self, standing: Standing) -> None:
        if any(not reason for reason in self.measurement.closed.values()):
            return  # the cap, or the store, withdrew somebody: what would be said now is about the others alone
        if self.measurement.closed:
            standing = replace(standing, certificate=None)  # how good who cannot be reached would be, nobody knows
        self.watch.round(standing)
        names = [candidate.name for candidate in self.prepared.candidates]
        calls = sum(self.card.answered(position) for position in range(len(names)))
        if calls <= (self.steps[-1]["calls"] if self.steps else 0):
            return  # nothing was answered since: a run that goes on begins with the look that ended the last one
        self.steps.append(
            {
                "round": self.steps[-1]["round"] + 1 if self.steps else 1,
                "calls": calls,
                "leader": None if standing.leader is None else names[standing.leader],
                "running": len(standing.running),
                "certificate": standing.certificate,
            }
        )
        if len(self.steps) > _MOST_STEPS:
            self.steps = self.steps[1::2]
        now = time.monotonic()
        if now - self._steps_kept > _KEEP_STEPS_EVERY_S:
            self._steps_kept = now
            self.comparisons.keep_race(self.comparison, {"steps": self.steps})

    def _spec(self, command: str) -> dict[str, Any]:
        prepared, task = self.prepared, self.prepared.task
        return {
            "file": task.file.model_dump(mode="json", by_alias=True),
            "path": str(task.path),
            "at": str(task.path.absolute()),
            "digest": hashlib.sha256(task.path.read_bytes()).hexdigest(),
            "answer": prepared.answer.model_dump(mode="json"),
            "scorers": [scorer_spec(scorer) for scorer in prepared.scorers],
            "candidates": [spec.model_dump(mode="json") for spec in prepared.specs],
            "options": self.options.model_dump(mode="json"),
            "racing": self.race is not None,
            "command": command,
            "test_cases": self.test_cases,
            "cases": prepared.summary.model_dump(mode="json"),
            "versions": {"touchstone": __version__, "python": platform.python_version(), **_versions()},
        }


def scorer_spec(scorer: Scorer) -> dict[str, str]:
    """A scorer's name and the first line of what it says of itself."""
    words = (type(scorer).__doc__ or "").strip().splitlines()
    return {"name": scorer.name, "description": words[0] if words else ""}


def _versions() -> dict[str, str]:
    found = {name: version_of(name) for name in _LIBRARIES}
    return {name: version for name, version in found.items() if version is not None}
