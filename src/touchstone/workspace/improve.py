"""`improve`: plan which ways are worth trying, measure them in one table, and say which pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from touchstone.decision.advice_base import Situation
from touchstone.decision.base import Reason
from touchstone.decision.improve_base import Circumstances, Prospect, Way
from touchstone.decision.improve_plan import plan_ways
from touchstone.decision.ladder import make_ladder
from touchstone.decision.ladder_base import Ladder, Making, Stretch
from touchstone.decision.learning_curve import CurvePoint, LearningCurve, make_curve
from touchstone.decision.what_if import after_the_facts_changed, what_changes
from touchstone.errors import ExtraMissing, TaskError
from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.ledger import Ledger
from touchstone.noun import Noun
from touchstone.reporting.base import CandidateResult, Comparison, ReportData
from touchstone.reporting.improve_nouns import Improvement, ImprovePlan, ModelPlan
from touchstone.strategies.base import CandidateSpec
from touchstone.training.run import can_train
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.improve_entries import Base, baseline_entries, bases_of, entries_for, with_candidates
from touchstone.workspace.improve_section import ImproveSection, as_paths
from touchstone.workspace.shortlist_cases import CasesLook, look_at_cases
from touchstone.workspace.taskfile import Task, parse_goal, with_cases
from touchstone.workspace.workspace import Workspace

_OWN_MACHINE = ("starter/", "local/", "baseline/")
"""References of what runs on this machine."""


class Planned(NamedTuple):
    """A plan, and the task with everybody in it."""

    plan: ImprovePlan
    task: Task
    specs: tuple[CandidateSpec, ...]
    section: ImproveSection
    look: CasesLook
    baseline: str


def plan(task: Task, ledger: Ledger, options: CompareOptions, *, train: bool = False) -> Planned:
    """
    Which ways are worth trying for every model, and the task whose candidates they are.

    Args:
        train: Whether to train even where fine-tuned weights lie ready.

    Raises:
        UserError: the task file or its cases cannot be used.
    """
    section = task.file.improve or ImproveSection()
    _check_files(task, section)
    if train:
        if not can_train():
            raise ExtraMissing(feature="fine-tuning", extra="train")
        section = section.model_copy(update={"fine_tuned": {}, "also": (*section.also, "fine_tune")})
    look = look_at_cases(task)
    models = []
    entries: list[Any] = list(task.file.candidates)
    bases = bases_of(task, ledger, section)
    known = {spec.name for spec in read_specs(task, ledger)}
    for base in bases:
        ways = plan_ways(_circumstances(base, task, section, look, options))
        models.append(ModelPlan(model=base.spec.name, ways=ways))
        by_name: dict[Way, Prospect] = {way.way: way for way in ways}
        entries += [one for one in entries_for(base, by_name, section, look.train) if one["name"] not in known]
    if any(way.tried for model in models for way in model.ways if way.way == "baseline"):
        entries += [one for one in baseline_entries(task, section, look.train) if one["model"] not in known]
    whole = with_candidates(task, tuple(entries))
    specs = read_specs(whole, ledger)
    names = tuple(spec.name for spec in specs)
    baseline = section.baseline or bases[0].spec.name
    if baseline not in names:
        raise TaskError(
            "improve.baseline is {name!r}, and no candidate is called so; there are {known}",
            path=task.path,
            line=task.line("improve", "baseline"),
            name=baseline,
            known=", ".join(names),
        )
    return Planned(
        ImprovePlan(task=task.file.task, models=tuple(models), candidates=names), whole, specs, section, look, baseline
    )


def _check_files(task: Task, section: ImproveSection) -> None:
    """Raises `TaskError` where a file that is needed later, when much was paid, is not there."""
    updated = section.updated
    later = () if updated is None else (updated.cases, *as_paths(updated.documents))
    for name, key in (*((one, "documents") for one in section.paths()), *((one, "updated") for one in later)):
        if not (task.folder / name).exists():
            raise TaskError(
                "improve.{key} names {name}, which does not exist in {folder}; mend the path",
                path=task.path,
                line=task.line("improve", key),
                key=key,
                name=name,
                folder=str(task.folder),
            )


def _circumstances(
    base: Base, task: Task, section: ImproveSection, look: CasesLook, options: CompareOptions
) -> Circumstances:
    model = base.spec.model
    return Circumstances(
        situation=Situation(
            train_cases=look.train,
            test_cases=look.test,
            answer_kind=task.answer.kind,
            fixed_labels=task.answer.kind == "label",
            rests_on_documents=bool(section.paths()),
            budget_usd=options.max_usd if options.max_usd is not None else task.file.limits.max_usd,
        ),
        model=base.spec.name,
        dev_cases=look.dev,
        facts_change_days=section.facts_change_days,
        kind="starter" if model.startswith("starter") else "weights" if model.startswith("local") else "service",
        service_tunes=section.fine_tune.get("backend") == "service",
        can_train=can_train(),
        stored_fine_tune=base.spec.name in section.fine_tuned,
        asked=frozenset((*section.ways, *section.also)),
        only=bool(section.ways),
    )


def improve(
    planned: Planned,
    place: Workspace,
    options: CompareOptions,
    *,
    command: str,
    progress: Callable[[Any], None],
    notice: Callable[[str], None],
) -> tuple[Improvement, ReportData, ReportData]:
    """
    Measure everybody of a plan, before and where that is asked for after the facts changed, and say which pays.

    Returns:
        (what it says, the comparison it rests on, the comparison that was measured last: how it ended counts).

    Raises:
        UserError: something must be changed first; nobody was asked.
    """
    data = place.compare(planned.task, options, command=command, progress=progress, notice=notice)
    found, last = improvement(planned, data), data
    updated = planned.section.updated
    if updated is not None and data.ending is None:
        rest = _what_is_left(planned, options, data.comparison)
        last = after = place.compare(after_the_change(planned), rest, command=command, progress=progress, notice=notice)
        if after.ending is None:
            ladder = _ladder(planned, after.comparison, _stretch(planned))
            found = found.model_copy(
                update={"changes": (*found.changes, after_the_facts_changed(found.ladder, ladder))}
            )
    return found, data, last


def _what_is_left(planned: Planned, options: CompareOptions, before: Comparison) -> CompareOptions:
    """The options of the second comparison: both together keep to one cap (promises.md, P4)."""
    cap = options.max_usd if options.max_usd is not None else planned.task.file.limits.max_usd
    if cap is None:
        return options
    return options.model_copy(update={"max_usd": max(0.0, cap - (before.spent_usd or 0.0))})


def after_the_change(planned: Planned) -> Task:
    """The task with the cases, and the documents, of the time after the facts changed; nothing is learned anew."""
    updated = planned.section.updated
    assert updated is not None
    file = planned.task.file
    documents = updated.documents
    candidates = tuple(
        {**entry, "documents": list(documents) if isinstance(documents, tuple) else documents}
        if documents is not None and isinstance(entry, Mapping) and "documents" in entry
        else entry
        for entry in file.candidates
    )
    changed = with_cases(planned.task, updated.cases)
    renamed = {"candidates": candidates, "task": f"{file.task}-updated"}
    return changed.model_copy(update={"file": changed.file.model_copy(update=renamed)})


def improvement(planned: Planned, data: ReportData) -> Improvement:
    """What a finished comparison says of the ways of improving; nobody is asked."""
    comparison = data.comparison
    stretch = _stretch(planned)
    ladder = _ladder(planned, comparison, stretch)
    return Improvement(
        plan=planned.plan,
        ladder=ladder,
        curves=tuple(_curves(planned, comparison)),
        changes=what_changes(ladder, lambda other: _ladder(planned, comparison, other)),
        comparison=comparison,
        warnings=comparison.warnings,
    )


def _stretch(planned: Planned) -> Stretch:
    return Stretch(
        months=planned.section.months,
        requests_per_month=planned.task.file.volume.requests_per_month,
        facts_change_days=planned.section.facts_change_days,
    )


def _ladder(planned: Planned, comparison: Comparison, stretch: Stretch) -> Ladder:
    hourly = planned.section.machine_usd_per_hour
    here = {spec.name for spec in planned.specs if spec.model.startswith(_OWN_MACHINE)}
    machine = {} if hourly is None else dict.fromkeys(here, hourly)
    goal = planned.task.file.goal
    return make_ladder(
        [trial_of(result) for result in comparison.candidates],
        comparison.pairs,
        baseline=planned.baseline,
        makings={result.name: _making(result, planned, machine.get(result.name)) for result in comparison.candidates},
        stretch=stretch,
        hourly_usd=machine,
        qualifying=comparison.decision.qualifying,
        blocked=_blocked(comparison.candidates),
        tolerance=None if goal == "best" else parse_goal(goal)[1],
        confidence=planned.task.file.race.confidence,
    )


def trial_of(result: CandidateResult) -> TrialSummary:
    """A candidate's numbers as a decision reads them."""
    return TrialSummary(
        name=result.name,
        model=result.model,
        strategy=result.strategy,
        state=result.state,
        estimate=result.estimate,
        outcomes=result.outcomes,
        usage=result.usage,
        cost=result.cost,
        latency=result.latency_s,
    )


