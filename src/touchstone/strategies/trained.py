"""Weights in a folder, begun with or left behind: where they are, and how a candidate asks them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from touchstone.errors import DataError, SettingsError, UserError
from touchstone.evaluation.base import BuildCost, Finding
from touchstone.language import N_, _
from touchstone.models.local.model import folder_digest
from touchstone.models.local.weights_kind import Family, family_of, labels_of, read_config
from touchstone.models.starter.folder import CONFIG, SHIPPED, TOKENIZER, WEIGHTS
from touchstone.models.starter.model import SIZES
from touchstone.models.starter.network import read_sizes
from touchstone.models.starter.tokens import Tokens
from touchstone.strategies.base import Workshop
from touchstone.strategies.draft import Draft
from touchstone.strategies.known_weights import findings_of_weights, given_folder, keep_what_is_learned, keys_of
from touchstone.strategies.rag_finder import STAND_IN
from touchstone.strategies.trained_rows import LearningRows
from touchstone.training.base import Trained, TrainingJob, training_digest
from touchstone.training.forecast import shape_of_config
from touchstone.training.run import run_training, stored_training
from touchstone.training.steps import Step, TrainingLog, thinned

TRAINED = "trained"
"""Folder in the workspace's: a training each, under its digest."""

BASES = "bases"
"""Folder in that: what ships, gathered as libraries want it."""

_QUICK_PARAMETERS = 20_000_000
"""Up to this size a decoder of ours runs on NumPy alone as quickly as it needs to."""
_SAY_EVERY_S = 5.0
_TOLD_STEPS = 40
"""Reports of a training that stand among a candidate's settings."""

_OTHER_ROWS = N_(
    "{name}: the weights in {folder} were trained on other rows, words or settings than this entry has; train again to "
    "learn what is there now"
)
_BARE_ROWS = N_(
    "{name}: the weights in {folder} were trained on questions without the examples or passages that this entry shows; "
    "leave out weights to train on what is asked"
)
_LEFT_OUT = N_(
    "{count} train cases ask what test cases ask; they were left out of the training; write `leaks: drop` in the task "
    "file, or take them out of train or test"
)


@dataclass(frozen=True)
class Base:
    """Weights to begin with."""

    reference: str
    """As the task file calls the model."""
    folder: Path
    digest: str
    """Of its files."""
    family: Family


def find_base(draft: Draft, workshop: Workshop) -> Base:
    """
    The weights of the model that a draft asks.

    Raises:
        SettingsError: they are not on this machine, or their config does not say their sizes.
    """
    kind, _slash, size = draft.model.partition("/")
    given = given_folder(draft.model_parameters, workshop)
    if given is not None:
        folder = given
    elif kind == "starter" and size in SIZES:
        folder = SHIPPED / size
    else:
        raise SettingsError(
            "{name}: the weights of {model} are not on this machine; name a base such as starter/m, or local/NAME with "
            "folder: PATH, or let its provider train it with backend: service",
            name=draft.name,
            model=draft.model,
        )
    try:
        if not (folder / TOKENIZER).exists() and (folder.parent / TOKENIZER).exists():
            folder = _gathered(folder, workshop)
        config = read_config(folder)
        shape_of_config(config)
        return Base(draft.model, folder, folder_digest(folder), family_of(config))
    except (DataError, OSError, ValueError) as error:
        raise SettingsError("{name}: {reason}", name=draft.name, reason=error) from error


