"""Train a model further on the train cases before it is asked: the `fine_tune` ingredient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from touchstone.errors import SettingsError
from touchstone.evaluation.base import BuildCost, Candidate, Finding
from touchstone.language import _
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.general import General, measure_general, read_general
from touchstone.strategies.planned import planned
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.row_lengths import findings_of_lengths, lengths_of
from touchstone.strategies.task_path import task_path
from touchstone.strategies.trained import (
    Base,
    Lesson,
    asking,
    find_base,
    findings_of_ready,
    findings_of_rows,
    home,
    learn,
    ready,
    told,
    took,
)
from touchstone.strategies.trained_card import write_cards_once
from touchstone.strategies.trained_rows import LearningRows, batch_tokens_for, epochs_for, read_rows
from touchstone.training.base import LoraSettings, Trained, TrainingJob
from touchstone.training.forecast import shape_of_config
from touchstone.training.run import stored_training
from touchstone.training.steps import LoopSettings

_SMALL = 50_000_000
"""
Parameters below which all weights learn, in larger steps. Adapters leave the embeddings as they are, and in a small
network whose output shares them that is most of it: on the starter models they got stuck at 0.6 nats, whatever their
rank and rate, where all weights came below 0.001 (docs/experiments.md).
"""
_RATES = {("lora", True): 5e-3, ("full", True): 1e-4, ("lora", False): 2e-4, ("full", False): 1e-5}
"""
By way and smallness. 2e-4 is what LoRA was found to need from 7 to 65 billion parameters (Dettmers et al. 2023,
arXiv:2305.14314, table 9), 1e-5 what full fine-tuning of such models usually takes. Starter models learned three
intents with 1e-4 and with 3e-4, and with the latter forgot much of how to read (`python -m benchmarks.training`).
"""
_LONGEST_ROW = 2_048


class FineTuneSettings(Noun):
    """How a model is trained further."""

    way: Literal["lora", "full"] | None = None
    """Adapters beside frozen weights, or all weights; None takes all weights of a small network, adapters of others."""
    rank: int = Field(default=16, ge=1, le=1_024)
    """Of the adapters."""
    epochs: float | None = Field(default=None, gt=0, le=1_000)
    """How often every row is seen; None takes 3, and of few cases as many as give 100 steps, at most 20."""
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """The highest; None takes what fits way and size."""
    batch_tokens: int | None = Field(default=None, ge=64, le=10_000_000)
    """Tokens of a step; None takes so many that an epoch has at least 16 steps, at most 4,096."""
    row_tokens: int | None = Field(default=None, ge=16, le=131_072)
    """Tokens of a row, longer ones are cut; None takes what the model reads, at most 2,048."""
    train_cases: int | None = Field(default=None, ge=1)
    """Learn from so many, drawn; None takes all."""
    weights: str | None = None
    """A folder in which they lie ready: of a training, or of a model. Nothing is trained then."""
    general: str | None = None
    """Cases of another kind with their answers, asked before and after: what the training made it forget."""
    max_hours: float | None = Field(default=None, gt=0)
    """After so long it is stopped, and a later run goes on."""
    memory_gb: float | None = Field(default=None, gt=0)
    """Most memory of the process that trains; None sets no limit."""
    backend: Literal["here", "service"] = "here"
    """On this machine, or by the model's provider through `/fine_tuning/jobs`."""
    train_usd: float | None = Field(default=None, ge=0)
    """Of a service: USD for a million tokens of training; without it nothing is sent."""
    train_max_usd: float | None = Field(default=None, ge=0)
    """Of a service: most USD; a forecast above it sends nothing."""


class FineTune:
    """
    Ingredient `fine_tune`: the model that is asked has learned from the train cases, never from test.

    The rows say what the candidate will ask, with the answer that would be right, so that what is trained is what is
    measured. A training is kept in the workspace under a digest of base, rows and settings; the same one is found
    again. Parameters are the fields of `FineTuneSettings`.
    """

    name = "fine_tune"
    stage = 10
    turn = 40
    """After examples and passages, which stand in the rows."""
    parameters = frozenset(FineTuneSettings.model_fields)

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft that asks the trained model."""
        wanted = read_settings(FineTuneSettings, given, draft.name)
        if wanted.backend == "service":
            from touchstone.strategies.fine_tune_remote import add_remote

            return await add_remote(draft, wanted, workshop)
        base = base_to_train(draft, workshop)
        general = _General(wanted, base, draft, workshop)
        if wanted.weights is not None:
            return await self._from_ready(draft, wanted, base, general, workshop)
        lesson = await make_lesson(draft, wanted, workshop, base)
        trained: Trained | None = None
        cut: tuple[Finding, ...] = ()
        if not workshop.planning:
            cut = findings_of_lengths(draft.name, lesson, lengths_of(lesson))
            for one in cut:
                workshop.notice(_(one.template).format(**one.values))
            trained = await learn(lesson, draft.name, workshop)
        if trained is None:
            trained = stored_training(home(workshop) / lesson.digest, lesson.digest)
        if trained is None:
            return planned(draft, self.name, lesson, _about(lesson.job, base), workshop)
        about = {**_about(lesson.job, base), **told(trained, lesson.rows)}
        made = self._of(draft, base, trained, about, (*findings_of_rows(lesson.rows, workshop), *cut))
        measured = await general.measured(made)
        if not workshop.planning:
            write_cards_once(draft.name, lesson, trained, home(workshop).parent, measured)
        return _telling(made, measured)

    async def _from_ready(
        self, draft: Draft, wanted: FineTuneSettings, base: Base, general: _General, workshop: Workshop
    ) -> Draft:
        folder = task_path(workshop.folder, wanted.weights or "")
        found = ready(folder, draft.name)

        async def lesson_of(other: Draft) -> Lesson:
            return await make_lesson(other, wanted, workshop, base)

        findings = await findings_of_ready(folder, found, draft, lesson_of, workshop)
        if isinstance(found, Trained):
            about = {"ready": True, **_told_base(base), **told(found, None)}
            made = self._of(draft, base, found, about, findings)
        else:
            about = {"ready": True, "base": base.reference}
            build = BuildCost(usd=None, took_s=None)
            made = asking(draft, self.name, found, _served(base), {}, about=about, build=build, findings=findings)
        return _telling(made, await general.measured(made))

    def _of(
        self, draft: Draft, base: Base, trained: Trained, about: Mapping[str, Any], findings: Sequence[Finding]
    ) -> Draft:
        recipe = {"base": base.digest[:16], "training": trained.digest[:16]}
        return asking(
            draft,
            self.name,
            trained.folder,
            _served(base),
            recipe,
            about=about,
            build=took(trained),
            findings=findings,
        )

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` that asks the trained model."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with base, settings, rows, losses and what the training took."""
        return describe(spec, candidate)


