"""From the entries of a task file to candidates that answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from touchstone.catalog.base import Facts
from touchstone.config import progress_file
from touchstone.data.base import Case
from touchstone.data.media import media_folders
from touchstone.errors import DataError, ModelError, TaskError, TouchstoneError, UnknownName, UserError
from touchstone.evaluation.base import Candidate, Finding
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.lane import Lane, LaneSettings
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.language import current_language
from touchstone.models.base import ChatModel, Checkable, account_of
from touchstone.models.resolve import make_model, model_parameters
from touchstone.plugins import names
from touchstone.reporting.progress_file import ProgressFile
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.joined import strategy_named
from touchstone.strategies.recorded import open_recordings
from touchstone.training.leaks import Leak, TestTexts
from touchstone.training.steps import TrainingProgress
from touchstone.workspace.catalog_facts import asks_facts, informed
from touchstone.workspace.leaks import dropped_findings, leak_findings, leaks_by_place, named_in_test
from touchstone.workspace.plan_kept import kept_cases, kept_leaks
from touchstone.workspace.racing import FREE
from touchstone.workspace.rehearsal import Benches, rehearse
from touchstone.workspace.sweep import expand
from touchstone.workspace.taskfile import Task

_SPEC_KEYS = ("name", "model", "strategy", "licence", "self_hostable")


def read_specs(task: Task, ledger: Ledger) -> tuple[CandidateSpec, ...]:
    """
    What the `candidates` of a task file mean; a recording that names no model stands for every model in its file.

    Raises:
        TaskError: an entry cannot be understood, or two would have the same name.
        DataError: a file of recorded outputs cannot be used.
    """
    specs: list[CandidateSpec] = []
    for position, entry in enumerate(task.file.candidates):
        line = task.line("candidates", position)
        given = {"model": entry} if isinstance(entry, str) else entry
        if "recorded" in given:
            specs.extend(_read_recording(dict(given), task, line, ledger))
            continue
        for one, swept, ending in expand(given, task, position):
            specs.append(_read_entry(one, task, line, swept, ending))
    seen: dict[str, CandidateSpec] = {}
    for spec in specs:
        if spec.name in seen:
            raise TaskError(
                "two candidates are called {name!r}; give one of them a `name` of its own",
                path=task.path,
                line=spec.line,
                name=spec.name,
            )
        seen[spec.name] = spec
    return tuple(specs)


def _read_entry(
    entry: Mapping[str, Any], task: Task, line: int | None, swept: Mapping[str, Any], ending: str
) -> CandidateSpec:
    model = entry.get("model")
    if not isinstance(model, str) or not model.strip():
        raise TaskError(
            "a candidate needs a `model` such as ollama/qwen3 or baseline/logistic, or a `recorded` file",
            path=task.path,
            line=line,
        )
    strategy = _strategy(entry.get("strategy"), model, task, line)
    default = str(entry.get("served_name") or model) if model == "openai-compatible" else model
    if strategy not in ("baseline", "prompt"):
        # The same model asked as it is would have the same name.
        default = f"{default} {strategy}"
    parameters = {key: value for key, value in entry.items() if key not in _SPEC_KEYS}
    facts = _facts(entry, task, line)
    if strategy == "baseline":
        facts = Facts(licence=facts.licence or "open", self_hostable=True)
    spec = CandidateSpec(
        name=_name(f"{entry.get('name') or default}{ending}", task, line),
        model=model,
        strategy=strategy,
        parameters=parameters,
        facts=facts,
        line=line,
        swept=swept,
    )
    return informed(spec) if asks_facts(task.file.constraints) else spec


def _strategy(given: Any, model: str, task: Task, line: int | None) -> str:
    """The canonical name of the strategy that an entry means. Raises `TaskError`."""
    wanted = given or ("baseline" if model.startswith("baseline/") else "prompt")
    parts = [part.strip() for part in wanted.split("+")] if isinstance(wanted, str) else [wanted]
    unknown = next((part for part in parts if part not in names("strategy")), None)
    if unknown is not None:
        raise TaskError(
            "there is no strategy {strategy!r}; there are {known}",
            path=task.path,
            line=line,
            strategy=unknown,
            known=", ".join(names("strategy")),
        )
    if parts == ["recorded"]:
        raise TaskError("recorded outputs are given as `recorded: FILE`", path=task.path, line=line)
    try:
        return strategy_named(wanted).name
    except UserError as error:
        raise TaskError.of(error, path=task.path, line=line) from error


def _read_recording(entry: dict[str, Any], task: Task, line: int | None, ledger: Ledger) -> list[CandidateSpec]:
    known = {"recorded", "model", "name", "columns", "encoding", "licence", "self_hostable"}
    unknown = sorted(set(entry) - known)
    if unknown:
        raise TaskError(
            "recorded outputs have no key {key!r}; there are {known}",
            path=task.path,
            line=line,
            key=unknown[0],
            known=", ".join(sorted(known)),
        )
    file, columns, encoding = entry["recorded"], entry.get("columns") or {}, entry.get("encoding")
    if not isinstance(file, str) or not (encoding is None or isinstance(encoding, str)) or not _names_names(columns):
        raise TaskError(
            "`recorded` is a file name, `columns` a mapping of names and `encoding` a name", path=task.path, line=line
        )
    path = task.folder / file
    if not path.exists():
        raise TaskError(
            "the recorded outputs {file} do not exist; mend the path", path=task.path, line=line, file=str(path)
        )
    try:
        models = open_recordings(ledger, path, columns, encoding=encoding).models() or {}
    except UnknownName as error:
        raise TaskError.of(error, path=task.path, line=line) from error
    wanted = entry.get("model")
    if wanted is None:
        chosen = list(models)
    else:
        chosen = [str(model) for model in wanted] if isinstance(wanted, list) else [str(wanted)]
    if list(models) == [""]:
        # One model's outputs, without a column that names it.
        chosen = [str(wanted or Path(file).stem)]
    missing = [model for model in chosen if model not in models and list(models) != [""]]
    if missing:
        raise TaskError(
            "{file} has no outputs of {model!r}; it has {known}",
            path=task.path,
            line=line,
            file=file,
            model=missing[0],
            known=", ".join(sorted(models)) or "none",
        )
    if not chosen:
        raise DataError("the file holds no recorded output", path=path)
    facts = _facts(entry, task, line)
    return [
        CandidateSpec(
            name=_name(entry.get("name") if entry.get("name") and len(chosen) == 1 else model, task, line),
            model=model,
            strategy="recorded",
            parameters={
                "file": file,
                "of": model,
                "columns": dict(columns),
                **({"encoding": encoding} if encoding else {}),
            },
            facts=facts,
            line=line,
        )
        for model in chosen
    ]


def _names_names(columns: object) -> bool:
    return isinstance(columns, Mapping) and all(isinstance(name, str) for pair in columns.items() for name in pair)


def _facts(entry: Mapping[str, Any], task: Task, line: int | None) -> Facts:
    licence, hostable = entry.get("licence"), entry.get("self_hostable")
    if licence not in (None, "open", "open_weights", "proprietary"):
        raise TaskError(
            "licence is {value!r}; use open, open_weights or proprietary", path=task.path, line=line, value=licence
        )
    if hostable not in (None, True, False):
        raise TaskError("self_hostable is {value!r}; use true or false", path=task.path, line=line, value=hostable)
    return Facts(licence=licence, self_hostable=hostable)


def _name(value: Any, task: Task, line: int | None) -> str:
    name = str(value).strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise TaskError(
            "the name {name!r} cannot be used; 1 to 200 printable characters", path=task.path, line=line, name=name
        )
    return name


def checked_model(reference: str, parameters: Mapping[str, Any], folder: Path, asking: bool) -> ChatModel:
    """
    The model that a reference means, with what its first send would refuse refused now.

    Args:
        reference: As in a task file, `ollama/qwen3`.
        parameters: What stands beside it.
        folder: Where relative paths among the parameters start.
        asking: Whether it will be asked; otherwise a missing key does not matter.

    Raises:
        UserError: the reference or a parameter cannot be used, or something such as a key must be set first.
    """
    model = make_model(reference, parameters=parameters, folder=folder)
    if asking and isinstance(model, Checkable):
        model.check()
    return model


class Lanes:
    """One lane per provider account, shared by everybody who uses it."""

    def __init__(self, concurrency: int, resends: int) -> None:
        self._concurrency = concurrency
        self._settings = LaneSettings(resends=resends)
        self._lanes: dict[str, Lane] = {}

    def of(self, model: ChatModel) -> Lane:
        """The lane of a model's account."""
        account = account_of(model)
        if account not in self._lanes:
            self._lanes[account] = Lane(
                account.partition("|")[0], concurrency=self._concurrency, settings=self._settings
            )
        return self._lanes[account]


