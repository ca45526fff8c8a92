"""From a stored comparison to everything people get: numbers, decision, gate, report data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from touchstone.decision.base import Decision, Goal
from touchstone.decision.gate import check_gate
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.cells import scorer_names
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.power import cases_needed, detectable_difference
from touchstone.language import N_, _, current_language
from touchstone.reporting.base import (
    CasesInfo,
    Constraint,
    GateCheck,
    GateResult,
    JudgeInfo,
    Note,
    ReportData,
    Reproduction,
    ScorerInfo,
    StatisticsInfo,
    TaskInfo,
)
from touchstone.reporting.result import build_comparison, decision_result, note
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.recorded import RecordedCandidate
from touchstone.workspace import gather
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.case_changes import asked_all_the_same
from touchstone.workspace.decided import decided
from touchstone.workspace.measured import Numbers
from touchstone.workspace.plan import asked_difference, cap_line, spent_before
from touchstone.workspace.prepare import Prepared
from touchstone.workspace.standings import Raced, race_info
from touchstone.workspace.stored import Stored
from touchstone.workspace.taskfile import TaskFile


def before_asking(prepared: Prepared, ledger: Ledger, options: CompareOptions) -> list[str]:
    """What the user should know before anything is paid: the cases' problems, and what these cases can show."""
    lines = [prepared.summary.described] if prepared.summary.described else []
    lines += [f"{problem.path}: {problem.text(_)}" for problem in prepared.summary.problems]
    lines += filter(None, [asked_all_the_same(ledger, prepared.summary.digest)])
    cases = ledger.datasets.case_count(prepared.summary.digest, "test")
    for candidate in prepared.candidates:
        if isinstance(candidate, RecordedCandidate):
            missing = candidate.recordings.missing(candidate.model, prepared.summary.digest, "test")
            if missing:
                lines.append(
                    _(
                        "{candidate}: {missing} of {cases} cases have no recorded output and will count as errors"
                    ).format(candidate=candidate.name, missing=missing, cases=cases)
                )
    cap_usd = prepared.purse.cap_usd
    if cap_usd is not None:
        lines.append(cap_line(cap_usd, prepared, _, spent_before(prepared, ledger, options)))
    smallest = detectable_difference(cases) if cases else None
    difference = asked_difference(prepared.task.file)
    if smallest is not None and smallest > difference:
        lines.append(
            _(
                "{cases:,} cases can show a difference of {points:.1f} points; "
                "{asked:.1f} points would need {needed:,} cases"
            ).format(cases=cases, points=100 * smallest, asked=100 * difference, needed=cases_needed(difference))
        )
    return lines


def conclude(numbers: Numbers, demands: Demands) -> ReportData:
    """
    Conclude from a stored comparison, under its own demands or others; nothing is asked and nothing is paid.

    Raises:
        SettingsError: a demand cannot be used.
    """
    stored, measured = numbers.stored, numbers.measured
    before = None if measured.before is None else decided(numbers, demands, as_measured=True).decision
    found = decided(numbers, demands, before)
    file, decision, pairs, raced, judge = found.file, found.decision, found.pairs, found.raced, found.judge
    trials = _with_states(found.trials, decision, raced)
    cases = measured.now.cases
    comparison = build_comparison(
        task=TaskInfo(name=file.task, cases=cases, fingerprint=stored.fingerprint),
        trials=trials,
        pairs=pairs,
        decision=decision_result(decision),
        created=stored.created,
        comparison_id=stored.identity,
        calls=measured.calls,
        spent_usd=_spent(stored),
        race=race_info(stored, raced, decision.chosen or decision.leader, trials),
        statistics=_statistics(cases, pairs, file),
        gate=_gate(file, trials, pairs, decision),
        warnings=(
            *_unfinished(stored, raced, is_changed=measured.changes is not None),
            *_warnings(stored, judge),
            *_remarks(trials),
            *measured.notes,
            *gather.changed_models(stored, measured.served),
        ),
    )
    return ReportData(
        comparison=comparison,
        instruction=file.instruction,
        answer=AnswerSpec.model_validate(stored.spec["answer"]),
        scorers=tuple(
            ScorerInfo(name=name, description=scorer["description"], decides=place == 0)
            for place, (name, scorer) in enumerate(
                zip(
                    scorer_names([scorer["name"] for scorer in stored.spec["scorers"]]),
                    stored.spec["scorers"],
                    strict=True,
                )
            )
        ),
        cases=CasesInfo(
            files=(file.cases,) if isinstance(file.cases, str) else tuple(file.cases.values()),
            described=stored.summary.said_in(current_language()).described,
            counts=stored.summary.counts,
            digest=stored.summary.digest,
            groups=stored.summary.groups,
            problems=stored.summary.problems,
        ),
        goal=goal_text(found.goal),
        constraints=tuple(
            Constraint(name=name, limit=str(limit))
            for name, limit in found.constraints.model_dump().items()
            if limit is not None
        ),
        requests_per_month=None if found.requests_per_month is None else int(found.requests_per_month),
        baseline=_baseline(file, stored),
        slices=measured.slices,
        worst=measured.worst,
        disagreeing=measured.disagreeing,
        settings=gather.candidate_settings(stored, measured.served),
        judge=judge,
        ending=stored.ending,
        reproduction=Reproduction(
            command=str(stored.spec["command"]),
            further=(f"touchstone decide {stored.identity}", f"touchstone report {stored.identity}"),
            versions=stored.spec["versions"],
            seed=file.race.seed,
            task_file=str(stored.spec["path"]),
            task_digest=str(stored.spec["digest"]),
        ),
    )