class _General:
    """What of a general set is wanted; a file that is missing is told before anything is trained."""

    def __init__(self, wanted: FineTuneSettings, base: Base, draft: Draft, workshop: Workshop) -> None:
        self._path = None if wanted.general is None else task_path(workshop.folder, wanted.general)
        self._cases = () if self._path is None else read_general(self._path, draft.name)
        self._before = (draft.model, draft.model_parameters)
        self._workshop = workshop

    async def measured(self, made: Draft) -> General | None:
        """What the draft that asks the trained model forgot; None where nobody asks, or only a plan is made."""
        if self._path is None or self._workshop.planning:
            return None
        after = (made.model, made.model_parameters)
        return await measure_general(self._path, self._cases, self._before, after, made.fields, self._workshop)


def _telling(draft: Draft, general: General | None) -> Draft:
    """The draft with what was forgotten among its findings."""
    return draft if general is None else replace(draft, findings=(*draft.findings, general.finding(draft.name)))


def base_to_train(draft: Draft, workshop: Workshop) -> Base:
    """
    The weights that a draft begins with.

    Raises:
        SettingsError: they are not on this machine, or are an encoder's.
    """
    base = find_base(draft, workshop)
    if base.family == "encoder-only":
        raise SettingsError(
            "{name}: {model} is an encoder; train it with strategy: pretrain", name=draft.name, model=draft.model
        )
    return base


async def make_lesson(draft: Draft, wanted: FineTuneSettings, workshop: Workshop, base: Base) -> Lesson:
    """
    What an entry learns, and how; the same for `touchstone train`.

    Raises:
        UserError: there is nothing to learn from.
    """
    rows = await read_rows(draft, workshop, wanted.train_cases)
    return Lesson(base, rows, make_job(wanted, base, rows, workshop.seed), wanted.max_hours, wanted.memory_gb)


def make_job(wanted: FineTuneSettings, base: Base, rows: LearningRows, seed: int) -> TrainingJob:
    """The job that settings ask for; what they leave open is filled in by the size of the base."""
    config = read_config(base.folder)
    context = config.get("max_position_embeddings") or config.get("n_positions") or _LONGEST_ROW
    small = shape_of_config(config).parameters < _SMALL
    way: Literal["lora", "full"] = wanted.way or ("full" if small else "lora")
    rate = wanted.learning_rate or _RATES[way, small]
    batch_tokens = wanted.batch_tokens or batch_tokens_for(rows)
    return TrainingJob(
        way=way,
        base=base.folder,
        family=base.family,
        lora=LoraSettings(rank=wanted.rank, alpha=2.0 * wanted.rank) if way == "lora" else LoraSettings(),
        longest=wanted.row_tokens or min(int(context), _LONGEST_ROW),
        loop=LoopSettings(
            epochs=wanted.epochs or epochs_for(rows, batch_tokens),
            batch_tokens=batch_tokens,
            learning_rate=rate,
            warmup=0.05,
            weight_decay=0.0,
            read_weight=0.0,
            seed=seed,
            report_steps=10,
            checkpoint_steps=100 if small else 500,
        ),
    )


def _served(base: Base) -> str:
    return f"{base.reference.partition('/')[2] or base.reference}-tuned"


def _about(job: TrainingJob, base: Base) -> dict[str, Any]:
    return {
        **_told_base(base),
        "way": job.way,
        **({"rank": job.lora.rank} if job.way == "lora" else {}),
        "epochs": job.loop.epochs,
        "learning_rate": job.loop.learning_rate,
        "batch_tokens": job.loop.batch_tokens,
    }


def _told_base(base: Base) -> dict[str, Any]:
    return {"base": base.reference, "base_digest": base.digest[:16]}