def make_workshop(
    task: Task,
    dataset: str,
    columns: frozenset[str],
    purse: Purse,
    lanes: Lanes,
    *,
    offline: bool = False,
    asking: bool = True,
    planning: bool = False,
    workspace: Path | None = None,
    notice: Callable[[str], None] = lambda _line: None,
) -> Workshop:
    """
    What strategies may use: train and dev cases, never test; models whose calls are paid from `purse`.

    Args:
        offline: Whether stored replies alone answer.
        asking: Whether somebody will be asked, so that keys must be there.
        planning: Whether only a plan is made.
        workspace: The workspace's folder; None where nothing is kept.
        notice: Told what is being built, line by line.
    """
    ledger, drop = purse.ledger, task.file.leaks == "drop"

    def learning_cases(split: str) -> Any:
        if split not in ("train", "dev"):
            raise ValueError(f"a strategy may not see the split {split!r}")
        cases = kept_cases(ledger, dataset, split) if planning else ledger.datasets.cases(dataset, split)
        if not drop:
            return (case for _, case in cases)
        gone = dropped(split)
        return (case for place, case in cases if place not in gone)

    def make_journal(
        reference: str,
        parameters: Mapping[str, Any],
        paying: Purse,
        *,
        purpose: str = "answer",
        offline: bool = offline,
    ) -> Journal:
        own: dict[str, Any] = {}
        if "concurrency" in model_parameters(reference):
            own["concurrency"] = task.file.limits.concurrency
        model = checked_model(reference, {**own, **parameters}, task.folder, asking)
        return Journal(model, paying, lane=lanes.of(model), purpose=purpose, offline=offline)

    def make_caller(reference: str, parameters: Mapping[str, Any]) -> Journal:
        return make_journal(reference, parameters, purse)

    def tests() -> Iterator[Case]:
        return (case for _, case in ledger.datasets.cases(dataset, "test"))

    @cache
    def tested() -> frozenset[int]:
        return frozenset(map(question_key, tests()))

    @cache
    def test_texts() -> TestTexts:
        return TestTexts(tests())

    @cache
    def dropped(split: str) -> Mapping[int, Leak]:
        return leaks_by_place(ledger.datasets.cases(dataset, split), test_texts())

    @cache
    def leaks(split: str) -> tuple[Finding, ...]:
        def find() -> tuple[Finding, ...]:
            if drop:
                return dropped_findings(dropped(split).values(), split)
            return leak_findings(learning_cases(split), test_texts(), split)

        return kept_leaks(ledger, dataset, (split, drop, current_language()), find) if planning else find()

    return Workshop(
        instruction=task.file.instruction,
        answer=task.answer,
        columns=columns,
        folder=task.folder,
        media_folders=media_folders(task.source),
        learning_cases=learning_cases,
        make_caller=make_caller,
        ledger=ledger,
        seed=task.file.race.seed,
        planning=planning,
        workspace=workspace,
        notice=notice,
        watch=_watching(),
        asked_in_test=lambda keys: keys & tested(),
        named_in_test=lambda keys, questions: named_in_test(test_texts(), keys, questions),
        leaks=leaks,
        # A plan asks nobody: what is stored shows how a search came out, and what is not leaves it open.
        open_bench=Benches(task, dataset, purse, make_journal, offline=offline or planning),
    )


