"""Put a shortlist's models under `candidates` of a task file, and leave every other byte as it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from touchstone.catalog.providers import find_provider, provider_names
from touchstone.decision.base import Reason
from touchstone.errors import SettingsError, TaskError, TouchstoneError
from touchstone.noun import Noun
from touchstone.workspace.shortlist_entries import Entry
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.yaml_edit import Edit, edited_sequence


class Written(Noun):
    """What was written, and what could not be."""

    path: Path
    added: tuple[str, ...]
    """Names of the candidates, in the order of the shortlist."""
    kept: tuple[str, ...]
    """Entries that stay as they were, by their `model` or file."""
    replaced: tuple[str, ...]
    left_out: tuple[Reason, ...]
    """Models that cannot be called, and why."""
    notes: tuple[Reason, ...] = ()
    """Models that are written as another offer than the one that is shown, and why."""


def write_candidates(
    task: Task, entries: Sequence[Entry], *, left_out: Sequence[Reason] = (), replace: bool = False
) -> Written:
    """
    Write candidates into a task file: what stands there and is no model of the catalog stays, comments stay.

    The file is replaced as a whole when the new one was read and checked, or not at all.

    Args:
        task: The task file, as it is.
        entries: What to write.
        left_out: Models that could not be written, for the answer.
        replace: Whether models of the catalog that stand there already may be taken out.

    Raises:
        TaskError: there are models of the catalog already and `replace` is False; or the file is written in a way
            that cannot be edited without changing something else.
        SettingsError: nobody can be written, or the file cannot be.
    """
    if not entries:
        raise SettingsError(
            "no model of the shortlist can be called so that the limits hold, so {path} stays as it is; serve one "
            "yourself and add its base_url, or relax a limit",
            path=str(task.path),
        )
    mine = [position for position, entry in enumerate(task.file.candidates) if _of_catalog(entry)]
    names = [_shown(entry) for entry in task.file.candidates]
    if mine and not replace:
        raise TaskError(
            "there are candidates of the catalog already: {names}; --replace takes them out and keeps the others",
            path=task.path,
            line=task.line("candidates", mine[0]),
            names=", ".join(names[position] for position in mine),
        )
    kept = [name for position, name in enumerate(names) if position not in mine]
    known = set(kept)
    wanted = [entry for entry in entries if entry.name not in known]
    lines = [entry.line + (f"   # {entry.key_env}" if entry.key_env else "") for entry in wanted]
    path = task.path.resolve()
    text = _read(path)
    edit = Edit(remove=frozenset(mine), add=tuple(lines), plain=tuple(entry.line for entry in wanted))
    expected = [entry for position, entry in enumerate(task.file.candidates) if position not in mine]
    expected += [entry.reference if isinstance(entry.reference, str) else dict(entry.reference) for entry in wanted]
    _replace(path, edited_sequence(text, "candidates", edit, path=task.path), task, expected)
    return Written(
        path=task.path,
        added=tuple(entry.name for entry in wanted),
        kept=tuple(kept),
        replaced=tuple(names[position] for position in mine),
        left_out=tuple(left_out),
        notes=tuple(entry.note for entry in wanted if entry.note is not None),
    )


def _of_catalog(entry: str | Mapping[str, Any]) -> bool:
    """Whether an entry is sold by a provider that the catalog knows; baselines, recordings and own servers are not."""
    model = entry if isinstance(entry, str) else entry.get("model")
    if not isinstance(model, str) or (not isinstance(entry, str) and "recorded" in entry):
        return False
    preset = model.partition("/")[0]
    return preset in provider_names() and not find_provider(preset).local


def _shown(entry: str | Mapping[str, Any]) -> str:
    if isinstance(entry, str):
        return entry
    if "recorded" in entry:
        return str(entry.get("name") or entry["recorded"])
    own = entry.get("model") == "openai-compatible"
    return str(entry.get("name") or entry.get("served_name" if own else "model"))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError("{path} cannot be read: {reason}", path=str(path), reason=error.strerror) from error


def _replace(path: Path, text: str, task: Task, expected: Sequence[Any]) -> None:
    """Put the new text in the file's place once it was read back and says what it should and nothing else."""
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        # A fresh file could still take its place: the folder decides that. Who protects a file means what it says.
        raise SettingsError("{path} cannot be written: it is protected against writing", path=str(path))
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            _like(path, fresh)
            _check(fresh, task, expected)
            fresh.replace(path)
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(path), reason=error.strerror) from error


def _like(path: Path, fresh: Path) -> None:
    """Give a new file the mode of the old one, and its owner and group where that is allowed."""
    old, new = path.stat(), fresh.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(OSError):
            os.chown(fresh, old.st_uid, old.st_gid)
    fresh.chmod(old.st_mode & 0o7777)


def _check(fresh: Path, task: Task, expected: Sequence[Any]) -> None:
    try:
        now = load_task(fresh).file
    except TouchstoneError:
        now = None
    said = task.file.model_dump(exclude={"candidates"})
    if now is None or now.model_dump(exclude={"candidates"}) != said or list(now.candidates) != list(expected):
        raise TaskError(
            "the candidates cannot be edited without changing something else; write them as a list, one a line, "
            "and try again",
            path=task.path,
            line=task.line("candidates"),
        )
