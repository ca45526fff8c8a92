"""`improve`: plan which ways are worth trying, measure them in one table, and say which pays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from touchstone.decision.advice_base import Situation
from touchstone.decision.base import Reason
from touchstone.decision.improve_base import Circumstances, Prospect, Way
from touchstone.decision.improve_plan import plan_ways
from touchstone.decision.ladder import make_ladder
from touchstone.decision.ladder_base import Ladder, Stretch
from touchstone.decision.what_if import after_the_facts_changed, what_changes
from touchstone.errors import ExtraMissing, TaskError
from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.ledger import Ledger
from touchstone.reporting.base import CandidateResult, ReportData
from touchstone.reporting.improve_nouns import Improvement, ImprovePlan, ModelPlan, Remeasured
from touchstone.strategies.base import CandidateSpec
from touchstone.training.run import can_train
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.improve_checks import check_section, look_over, search_usd
from touchstone.workspace.improve_costs import blocked_gains, making_of, showing, taught, way_of
from touchstone.workspace.improve_curves import curves_of
from touchstone.workspace.improve_entries import (
    Base,
    baseline_entries,
    bases_of,
    entries_for,
    pretrain_entry,
    reading_anew,
    with_candidates,
)
from touchstone.workspace.improve_facts import SaidOnce, paired_changes
from touchstone.workspace.improve_section import ImproveSection
from touchstone.workspace.leaks import kept_from_learners
from touchstone.workspace.shortlist_cases import CasesLook, look_at_cases
from touchstone.workspace.taskfile import Task, parse_goal, with_cases
from touchstone.workspace.workspace import Workspace


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
    bases = bases_of(task, ledger, section)
    check_section(task, section, [base.spec.name for base in bases])
    if train:
        if not can_train():
            raise ExtraMissing(feature="fine-tuning", extra="train")
        section = section.model_copy(update={"fine_tuned": {}, "also": (*section.also, "fine_tune")})
    look = _look(task)
    entries: list[Any] = list(task.file.candidates)
    known = {spec.name for spec in read_specs(task, ledger)}
    models = []
    for base in bases:
        circumstances = _circumstances(base, task, section, look, options)
        ways = plan_ways(circumstances)
        if circumstances.situation.budget_usd is not None and _tries(ways, "prompt_search"):
            usd = search_usd(base, task, section, ledger, options)
            ways = plan_ways(circumstances.model_copy(update={"search_usd": usd}))
        models.append(ModelPlan(model=base.spec.name, ways=ways))
        by_name: dict[Way, Prospect] = {way.way: way for way in ways}
        entries += [one for one in entries_for(base, by_name, section, look.train) if one["name"] not in known]
    if any(_tries(model.ways, "baseline") for model in models):
        entries += [one for one in baseline_entries(task, section, look.train) if not _stands_for(one, known)]
    if any(_tries(model.ways, "pretrain") for model in models):
        entries += [one for one in (pretrain_entry(section),) if one["name"] not in known]
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


def _look(task: Task) -> CasesLook:
    """The cases, without those of train and dev that nobody may learn from."""
    look = look_at_cases(task)
    if task.file.leaks == "report":
        return look
    kept = kept_from_learners(task)
    return look.model_copy(update={"train": look.train - kept.get("train", 0), "dev": look.dev - kept.get("dev", 0)})


def _tries(ways: Iterable[Prospect], name: Way) -> bool:
    return any(way.way == name and way.tried for way in ways)


def _stands_for(entry: Mapping[str, Any], known: Collection[str]) -> bool:
    """Whether the task file has such a baseline already: the model itself, or for a curve a sweep of it."""
    model = str(entry["model"])
    return any(name.startswith(f"{model}, train_cases=") for name in known) if "sweep" in entry else model in known


def _circumstances(
    base: Base, task: Task, section: ImproveSection, look: CasesLook, options: CompareOptions
) -> Circumstances:
    model = base.spec.model
    looks_up_cases = isinstance(section.reads, Mapping)
    return Circumstances(
        situation=Situation(
            train_cases=look.train,
            test_cases=look.test,
            answer_kind=task.answer.kind,
            fixed_labels=task.answer.kind == "label",
            rests_on_documents=section.reads is not None and not looks_up_cases,
            budget_usd=options.max_usd if options.max_usd is not None else task.file.limits.max_usd,
        ),
        dev_cases=look.dev,
        looks_up_cases=looks_up_cases,
        facts_change_days=section.facts_change_days,
        kind="starter" if model.startswith("starter") else "weights" if model.startswith("local") else "service",
        service_tunes=section.fine_tune.get("backend") == "service",
        can_train=can_train(),
        stored_fine_tune=section.weights(base.spec.name, "fine_tune") is not None,
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
    said = SaidOnce(notice)
    updated, spent_after = planned.section.updated, 0.0
    if updated is not None:
        # What stands in the way of the second measurement is found before the first one costs anything.
        spent_after = look_over(after_the_change(planned), place.ledger, options, place.settings.workspace)
    first = _what_is_left(planned, options, spent_after)
    data = place.compare(planned.task, first, command=command, progress=progress, notice=said.first)
    found, last = improvement(planned, data, place), data
    if updated is not None and data.ending is None:
        rest = _what_is_left(planned, options, data.comparison.spent_usd).model_copy(update={"beside": True})
        tell = said.second(updated.cases, str(planned.task.file.cases))
        task = after_the_change(planned)
        last = after = place.compare(task, rest, command=command, progress=progress, notice=tell)
        found = found.model_copy(update={"after": remeasured(after)})
        if after.ending is None:
            ladder = ladder_of(planned, after, place, stretch_of(planned))
            pairs = paired_changes(place.ledger, *(one.comparison.comparison_id for one in (data, after)))
            change = after_the_facts_changed(found.ladder, ladder, pairs, planned.task.file.race.confidence)
            found = found.model_copy(update={"changes": (*found.changes, change)})
    return found, data, last


def remeasured(data: ReportData) -> Remeasured:
    """What the second of two measurements cost, and whether it came to its end."""
    comparison = data.comparison
    return Remeasured(comparison=comparison.comparison_id, spent_usd=comparison.spent_usd, finished=data.ending is None)


def _what_is_left(planned: Planned, options: CompareOptions, other_usd: float | None) -> CompareOptions:
    """The options of one of two comparisons: with what the other spent they keep to one cap (promises.md, P4)."""
    cap = options.max_usd if options.max_usd is not None else planned.task.file.limits.max_usd
    return options if cap is None else options.model_copy(update={"max_usd": max(0.0, cap - (other_usd or 0.0))})


def after_the_change(planned: Planned) -> Task:
    """The task with the cases, and the documents, of the time after the facts changed; nothing is learned anew."""
    updated = planned.section.updated
    assert updated is not None
    file = planned.task.file
    before = planned.section.paths()
    candidates = tuple(reading_anew(entry, before, updated.documents) for entry in file.candidates)
    changed = with_cases(planned.task, updated.cases)
    renamed = {"candidates": candidates, "task": f"{file.task}-updated"}
    return changed.model_copy(update={"file": changed.file.model_copy(update=renamed)})


def improvement(planned: Planned, data: ReportData, place: Workspace, stretch: Stretch | None = None) -> Improvement:
    """
    What a finished comparison says of the ways of improving; nobody is asked.

    Args:
        stretch: For how long and how much; by default as the task file has it.
    """
    stretch = stretch or stretch_of(planned)
    ladder_at = partial(ladder_of, planned, data, place)
    ladder = ladder_at(stretch)
    return Improvement(
        plan=planned.plan,
        ladder=ladder,
        curves=tuple(curves_of(planned.specs, data.comparison, planned.task.file)),
        changes=what_changes(ladder, ladder_at),
        comparison=data.comparison,
        machine_usd_per_hour=planned.section.machine_usd_per_hour,
    )


def stretch_of(planned: Planned) -> Stretch:
    """For how long and how much, as the task file has it."""
    return Stretch(
        months=planned.section.months,
        requests_per_month=planned.task.file.volume.requests_per_month,
        facts_change_days=planned.section.facts_change_days,
    )


def ladder_of(planned: Planned, data: ReportData, place: Workspace, stretch: Stretch) -> Ladder:
    """Every candidate of a finished comparison in one order, for how long and how much it is asked."""
    comparison, file = data.comparison, planned.task.file
    results, decision = comparison.candidates, comparison.decision
    trainings = taught(place.ledger, comparison.comparison_id)
    shows = showing(place.ledger, comparison.comparison_id)
    specs = {spec.name: spec for spec in planned.specs}
    withheld = decision.why if decision.verdict == "insufficient" else None
    return make_ladder(
        [trial_of(result, way_of(result.strategy, trainings.get(result.name))) for result in results],
        comparison.pairs,
        baseline=planned.baseline,
        makings={
            one.name: making_of(
                one, specs.get(one.name), planned.look, trainings.get(one.name), shows=one.name in shows
            )
            for one in results
        },
        stretch=stretch,
        qualifying=_qualifying(planned, data, place, stretch),
        blocked=blocked_gains(results),
        tolerance=None if file.goal == "best" else parse_goal(file.goal)[1],
        withheld=None if withheld is None else Reason(template=withheld.template, values=withheld.values),
        confidence=file.race.confidence,
    )


def _qualifying(planned: Planned, data: ReportData, place: Workspace, stretch: Stretch) -> tuple[str, ...]:
    """Who meets the constraints at this volume and these prices; limits of money are looked at again."""
    limits = planned.task.file.constraints
    now = stretch_of(planned)
    by_month, by_case = limits.max_usd_per_month, limits.max_usd_per_case
    priced_apart = stretch.price_factor != now.price_factor and (by_month is not None or by_case is not None)
    asked_apart = stretch.requests_per_month != now.requests_per_month and by_month is not None
    if not priced_apart and not asked_apart:
        return data.comparison.decision.qualifying
    # A price times a factor keeps to a limit where the price keeps to the limit divided by it.
    demands = Demands(
        requests_per_month=stretch.requests_per_month,
        max_usd_per_month=None if by_month is None else by_month / stretch.price_factor,
        max_usd_per_case=None if by_case is None else by_case / stretch.price_factor,
    )
    return place.decide(data.comparison.comparison_id, demands).comparison.decision.qualifying


def trial_of(result: CandidateResult, way: str) -> TrialSummary:
    """A candidate's numbers as a decision reads them; `way` counts what its weights had learned before."""
    return TrialSummary(
        name=result.name,
        model=result.model,
        strategy=way,
        state=result.state,
        estimate=result.estimate,
        outcomes=result.outcomes,
        usage=result.usage,
        cost=result.cost,
        latency=result.latency_s,
    )
