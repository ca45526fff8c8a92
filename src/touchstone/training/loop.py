"""
The loop that trains: one for training from nothing and for fine-tuning, on a processor or an accelerator.

What is learned in which order depends on the seed and the step alone, and a checkpoint holds weights, moments of the
optimiser, step and random state as safetensors and JSON. So a training that was killed goes on as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from touchstone.errors import DataError
from touchstone.training.checkpoint import Kept, forget, keep, resumed
from touchstone.training.memory_peak import peak_mb
from touchstone.training.objectives import NextToken, Objective
from touchstone.training.rows import Rows, batches
from touchstone.training.steps import LoopSettings as LoopSettings
from touchstone.training.steps import Step as Step


class Interrupted(Exception):
    """Somebody asked the loop to stop; its checkpoint is written."""


Report = Callable[[Step], None]


def train(
    model: Any,
    rows: Rows,
    settings: LoopSettings,
    folder: Path,
    report: Report = lambda _step: None,
    *,
    objective: Objective | None = None,
    stop: Callable[[], bool] = lambda: False,
    keep_last: bool = False,
) -> tuple[Step, ...]:
    """
    Train all parameters of a model that want a gradient.

    Args:
        model: A network of transformers, or one with adapters of peft.
        rows: What it learns.
        settings: How.
        folder: Where checkpoints go; a training that was interrupted there goes on.
        report: Called with every report, so that somebody can watch; with those before an interruption first.
        objective: What is learned of a row; the next token by default.
        stop: Looked at after every step; True ends the loop with a checkpoint.
        keep_last: Whether the last checkpoint stays when all is done, until whoever called has written the model.

    Returns:
        Every report, those before an interruption included.

    Raises:
        DataError: there is nothing to learn from, or the folder's checkpoint is of another training.
        Interrupted: `stop` said so.
    """
    import torch

    if not len(rows):
        raise DataError("there are no rows to train on", path=folder)
    objective = objective or NextToken()
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
    kept = resumed(folder, wanted, optimizer, settings, total)
    for one in kept.told:
        report(one)
    told = list(kept.told)
    own: list[Any] = []
    own_epoch = -1
    loss_sum = torch.full((), kept.loss_sum, device=device)
    since, tokens, began = kept.since, 0, time.perf_counter()
    for step in range(kept.step, total):
        epoch, place = plan[step]
        if epoch != own_epoch:
            own = batches(rows, batch_tokens=settings.batch_tokens, seed=settings.seed, epoch=epoch)
            own_epoch = epoch
        rate = _rate(step, total, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = own[place]
        loss = _loss(model, rows, chosen, settings, device, objective, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(wanted.values()), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_sum += loss.detach()
        tokens += int(rows.lengths[chosen].sum())
        elapsed = time.perf_counter() - began
        if (step + 1) % settings.report_steps == 0 or step + 1 == total:
            mean = float(loss_sum) / (step + 1 - since)
            if not math.isfinite(mean):
                raise DataError(
                    "the loss is no number any more after step {step}; lower the learning rate",
                    path=folder,
                    step=step + 1,
                )
            told.append(
                Step(
                    step=step + 1,
                    of=total,
                    loss=mean,
                    learning_rate=rate,
                    tokens_per_s=tokens / elapsed,
                    memory_mb=_memory_mb(torch, device),
                    seconds_left=elapsed / (step + 1 - kept.step) * (total - step - 1),
                    elapsed_s=kept.elapsed_s + elapsed,
                )
            )
            report(told[-1])
            since = step + 1
            loss_sum.zero_()
        stopped = step + 1 < total and stop()
        if stopped or ((step + 1) % settings.checkpoint_steps == 0 and step + 1 < total):
            state = Kept(
                step=step + 1,
                since=since,
                loss_sum=float(loss_sum),
                elapsed_s=kept.elapsed_s + elapsed,
                told=tuple(told),
            )
            keep(folder, wanted, optimizer, settings, total, state)
        if stopped:
            raise Interrupted
    if not keep_last:
        forget(folder)
    return tuple(told)


def mean_loss(model: Any, rows: Rows, settings: LoopSettings, objective: Objective | None = None) -> float | None:
    """Nats per answer token over all rows: how unlikely the right answers are to the model. None where none counts."""
    import torch

    objective = objective or NextToken()
    device = next(model.parameters()).device.type
    only_said = settings.model_copy(update={"read_weight": 0.0})
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for place, chosen in enumerate(batches(rows, batch_tokens=settings.batch_tokens, seed=0, epoch=0)):
            counted = objective.counted(rows, chosen)
            total += float(_loss(model, rows, chosen, only_said, device, objective, place)) * counted
            count += counted
    return total / count if count else None


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


def _loss(
    model: Any, rows: Rows, chosen: Any, settings: LoopSettings, device: str, objective: Objective, step: int
) -> Any:
    import torch

    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        return objective.loss(
            model, rows, chosen, device=device, read_weight=settings.read_weight, draw=[settings.seed, step]
        )


def _memory_mb(torch: Any, device: str) -> float | None:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**20
    return peak_mb()
