"""A stored race run again from its cells: where it stands under any goal and constraints, and how people see it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from touchstone.decision.base import Constraints, Goal, RaceEvidence, Volume
from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.race import Race, Rules, Settled, Standing
from touchstone.evaluation.scorecard import ASKED_AGAIN, Scorecard
from touchstone.language import N_
from touchstone.reporting.base import Note, RaceInfo, RaceLane, RaceStep
from touchstone.workspace.racing import LANE_STATES, race_rules, unfit_facts
from touchstone.workspace.stored import Stored
from touchstone.workspace.taskfile import TaskFile


@dataclass(frozen=True)
class Raced:
    """Where a race stands, in names."""

    rules: Rules
    standing: Standing
    evidence: RaceEvidence
    unfit: tuple[int, ...]
    """Who was ruled out before anybody was asked."""
    units: int


def rerun(stored: Stored, file: TaskFile, goal: Goal, constraints: Constraints, volume: Volume) -> Raced:
    """
    The race over the stored cells under these demands.

    It depends on the cells alone, so asking for something else costs nothing: either the cells suffice, or the race
    says that it is not finished.
    """
    rules, requirements = race_rules(file, stored.repeats, goal=goal, constraints=constraints, volume=volume)
    names = stored.names
    card = Scorecard(stored.order, len(names), stored.repeats, requirements)
    race = Race(len(names), stored.order.sizes.tolist(), rules)
    for position, cells in enumerate(stored.cells):
        kept = ~is_kind(cells.kind, ASKED_AGAIN)
        if kept.any():
            race.tell_many(
                position,
                *card.load(
                    position,
                    cells.ordinal[kept],
                    cells.repeat[kept],
                    cells.kind[kept],
                    cells.score[kept],
                    cells.cost_usd[kept],
                    cells.retry_usd[kept],
                    cells.latency_s[kept],
                ),
            )
    unfit = unfit_facts([spec.facts for spec in stored.specs], constraints)
    closed = [position for position, reason in enumerate(stored.closed) if reason]
    for position in {*unfit, *closed}:
        race.withdraw(position)
    standing = race.standing()
    eliminated = [found for found in standing.settled if found.reason in ("race", "halving")]
    evidence = RaceEvidence(
        leader=None if standing.leader is None else names[standing.leader],
        finished=standing.finished is not None,
        eliminated=tuple(names[found.candidate] for found in eliminated),
        proven=bool(eliminated) and all(found.reason == "race" for found in eliminated),
        cases=stored.test_cases,
        certificates={
            names[position]: race.certificate_of(position) for position in range(len(names)) if position not in unfit
        },
        epsilon=rules.epsilon,
    )
    return Raced(rules, standing, evidence, tuple(unfit), stored.order.units)


def race_info(stored: Stored, raced: Raced | None, chosen: str | None, trials: tuple[TrialSummary, ...]) -> RaceInfo:
    """How the run ended, and how its race went."""
    if raced is None:
        return RaceInfo(finish="full" if stored.state == "finished" else "stopped")
    standing, rules, names = raced.standing, raced.rules, stored.names
    settled = {found.candidate: found for found in standing.settled}
    lanes = tuple(
        _lane(position, stored, raced, settled.get(position), trials[position]) for position in range(len(names))
    )
    saved = [lane.saved_usd for lane in lanes if lane.saved_calls]
    finish = _finish(stored, standing, rules)
    quick_at = None if standing.quick_line is None else standing.quick_line.cases * stored.repeats
    asked = sum(trial.outcomes.asked for trial in trials)
    return RaceInfo(
        finish=finish,
        certificate=None if chosen is None else raced.evidence.certificates.get(chosen),
        rounds=standing.rounds,
        epsilon=rules.epsilon,
        confidence=rules.confidence,
        batch=_batch(rules, raced.units),
        quick_at_calls=quick_at if quick_at is not None and quick_at < asked else None,
        lanes=lanes,
        steps=tuple(RaceStep(**step) for step in stored.steps),
        ties_here=tuple(names[position] for position in standing.ties_here),
        ties_future=tuple(names[position] for position in standing.ties_future),
        saved_calls=sum(lane.saved_calls for lane in lanes),
        saved_usd=None if any(usd is None for usd in saved) else sum(usd for usd in saved if usd is not None),
    )


def _batch(rules: Rules, units: int) -> int | None:
    """Cases between two looks; None where that changes on the way."""
    edges = rules.edges(units)
    steps = {after - before for before, after in pairwise(edges[:-1])}
    return steps.pop() if len(steps) == 1 else None


def _finish(
    stored: Stored, standing: Standing, rules: Rules
) -> Literal["proven", "quick", "open", "full", "stopped", "budget"]:
    if stored.state != "finished" or standing.finished is None:
        return "stopped"
    if standing.finished != "exact":
        return standing.finished
    # Those whom nothing had settled have answered every case: nothing is left to prove, or to ask.
    return rules.finish if len(standing.running) < 2 else "open"


def _lane(position: int, stored: Stored, raced: Raced, settled: Settled | None, trial: TrialSummary) -> RaceLane:
    standing, names = raced.standing, stored.names
    state: Any = "leader" if position == standing.leader else "running"
    reason = None
    if settled is not None:
        state = LANE_STATES[settled.reason]
        if settled.reason == "bar":
            reason = Note(template=N_("shown to miss {bar}"), values={"bar": settled.bar})
    if position in raced.unfit:
        state, reason = "infeasible", Note(template=N_("breaks a constraint whatever it answers; it was not asked"))
    elif stored.closed[position]:
        reason = Note(template=stored.closed[position] or "")
    asked = trial.outcomes.asked
    planned = trial.outcomes.planned
    over = stored.state == "finished" and raced.evidence.finished
    saved = planned - asked if over or state in ("settled", "infeasible") else 0
    per_case = trial.cost.per_case_usd
    return RaceLane(
        candidate=names[position],
        state=state,
        cases=asked // stored.repeats,
        planned=planned // stored.repeats,
        settled_at=settled.cases if settled is not None and settled.reason != "withdrawn" else None,
        against=None if settled is None or settled.against is None else names[settled.against],
        round=settled.round if settled is not None and settled.reason != "withdrawn" else None,
        reason=reason,
        saved_calls=saved,
        saved_usd=None if per_case is None else per_case * saved,
    )