_LEARNS = ("few_shot", "prompt_search", "fine_tune", "pretrain", "baseline")
_IN_WEIGHTS = ("fine_tune", "pretrain")


def _making(result: CandidateResult, planned: Planned, hourly: float | None) -> Making:
    """What making a candidate took, hours of the own machine included."""
    parts = result.strategy.split("+")
    build = result.build
    usd = None if build is None else build.usd
    if usd is not None and hourly is not None and build is not None:
        usd = None if build.took_s is None else usd + hourly * build.took_s / 3_600
    learned = planned.look.train if any(part in _LEARNS for part in parts) else 0
    if "prompt_search" in parts:
        learned += planned.look.dev
    return Making(
        usd=usd,
        seconds=None if build is None else build.took_s,
        labelled_cases=_examples_of(result, planned) or learned,
        renewal="again" if any(part in _IN_WEIGHTS for part in parts) else "by-itself",
    )


def _blocked(results: Sequence[CandidateResult]) -> dict[str, tuple[Reason, ...]]:
    return {
        result.name: tuple(
            Reason(template=one.text.template, values=one.text.values) for one in result.findings if one.blocks
        )
        for result in results
        if any(one.blocks for one in result.findings)
    }


def _examples_of(result: CandidateResult, planned: Planned) -> int | None:
    """How many cases a candidate of a sweep learned from; None where the sweep is about something else."""
    spec = next((one for one in planned.specs if one.name == result.name), None)
    found = None if spec is None else spec.swept.get("train_cases")
    return found if isinstance(found, int) else None