def goal_text(goal: Goal) -> str:
    """A goal as a task file says it."""
    return "best" if goal.name == "best" else f"cheapest-within: {goal.tolerance:g}"


def _with_states(trials: tuple[TrialSummary, ...], decision: Decision, raced: Raced | None) -> tuple[TrialSummary, ...]:
    rejected = {item.candidate for item in decision.rejected}
    eliminated = set() if raced is None else set(raced.evidence.eliminated)
    found = []
    for trial in trials:
        state = (
            "leader"
            if trial.name == decision.chosen
            else "disqualified"
            if trial.name in rejected
            else "eliminated"
            if trial.name in eliminated
            else "finished"
        )
        found.append(trial.model_copy(update={"state": state}))
    return tuple(found)


def _unfinished(stored: Stored, raced: Raced | None, *, is_changed: bool) -> tuple[Note, ...]:
    """A race that reached its finish under its own demands may be unfinished under others."""
    if raced is None or raced.evidence.finished or stored.state != "finished":
        return ()
    if is_changed:
        changed = N_(
            "the race ended on the cases as they were measured, and with what was changed since its answers do not "
            "suffice; `touchstone compare --full` asks for what is missing"
        )
        return (Note(template=changed),)
    template = N_(
        "the race was run for other demands, and its answers do not suffice for these; put them into the task file and "
        "run `touchstone compare` again: it asks only for what is missing"
    )
    return (Note(template=template),)


def _spent(stored: Stored) -> float | None:
    if stored.balance is None:
        return 0.0
    return None if stored.balance.unpriced else stored.balance.spent_usd


def _statistics(cases: int, pairs: tuple[PairResult, ...], file: TaskFile) -> StatisticsInfo:
    measured = [pair.discordance for pair in pairs if pair.discordance]
    discordance = float(np.median(measured)) if measured else None
    known: Mapping[str, Any] = {} if discordance is None else {"discordance": discordance}
    return StatisticsInfo(
        minimum_detectable_difference=detectable_difference(cases, **known) if cases else None,
        cases_needed=cases_needed(asked_difference(file), **known),
        confidence=file.race.confidence,
    )


def _gate(
    file: TaskFile, trials: tuple[TrialSummary, ...], pairs: tuple[PairResult, ...], decision: Decision
) -> GateResult | None:
    if file.gate is None:
        return None
    gate = file.gate
    checks = check_gate(
        trials,
        pairs,
        candidate=gate.candidate or decision.chosen,
        baseline=gate.baseline,
        margin=gate.margin,
        min_score=gate.min_score,
    )
    return GateResult(
        passed=all(check.passed for check in checks),
        checks=tuple(
            GateCheck(
                name=check.name,
                passed=check.passed,
                text=note(check.reason),
                candidate=check.candidate,
                measured=check.measured,
                required=check.required,
            )
            for check in checks
        ),
    )


def _baseline(file: TaskFile, stored: Stored) -> str | None:
    """Who is drawn as the line to beat: the gate's baseline, else the simplest baseline in the table."""
    if file.gate is not None and file.gate.baseline in stored.names:
        return file.gate.baseline
    return next((spec.name for spec in stored.specs if spec.strategy == "baseline"), None)


def _remarks(trials: Sequence[TrialSummary]) -> Iterator[Note]:
    """What was found while candidates were made and forbids nothing; what forbids stands with the decision."""
    for trial in trials:
        for one in trial.findings:
            if not one.blocks:
                yield Note(template=one.template, values={**one.values, "name": trial.name})


def _warnings(stored: Stored, judge: JudgeInfo | None) -> tuple[Note, ...]:
    found = [Note(template=problem.template, values=dict(problem.values)) for problem in stored.summary.problems]
    if stored.balance is not None and stored.balance.in_doubt:
        found.append(Note(template=N_("possibly billed twice: {n} calls"), values={"n": stored.balance.in_doubt}))
    if stored.balance is not None and stored.balance.unpriced:
        found.append(Note(template=N_("some calls have no known price; the money spent is unknown")))
    if judge is not None and judge.agreement is not None and judge.agreement.low <= 0:
        found.append(
            Note(
                template=N_(
                    "the judge {judge} agrees with people hardly better than chance: kappa {kappa:.2f} "
                    "({low:.2f} to {high:.2f}, n = {n}); do not rely on its ranking"
                ),
                values={
                    "judge": judge.model,
                    "kappa": judge.agreement.mean,
                    **judge.agreement.model_dump(include={"low", "high", "n"}),
                },
            )
        )
    if judge is not None and judge.same_family:
        found.append(
            Note(
                template=N_("the judge {judge} is of the same family as {names}; let another family judge"),
                values={"judge": judge.model, "names": ", ".join(judge.same_family)},
            )
        )
    return tuple(found)
