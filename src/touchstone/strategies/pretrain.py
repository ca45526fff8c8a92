"""Train a network of one's own from nothing on the train cases: the `pretrain` ingredient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from touchstone.errors import SettingsError, UserError
from touchstone.evaluation.base import Candidate, Finding
from touchstone.models.local.weights_kind import Family, family_of, read_config
from touchstone.noun import Noun
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.planned import planned
from touchstone.strategies.rag_settings import read_settings
from touchstone.strategies.task_path import task_path
from touchstone.strategies.trained import (
    Lesson,
    asking,
    findings_of_ready,
    findings_of_rows,
    home,
    learn,
    ready,
    told,
    took,
)
from touchstone.strategies.trained_card import write_cards_once
from touchstone.strategies.trained_rows import LearningRows, batch_tokens_for, read_rows
from touchstone.training.base import Trained, TrainingJob
from touchstone.training.networks import NetworkSizes
from touchstone.training.run import stored_training
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
    weights: str | None = None
    """A folder in which they lie ready, of a training of `touchstone train`. Nothing is trained then."""
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
    turn = 40
    """After examples and passages, which stand in the rows."""
    parameters = frozenset(PretrainSettings.model_fields)
    from_nothing = True

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft that asks the new network."""
        wanted = read_settings(PretrainSettings, given, draft.name)
        draft = without_task(draft)
        if wanted.weights is not None:
            return await self._from_ready(draft, wanted, workshop)
        lesson = await make_lesson(draft, wanted, workshop)
        trained = None if workshop.planning else await learn(lesson, draft.name, workshop)
        if trained is None:
            trained = stored_training(home(workshop) / lesson.digest, lesson.digest)
        if trained is None:
            return planned(draft, self.name, lesson, _about(lesson.job), workshop)
        if not workshop.planning:
            write_cards_once(draft.name, lesson, trained, home(workshop).parent, None)
        about = {**_about(lesson.job), **told(trained, lesson.rows)}
        return self._of(draft, trained, about, findings_of_rows(lesson.rows, workshop))

    async def _from_ready(self, draft: Draft, wanted: PretrainSettings, workshop: Workshop) -> Draft:
        folder = task_path(workshop.folder, wanted.weights or "")
        found = ready(folder, draft.name)
        if not isinstance(found, Trained):
            raise SettingsError(
                "{name}: the weights in {folder} are of no training of Touchstone's; name them beside the model as "
                "folder",
                name=draft.name,
                folder=str(folder),
            )

        async def lesson_of(other: Draft) -> Lesson:
            return await make_lesson(other, wanted, workshop)

        findings = await findings_of_ready(folder, found, draft, lesson_of, workshop)
        return self._of(draft, found, {"ready": True, **told(found, None)}, findings)

    def _of(self, draft: Draft, trained: Trained, about: Mapping[str, Any], findings: Sequence[Finding]) -> Draft:
        family = family_of(read_config(trained.folder))
        return asking(
            draft, self.name, trained.folder, f"own-{family}", {"training": trained.digest[:16]},
            about=about, build=took(trained), findings=findings,
        )  # fmt: skip

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` that asks the new network."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with sizes, settings, rows, losses and what the training took."""
        return describe(spec, candidate)


def without_task(draft: Draft) -> Draft:
    """
    The draft as a network with one task is asked: without the words that say what the task is.

    What the user wrote stays, and so does what ingredients added, such as where citations are asked for.
    """
    if draft.own_system:
        return draft
    return replace(draft, system=draft.system.removeprefix(draft.begun_with).lstrip("\n"), begun_with="")


async def make_lesson(draft: Draft, wanted: PretrainSettings, workshop: Workshop) -> Lesson:
    """
    What an entry learns, and how; the same for `touchstone train`.

    Args:
        draft: As `without_task` leaves it.

    Raises:
        UserError: there is nothing to learn from, or an encoder has fewer than two labels to learn.
    """
    if wanted.width % wanted.heads or (wanted.width // wanted.heads) % 2:
        raise UserError(
            "{name}: width {width} cannot be split into {heads} heads of an even size; write a multiple",
            name=draft.name,
            width=wanted.width,
            heads=wanted.heads,
        )
    labelled = workshop.answer.kind in ("label", "choice")
    family: Family = wanted.family or ("encoder-only" if labelled else "decoder-only")
    rows = await read_rows(draft, workshop, wanted.train_cases, cites=family != "encoder-only")
    return Lesson(None, rows, make_job(wanted, family, rows, workshop.seed), wanted.max_hours, wanted.memory_gb)


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
