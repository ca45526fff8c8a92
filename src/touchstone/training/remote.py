"""
Fine-tuning by a provider: files sent, a job begun once, watched until it ends; resumed from what is on disk.

The job costs money the moment it is begun. So the intent is on disk before it is sent, and a run that finds an intent
without a job first asks the provider whether it began one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
from pydantic import Field, ValidationError

from touchstone.errors import (
    BudgetStop,
    DataError,
    ModelError,
    SettingsError,
    StoreBusy,
    TrainingFailed,
    TrainingStopped,
)
from touchstone.models.tuning_service import TuningJob, TuningService
from touchstone.noun import Noun
from touchstone.storage.process_lock import ProcessLock
from touchstone.training.base import Example
from touchstone.training.run import PARENT_LOCK

STATE = "remote.json"
_FEWEST = 10
"""Rows without which providers refuse a job (OpenAI, fine-tuning guide)."""
_RETRIES = 5
"""Looks that may fail in a row before nobody believes in the connection any more."""


class RemoteSettings(Noun):
    """What is asked of the provider."""

    model: str
    """As the provider calls it."""
    epochs: int = Field(default=3, ge=1, le=50)
    seed: int = 0
    suffix: str | None = Field(default=None, max_length=18)
    """Part of the trained model's name."""
    usd_per_million: float = Field(ge=0)
    """USD for a million tokens of training, as the provider's price list says."""
    max_usd: float | None = Field(default=None, ge=0)
    """A forecast above it begins nothing."""


class RemoteForecast(Noun):
    """What a job will cost."""

    tokens: int
    """Of all rows, four bytes a token, as often as they are seen."""
    usd: float
    most_tokens: int
    """With a token a byte, which no vocabulary exceeds."""
    most_usd: float


class RemoteState(Noun):
    """What is known of a job, on disk."""

    digest: str
    file: str | None = None
    held_back_file: str | None = None
    began: bool = False
    """Whether the request that begins it may have been sent."""
    job: TuningJob | None = None


class RemoteTrained(Noun):
    """What a provider trained."""

    digest: str
    job: str
    model: str
    """What the provider calls it."""
    tokens: int | None
    """Billed; None where it did not say."""
    usd: float | None
    """At the stated price; None where the tokens are unknown."""


def rows_body(examples: Sequence[Example]) -> bytes:
    """Rows as the protocol wants them: a conversation a line."""
    return b"\n".join(orjson.dumps({"messages": _messages(example)}) for example in examples) + b"\n"


def _messages(example: Example) -> list[dict[str, str | int]]:
    """Turns as messages; `weight: 0` marks what an assistant said and nobody shall learn to say."""
    last = len(example.turns) - 1
    return [
        {"role": role, "content": text}
        | ({"weight": 0} if example.last_alone and role == "assistant" and place < last else {})
        for place, (role, text) in enumerate(example.turns)
    ]


