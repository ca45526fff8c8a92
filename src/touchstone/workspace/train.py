"""`touchstone train`: fine-tune or train from nothing as a job of its own, and put what came out into the catalog."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from touchstone.data.base import Case
from touchstone.errors import SettingsError, TaskError, UserError
from touchstone.evaluation.base import Finding
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.noun import Noun
from touchstone.strategies import fine_tune, pretrain
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose
from touchstone.strategies.general import General, measure_general, read_general
from touchstone.strategies.planned import forecast_of, shape_to_train
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.row_lengths import RowLengths, findings_of_lengths, lengths_of
from touchstone.strategies.task_path import task_path
from touchstone.strategies.trained import Lesson, findings_of_rows, home, learn, model_kind
from touchstone.strategies.trained_card import own_name, write_cards
from touchstone.training.base import Trained
from touchstone.training.forecast import H100, Forecast, RealSize, real_sizes
from touchstone.training.speed import machine_here, memory_bytes
from touchstone.training.timing import timed_device
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.prepare import check_task
from touchstone.workspace.taskfile import Task

_ONLY_HERE = frozenset({"max_hours", "memory_gb", "general"})
"""Parameters that say how a training is run; an entry that uses what came out has no need of them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")


class TrainOptions(Noun):
    """What is to be trained, and how."""

    strategy: Literal["fine_tune", "pretrain"]
    model: str
    """What it begins with; of a training from nothing, of no consequence."""
    model_parameters: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}
    """Of the strategy, as in a task file."""
    name: str
    """What the result is called; its id is `own/NAME`."""


def train_options(way: str | None, base: str | None, name: str, given: Mapping[str, Any]) -> TrainOptions:
    """
    What a command or a form asks for, checked for what does not go together.

    Args:
        way: `lora`, `full`, `pretrain`, or None for what fits.
        base: `starter/m`, or `folder:PATH`; None from nothing.
        name: What the result is called.
        given: Parameters of the strategy.

    Raises:
        SettingsError: two of them do not go together.
    """
    if way not in (None, "lora", "full", "pretrain"):
        raise SettingsError("--way is {value!r}; use lora, full or pretrain", value=way)
    own = own_name(name)
    if not _NAME.fullmatch(own):
        raise SettingsError(
            "the name {name!r} cannot be used; write --name with letters, digits and hyphens", name=name
        )
    strategy: Literal["fine_tune", "pretrain"] = "pretrain" if way == "pretrain" else "fine_tune"
    if strategy == "pretrain":
        if base is not None:
            raise SettingsError("--way pretrain begins with nothing; leave out --base {base}", base=base)
        if "rank" in given:
            raise SettingsError("--rank is of adapters; leave it out with --way pretrain")
        if "general" in given:
            raise SettingsError("a network from nothing has nothing to forget; leave out --general")
        return TrainOptions(strategy=strategy, model="starter/s", parameters=dict(given), name=own)
    if base is None:
        raise SettingsError(
            "fine-tuning needs what it begins with; write --base starter/m, --base folder:PATH, or --way pretrain"
        )
    if "family" in given:
        raise SettingsError("--family is of a network from nothing; write --way pretrain, or leave it out")
    if way != "lora" and "rank" in given:
        raise SettingsError("--rank is of adapters; write --way lora, or leave it out")
    model: str = base
    parameters: dict[str, Any] = {}
    if base.startswith("folder:"):
        folder = Path(base.removeprefix("folder:")).resolve()
        model, parameters = f"local/{folder.name}", {"folder": str(folder)}
    return TrainOptions(
        strategy=strategy,
        model=model,
        model_parameters=parameters,
        parameters={**given, **({"way": way} if way else {})},
        name=own,
    )


@dataclass(frozen=True)
class ReadyToTrain:
    """Everything is checked, and nothing has begun."""

    options: TrainOptions
    draft: Draft
    workshop: Workshop
    lesson: Lesson
    general: tuple[Path, tuple[Case, ...]] | None
    """The set that is asked before and after, and its cases."""
    findings: tuple[Finding, ...]
    lengths: RowLengths | None = None
    """Of the rows, where the base's vocabulary is one of ours."""


class TrainedModel(Noun):
    """What a training left, and where."""

    id: str
    """In the catalog."""
    trained: Trained
    card: Path
    """Of the catalog."""
    page: Path
    """The card with the loss curve, beside the weights."""
    entry: Mapping[str, Any]
    """What to write under `candidates` of a task file."""
    general: General | None = None
    """What it forgot; None where no general set was named."""


