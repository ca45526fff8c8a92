"""
The loop that trains: one for training from nothing and for fine-tuning, on a processor or an accelerator.

What is learned in which order depends on the seed and the step alone, and a checkpoint holds weights, moments of the
optimiser, step and random state as safetensors and JSON. So a training that was killed goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from touchstone.errors import DataError
from touchstone.noun import Noun
from touchstone.training.rows import Rows, batches, padded

STATE = "state.json"


class LoopSettings(Noun):
    """How a training goes."""

    epochs: float = Field(default=1.0, gt=0)
    """How often every row is seen; a part of one stops early."""
    batch_tokens: int = Field(default=8_192, ge=16)
    """Tokens of a step, padding included."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """The highest; it rises over the warm-up and falls along a cosine to a tenth."""
    warmup: float = Field(default=0.02, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; norms have none."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient."""
    read_weight: float = Field(default=1.0, ge=0, le=1)
    """How much a token that is only read counts beside one that is said."""
    seed: int = 0
    checkpoint_steps: int = Field(default=500, ge=1)
    report_steps: int = Field(default=50, ge=1)


class Step(Noun):
    """Where a training stands."""

    step: int
    of: int
    loss: float
    """Mean of the steps since the last report: nats per token, weighted."""
    learning_rate: float
    tokens_per_s: float
    memory_mb: float | None = None
    """Most memory in use so far; of the accelerator where there is one."""
    seconds_left: float


Report = Callable[[Step], None]


