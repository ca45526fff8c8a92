"""`touchstone train`: fine-tune or train from nothing as a job of its own, and put what came out into the catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from touchstone.catalog.model import Model
from touchstone.errors import SettingsError, TaskError, UserError
from touchstone.evaluation.base import Finding
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose
from touchstone.strategies.fine_tune import FineTune, FineTuneSettings
from touchstone.strategies.fine_tune import make_job as fine_tune_job
from touchstone.strategies.pretrain import Pretrain, PretrainSettings
from touchstone.strategies.pretrain import make_job as pretrain_job
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.trained import Base, find_base, findings_of_rows, learn, model_kind
from touchstone.strategies.trained_rows import LearningRows, read_rows
from touchstone.training.base import Trained, TrainingJob
from touchstone.training.card import CARD, base_card, card_of, page, put_into_catalog
from touchstone.training.forecast import (
    H100,
    Device,
    Forecast,
    RealSize,
    forecast,
    real_sizes,
    shape_of,
    shape_of_config,
    with_adapters,
)
from touchstone.training.timing import timed_device
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.prepare import check_task
from touchstone.workspace.taskfile import Task


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


@dataclass(frozen=True)
class ReadyToTrain:
    """Everything is checked, and nothing has begun."""

    options: TrainOptions
    draft: Draft
    workshop: Workshop
    rows: LearningRows
    job: TrainingJob
    base: Base | None
    """None from nothing."""
    hours: float | None
    memory_gb: float | None
    findings: tuple[Finding, ...]


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
    strategy = FineTune() if options.strategy == "fine_tune" else Pretrain()
    keep = _Keep(strategy.name, strategy.parameters)
    spec = CandidateSpec(
        name=options.name,
        model=options.model,
        strategy=strategy.name,
        parameters={**options.model_parameters, **options.parameters},
    )
    try:
        await (await compose((keep,), spec, workshop)).close()
    except UserError as error:
        raise TaskError.of(error, path=task.path) from error
    assert keep.draft is not None
    draft, given = keep.draft, keep.given
    base: Base | None = None
    if options.strategy == "fine_tune":
        tuned = read_settings(FineTuneSettings, given, options.name)
        if tuned.backend == "service" or tuned.weights is not None:
            raise SettingsError("`touchstone train` trains here; for a provider's training use `touchstone improve`")
        base = find_base(draft, workshop)
        rows = read_rows(draft, workshop, tuned.train_cases)
        job, hours, memory_gb = fine_tune_job(tuned, base, rows, workshop.seed), tuned.max_hours, tuned.memory_gb
    else:
        new = read_settings(PretrainSettings, given, options.name)
        rows = read_rows(draft, workshop, new.train_cases)
        labelled = workshop.answer.kind in ("label", "choice")
        family = new.family or ("encoder-only" if labelled else "decoder-only")
        job, hours, memory_gb = pretrain_job(new, family, rows, workshop.seed), new.max_hours, new.memory_gb
    return ReadyToTrain(
        options=options,
        draft=draft,
        workshop=workshop,
        rows=rows,
        job=job,
        base=base,
        hours=hours,
        memory_gb=memory_gb,
        findings=tuple(findings_of_rows(rows, workshop)),
    )


class _Keep:
    """An ingredient that adds nothing and remembers the draft."""

    stage = 10

    def __init__(self, name: str, parameters: frozenset[str]) -> None:
        self.name = name
        self.parameters = parameters
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
        measure: Whether a few steps are timed first; else the time is unknown.
        usd_per_hour: What an hour of this machine costs; None where nobody says.
        h100_usd_per_hour: What an hour of the device costs that real sizes are told for.
    """
    job, rows = ready.job, ready.rows
    if ready.base is None:
        assert job.sizes is not None
        shape = shape_of(job.family, job.sizes, job.vocabulary, len(job.labels))
    else:
        shape = shape_of_config(read_config(ready.base.folder))
        shape = with_adapters(shape, job.lora.rank) if job.way == "lora" else shape
    device = Device(name="this machine", usd_per_hour=usd_per_hour, memory_bytes=_memory_bytes())
    if measure:
        assert ready.workshop.workspace is not None
        timed = await timed_device(job, rows.examples, ready.workshop.workspace / "trained", usd_per_hour=usd_per_hour)
        device = device.model_copy(update={"name": timed.name, "tokens_per_s": timed.tokens_per_s})
    found = forecast(
        shape,
        tokens=rows.estimated_tokens,
        epochs=job.loop.epochs,
        batch_tokens=job.loop.batch_tokens,
        row_tokens=job.longest,
        device=device,
    )
    real = real_sizes(H100.model_copy(update={"usd_per_hour": h100_usd_per_hour})) if ready.base is None else ()
    return found, real


def _memory_bytes() -> float | None:
    import os

    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


async def train(ready: ReadyToTrain, *, catalog: Path, today: date) -> TrainedModel:
    """
    Train, and write the cards.

    Args:
        ready: What to train.
        catalog: The workspace's `catalog` folder.
        today: For the card.

    Raises:
        ExtraMissing: the extra `train` is not installed.
        TrainingFailed: the process that trains failed; what it had learned is kept.
    """
    trained = await learn(
        ready.job, ready.rows, ready.draft, ready.workshop, hours=ready.hours, memory_gb=ready.memory_gb
    )
    own_id, day = f"own/{ready.options.name}", today.isoformat()
    digest = hashlib.sha256(
        b"".join(example.model_dump_json().encode() + b"\n" for example in ready.rows.examples)
    ).hexdigest()
    model = card_of(
        own_id, ready.options.name, trained, ready.job, data_digest=digest, ended=day, base=_base_model(ready, day)
    )
    path = put_into_catalog(catalog, model)
    beside = trained.folder.parent / CARD
    beside.write_text(page(model, trained, ready.job), encoding="utf-8")
    entry = {
        "model": f"{model_kind(trained.folder)}/{ready.options.name}",
        "folder": str(trained.folder),
        "name": ready.options.name,
    }
    return TrainedModel(id=own_id, trained=trained, card=path, page=beside, entry=entry)


def _base_model(ready: ReadyToTrain, day: str) -> Model | None:
    if ready.base is None:
        return None
    from touchstone.catalog.shipped import shipped_model

    reference = ready.base.reference
    known = shipped_model(reference)
    if known is not None:
        return known
    kind, _slash, rest = reference.partition("/")
    base_id = f"touchstone/{kind}-{rest}" if kind == "starter" and rest else f"own/{rest or ready.base.digest[:12]}"
    if base_id == f"own/{ready.options.name}":
        base_id = f"own/{ready.base.digest[:12]}"
    parameters = shape_of_config(read_config(ready.base.folder)).parameters
    return base_card(base_id, reference, ready.base.folder, parameters=parameters, job=ready.job, as_of=day)
