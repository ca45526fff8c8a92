"""What a training is made of, and what it leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from touchstone.models.local.model import folder_digest
from touchstone.models.local.weights_kind import Family
from touchstone.noun import Noun
from touchstone.training.loop import LoopSettings, Step
from touchstone.training.networks import NetworkSizes

Way = Literal["lora", "full", "pretrain"]
"""Adapters beside frozen weights (Hu et al. 2021, arXiv:2106.09685), all weights, or a new network."""

_RECIPE_VERSION = 1
"""Part of a training's digest; higher once the same job would give other weights."""


class Example(Noun):
    """One conversation to learn from; only what the assistant says is learned to be said."""

    turns: tuple[tuple[str, str], ...] = Field(min_length=1)
    """(role, text): system, user, assistant. An encoder learns its last turn as a label, from all turns before it."""
    last_alone: bool = Field(default=False, exclude_if=lambda alone: not alone)
    """Whether the last turn alone is learned to be said; examples before it are read."""


class LoraSettings(Noun):
    """Size of the adapters."""

    rank: int = Field(default=16, ge=1, le=1_024)
    alpha: float = Field(default=32, gt=0)
    """The adapters' output counts alpha / rank times."""
    dropout: float = Field(default=0.0, ge=0, lt=1)


class TrainingJob(Noun):
    """Everything that decides what a training gives."""

    way: Way
    base: Path | None = None
    """Folder of the weights to begin with; None for a new network."""
    loop: LoopSettings = LoopSettings()
    lora: LoraSettings = LoraSettings()
    family: Family = "decoder-only"
    sizes: NetworkSizes | None = None
    """Of a new network."""
    vocabulary: int = Field(default=2_048, ge=300, le=64_000)
    """Tokens of a new network's vocabulary."""
    labels: tuple[str, ...] = ()
    """What an encoder learns to say, in the order of its outputs; without any it learns to fill in hidden words."""
    longest: int = Field(default=512, ge=16, le=131_072)
    """Tokens of a row; longer ones are cut at the end."""

    @model_validator(mode="after")
    def _whole(self) -> TrainingJob:
        if (self.way == "pretrain") != (self.base is None):
            raise ValueError("a training from nothing has no base, and any other one needs it")
        if self.way == "pretrain" and self.sizes is None:
            raise ValueError("a new network needs its sizes")
        if self.labels and self.family != "encoder-only":
            raise ValueError("only an encoder learns labels")
        if len(set(self.labels)) < len(self.labels) or len(self.labels) == 1:
            raise ValueError("labels are at least two, each once")
        return self


def training_digest(job: TrainingJob, examples: Iterable[Example], held_back: Iterable[Example] = ()) -> str:
    """
    SHA-256 that tells whether two trainings give the same model: the job, its base's files, and the rows in order.

    How often a checkpoint is kept and progress is told has no part in it.
    """
    settings = job.model_dump(mode="json", exclude={"base": True, "loop": {"checkpoint_steps", "report_steps"}})
    base = folder_digest(job.base) if job.base is not None else None
    digest = hashlib.sha256(repr((_RECIPE_VERSION, sorted(settings.items()), base)).encode())
    for mark, rows in ((b"examples", examples), (b"held back", held_back)):
        digest.update(mark)
        for row in rows:
            digest.update(row.model_dump_json().encode())
    return digest.hexdigest()


class Trained(Noun):
    """What a training gave."""

    digest: str
    """As `training_digest` has it."""
    folder: Path
    """The model: config, weights as safetensors, tokenizer; of adapters, weights with the adapters added."""
    adapter: Path | None = None
    """The adapters alone, in the layout of peft."""
    steps: tuple[Step, ...]
    """How it went."""
    held_back_loss: float | None = None
    """Nats per answer token of the cases held back (per label, of an encoder); None where none were."""
    held_back_loss_before: float | None = None
    """The same before the training; None for a new network, or a head that is new."""
    parameters: int
    trained_parameters: int
    rows: int
    tokens: int
    """Tokens of the rows, once through."""
    cut_rows: int = 0
    """Rows that were longer than the job allows, and were cut at the end."""
    seconds: float
    """Of the loop, all sessions together where it was interrupted."""
    device: str
    """What it ran on: `cpu`, or the accelerator's name."""
