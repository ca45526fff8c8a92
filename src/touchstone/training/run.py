"""A training as a job: a process of its own in a folder of its own, watched, stopped, resumed."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import orjson
from pydantic import ValidationError

from touchstone.errors import DataError, ExtraMissing, StoreBusy, TrainingFailed, TrainingStopped
from touchstone.models.local.confine import child_environment
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.storage.process_lock import ProcessLock
from touchstone.training.base import Example, Trained, TrainingJob, training_digest
from touchstone.training.child import JOB, PROBLEM, PROGRESS, RESULT, STOPPED
from touchstone.training.examples import EXAMPLES, HELD_BACK, write_examples
from touchstone.training.steps import Step

PARENT_LOCK, SCRATCH, ERRORS = "parent.lock", "scratch", "errors.txt"
_LOOK_S = 0.1
GRACE_S = 30.0
"""Seconds in which a training that is asked to stop keeps its checkpoint."""
_LARGEST_ERRORS = 4_000

_NO_MEMORY = ("not enough memory", "memory allocation still failed", "memoryerror", "bad_alloc", "out of memory")
"""How Python, its number libraries and torch say so."""

Watch = Callable[[Step], None]


def stored_training(folder: Path, digest: str | None = None) -> Trained | None:
    """
    What a folder holds of a training that was finished; None where there is none, or one with another digest.

    No library of training is needed for this.
    """
    try:
        found = json.loads((folder / RESULT).read_bytes())
        trained = Trained.model_validate({**found, "folder": folder / found["folder"]})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if trained.adapter is not None:
        trained = trained.model_copy(update={"adapter": folder / trained.adapter})
    whole = (trained.folder / "config.json").is_file() and (digest is None or trained.digest == digest)
    return trained if whole else None


def can_train() -> bool:
    """Whether the libraries of the extra `train` are installed; nothing is imported."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("torch", "transformers", "peft", "tokenizers"))


async def run_training(
    job: TrainingJob,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    folder: Path,
    *,
    report: Watch = lambda _step: None,
    memory_bytes: int | None = None,
    file_bytes: int | None = None,
    deadline_s: float | None = None,
) -> Trained:
    """
    Train in a child process, or take what the folder holds of the same training.

    A folder whose training was interrupted, by whatever, goes on from its checkpoint. Cancelling the call asks the
    child to keep one and leave.

    Args:
        job: What to do.
        examples: What to learn from, at least one.
        held_back: What the loss is measured on before and after; never learned from.
        folder: Of this training alone; made where it is missing.
        report: Called with every report of the loop, those before an interruption included.
        memory_bytes: Most memory of the child; None sets no limit.
        file_bytes: Size of the largest file that it may write; None takes one that fits the base, at least 4 GB.
        deadline_s: Seconds after which it is stopped; a later call goes on.

    Raises:
        ExtraMissing: the libraries of training are not installed, and the folder does not hold the result.
        DataError: the base cannot be trusted, there is nothing to learn from, or the folder is of another training.
        StoreBusy: another process trains there.
        TrainingFailed: the child failed; its reason is said.
        TrainingStopped: the deadline came; what was learned is kept.
    """
    if not examples:
        raise DataError("there is nothing to learn from; give some rows split = train", path=folder)
    if job.base is not None:
        base = job.base.resolve()
        check_weights_folder(base)
        job = job.model_copy(update={"base": base})
    digest = training_digest(job, examples, held_back)
    trained = stored_training(folder, digest)
    if trained is not None:
        return trained
    if not can_train():
        raise ExtraMissing(feature="training", extra="train")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with ProcessLock(folder / PARENT_LOCK) as lock:
        if not lock.take():
            raise StoreBusy("another process trains in {folder}; wait for it, or end it", folder=str(folder))
        lay_out(job, examples, held_back, folder, digest)
        largest = file_bytes or max(4 * 2**30, 8 * _bytes_of(job.base))
        environment = child_environment(folder / SCRATCH, memory_bytes=memory_bytes, file_bytes=largest)
        await _watched(folder, environment, report, deadline_s)
    trained = stored_training(folder, digest)
    if trained is None:
        raise TrainingFailed("the training in {folder} left no model", folder=str(folder))
    return trained