class _Axis(Noun):
    """A swept parameter that is a number of examples."""

    key: str
    kind: str


_AXES = (_Axis(key="k", kind="shown"), _Axis(key="train_cases", kind="learned"))


def _curves(planned: Planned, comparison: Comparison) -> list[LearningCurve]:
    """A curve for every sweep over a number of examples; the model as it is has shown none."""
    results = {result.name: result for result in comparison.candidates}
    groups: dict[tuple[str, str, str], list[CurvePoint]] = {}
    for spec in planned.specs:
        for axis in _AXES:
            count, result = spec.swept.get(axis.key), results.get(spec.name)
            if not isinstance(count, int) or result is None or result.estimate is None:
                continue
            others = "".join(f", {key}={value}" for key, value in spec.swept.items() if key != axis.key)
            name = spec.name.partition(f", {next(iter(spec.swept))}=")[0] + others
            points = groups.setdefault((name, axis.kind, spec.model), [])
            points.append(CurvePoint(examples=count, candidate=spec.name, score=result.estimate))
    found = []
    for (name, kind, model), points in groups.items():
        plain = next((one for one in planned.specs if one.strategy == "prompt" and one.model == model), None)
        start = None if plain is None or kind != "shown" else results.get(plain.name)
        if start is not None and start.estimate is not None and all(point.examples for point in points):
            points.append(CurvePoint(examples=0, candidate=start.name, score=start.estimate))
        if len(points) > 1:
            found.append(
                make_curve(
                    name,
                    "shown" if kind == "shown" else "learned",
                    points,
                    comparison.pairs,
                    matters=max(planned.task.file.race.epsilon, 0.01),
                    confidence=planned.task.file.race.confidence,
                )
            )
    return found
