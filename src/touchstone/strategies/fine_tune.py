"""Train a model further on the train cases before it is asked: the `fine_tune` ingredient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from touchstone.errors import ExtraMissing, SettingsError
from touchstone.evaluation.base import BuildCost, Candidate, Finding
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.trained import (
    Base,
    asking,
    below,
    find_base,
    findings_of_ready,
    findings_of_rows,
    home,
    learn,
    ready,
    told,
    took,
)
from touchstone.strategies.trained_rows import LearningRows, batch_tokens_for, epochs_for, read_rows
from touchstone.training.base import LoraSettings, Trained, TrainingJob, training_digest
from touchstone.training.forecast import Device, Shape, forecast, shape_of_config, with_adapters
from touchstone.training.run import can_train, stored_training
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
    parameters = frozenset(FineTuneSettings.model_fields)

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft that asks the trained model."""
        wanted = read_settings(FineTuneSettings, given, draft.name)
        if wanted.backend == "service":
            from touchstone.strategies.fine_tune_remote import add_remote

            return await add_remote(draft, wanted, workshop)
        base = find_base(draft, workshop)
        if base.family == "encoder-only":
            raise SettingsError(
                "{name}: {model} is an encoder; train it with strategy: pretrain", name=draft.name, model=draft.model
            )
        rows = read_rows(draft, workshop, wanted.train_cases)
        job = make_job(wanted, base, rows, workshop.seed)
        if wanted.weights is not None:
            return self._from_ready(draft, wanted, base, job, rows, workshop)
        if workshop.planning:
            return self._planned(draft, wanted, base, job, rows, workshop)
        trained = await learn(job, rows, draft, workshop, hours=wanted.max_hours, memory_gb=wanted.memory_gb)
        return self._asking(draft, base, job, rows, trained, workshop)

    def _from_ready(
        self,
        draft: Draft,
        wanted: FineTuneSettings,
        base: Base,
        job: TrainingJob,
        rows: LearningRows,
        workshop: Workshop,
    ) -> Draft:
        folder = below(wanted.weights or "", workshop)
        found = ready(folder, draft.name)
        expected = training_digest(job, rows.examples, rows.held_back)
        findings = findings_of_ready(folder, found, expected, workshop)
        if isinstance(found, Trained):
            return self._of(draft, base, found, {"ready": True, **_about(job, base), **told(found, None)}, findings)
        about = {"ready": True, "base": base.reference}
        build = BuildCost(usd=None, took_s=None)
        return asking(draft, self.name, found, _served(base), {}, about=about, build=build, findings=findings)

    def _planned(
        self,
        draft: Draft,
        wanted: FineTuneSettings,
        base: Base,
        job: TrainingJob,
        rows: LearningRows,
        workshop: Workshop,
    ) -> Draft:
        digest = training_digest(job, rows.examples, rows.held_back)
        found = stored_training(home(workshop) / digest, digest)
        if found is not None:
            return self._asking(draft, base, job, rows, found, workshop)
        if not can_train():
            raise ExtraMissing(feature="fine-tuning", extra="train")
        expected = forecast_of(job, base, rows)
        workshop.notice(expected)
        build = BuildCost(usd=0.0, took_s=None, forecast=True)
        findings = findings_of_rows(rows, workshop)
        return draft.with_part(
            self.name, {"planned": digest[:16]}, about=_about(job, base), build=build, findings=findings
        )

    def _asking(
        self, draft: Draft, base: Base, job: TrainingJob, rows: LearningRows, trained: Trained, workshop: Workshop
    ) -> Draft:
        about = {**_about(job, base), **told(trained, rows)}
        return self._of(draft, base, trained, about, findings_of_rows(rows, workshop))

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


def forecast_of(job: TrainingJob, base: Base, rows: LearningRows) -> str:
    """A line with what a training will take, in the reader's language; its time is not known before it runs."""
    from touchstone.language import _

    shape: Shape = shape_of_config(read_config(base.folder))
    if job.way == "lora":
        shape = with_adapters(shape, job.lora.rank)
    found = forecast(
        shape,
        tokens=rows.estimated_tokens,
        epochs=job.loop.epochs,
        batch_tokens=job.loop.batch_tokens,
        row_tokens=job.longest,
        device=Device(name="this machine"),
    )
    return _(
        "fine-tuning {model}: {rows:,} rows, about {tokens:,} tokens in all, {flops:.2g} floating-point operations, "
        "up to {memory:,.0f} MB"
    ).format(
        model=base.reference,
        rows=len(rows.examples),
        tokens=found.tokens,
        flops=found.flops,
        memory=found.memory.total / 1e6,
    )


def _served(base: Base) -> str:
    return f"{base.reference.partition('/')[2] or base.reference}-tuned"


def _about(job: TrainingJob, base: Base) -> dict[str, Any]:
    return {
        "base": base.reference,
        "base_digest": base.digest[:16],
        "way": job.way,
        **({"rank": job.lora.rank} if job.way == "lora" else {}),
        "epochs": job.loop.epochs,
        "learning_rate": job.loop.learning_rate,
        "batch_tokens": job.loop.batch_tokens,
    }
