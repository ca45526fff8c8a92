"""From what was measured to a decision under some demands: months, the race run again, the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pydantic import ValidationError

from touchstone.decision.base import Constraints, Decision, Goal, JudgeState, Volume
from touchstone.decision.decide import decide
from touchstone.decision.projection import usd_per_month
from touchstone.errors import SettingsError, UnknownName, refusal
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.reporting.base import JudgeInfo
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.base import Demands
from touchstone.workspace.catalog_facts import asks_facts, informed
from touchstone.workspace.measured import Numbers
from touchstone.workspace.standings import Raced
from touchstone.workspace.stored import Stored
from touchstone.workspace.taskfile import TaskFile, parse_goal

VALID_DAYS = 90
"""After so long prices, and the model behind a name, have often changed: time to measure again."""


@dataclass(frozen=True)
class Decided:
    """A decision with what it was made from."""

    file: TaskFile
    constraints: Constraints
    goal: Goal
    requests_per_month: float | None
    trials: tuple[TrialSummary, ...]
    pairs: tuple[PairResult, ...]
    raced: Raced | None
    judge: JudgeInfo | None
    decision: Decision


def decided(
    numbers: Numbers, demands: Demands, before: Decision | None = None, *, as_measured: bool = False
) -> Decided:
    """
    Decide on a stored comparison; takes milliseconds where its numbers are known.

    Args:
        before: What was decided on the cases as they were measured; None where nothing was changed about them.
        as_measured: Whether to decide on those, of which there are other numbers where something was changed.

    Raises:
        SettingsError: a demand cannot be used.
    """
    stored = numbers.stored
    file = TaskFile.model_validate(stored.spec["file"])
    constraints, goal, requests_per_month = _demands(file, demands)
    measured = numbers.measured
    counted = measured.before if as_measured and measured.before is not None else measured.now
    specs = stored.specs
    if asks_facts(constraints):
        # A later demand may ask what nobody asked when the candidates were read.
        specs = tuple(informed(spec) for spec in specs)
    volume = Volume(requests_per_month=requests_per_month)
    trials = tuple(_at(trial, spec, volume) for trial, spec in zip(counted.trials, specs, strict=True))
    raced = None
    if stored.raced:
        asked = _as_run(stored, file)
        raced = numbers.raced(asked, specs, goal, constraints, volume, as_measured=as_measured)
    judge = JudgeInfo.model_validate(stored.judge) if stored.judge else None
    changes = None if as_measured else measured.changes
    if changes is not None and before is not None:
        changes = changes.model_copy(update={"verdict_before": before.verdict, "chosen_before": before.chosen})
    decision = decide(
        trials,
        counted.pairs,
        goal=goal,
        constraints=constraints,
        volume=volume,
        confidence=file.race.confidence,
        judge=_judge_state(judge),
        expires=date.fromisoformat(stored.created[:10]) + timedelta(days=VALID_DAYS),
        race=None if raced is None else raced.evidence,
        changes=changes,
    )
    return Decided(file, constraints, goal, requests_per_month, trials, counted.pairs, raced, judge, decision)


def _at(trial: TrialSummary, spec: CandidateSpec, volume: Volume) -> TrialSummary:
    """A candidate at a volume, with what is known of it besides its answers."""
    cost = trial.cost.model_copy(update={"per_month_usd": usd_per_month(trial.cost, volume)[0]})
    facts = spec.facts
    return trial.model_copy(update={"cost": cost, "licence": facts.licence, "self_hostable": facts.self_hostable})


def _as_run(stored: Stored, file: TaskFile) -> TaskFile:
    """The task file without `race.calls` where the run asked everybody everything: nobody kept to it."""
    if stored.spec.get("racing"):
        return file
    return file.model_copy(update={"race": file.race.model_copy(update={"calls": None})})


def _demands(file: TaskFile, demands: Demands) -> tuple[Constraints, Goal, float | None]:
    """The task's demands with what was said instead."""
    said = demands.model_dump(include=set(Constraints.model_fields), exclude_none=True)
    for name in demands.without:
        if name not in Constraints.model_fields:
            raise UnknownName(kind="constraint", name=name, known=Constraints.model_fields)
    own = {name: value for name, value in file.constraints.model_dump().items() if name not in demands.without}
    try:
        constraints = Constraints.model_validate({**own, **said})
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "{key} is {value!r}: {reason}", key=first["loc"][0], value=first["input"], reason=refusal(first)
        ) from error
    try:
        name, tolerance = parse_goal(demands.goal if demands.goal is not None else file.goal)
    except ValueError as error:
        raise SettingsError("goal is {value!r}; {reason}", value=demands.goal, reason=error) from error
    requests = demands.requests_per_month or file.volume.requests_per_month
    return constraints, Goal(name=name, tolerance=tolerance), requests


def _judge_state(judge: JudgeInfo | None) -> JudgeState:
    if judge is None:
        return "none"
    if not judge.fit:
        return "unfit"
    return "validated" if judge.validated else "unvalidated"