def remote_forecast(examples: Sequence[Example], settings: RemoteSettings) -> RemoteForecast:
    """What the job will cost, by the stated price."""
    size = sum(len(text.encode()) for example in examples for _, text in example.turns)
    tokens, most = -(-size // 4) * settings.epochs, size * settings.epochs
    price = settings.usd_per_million / 1e6
    return RemoteForecast(tokens=tokens, usd=tokens * price, most_tokens=most, most_usd=most * price)


def remote_digest(service: TuningService, examples: Sequence[Example], settings: RemoteSettings) -> str:
    """SHA-256 that tells whether two jobs would train the same; price and cap have no part in it."""
    asked = settings.model_dump(mode="json", exclude={"usd_per_million", "max_usd"})
    said = orjson.dumps([service.origin, asked], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said + b"\0" + rows_body(examples)).hexdigest()


async def run_remote(
    service: TuningService,
    settings: RemoteSettings,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    folder: Path,
    *,
    told: Callable[[str], None] = lambda _line: None,
    deadline_s: float | None = None,
    poll_s: float = 10.0,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> RemoteTrained:
    """
    The model that a provider trains, begun here or earlier.

    Cancelling the call leaves the job running; a later call with the same folder finds it.

    Args:
        service: Who trains.
        settings: What is asked.
        examples: To learn from, at least ten.
        held_back: For the provider's own loss; may be empty.
        folder: Keeps the state.
        told: What the provider says of the job, line by line.
        deadline_s: So long one waits; the job goes on.
        poll_s: Between two looks.
        wait: What waits between them.

    Raises:
        SettingsError: there are too few rows.
        BudgetStop: it could cost more than it may.
        TrainingFailed: the provider could not train it, or somebody cancelled it.
        TrainingStopped: the deadline came.
        ModelError: the provider cannot be asked.
    """
    if len(examples) < _FEWEST:
        raise SettingsError(
            "a provider trains on {fewest} rows at least and there are {n}; add cases to learn from",
            fewest=_FEWEST,
            n=len(examples),
        )
    digest = remote_digest(service, examples, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessLock(folder / PARENT_LOCK) as lock:
        if not lock.take():
            raise StoreBusy("another process trains in {folder}; wait for it, or end it", folder=str(folder))
        state = _read(folder, digest)
        if state.job is None:
            expected = remote_forecast(examples, settings)
            if settings.max_usd is not None and expected.most_usd > settings.max_usd and not state.began:
                raise BudgetStop(
                    "training could cost up to {most:.2f} USD (about {usd:.2f}), more than the {cap:.2f} it may; raise "
                    "the cap, or train on fewer rows or epochs",
                    most=expected.most_usd,
                    usd=expected.usd,
                    cap=settings.max_usd,
                )
            state = await _begun(service, settings, examples, held_back, folder, state)
        job = await _ended(service, state, folder, told, deadline_s, poll_s, wait)
    if job.status != "succeeded" or not job.fine_tuned_model:
        raise TrainingFailed(
            "the provider's job {job} ended as {status}: {reason}; take {folder} away to begin another",
            job=job.id,
            status=job.status,
            reason=job.reason or "no reason was given",
            folder=str(folder),
        )
    tokens = job.trained_tokens
    return RemoteTrained(
        digest=digest,
        job=job.id,
        model=job.fine_tuned_model,
        tokens=tokens,
        usd=None if tokens is None else tokens * settings.usd_per_million / 1e6,
    )


def stored_remote(folder: Path, digest: str) -> TuningJob | None:
    """The job of a folder that has ended well; None where there is none."""
    try:
        job = _read(folder, digest).job
    except DataError:
        return None
    return job if job is not None and job.status == "succeeded" else None


async def _begun(
    service: TuningService,
    settings: RemoteSettings,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    folder: Path,
    state: RemoteState,
) -> RemoteState:
    """A state with a job: the one that was begun before, or a new one."""
    if state.began and state.file is not None:
        known = [job for job in await service.recent() if job.training_file == state.file]
        if known:
            return _keep(folder, state.model_copy(update={"job": known[0]}))
    if state.file is None:
        file = await service.upload("rows.jsonl", rows_body(examples))
        state = _keep(folder, state.model_copy(update={"file": file}))
    if held_back and state.held_back_file is None:
        file = await service.upload("held_back.jsonl", rows_body(held_back))
        state = _keep(folder, state.model_copy(update={"held_back_file": file}))
    state = _keep(folder, state.model_copy(update={"began": True}))
    more = {
        "seed": settings.seed,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": settings.epochs}}},
        **({"suffix": settings.suffix} if settings.suffix else {}),
        **({"validation_file": state.held_back_file} if state.held_back_file else {}),
    }
    assert state.file is not None
    job = await service.create(settings.model, state.file, **more)
    return _keep(folder, state.model_copy(update={"job": job}))


async def _ended(
    service: TuningService,
    state: RemoteState,
    folder: Path,
    told: Callable[[str], None],
    deadline_s: float | None,
    poll_s: float,
    wait: Callable[[float], Awaitable[None]],
) -> TuningJob:
    assert state.job is not None
    job, said, waited, failed = state.job, 0, 0.0, 0
    while not job.ended:
        if deadline_s is not None and waited >= deadline_s:
            raise TrainingStopped(
                "the provider's job {job} is not done after {seconds:.0f} s; it goes on, and the same call finds it",
                job=job.id,
                seconds=waited,
            )
        await wait(poll_s)
        waited += poll_s
        try:
            job = await service.look(job.id)
            events = await service.events(job.id)
            failed = 0
        except ModelError as error:
            failed += 1
            if not error.retryable or failed > _RETRIES:
                raise
            continue
        for line in events[said:]:
            told(line)
        said = max(said, len(events))
        state = _keep(folder, state.model_copy(update={"job": job}))
    return job


def _read(folder: Path, digest: str) -> RemoteState:
    """Raises `DataError` where the folder is of another job."""
    try:
        state = RemoteState.model_validate_json((folder / STATE).read_bytes())
    except FileNotFoundError:
        return RemoteState(digest=digest)
    except (OSError, ValidationError) as error:
        raise DataError("what is known of the provider's job cannot be read", path=folder / STATE) from error
    if state.digest != digest:
        raise DataError("this folder is of another training; name another one", path=folder)
    return state


def _keep(folder: Path, state: RemoteState) -> RemoteState:
    import os

    made = folder / f"{STATE}.new"
    with made.open("wb") as opened:
        opened.write(state.model_dump_json().encode())
        opened.flush()
        os.fsync(opened.fileno())
    made.replace(folder / STATE)
    return state