def train(
    model: Any,
    rows: Rows,
    settings: LoopSettings,
    folder: Path,
    report: Report = lambda _step: None,
) -> tuple[Step, ...]:
    """
    Train all parameters of a model that want a gradient.

    Args:
        model: A causal language model of transformers, or one with adapters of peft.
        rows: What it learns.
        settings: How.
        folder: Where checkpoints go; a training that was interrupted there goes on.
        report: Called with every report, so that somebody can watch.

    Returns:
        Every report, those before an interruption included.

    Raises:
        DataError: there is nothing to learn from, or the folder's checkpoint is of another training.
    """
    import torch

    if not len(rows):
        raise DataError("there are no rows to train on", path=folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(settings.seed)
    model.to(device).train()
    wanted = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimizer = _optimizer(torch, wanted, settings, device)
    plan = [
        (epoch, place)
        for epoch in range(math.ceil(settings.epochs))
        for place in range(len(batches(rows, batch_tokens=settings.batch_tokens, seed=settings.seed, epoch=epoch)))
    ]
    total = max(1, round(len(plan) * settings.epochs / math.ceil(settings.epochs)))
    told, done = _resumed(torch, folder, wanted, optimizer, settings, total)
    own: list[Any] = []
    own_epoch = -1
    loss_sum = torch.zeros((), device=device)
    since, tokens, began = done, 0, time.perf_counter()
    for step in range(done, total):
        epoch, place = plan[step]
        if epoch != own_epoch:
            own = batches(rows, batch_tokens=settings.batch_tokens, seed=settings.seed, epoch=epoch)
            own_epoch = epoch
        rate = _rate(step, total, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = own[place]
        loss = _loss(torch, model, rows, chosen, settings, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(wanted.values()), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_sum += loss.detach()
        tokens += int(rows.lengths[chosen].sum())
        if (step + 1) % settings.report_steps == 0 or step + 1 == total:
            mean = float(loss_sum) / (step + 1 - since)
            if not math.isfinite(mean):
                raise DataError(
                    "the loss is no number any more after step {step}; lower the learning rate",
                    path=folder,
                    step=step + 1,
                )
            elapsed = time.perf_counter() - began
            told.append(
                Step(
                    step=step + 1,
                    of=total,
                    loss=mean,
                    learning_rate=rate,
                    tokens_per_s=tokens / elapsed,
                    memory_mb=_memory_mb(torch, device),
                    seconds_left=elapsed / (step + 1 - done) * (total - step - 1),
                )
            )
            report(told[-1])
            since = step + 1
            loss_sum.zero_()
        if (step + 1) % settings.checkpoint_steps == 0 and step + 1 < total and since == step + 1:
            _keep(torch, folder, wanted, optimizer, settings, step + 1, total, told)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return tuple(told)


def _optimizer(torch: Any, wanted: dict[str, Any], settings: LoopSettings, device: str) -> Any:
    groups = [
        {"params": [value for value in wanted.values() if value.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [value for value in wanted.values() if value.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(0.9, 0.95),
        fused=device == "cuda",
    )


def _rate(step: int, total: int, settings: LoopSettings) -> float:
    """Linear warm-up, then a cosine to a tenth."""
    warm = max(1, round(total * settings.warmup))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    along = (step - warm) / max(1, total - warm)
    return settings.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * along)))


def _loss(torch: Any, model: Any, rows: Rows, chosen: Any, settings: LoopSettings, device: str) -> Any:
    tokens, weights = (torch.from_numpy(array).to(device, non_blocking=True) for array in padded(rows, chosen))
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        # Padding stands at the end and attention looks back only, so that no mask is needed.
        scores = model(input_ids=tokens).logits
    each = torch.nn.functional.cross_entropy(
        scores[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none"
    )
    counted = weights[:, 1:].flatten()
    weight = torch.where(counted == 2, 1.0, torch.where(counted == 1, settings.read_weight, 0.0))
    return (each * weight).sum() / weight.sum().clamp(min=1e-6)


def _memory_mb(torch: Any, device: str) -> float | None:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _keep(
    torch: Any,
    folder: Path,
    wanted: dict[str, Any],
    optimizer: Any,
    settings: LoopSettings,
    step: int,
    total: int,
    told: list[Step],
) -> None:
    """Write a checkpoint beside the last one, and put it in its place when it is whole."""
    from safetensors.torch import save_file

    made = folder / "checkpoint.new"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    kept = {f"weight.{name}": value.detach().contiguous() for name, value in wanted.items()}
    for name, value in wanted.items():
        moments = optimizer.state[value]
        kept |= {f"{key}.{name}": moments[key].contiguous() for key in ("exp_avg", "exp_avg_sq")}
    save_file(kept, made / "training.safetensors")
    state = {
        "step": step,
        "of": total,
        "settings": settings.model_dump(mode="json"),
        "random": np.frombuffer(torch.get_rng_state().numpy().tobytes(), np.uint8).tolist(),
        "told": [one.model_dump(mode="json") for one in told],
    }
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


def _resumed(
    torch: Any, folder: Path, wanted: dict[str, Any], optimizer: Any, settings: LoopSettings, total: int
) -> tuple[list[Step], int]:
    """What the last checkpoint says, put into the model and the optimiser; nothing and 0 where there is none."""
    from safetensors.torch import load_file

    place = next((folder / name for name in ("checkpoint", "checkpoint.old") if (folder / name / STATE).exists()), None)
    if place is None:
        return [], 0
    state = json.loads((place / STATE).read_text("utf-8"))
    if state["settings"] != settings.model_dump(mode="json") or state["of"] != total:
        raise DataError(
            "the checkpoint is of a training with other settings or other rows; name another folder", path=place
        )
    kept = load_file(place / "training.safetensors")
    if {name.partition(".")[2] for name in kept} != set(wanted):
        raise DataError("the checkpoint is of another network; name another folder", path=place)
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(kept[f"weight.{name}"])
            optimizer.state[value] = {
                "step": torch.tensor(float(state["step"]), device=value.device),
                **{key: kept[f"{key}.{name}"].to(value.device) for key in ("exp_avg", "exp_avg_sq")},
            }
    torch.set_rng_state(torch.from_numpy(np.array(state["random"], np.uint8)))
    return [Step.model_validate(one) for one in state["told"]], int(state["step"])
