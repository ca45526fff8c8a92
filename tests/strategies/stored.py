"""What a training leaves, without one: the weights of a starter model, a result, and keys of what was asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from touchstone.models.starter.folder import SHIPPED
from touchstone.training.base import Trained
from touchstone.training.steps import Step


def store_a_training(folder: Path, digest: str, keys: list[int] | None = None) -> Path:
    """What a training leaves, with the weights of a starter model."""
    (folder / "model").mkdir(parents=True)
    for file in (SHIPPED / "s" / "config.json", SHIPPED / "s" / "model.safetensors", SHIPPED / "tokenizer.json"):
        shutil.copyfile(file, folder / "model" / file.name)
    step = Step(step=9, of=9, loss=0.5, learning_rate=1e-3, tokens_per_s=100.0, seconds_left=0.0, elapsed_s=12.5)
    told = Trained(
        digest=digest, folder=Path("model"), steps=(step,), held_back_loss=0.4, held_back_loss_before=2.0,
        parameters=10, trained_parameters=5, rows=36, tokens=900, seconds=12.5, device="cpu",
    )  # fmt: skip
    (folder / "result.json").write_text(told.model_dump_json(), encoding="utf-8")
    if keys is not None:
        (folder / "asked.json").write_bytes(orjson.dumps(keys))
    return folder
