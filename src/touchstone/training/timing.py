"""How quick this machine is with this very model: a few steps of the real training, timed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from touchstone.training.base import Example, TrainingJob
from touchstone.training.forecast import Device
from touchstone.training.run import run_training

_STEPS = 8


async def timed_device(
    job: TrainingJob, examples: Sequence[Example], folder: Path, *, usd_per_hour: float | None = None
) -> Device:
    """
    This machine, with the tokens a second of a few steps; what they learn is thrown away.

    Args:
        job: The training that is to be forecast.
        examples: Its rows.
        folder: Where a folder for the steps may be made.
        usd_per_hour: What an hour of the machine costs; None where nobody says.

    Raises:
        TouchstoneError: as `run_training`.
    """
    # Enough rows for some full steps, estimated at four bytes a token.
    enough, taken = _STEPS * job.loop.batch_tokens, 0
    few: list[Example] = []
    for example in examples:
        few.append(example)
        taken += max(1, sum(len(text.encode()) for _, text in example.turns) // 4)
        if taken >= enough:
            break
    if job.labels:
        # The head stays what it is, whatever labels the few rows have.
        few = [one for one in few if one.turns[-1][1] in job.labels]
    epochs = min(job.loop.epochs, max(1.0, enough / max(1, taken)))
    loop = job.loop.model_copy(update={"epochs": epochs, "report_steps": 1, "checkpoint_steps": 10**9})
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix="timing-") as place:
        trained = await run_training(job.model_copy(update={"loop": loop}), few, (), Path(place) / "steps")
    steps = trained.steps
    # The first step pays for what later ones find ready.
    first, last = steps[0], steps[-1]
    tokens = last.tokens_per_s * (last.elapsed_s or 0.0)
    seconds = last.elapsed_s or 0.0
    if len(steps) > 1 and first.elapsed_s:
        tokens -= first.tokens_per_s * first.elapsed_s
        seconds -= first.elapsed_s
    return Device(
        name=trained.device,
        tokens_per_s=tokens / seconds if seconds > 0 and tokens > 0 else None,
        usd_per_hour=usd_per_hour,
    )
