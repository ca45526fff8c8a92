"""Where a training stands on disk: weights and moments as safetensors, the rest as JSON; whole, or not there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from touchstone.errors import DataError
from touchstone.noun import Noun
from touchstone.training.steps import LoopSettings, Step

STATE, TENSORS = "state.json", "training.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


class Kept(Noun):
    """What a loop needs to go on, beside tensors."""

    step: int = 0
    """Steps that are done."""
    since: int = 0
    """Steps that were done at the last report."""
    loss_sum: float = 0.0
    """Of the steps since."""
    elapsed_s: float = 0.0
    told: tuple[Step, ...] = ()
    """Reports so far."""


def keep(folder: Path, wanted: dict[str, Any], optimizer: Any, settings: LoopSettings, total: int, kept: Kept) -> None:
    """
    Write a checkpoint beside the last one, and put it in its place when it is whole.

    Args:
        folder: Of the training.
        wanted: Parameters that learn, by name.
        optimizer: Of AdamW's kind.
        settings: Of the loop; a checkpoint holds for these alone.
        total: Steps of the whole training.
        kept: Where it stands.
    """
    import torch
    from safetensors.torch import save_file

    made = folder / "checkpoint.new"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    tensors = {f"weight.{name}": value.detach().contiguous() for name, value in wanted.items()}
    for name, value in wanted.items():
        # A parameter that no batch has used yet has no moments.
        moments = optimizer.state.get(value, {})
        tensors |= {f"{key}.{name}": moments[key].contiguous() for key in _MOMENTS if key in moments}
    save_file(tensors, made / TENSORS)
    chance = {"random": torch.get_rng_state().tolist()}
    if torch.cuda.is_available():
        chance["random_cuda"] = torch.cuda.get_rng_state().tolist()
    state = {**kept.model_dump(mode="json"), "of": total, "settings": _deciding(settings), **chance}
    (made / STATE).write_text(json.dumps(state), encoding="utf-8")
    for file in made.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    old = folder / "checkpoint.old"
    shutil.rmtree(old, ignore_errors=True)
    if (folder / "checkpoint").exists():
        (folder / "checkpoint").rename(old)
    made.rename(folder / "checkpoint")
    shutil.rmtree(old, ignore_errors=True)


def _deciding(settings: LoopSettings) -> dict[str, Any]:
    """What of the settings decides what is learned; how often progress is told does not."""
    return settings.model_dump(mode="json", exclude={"checkpoint_steps", "report_steps"})


def forget(folder: Path) -> None:
    """Take the checkpoints of a folder away."""
    for name in ("checkpoint", "checkpoint.old", "checkpoint.new"):
        shutil.rmtree(folder / name, ignore_errors=True)


def resumed(folder: Path, wanted: dict[str, Any], optimizer: Any, settings: LoopSettings, total: int) -> Kept:
    """
    What the last checkpoint says, put into the parameters and the optimiser; the beginning where there is none.

    Raises:
        DataError: the checkpoint is of another training.
    """
    place = next((folder / name for name in ("checkpoint", "checkpoint.old") if (folder / name / STATE).exists()), None)
    if place is None:
        return Kept()
    import torch
    from safetensors.torch import load_file

    state = json.loads((place / STATE).read_text("utf-8"))
    if state.pop("settings") != _deciding(settings) or state.pop("of") != total:
        raise DataError(
            "the checkpoint is of a training with other settings or other rows; name another folder", path=place
        )
    tensors = load_file(place / TENSORS)
    if {name.removeprefix("weight.") for name in tensors if name.startswith("weight.")} != set(wanted):
        raise DataError("the checkpoint is of another network; name another folder", path=place)
    chance, chance_cuda = state.pop("random"), state.pop("random_cuda", None)
    try:
        kept = Kept.model_validate(state)
    except ValidationError as error:
        raise DataError("the checkpoint cannot be read; take the folder away", path=place) from error
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(tensors[f"weight.{name}"])
            if f"exp_avg.{name}" in tensors:
                optimizer.state[value] = {
                    "step": torch.tensor(float(kept.step), device=value.device),
                    **{key: tensors[f"{key}.{name}"].to(value.device) for key in _MOMENTS},
                }
    torch.set_rng_state(torch.from_numpy(np.array(chance, np.uint8)))
    if chance_cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.from_numpy(np.array(chance_cuda, np.uint8)))
    return kept
