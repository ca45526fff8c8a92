"""Train a network of one's own from nothing on the train cases: the `pretrain` ingredient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from touchstone.errors import ExtraMissing, UserError
from touchstone.evaluation.base import BuildCost, Candidate
from touchstone.language import _
from touchstone.models.local.weights_kind import Family
from touchstone.noun import Noun
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.trained import asking, findings_of_rows, home, learn, told, took
from touchstone.strategies.trained_rows import LearningRows, batch_tokens_for, read_rows
from touchstone.training.base import Trained, TrainingJob, training_digest
from touchstone.training.forecast import Device, forecast, real_sizes, shape_of
from touchstone.training.networks import NetworkSizes
from touchstone.training.run import can_train, stored_training
from touchstone.training.steps import LoopSettings

_RATE = 2e-3
"""Of networks with a few million parameters."""


class PretrainSettings(Noun):
    """What network, and how it learns."""

    family: Family | None = None
    """None takes an encoder where the answer is one of a few labels, and a decoder else."""
    layers: int = Field(default=4, ge=1, le=64)
    width: int = Field(default=192, ge=8, le=8_192)
    heads: int = Field(default=6, ge=1, le=64)
    inner: int | None = Field(default=None, ge=8, le=65_536)
    """None takes four times the width."""
    vocabulary: int = Field(default=4_000, ge=300, le=64_000)
    """Tokens, trained on the rows."""
    epochs: float = Field(default=20.0, gt=0, le=10_000)
    learning_rate: float = Field(default=_RATE, gt=0, lt=1)
    batch_tokens: int | None = Field(default=None, ge=64, le=10_000_000)
    """Tokens of a step; None takes so many that an epoch has at least 16 steps, at most 4,096."""
    row_tokens: int = Field(default=256, ge=16, le=131_072)
    """Tokens of a row; longer ones are cut."""
    train_cases: int | None = Field(default=None, ge=1)
    """Learn from so many, drawn; None takes all."""
    max_hours: float | None = Field(default=None, gt=0)
    memory_gb: float | None = Field(default=None, gt=0)


class Pretrain:
    """
    Ingredient `pretrain`: a new network that knows nothing but the train cases, never test.

    What the entry's `model` is does not matter; none of it is used. The system text is left out, since a network with
    one task need not be told what it is. Parameters are the fields of `PretrainSettings`.
    """

    name = "pretrain"
    stage = 10
    parameters = frozenset(PretrainSettings.model_fields)

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft that asks the new network."""
        wanted = read_settings(PretrainSettings, given, draft.name)
        if wanted.width % wanted.heads or (wanted.width // wanted.heads) % 2:
            raise UserError(
                "{name}: width {width} cannot be split into {heads} heads of an even size; write a multiple",
                name=draft.name,
                width=wanted.width,
                heads=wanted.heads,
            )
        if not draft.own_system:
            draft = replace(draft, system="")
        rows = read_rows(draft, workshop, wanted.train_cases)
        family = wanted.family or ("encoder-only" if workshop.answer.kind in ("label", "choice") else "decoder-only")
        job = make_job(wanted, family, rows, workshop.seed)
        digest = training_digest(job, rows.examples, rows.held_back)
        stored = stored_training(home(workshop) / digest, digest)
        if stored is None and not can_train():
            raise ExtraMissing(feature="training from nothing", extra="train")
        if workshop.planning and stored is None:
            for line in forecast_lines(job, rows):
                workshop.notice(line)
            build = BuildCost(usd=0.0, took_s=None, forecast=True)
            findings = findings_of_rows(rows, workshop)
            return draft.with_part(
                self.name, {"planned": digest[:16]}, about=_about(job), build=build, findings=findings
            )
        trained: Trained = stored or await learn(
            job, rows, draft, workshop, hours=wanted.max_hours, memory_gb=wanted.memory_gb
        )
        return asking(
            draft, self.name, trained.folder, f"own-{family}", {"training": trained.digest[:16]},
            about={**_about(job), **told(trained, rows)},
            build=took(trained), findings=findings_of_rows(rows, workshop),
        )  # fmt: skip

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` that asks the new network."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with sizes, settings, rows, losses and what the training took."""
        return describe(spec, candidate)


def make_job(wanted: PretrainSettings, family: Family, rows: LearningRows, seed: int) -> TrainingJob:
    """
    The job that settings ask for.

    Raises:
        UserError: an encoder has fewer than two labels to learn.
    """
    labels = rows.labels if family == "encoder-only" else ()
    if family == "encoder-only" and len(labels) < 2:
        raise UserError("an encoder learns to tell labels apart, and the train cases have one alone; add others")
    return TrainingJob(
        way="pretrain",
        family=family,
        labels=labels,
        sizes=NetworkSizes(
            layers=wanted.layers,
            width=wanted.width,
            heads=wanted.heads,
            inner=wanted.inner or 4 * wanted.width,
            context_tokens=wanted.row_tokens,
        ),
        vocabulary=wanted.vocabulary,
        longest=wanted.row_tokens,
        loop=LoopSettings(
            epochs=wanted.epochs,
            batch_tokens=wanted.batch_tokens or batch_tokens_for(rows),
            learning_rate=wanted.learning_rate,
            warmup=0.05,
            read_weight=0.1,
            seed=seed,
            report_steps=10,
            checkpoint_steps=100,
        ),
    )


def forecast_lines(job: TrainingJob, rows: LearningRows, device: Device | None = None) -> list[str]:
    """What it will take, and what a network of a real size would, in the reader's language."""
    assert job.sizes is not None
    found = forecast(
        shape_of(job.family, job.sizes, job.vocabulary, len(job.labels)),
        tokens=rows.estimated_tokens,
        epochs=job.loop.epochs,
        batch_tokens=job.loop.batch_tokens,
        row_tokens=job.longest,
        device=device or Device(name="this machine"),
    )
    seven = next(one for one in real_sizes() if one.name == "7B")
    own = _(
        "a network from nothing: {parameters:,} parameters, about {tokens:,} tokens in all, {flops:.2g} floating-point "
        "operations, up to {memory:,.0f} MB"
    )
    real = _(
        "a network of {name} parameters would take {tokens:.2g} tokens and about {hours:,.0f} hours of one {device}"
    )
    return [
        own.format(
            parameters=found.parameters, tokens=found.tokens, flops=found.flops, memory=found.memory.total / 1e6
        ),
        real.format(name=seven.name, tokens=seven.tokens, hours=seven.device_hours, device=seven.device),
    ]


def _about(job: TrainingJob) -> dict[str, Any]:
    assert job.sizes is not None
    return {
        "way": "pretrain",
        "family": job.family,
        **job.sizes.model_dump(),
        "vocabulary": job.vocabulary,
        "epochs": job.loop.epochs,
        "learning_rate": job.loop.learning_rate,
        "batch_tokens": job.loop.batch_tokens,
    }
