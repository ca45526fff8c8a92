"""From stored cells to a decision under some demands: estimates, pairs, the race run again, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from pydantic import ValidationError

from touchstone.decision.base import Constraints, Decision, Goal, JudgeState, Volume
from touchstone.decision.decide import decide
from touchstone.errors import SettingsError, UnknownName, refusal
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.live import anytime_pairs
from touchstone.evaluation.paired import compare_pairs
from touchstone.evaluation.summaries import Ground
from touchstone.reporting.base import JudgeInfo
from touchstone.workspace import gather
from touchstone.workspace.base import Demands
from touchstone.workspace.catalog_facts import asks_facts, informed
from touchstone.workspace.gather import Stored
from touchstone.workspace.standings import Raced, rerun
from touchstone.workspace.taskfile import TaskFile, parse_goal

VALID_DAYS = 90
"""After so long prices, and the model behind a name, have often changed: time to measure again."""


@dataclass(frozen=True)
class Decided:
    """A decision with the numbers that it was made from."""

    file: TaskFile
    constraints: Constraints
    goal: Goal
    requests_per_month: float | None
    ground: Ground
    served: Sequence[tuple[str, ...]]
    """Of each candidate, the names of the models that answered."""
    trials: tuple[TrialSummary, ...]
    pairs: tuple[PairResult, ...]
    raced: Raced | None
    judge: JudgeInfo | None
    decision: Decision


def decided(ledger: Ledger, stored: Stored, demands: Demands, before: Decision | None = None) -> Decided:
    """
    Decide on a stored comparison.

    Args:
        before: What was decided on the cases as they were measured; None where nothing was changed about them.

    Raises:
        SettingsError: a demand cannot be used.
    """
    file = TaskFile.model_validate(stored.spec["file"])
    constraints, goal, requests_per_month = _demands(file, demands)
    if asks_facts(constraints):
        # A later demand may ask what nobody asked when the candidates were read.
        stored = replace(stored, specs=tuple(informed(spec) for spec in stored.specs))
    confidence, seed = file.race.confidence, file.race.seed
    volume = Volume(requests_per_month=requests_per_month)
    ground = Ground(
        groups=stored.groups,
        confidence=confidence,
        seed=seed,
        requests_per_month=requests_per_month,
        concurrency=file.limits.concurrency,
        order=stored.order if stored.raced else None,
    )
    served = gather.served_names(stored)
    trials = gather.summaries(ledger, stored, ground, served)
    strict = stored.strict
    if stored.raced:
        pairs = anytime_pairs(stored.names, strict, stored.order, confidence, stored.asked)
    else:
        pairs = compare_pairs(stored.names, np.nan_to_num(strict), ~np.isnan(strict), stored.groups, confidence, seed)
    raced = rerun(stored, _as_run(stored, file), goal, constraints, volume) if stored.raced else None
    judge = JudgeInfo.model_validate(stored.judge) if stored.judge else None
    changes = stored.changes
    if changes is not None and before is not None:
        changes = changes.model_copy(update={"verdict_before": before.verdict, "chosen_before": before.chosen})
    decision = decide(
        trials,
        pairs,
        goal=goal,
        constraints=constraints,
        volume=volume,
        confidence=confidence,
        judge=_judge_state(judge),
        expires=date.fromisoformat(stored.created[:10]) + timedelta(days=VALID_DAYS),
        race=None if raced is None else raced.evidence,
        changes=changes,
    )
    return Decided(file, constraints, goal, requests_per_month, ground, served, trials, pairs, raced, judge, decision)


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