def _watching() -> Callable[[TrainingProgress], None]:
    """Writes where a training stands for a page that watches this command, if there is one."""
    kept = ProgressFile(progress_file(), "training")

    def tell(progress: TrainingProgress) -> None:
        kept.update(progress)
        if progress.last.step == progress.last.of:
            kept.close()

    return tell


async def make_candidates(
    task: Task, specs: Sequence[CandidateSpec], workshop: Workshop
) -> tuple[tuple[Candidate, Mapping[str, Any]], ...]:
    """
    (candidate, its settings for the report) for every spec; those already made are closed when one fails.

    Nothing is paid before it is known that each of them can be made; see `rehearse`. Candidates that ask the same of
    the same endpoint draw apart: each gets, and pays, answers of its own, so that a model compared with itself shows
    its noise. The first of them shares its answers with other comparisons.

    Raises:
        TaskError: a spec cannot work; the line of its entry is named.
    """

    async def prepare(spec: CandidateSpec, place: Workshop) -> Candidate:
        try:
            return await strategy_named(spec.strategy).prepare(spec, place)
        except (TaskError, DataError, ModelError):
            raise
        except UserError as error:
            raise TaskError.of(error, path=task.path, line=spec.line) from error

    made: dict[int, tuple[Candidate, Mapping[str, Any]]] = {}
    try:
        await rehearse(specs, workshop, prepare)
        for place in sorted(range(len(specs)), key=lambda place: specs[place].strategy not in FREE):
            candidate = await prepare(specs[place], workshop)
            made[place] = candidate, strategy_named(specs[place].strategy).settings(specs[place], candidate)
    except TouchstoneError:
        for candidate, _ in made.values():
            await candidate.close()
        raise
    in_order = tuple(made[place] for place in range(len(specs)))
    seen: Counter[tuple[object, ...]] = Counter()
    for candidate, _ in in_order:
        if isinstance(candidate, PromptCandidate):
            candidate.twin = seen[candidate.asks]
            seen[candidate.asks] += 1
    return in_order
