"""Everything short of asking: cases checked and kept, candidates made, reader and scorers ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from touchstone import __version__
from touchstone.data.base import CaseSummary
from touchstone.data.cases import read_cases
from touchstone.data.check import check_cases
from touchstone.data.source_digest import source_digest
from touchstone.errors import DataError, SettingsError, TaskError, UserError
from touchstone.evaluation.base import Candidate, Finding
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.language import _
from touchstone.scoring.base import AnswerReader, AnswerSpec, Scorer
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.candidates import Lanes, checked_model, make_candidates, make_workshop, read_specs
from touchstone.workspace.judging import judge_of, read_human_verdicts
from touchstone.workspace.leaks import learns, telling, without_twins
from touchstone.workspace.plan_kept import kept_columns
from touchstone.workspace.racing import FREE, is_raced, refuse_a_vain_budget
from touchstone.workspace.taskfile import Task

_LOOKED_AT = 10_000
"""Test cases whose columns are known to prompt templates; rows of JSON Lines need not all have the same."""


@dataclass(frozen=True)
class Prepared:
    """A task that was checked and is ready to be asked; nobody has been asked yet."""

    task: Task
    summary: CaseSummary
    answer: AnswerSpec
    specs: Sequence[CandidateSpec]
    candidates: Sequence[Candidate]
    settings: Sequence[Mapping[str, Any]]
    """How each candidate will be called, for the report; in the order of the candidates."""
    reader: AnswerReader
    scorers: Sequence[Scorer]
    purse: Purse
    human: Mapping[tuple[str, str], str]
    """(case id, candidate) to a person's verdict; empty without a judge."""
    judges: Sequence[Journal]
    """Models of the judges among the scorers."""
    dropped: Sequence[Finding] = ()
    """Which cases nobody learns from, one finding a split; empty where nobody learns."""

    def to_learn_from(self, split: str) -> int:
        """Cases of a split that somebody may learn from."""
        kept = sum(int(one.values["count"]) for one in self.dropped if one.values["split"] == split)
        return self.summary.counts.get(split, 0) - kept

    def race(self, options: CompareOptions) -> bool:
        """Whether rivals that are settled are asked no more."""
        strategies = [candidate.recipe.strategy for candidate in self.candidates]
        return is_raced(self.task.file, strategies, full=options.full)

    async def close(self) -> None:
        """Release every candidate and every judge's model."""
        for candidate in self.candidates:
            await candidate.close()
        for judge in self.judges:
            await judge.close()


def is_free(candidate: Candidate) -> bool:
    """Whether asking costs neither money nor another machine's time: it answers in this process, or from a file."""
    return candidate.recipe.strategy in FREE


def check_task(task: Task, ledger: Ledger, scorers: Sequence[Scorer]) -> tuple[CaseSummary, AnswerSpec]:
    """
    Look at every case once, keep them in the store, and complete the label list from the targets.

    Raises:
        DataError: the cases have errors; the first is named, and how many there are.
    """
    needs_target = any(scorer.needs_target for scorer in scorers)
    digest = source_digest(task.source, [task.answer.labels, needs_target, task.answer.kind, __version__])
    known = ledger.datasets.checked(digest)
    summary = known or check_cases(
        task.source, labels=task.answer.labels, needs_target=needs_target, kind=task.answer.kind
    )
    if summary.errors:
        first = summary.errors[0]
        raise DataError(
            first.template,
            path=first.path,
            row=first.rows[0] if first.rows else None,
            **dict(first.values),
        )
    if not ledger.datasets.has(summary.digest):
        ledger.datasets.add(summary, read_cases(task.source))
    if known is None:
        ledger.datasets.keep_check(digest, summary)  # the same cases may have come from other files before
    answer = task.answer
    if answer.kind == "label" and not answer.labels:
        answer = answer.model_copy(update={"labels": tuple(sorted(summary.labels))})
    return summary, answer