def lay_out(
    job: TrainingJob, examples: Sequence[Example], held_back: Sequence[Example], folder: Path, digest: str
) -> None:
    """Write the job and the rows; a folder of another training is refused, its checkpoint would be another's."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((folder / JOB).read_bytes())["digest"]
        if kept != digest:
            raise DataError("this folder is of another training; name another one", path=folder)
    for name in (PROGRESS, PROBLEM, RESULT, ERRORS):
        (folder / name).unlink(missing_ok=True)
    write_examples(folder / EXAMPLES, examples)
    write_examples(folder / HELD_BACK, held_back)
    made = folder / "job.new"
    made.write_bytes(orjson.dumps({"digest": digest, "job": job.model_dump(mode="json")}))
    made.replace(folder / JOB)


def _bytes_of(base: Path | None) -> int:
    return sum(file.stat().st_size for file in base.iterdir()) if base is not None else 0


async def _watched(folder: Path, environment: dict[str, str], report: Watch, deadline_s: float | None) -> None:
    """Run the child until it ends, and tell what it reports. Raises `TrainingFailed` where it left no model."""
    began = monotonic()
    with (folder / ERRORS).open("wb") as errors:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory says nothing of what is imported
            "-m",
            "touchstone.training.child",
            str(folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    progress = _Progress(folder / PROGRESS, report)
    late = False
    try:
        while child.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _LOOK_S)
            progress.look()
            if deadline_s is not None and monotonic() - began > deadline_s and child.returncode is None:
                late = True
                await _end(child)
    finally:
        # Interrupted, or done: in either case no process is left behind.
        await asyncio.shield(_end(child))
        shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    progress.look()
    if late:
        raise TrainingStopped(
            "the training was stopped after {seconds:.0f} s, its deadline; the same call goes on from its checkpoint",
            seconds=deadline_s,
        )
    if child.returncode:
        raise _failure(folder, child.returncode)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Ask the child to keep a checkpoint and leave, and kill it where it does not."""
    if child.returncode is not None:
        return
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), GRACE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


class _Progress:
    """The reports in a file that grows."""

    def __init__(self, file: Path, report: Watch) -> None:
        self._file = file
        self._report = report
        self._read = 0

    def look(self) -> None:
        """Tell what is new."""
        with suppress(FileNotFoundError), self._file.open("rb") as opened:
            opened.seek(self._read)
            new = opened.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                with suppress(ValidationError):
                    self._report(Step.model_validate_json(line))


def _failure(folder: Path, code: int) -> TrainingFailed:
    """Why a child ended with an exit code, or by a signal."""
    if code == STOPPED:
        return TrainingStopped("the training was stopped; the same call goes on from its checkpoint")
    reason, errors = "", folder / ERRORS
    with suppress(OSError, ValueError, KeyError):
        reason = json.loads((folder / PROBLEM).read_bytes())["reason"]
    said = errors.read_bytes()[-_LARGEST_ERRORS:].decode("utf-8", "replace") if errors.exists() else ""
    if any(words in f"{reason}\n{said}".lower() for words in _NO_MEMORY):
        return TrainingFailed(
            "the training had not enough memory; lower batch_tokens, take way: lora, or a smaller model"
        )
    if reason:
        return TrainingFailed("the training failed: {reason}", reason=reason)
    by = _signal_name(-code) if code < 0 else ""
    if by == "SIGKILL":
        return TrainingFailed(
            "the training was killed, most likely because the machine had no memory left; lower batch_tokens or take a "
            "smaller model, and run it again: it goes on from its checkpoint"
        )
    if by == "SIGXFSZ":
        return TrainingFailed("the training wrote a larger file than it may; raise file_bytes")
    if by:
        return TrainingFailed(
            "the training was ended by the signal {signal}; run it again, it goes on from its checkpoint",
            signal=by,
        )
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    return TrainingFailed("the training ended with status {code}: {reason}", code=code, reason=last[:300])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