async def ready_to_train(
    task: Task, ledger: Ledger, options: TrainOptions, *, workspace: Path, notice: Callable[[str], None]
) -> ReadyToTrain:
    """
    Look at everything that a training needs.

    Raises:
        UserError: something must be changed first.
    """
    summary, answer = check_task(task, ledger, ())
    task = task.model_copy(update={"answer": answer})
    columns = frozenset({"input", "options", "id"}) | frozenset(
        name for _, case in ledger.datasets.cases(summary.digest, "train") for name in case.fields
    )
    workshop = make_workshop(
        task, summary.digest, columns, Purse(ledger), Lanes(1, 0), asking=False, workspace=workspace, notice=notice
    )
    spec = CandidateSpec(
        name=options.name,
        model=options.model,
        strategy=options.strategy,
        parameters={**options.model_parameters, **options.parameters},
    )
    keep = _Keep(options.strategy)
    try:
        await (await compose((keep,), spec, workshop)).close()
    except UserError as error:
        raise TaskError.of(error, path=task.path) from error
    assert keep.draft is not None
    draft, general = keep.draft, None
    if options.strategy == "fine_tune":
        tuned = read_settings(fine_tune.FineTuneSettings, keep.given, options.name)
        if tuned.backend == "service" or tuned.weights is not None:
            raise SettingsError("`touchstone train` trains here; for a provider's training use `touchstone improve`")
        lesson = await fine_tune.make_lesson(draft, tuned, workshop, fine_tune.base_to_train(draft, workshop))
        if tuned.general is not None:
            path = task_path(workshop.folder, tuned.general)
            general = path, read_general(path, options.name)
    else:
        new = read_settings(pretrain.PretrainSettings, keep.given, options.name)
        lesson = await pretrain.make_lesson(pretrain.without_task(draft), new, workshop)
    lengths = lengths_of(lesson)
    cut = findings_of_lengths(options.name, lesson, lengths)
    return ReadyToTrain(
        options=options,
        draft=draft,
        workshop=workshop,
        lesson=lesson,
        general=general,
        findings=(*draft.findings, *findings_of_rows(lesson.rows, workshop), *cut),
        lengths=lengths,
    )


class _Keep:
    """An ingredient that adds nothing and remembers the draft."""

    stage = 10

    def __init__(self, name: Literal["fine_tune", "pretrain"]) -> None:
        self.name: str = name
        strategy = fine_tune.FineTune if name == "fine_tune" else pretrain.Pretrain
        self.parameters = strategy.parameters
        self.from_nothing = name == "pretrain"
        self.draft: Draft | None = None
        self.given: Mapping[str, Any] = {}

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        self.draft, self.given = draft, given
        return draft


async def forecast_training(
    ready: ReadyToTrain,
    *,
    measure: bool,
    usd_per_hour: float | None,
    h100_usd_per_hour: float | None = None,
) -> tuple[Forecast, tuple[RealSize, ...]]:
    """
    What the training will take, and beside a training from nothing what real sizes would.

    Args:
        measure: Whether a few steps are timed first; else the time is an estimate (`training.speed`).
        usd_per_hour: What an hour of this machine costs; None where nobody says.
        h100_usd_per_hour: What an hour of the device costs that real sizes are told for.
    """
    lesson, trainings = ready.lesson, home(ready.workshop)
    if measure:
        timed = await timed_device(lesson.job, lesson.rows.examples, trainings, usd_per_hour=usd_per_hour)
        device = timed.model_copy(update={"memory_bytes": memory_bytes()})
    else:
        device = machine_here(trainings, shape_to_train(lesson), usd_per_hour=usd_per_hour)
    real = real_sizes(H100.model_copy(update={"usd_per_hour": h100_usd_per_hour})) if lesson.base is None else ()
    return forecast_of(lesson, device, ready.lengths), real


async def train(ready: ReadyToTrain, *, workspace: Path) -> TrainedModel:
    """
    Train, ask the general set where one is named, and write the cards.

    Args:
        ready: What to train.
        workspace: Its folder; the card goes into its `catalog`.

    Raises:
        ExtraMissing: the extra `train` is not installed.
        TrainingFailed: the process that trains failed; what it had learned is kept.
    """
    options, lesson = ready.options, ready.lesson
    trained = await learn(lesson, options.name, ready.workshop)
    general = None
    if ready.general is not None:
        before = (ready.draft.model, ready.draft.model_parameters)
        after = (f"{model_kind(trained.folder)}/{options.name}", {"folder": str(trained.folder.resolve())})
        general = await measure_general(*ready.general, before, after, ready.draft.fields, ready.workshop)
    own_id, card, beside = write_cards(options.name, lesson, trained, workspace, general=general)
    entry = {
        "model": options.model,
        "strategy": options.strategy,
        "weights": str(trained.folder.parent.resolve()),
        **options.model_parameters,
        **{name: value for name, value in options.parameters.items() if name not in _ONLY_HERE},
        "name": options.name,
    }
    return TrainedModel(id=own_id, trained=trained, card=card, page=beside, entry=entry, general=general)