def _gathered(folder: Path, workshop: Workshop) -> Path:
    """A starter model with its tokenizer in one folder, as libraries want it; the sizes share one file."""
    files = (folder / CONFIG, folder / WEIGHTS, folder.parent / TOKENIZER)
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
    place = home(workshop) / BASES / digest[:16]
    if not place.exists():
        made = place.with_name(f"{place.name}.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, made / file.name)
        with suppress(OSError):  # another run was quicker
            made.rename(place)
    return place


def home(workshop: Workshop) -> Path:
    """
    Where trainings are kept.

    Raises:
        UserError: nothing is kept in this run.
    """
    if workshop.workspace is None:
        raise UserError("training needs a workspace to keep what it learns; name one with --workspace")
    return workshop.workspace / TRAINED


@dataclass(frozen=True)
class Lesson:
    """Everything that decides what a training gives, and what it may take."""

    base: Base | None
    """None for a new network."""
    rows: LearningRows
    job: TrainingJob
    hours: float | None
    """After so long it is stopped, and a later run goes on."""
    memory_gb: float | None

    @property
    def digest(self) -> str:
        """As `training_digest` has it."""
        return training_digest(self.job, self.rows.examples, self.rows.held_back)


async def learn(lesson: Lesson, name: str, workshop: Workshop) -> Trained:
    """
    What a lesson gives, learned now or earlier; lines tell how it goes.

    Args:
        name: The candidate's, for the lines.

    Raises:
        UserError: a library is missing, or the base cannot be trusted.
        TrainingFailed: the process that trains failed; what it had learned is kept.
    """
    place = home(workshop) / lesson.digest
    said, log = 0.0, TrainingLog(name)

    def tell(step: Step) -> None:
        nonlocal said
        workshop.watch(log.add(step))
        if monotonic() - said >= _SAY_EVERY_S or step.step == step.of:
            said = monotonic()
            workshop.notice(progress_line(name, step))

    rows = lesson.rows
    trained = await run_training(
        lesson.job,
        rows.examples,
        rows.held_back,
        place,
        report=tell,
        memory_bytes=None if lesson.memory_gb is None else round(lesson.memory_gb * 2**30),
        deadline_s=None if lesson.hours is None else 3600 * lesson.hours,
    )
    if keys_of(place) is None:
        keep_what_is_learned(place, rows.keys, rows.questions, None if lesson.base is None else lesson.base.folder)
    return trained


def progress_line(name: str, step: Step) -> str:
    """Where a training stands, in the reader's language."""
    memory = "" if step.memory_mb is None else _(", {memory:,.0f} MB").format(memory=step.memory_mb)
    return _("{name}: step {step:,} of {of:,}, loss {loss:.3f}, {speed:,.0f} tokens/s{memory}, {left} left").format(
        name=name,
        step=step.step,
        of=step.of,
        loss=step.loss,
        speed=step.tokens_per_s,
        memory=memory,
        left=clock(step.seconds_left),
    )


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: `1:02:03`."""
    whole = round(seconds)
    minutes, hours = divmod(whole, 60)[0] % 60, whole // 3600
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def ready(folder: Path, name: str) -> Trained | Path:
    """
    Weights that lie ready: a training of ours, or the folder of a model of anybody's.

    Raises:
        SettingsError: there are none.
    """
    trained = stored_training(folder)
    if trained is not None:
        return trained
    if not (folder / CONFIG).is_file():
        raise SettingsError(
            "{name}: there are no weights in {folder}; name the folder of a training or of a model",
            name=name,
            folder=str(folder),
        )
    return folder


async def findings_of_ready(
    folder: Path,
    found: Trained | Path,
    draft: Draft,
    make_lesson: Callable[[Draft], Awaitable[Lesson]],
    workshop: Workshop,
) -> tuple[Finding, ...]:
    """
    What bears on weights that lie ready: rows that are tested, rows nobody knows, rows that are others now.

    Args:
        folder: As the entry names it.
        found: What lies there.
        draft: What will be asked.
        make_lesson: From a draft to what the entry would learn.
    """
    findings = findings_of_weights(draft.name, folder, workshop)
    if not isinstance(found, Trained) or any(one.kind == "unknown_rows" for one in findings):
        return findings
    if draft.finder is not None and draft.finder.identity == STAND_IN:
        return findings  # a plan whose documents are not indexed yet cannot know which passages stand in the rows
    bare = replace(draft, system=draft.begun_with, shots=None, finder=None)
    try:
        if found.digest == (await make_lesson(draft)).digest:
            return findings
        as_bare = found.digest == (await make_lesson(bare)).digest
    except UserError:
        # There is nothing here to learn from, so nobody can say that the weights learned something else.
        return findings
    kind, template = ("bare_rows", _BARE_ROWS) if as_bare else ("stale", _OTHER_ROWS)
    return (*findings, Finding(kind=kind, template=template, values={"name": draft.name, "folder": folder.name}))


def findings_of_rows(rows: LearningRows, workshop: Workshop) -> Sequence[Finding]:
    """What the train cases give away of test, and what was left out for it."""
    told = tuple(workshop.leaks("train"))
    if rows.in_test and not any(one.kind == "leak" for one in told):
        told += (Finding(kind="leak", template=_LEFT_OUT, values={"count": rows.in_test}, blocks=True),)
    return told


def asking(
    draft: Draft,
    ingredient: str,
    weights: Path,
    served_name: str,
    recipe: Mapping[str, Any],
    *,
    about: Mapping[str, Any],
    build: BuildCost,
    findings: Sequence[Finding],
    **changes: Any,
) -> Draft:
    """
    The draft that asks weights in a folder: on NumPy where they are a small decoder of ours, with torch else.

    Args:
        draft: As it was.
        ingredient: Who made the weights.
        weights: Their folder.
        served_name: What the model is called in stored replies.
        recipe: What decides the weights; no path is in it.
        about: Settings for the report.
        build: What making them took.
        findings: What was found on the way.
        changes: Other fields of the draft.
    """
    kind = model_kind(weights)
    # A service's price is of its own machines; what these weights cost is the time on ours.
    ran_here = draft.model.partition("/")[0] in ("starter", "local")
    kept = {name: value for name, value in draft.model_parameters.items() if name == "price" and ran_here}
    return draft.with_part(
        ingredient,
        {**recipe, "weights": folder_digest(weights)[:16]},
        about=about,
        build=build,
        findings=findings,
        model=f"{kind}/{served_name}",
        model_parameters={**kept, "folder": str(weights)},
        **changes,
    )


def model_kind(weights: Path) -> str:
    """The model plug-in that runs a folder: `starter` on NumPy where it is a small decoder of ours, `local` else."""
    try:
        Tokens.read(weights / TOKENIZER)
        return "starter" if read_sizes(weights / CONFIG).parameters <= _QUICK_PARAMETERS else "local"
    except (DataError, OSError):
        return "local"


def told(trained: Trained, rows: LearningRows | None) -> dict[str, Any]:
    """What a report says of a training; the same whenever the same one is used."""
    found: dict[str, Any] = {
        "training_digest": trained.digest[:16],
        "rows": trained.rows,
        "row_tokens": trained.tokens,
        "cut_rows": trained.cut_rows,
        "parameters": trained.parameters,
        "trained_parameters": trained.trained_parameters,
        "steps": trained.steps[-1].step if trained.steps else 0,
        "loss": [[step.step, round(step.loss, 4)] for step in thinned(trained.steps, _TOLD_STEPS)],
        "held_back_loss_before": _rounded(trained.held_back_loss_before),
        "held_back_loss": _rounded(trained.held_back_loss),
        "trained_on": trained.device,
        "labels": len(labels_of(read_config(trained.folder))),
    }
    if rows is not None:
        found |= {"left_out_for_test": rows.in_test, "without_target": rows.without_target, "unusable": rows.unusable}
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def took(trained: Trained) -> BuildCost:
    """What a training took of this machine."""
    return BuildCost(usd=0.0, took_s=round(trained.seconds, 3))
