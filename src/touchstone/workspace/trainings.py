"""The trainings of a workspace: what was learned, how far each is, and what it left."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from touchstone.errors import UnknownName
from touchstone.noun import Noun
from touchstone.storage.process_lock import ProcessLock
from touchstone.strategies.trained import BASES, TRAINED
from touchstone.training.card import CARD
from touchstone.training.child import JOB, PROGRESS
from touchstone.training.run import PARENT_LOCK, stored_training
from touchstone.training.steps import DRAWN, Step, thinned

_DIGEST = re.compile(r"[0-9a-f]{16,64}")
_CARD_ID = re.compile(r"^\| id \| (own/[a-z0-9][a-z0-9._-]*) \|$", re.MULTILINE)
_CARD_BASE = re.compile(r"^\| base model \| ([\w.-]+/[\w./-]+) \|$", re.MULTILINE)
_CARD_BYTES = 64 * 1024
_PROGRESS_BYTES = 16 * 1024 * 1024
_LISTED = 200

TrainingState = Literal["finished", "running", "kept", "begun"]
"""`kept`: interrupted, with a checkpoint to go on from; `begun`: interrupted before the first."""


class StoredTraining(Noun):
    """One training, as its folder tells of it."""

    digest: str
    """Name of its folder."""
    state: TrainingState
    way: str
    """`lora`, `full` or `pretrain`."""
    base: str | None
    """What it began with, as its card or its folder is called; None from nothing, and where nobody knows."""
    began: str
    """A moment in UTC."""
    steps: tuple[Step, ...] = ()
    """Reports, thinned."""
    checkpoint_step: int | None = None
    """The step that the last checkpoint is of; None without one."""
    size: int = 0
    """Bytes on disk."""
    rows: int | None = None
    parameters: int | None = None
    trained_parameters: int | None = None
    seconds: float | None = None
    device: str | None = None
    held_back_loss_before: float | None = None
    held_back_loss: float | None = None
    card: str | None = None
    """Id in the catalog, `own/NAME`."""
    settings: Mapping[str, Any] = {}
    """Epochs, learning rate and the like."""


def trainings(workspace: Path) -> tuple[StoredTraining, ...]:
    """Every training of a workspace, the newest first."""
    home = workspace / TRAINED
    folders = [one for one in home.iterdir() if _DIGEST.fullmatch(one.name)] if home.is_dir() else []
    folders = [one for one in folders if not one.is_symlink() and one.is_dir()]
    newest = sorted(folders, key=lambda one: -one.stat().st_mtime)[:_LISTED]
    return tuple(_read(one) for one in newest)


def find_training(workspace: Path, digest: str) -> StoredTraining:
    """A training by the name of its folder. Raises `UnknownName`."""
    place = workspace / TRAINED / digest
    if not _DIGEST.fullmatch(digest) or place.is_symlink() or not place.is_dir():
        raise UnknownName(kind="training", name=digest, known=())
    return _read(place)


def _read(folder: Path) -> StoredTraining:
    job = _json(folder / JOB).get("job", {})
    found: dict[str, Any] = {
        "digest": folder.name,
        "way": str(job.get("way", "full")),
        "base": _base(folder, job),
        "began": datetime.fromtimestamp(_changed(folder / JOB, folder), UTC).isoformat(timespec="seconds"),
        "size": sum(one.stat().st_size for one in folder.rglob("*") if one.is_file() and not one.is_symlink()),
        "card": _of_card(folder, _CARD_ID),
        "settings": _settings(job),
        "steps": tuple(thinned(_steps(folder), DRAWN)),
    }
    trained = stored_training(folder)
    if trained is not None:
        told = ("rows", "parameters", "trained_parameters", "seconds", "device", "held_back_loss_before")
        found |= {name: getattr(trained, name) for name in (*told, "held_back_loss")}
        return StoredTraining(state="finished", **{**found, "steps": tuple(thinned(trained.steps, DRAWN))})
    kept = _json(folder / "checkpoint" / "state.json")
    step = kept.get("step")
    if isinstance(step, int):
        found["checkpoint_step"] = step
    running = ProcessLock(folder / PARENT_LOCK).held
    return StoredTraining(state="running" if running else "kept" if isinstance(step, int) else "begun", **found)


def _settings(job: Mapping[str, Any]) -> dict[str, Any]:
    loop = job.get("loop") if isinstance(job.get("loop"), Mapping) else {}
    assert isinstance(loop, Mapping)
    named = {name: loop.get(name) for name in ("epochs", "learning_rate", "batch_tokens", "seed")}
    lora = job.get("lora")
    if job.get("way") == "lora" and isinstance(lora, Mapping):
        named["rank"] = lora.get("rank")
    if isinstance(job.get("sizes"), Mapping):
        named |= {f"network_{name}": value for name, value in job["sizes"].items()}
    return {name: value for name, value in named.items() if isinstance(value, int | float | str)}


def _steps(folder: Path) -> list[Step]:
    file = folder / PROGRESS
    found: dict[int, Step] = {}
    try:
        if file.stat().st_size > _PROGRESS_BYTES:
            return []
        for line in file.read_bytes().splitlines():
            step = Step.model_validate_json(line)
            found[step.step] = step
    except (OSError, ValueError):
        pass  # not begun, or a line that is just being written: what came before it is told
    return [found[step] for step in sorted(found)]


def _base(folder: Path, job: Mapping[str, Any]) -> str | None:
    named = _of_card(folder, _CARD_BASE)
    base = job.get("base")
    if named is not None or not isinstance(base, str):
        return named
    place = Path(base)
    # What ships is gathered under its digest, which is no name.
    return None if place.parent.name == BASES else place.name


def _of_card(folder: Path, wanted: re.Pattern[str]) -> str | None:
    try:
        with (folder / CARD).open("rb") as file:
            match = wanted.search(file.read(_CARD_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None
    return match[1] if match else None


def _changed(file: Path, otherwise: Path) -> float:
    return (file if file.exists() else otherwise).stat().st_mtime


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