async def prepare(
    task: Task,
    ledger: Ledger,
    options: CompareOptions,
    *,
    planning: bool = False,
    workspace: Path | None = None,
    notice: Callable[[str], None] = lambda _line: None,
) -> Prepared:
    """
    Everything short of asking: cases, candidates (what has to be built for them is built), reader, scorers.

    Args:
        planning: Whether only a plan is made: nobody is asked, no key is needed, nothing is built that takes long.
        workspace: Folder in which strategies keep what they build; None where nothing is kept.
        notice: Told, line by line, what is being built.

    Raises:
        UserError: something must be changed first; nobody was asked.
    """
    cap = options.max_usd if options.max_usd is not None else task.file.limits.max_usd
    purse = Purse(ledger, cap_usd=cap)
    lanes = Lanes(task.file.limits.concurrency, task.file.limits.resends)
    scorers, judges = make_scorers(
        task, purse, lanes, offline=options.offline, retry_failed=options.retry_failed, asking=not planning
    )
    summary, answer = check_task(task, ledger, scorers)
    task = task.model_copy(update={"answer": answer})
    try:
        reader = make_reader(answer)
    except UserError as error:
        raise TaskError.of(error, path=task.path, line=task.line("answer")) from error
    specs = read_specs(task, ledger)
    _check_gate_names(task, specs)
    if is_raced(task.file, [spec.strategy for spec in specs], full=options.full):
        refuse_a_vain_budget(task, ledger, summary.digest, len(specs), options.repeats)
    if task.file.constraints.max_usd_per_month is not None and task.file.volume.requests_per_month is None:
        raise TaskError(
            "max_usd_per_month needs a volume; add requests_per_month under `volume`",
            path=task.path,
            line=task.line("constraints", "max_usd_per_month"),
        )
    columns = frozenset({"input", "options", "id"}) | kept_columns(
        ledger, summary.digest, partial(_columns, ledger, summary.digest)
    )
    workshop = make_workshop(
        task,
        summary.digest,
        columns,
        purse,
        lanes,
        offline=options.offline,
        asking=not planning and not options.offline,
        planning=planning,
        workspace=workspace,
        notice=notice,
    )
    dropped: tuple[Finding, ...] = ()
    if task.file.leaks == "drop":
        summary = without_twins(summary)
        if any(map(learns, specs)):
            dropped = (*workshop.leaks("train"), *workshop.leaks("dev"))
        for one in () if planning else dropped:  # a plan has it among its findings
            notice(_(one.template).format(**one.values))
    judge = judge_of(scorers)
    human = read_human_verdicts(judge, task.folder) if judge is not None else {}
    # Last, because candidates hold threads and connections that nobody would release if something failed after it.
    made = await make_candidates(task, specs, workshop)
    return Prepared(
        task=task,
        summary=summary,
        answer=answer,
        specs=specs,
        candidates=[candidate for candidate, _settings in made],
        settings=[
            telling(settings, dropped) if learns(spec) else settings
            for spec, (_candidate, settings) in zip(specs, made, strict=True)
        ],
        reader=reader,
        scorers=scorers,
        purse=purse,
        human=human,
        judges=judges,
        dropped=dropped,
    )


def _columns(ledger: Ledger, dataset: str) -> frozenset[str]:
    looked_at = islice(ledger.datasets.cases(dataset, "test"), _LOOKED_AT)
    return frozenset(name for _place, case in looked_at for name in case.fields)


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
    task: Task,
    purse: Purse,
    lanes: Lanes,
    *,
    offline: bool = False,
    retry_failed: bool = False,
    asking: bool = True,
) -> tuple[tuple[Scorer, ...], tuple[Journal, ...]]:
    """
    The task's scorers, and the journalled models of those that are judges.

    Raises:
        TaskError: one is unknown or its parameters cannot be used; the line is named.
    """
    journals: list[Journal] = []

    def judge_model(reference: str, parameters: Mapping[str, Any]) -> Journal:
        if journals:
            raise SettingsError(
                "the judge {name} is the second one; one judge a task, compare two judges in two tasks", name=reference
            )
        model = checked_model(reference, parameters, task.folder, asking and not offline)
        journals.append(
            Journal(model, purse, lane=lanes.of(model), purpose="judge", offline=offline, retry_failed=retry_failed)
        )
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
