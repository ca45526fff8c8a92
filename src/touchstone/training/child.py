"""
The process that trains: `python -m touchstone.training.child FOLDER`.

It gets a folder with the job and the rows, and leaves the model and its progress there. It has no keys in its
environment and opens no connection. When its standard input ends it keeps a checkpoint and leaves.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from touchstone.errors import TouchstoneError
from touchstone.models.local.confine import confine, when_nobody_waits

JOB, PROGRESS, RESULT, PROBLEM, LOCK = "job.json", "progress.jsonl", "result.json", "problem.json", "child.lock"
STOPPED = 75
"""Exit code of a process that was asked to stop and kept a checkpoint (EX_TEMPFAIL)."""

SMALL = 20_000_000
"""Parameters below which a second thread waits more than it works; measured on two cores (docs/experiments.md)."""
_PATIENCE_S = 60.0
"""So long one waits for the process of a session that died to keep its checkpoint and leave."""


def main(folder: Path) -> int:
    """Train, and write what came out; 1 when it failed, `STOPPED` when it was asked to stop."""
    confine()
    stop, learning = threading.Event(), threading.Event()

    def leave() -> None:
        stop.set()
        if not learning.is_set():
            os._exit(STOPPED)  # nothing is learned yet that a checkpoint could keep

    when_nobody_waits(leave)
    try:
        return train_in(folder, stop, learning)
    except TouchstoneError as error:
        _write(folder / PROBLEM, {"reason": str(error)})
    except MemoryError:
        _write(folder / PROBLEM, {"reason": "there is not enough memory"})
    except RuntimeError as error:
        # torch says so in words of its own, on the processor and on an accelerator.
        short = any(
            said in str(error).lower() for said in ("can't allocate memory", "out of memory", "not enough memory")
        )
        _write(folder / PROBLEM, {"reason": "there is not enough memory" if short else _first_line(error)})
    except Exception as error:  # noqa: BLE001 - whatever a library stumbles over, whoever waits is told in one line
        _write(folder / PROBLEM, {"reason": _first_line(error)})
    return 1


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:300]}"


def train_in(folder: Path, stop: threading.Event, learning: threading.Event) -> int:
    """
    Train what lies in a folder; 0 when a model is left, `STOPPED` when `stop` was set.

    Args:
        folder: With the job and its rows.
        stop: Set by whoever wants the loop to end with a checkpoint.
        learning: Set here once there is something to keep.

    Raises:
        TouchstoneError: something must be changed first.
    """
    from touchstone.storage.process_lock import ProcessLock

    lock = ProcessLock(folder / LOCK)
    waited = threading.Event()
    for _ in range(int(_PATIENCE_S / 0.5)):
        if lock.take():
            break
        waited.wait(0.5)
    else:
        raise TouchstoneError("another process trains in this folder; wait for it, or end it")

    from touchstone.models.local.words import read_words
    from touchstone.training.base import Trained, TrainingJob
    from touchstone.training.checkpoint import forget
    from touchstone.training.examples import EXAMPLES, HELD_BACK, read_examples, refuse_unanswered, rows_by
    from touchstone.training.loop import Interrupted, mean_loss, train
    from touchstone.training.make import make_network, objective_of, save_network, start_folder
    from touchstone.training.steps import Step

    asked = json.loads((folder / JOB).read_bytes())
    job = TrainingJob.model_validate(asked["job"])
    start = start_folder(job, folder)
    words = read_words(start)
    learned = rows_by(read_examples(folder / EXAMPLES), words, job, place=folder / EXAMPLES)
    refuse_unanswered(learned, job, folder / EXAMPLES)
    held_back = rows_by(read_examples(folder / HELD_BACK), words, job, place=folder / HELD_BACK).rows
    network = make_network(job, start)
    all_values = list(network.parameters())
    if sum(value.numel() for value in all_values) < SMALL:
        import torch

        torch.set_num_threads(1)
    objective = objective_of(job, network, start)
    new_head = job.way == "pretrain" or bool(job.labels)
    before = None if new_head or not len(held_back) else mean_loss(network, held_back, job.loop, objective)
    learning.set()
    with (folder / PROGRESS).open("w", encoding="utf-8") as progress:

        def report(step: Step) -> None:
            progress.write(step.model_dump_json() + "\n")
            progress.flush()

        try:
            steps = train(
                network,
                learned.rows,
                job.loop,
                folder,
                report,
                objective=objective,
                stop=stop.is_set,
                keep_last=True,
            )
        except Interrupted:
            return STOPPED
    after = mean_loss(network, held_back, job.loop, objective) if len(held_back) else None
    trained = Trained(
        digest=asked["digest"],
        folder=Path(),
        steps=steps,
        held_back_loss=after,
        held_back_loss_before=before,
        parameters=sum(value.numel() for value in all_values),
        trained_parameters=sum(value.numel() for value in all_values if value.requires_grad),
        rows=len(learned.rows),
        tokens=len(learned.rows.tokens),
        cut_rows=learned.cut,
        seconds=steps[-1].elapsed_s or 0.0,
        device=_device_name(),
    )
    model, adapter = save_network(network, job, start, folder)
    # Places are kept relative, so that the folder may be moved and shipped.
    said = trained.model_dump(mode="json") | {"folder": model.name, "adapter": adapter.name if adapter else None}
    _write(folder / RESULT, said)
    forget(folder)
    return 0


def _device_name() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "cpu"


def _write(path: Path, what: dict[str, Any]) -> None:
    made = path.with_suffix(".new")
    made.write_text(json.dumps(what), encoding="utf-8")
    made.replace(path)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    # Nothing that a library registered for its end is wanted, and none of it may hang.
    os._exit(code)
