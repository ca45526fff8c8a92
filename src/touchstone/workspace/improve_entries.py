"""From ways that are worth trying to entries of a task file's `candidates`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from touchstone.decision.improve_base import Prospect, Way
from touchstone.errors import TaskError
from touchstone.evaluation.ledger import Ledger
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.improve_section import ImproveSection, Paths, as_paths
from touchstone.workspace.sweep import expand
from touchstone.workspace.taskfile import Task

Entry = Mapping[str, Any]


class Base(NamedTuple):
    """A candidate that asks a model as it is, to be improved."""

    spec: CandidateSpec
    entry: Entry


def bases_of(task: Task, ledger: Ledger, section: ImproveSection) -> tuple[Base, ...]:
    """
    The candidates to improve: those named by `improve.models`, or every model that is asked as it is.

    Of a sweep every value of `model` is one; where it varies something else, its first value stands for the others,
    and only where no other entry asks that model as it is. Any of them can be named.

    Raises:
        TaskError: one is named that is no such candidate, or there is none.
    """
    every: list[Base] = []
    by_default: list[Base] = []
    spare: dict[str, Base] = {}
    for position, entry in enumerate(task.file.candidates):
        given: Entry = {"model": entry} if isinstance(entry, str) else entry
        if "recorded" in given:
            continue
        specs = read_specs(with_candidates(task, (entry,)), ledger)
        entries = [one for one, _swept, _ending in expand(given, task, position)]
        found = [Base(spec, one) for spec, one in zip(specs, entries, strict=True) if spec.strategy == "prompt"]
        every += found
        firsts = {base.spec.model: base for base in reversed(found)}
        if "model" in given.get("sweep", {}) or "sweep" not in given:
            by_default += [base for base in found if base in firsts.values()]
        else:
            spare |= {model: base for model, base in firsts.items() if model not in spare}
    asked = {base.spec.model for base in by_default}
    by_default += [base for model, base in spare.items() if model not in asked]
    names = [base.spec.name for base in every]
    for wanted in section.models:
        if wanted not in names:
            raise TaskError(
                "improve.models names {name!r}, which is no candidate that asks a model as it is; there are {known}",
                path=task.path,
                line=task.line("improve", "models"),
                name=wanted,
                known=", ".join(names) or "none",
            )
    chosen = [base for base in every if base.spec.name in section.models] if section.models else by_default
    if not chosen:
        raise TaskError(
            "there is no model to improve; add one under `candidates`, such as starter/l or openai/gpt-4o-mini",
            path=task.path,
            line=task.line("candidates"),
        )
    return tuple(chosen)


def with_candidates(task: Task, candidates: tuple[Any, ...]) -> Task:
    """The task with other candidates."""
    return task.model_copy(update={"file": task.file.model_copy(update={"candidates": candidates})})


def baseline_entries(task: Task, section: ImproveSection, train: int) -> list[Entry]:
    """Classical baselines: one that answers with the nearest example, and for labels a curve of logistic regression."""
    entries: list[Entry] = [{"model": "baseline/nearest"}]
    if task.answer.kind != "label":
        return entries
    counts = sorted({max(1, round(share * train)) for share in section.curve})
    model: dict[str, Any] = {"model": "baseline/logistic"}
    return [*entries, {**model, "sweep": {"train_cases": counts}} if len(counts) > 1 else model]


def pretrain_entry(section: ImproveSection) -> Entry:
    """A network from nothing: one, whatever models there are, for none of them is in it."""
    return {"model": "starter/s", **section.pretrain, "strategy": "pretrain", "name": "pretrain"}


def entries_for(base: Base, ways: Mapping[Way, Prospect], section: ImproveSection, train: int) -> Iterator[Entry]:
    """
    The entries of one model, for the ways that are tried and begin with it; the model as it is has an entry already.

    Args:
        train: Cases to learn from; no more examples than this are shown.
    """
    shots = [k for k in section.shots if k <= train] or [train]
    for way, prospect in ways.items():
        if not prospect.tried or way in ("prompt", "baseline", "pretrain"):
            continue
        parts = way.split("+")
        given: dict[str, Any] = {}
        if "few_shot" in parts:
            given |= section.few_shot
            if "k" not in given:
                # Joined with passages one number will do: the sweep has shown what more of them bring.
                given |= {"sweep": {"k": shots}} if parts == ["few_shot"] and len(shots) > 1 else {"k": _middle(shots)}
        if "rag" in parts:
            given |= {"documents": _documents(section), **section.rag}
        if "prompt_search" in parts:
            given |= section.prompt_search
        if "fine_tune" in parts:
            given |= section.fine_tune
            weights = section.weights(base.spec.name, way)
            if weights is not None:
                given["weights"] = weights
        yield _entry(base, way, given)


def _documents(section: ImproveSection) -> Any:
    """What passages are looked up in, as a task file writes it."""
    reads = section.reads
    if isinstance(reads, Mapping):
        return dict(reads)
    paths = list(section.paths())
    return paths[0] if len(paths) == 1 else paths or reads


def search_entry(base: Base, section: ImproveSection) -> Entry:
    """The prompt search of one model."""
    return _entry(base, "prompt_search", section.prompt_search)


def _entry(base: Base, way: Way, given: Mapping[str, Any]) -> Entry:
    return {**base.entry, **given, "strategy": way, "name": f"{base.spec.name} {way}"}


def reading_anew(entry: Any, before: tuple[str, ...], after: Paths | None) -> Any:
    """An entry that read just the documents `before`, reading those of `after`; any other stays as it is."""
    given = entry.get("documents") if isinstance(entry, Mapping) else None
    if after is None or not isinstance(given, str | list | tuple):
        return entry
    if (as_paths(given) if isinstance(given, str) else tuple(given)) != before:
        return entry
    return {**entry, "documents": after if isinstance(after, str) else list(after)}


def _middle(shots: list[int]) -> int:
    return shots[len(shots) // 2]
