"""
The tasks of a project: folders below the workspace, each with a task file and what belongs to it.

    tasks/NAME/task.yaml     the task file; `touchstone compare` takes it as it is
               cases.csv     its cases, and whatever else was uploaded, under names of ours
    tasks/.new/ID/           cases that were uploaded and are no task yet

A name is checked before it becomes part of a path. Tasks that were measured out of other folders are known by what the
store says of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import orjson

from touchstone.data.readers import reader_for
from touchstone.errors import DataError, SettingsError, TaskError, TouchstoneError, UnknownName
from touchstone.noun import Noun
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.taskfile import Task, load_task

MOST_BYTES = 200 * 1024 * 1024
"""Of one file that is uploaded."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")
_DRAFT = re.compile(r"[0-9a-f]{16}")
_ELSEWHERE = re.compile(r"at-[0-9a-f]{12}")
_BLOCK = 1 << 20
_DRAFTS_S = 7 * 86_400.0
"""Cases that became no task are kept so long."""
_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
_RESERVED = frozenset({"new"})


class OwnTask(Noun):
    """A task below the workspace."""

    name: str
    """Of its folder."""
    path: Path
    title: str
    """What its file calls it; the folder's name where the file cannot be read."""
    task: Task | None
    """None where the file cannot be read as it is."""
    problem: Any = None
    """Why it cannot be read."""


class FarTask(Noun):
    """A task that was measured out of a folder elsewhere; nothing but the store is asked about it."""

    name: str
    """By which pages find it."""
    path: str
    title: str
    comparisons: tuple[StoredComparison, ...]


class Draft(Noun):
    """Cases that were uploaded and are no task yet."""

    id: str
    folder: Path
    cases: Path
    title: str
    """What the file was called, without its end."""
    size: int


def folder_of(workspace: Path, name: str) -> Path:
    """
    The folder of a task of this workspace.

    Raises:
        UnknownName: there is none of that name.
    """
    place = workspace / "tasks" / name
    if not _is_name(name) or place.is_symlink() or not (place / "task.yaml").is_file():
        raise UnknownName(kind="task", name=name, known=())
    return place


def own_task(workspace: Path, name: str) -> OwnTask:
    """A task of this workspace. Raises `UnknownName`."""
    return _read(folder_of(workspace, name))


def own_tasks(workspace: Path) -> tuple[OwnTask, ...]:
    """All of them, those whose file changed last first."""
    below = workspace / "tasks"
    folders = [entry for entry in below.iterdir() if _is_name(entry.name)] if below.is_dir() else []
    found = [entry for entry in folders if not entry.is_symlink() and (entry / "task.yaml").is_file()]
    return tuple(map(_read, sorted(found, key=lambda entry: -(entry / "task.yaml").stat().st_mtime)))


def far_tasks(workspace: Path, comparisons: Iterable[StoredComparison]) -> tuple[FarTask, ...]:
    """Tasks whose comparisons are stored here and whose files lie elsewhere, the one measured last first."""
    below = str((workspace / "tasks").resolve())
    found: dict[str, list[StoredComparison]] = {}
    for one in comparisons:
        if one.path is not None and not _place(one.path).startswith(below + os.sep):
            found.setdefault(one.path, []).append(one)
    return tuple(
        FarTask(name=_far_name(path), path=path, title=ones[0].task, comparisons=tuple(ones))
        for path, ones in found.items()
    )


def comparisons_of(path: Path, comparisons: Iterable[StoredComparison]) -> tuple[StoredComparison, ...]:
    """Those of one task file, newest first; those of a file of the same text are its own as well."""
    wanted = str(path.resolve())
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return tuple(
        one for one in comparisons if one.digest == digest or (one.path is not None and _place(one.path) == wanted)
    )


def _place(path: str) -> str:
    return os.path.realpath(path)


def _far_name(path: str) -> str:
    return f"at-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED and not _ELSEWHERE.fullmatch(name)


def _read(folder: Path) -> OwnTask:
    path = folder / "task.yaml"
    try:
        stat = path.stat()
        task = _loaded(path, stat.st_mtime_ns, stat.st_size)
    except TouchstoneError as error:
        return OwnTask(name=folder.name, path=path, title=folder.name, task=None, problem=error)
    return OwnTask(name=folder.name, path=path, title=task.file.task, task=task)


@lru_cache(maxsize=512)
def _loaded(path: Path, _changed_ns: int, _size: int) -> Task:
    """A task file that can be read, for as long as it stays as it is; what is wrong with one is looked at anew."""
    return load_task(path, candidates_to_come=True)


def free_name(workspace: Path, title: str) -> str:
    """A name for a new task's folder, made of its title; with a number where that is taken."""
    wanted = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48].strip("-")
    if not _is_name(wanted):
        wanted = f"task-{hashlib.sha256(title.encode('utf-8', 'replace')).hexdigest()[:6]}"
    taken = {entry.name for entry in (workspace / "tasks").iterdir()} if (workspace / "tasks").is_dir() else set()
    number = 1
    while (name := wanted if number == 1 else f"{wanted}-{number}") in taken:
        number += 1
    return name


# Files that people bring -------------------------------------------------------------------------------------------


def suffix_of(file_name: str) -> str:
    """
    The end of a file's name, which says how it is read.

    Raises:
        SettingsError: no reader of cases knows it.
    """
    suffix = Path(file_name.replace("\\", "/")).suffix.lower()
    if suffix not in _SUFFIXES:
        raise SettingsError(
            "{name} is no CSV, JSONL or Parquet file by its name; save it as one of these", name=file_name[-80:]
        )
    return suffix


def keep_file(folder: Path, stream: IO[bytes], stem: str, suffix: str, *, most: int = MOST_BYTES) -> Path:
    """
    Copy what was uploaded into a folder under a name of ours, block by block.

    Raises:
        SettingsError: it is larger than `most` bytes, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            place = folder / f"{stem}{suffix if number == 1 else f'-{number}{suffix}'}"
            try:
                target = place.open("xb")
                break
            except FileExistsError:
                number += 1
        with target:
            written = 0
            while block := stream.read(_BLOCK):
                written += len(block)
                if written > most:
                    break
                target.write(block)
        if written > most:
            place.unlink()
            raise SettingsError("the file is larger than {most:,} MB", most=most // (1024 * 1024))
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(folder), reason=error.strerror) from error
    return place


def keep_draft(workspace: Path, stream: IO[bytes], file_name: str) -> Draft:
    """
    Keep cases that were uploaded until they become a task; older ones that never did are forgotten.

    Raises:
        SettingsError: as `suffix_of` and `keep_file`.
    """
    suffix = suffix_of(file_name)
    _forget_old(workspace)
    folder = workspace / "tasks" / ".new" / secrets.token_hex(8)
    try:
        cases = keep_file(folder, stream, "cases", suffix)
    except SettingsError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    title = Path(file_name.replace("\\", "/")).stem[:120] or "cases"
    (folder / "about.json").write_bytes(orjson.dumps({"cases": cases.name, "title": title}))
    return find_draft(workspace, folder.name)


def find_draft(workspace: Path, draft: str) -> Draft:
    """Cases that were uploaded. Raises `UnknownName`."""
    folder = workspace / "tasks" / ".new" / draft
    if not _DRAFT.fullmatch(draft) or not (folder / "about.json").is_file():
        raise UnknownName(kind="upload", name=draft, known=())
    about: Mapping[str, str] = orjson.loads((folder / "about.json").read_bytes())
    cases = folder / about["cases"]
    return Draft(id=draft, folder=folder, cases=cases, title=about["title"], size=cases.stat().st_size)


def adopt(workspace: Path, draft: Draft, title: str) -> str:
    """A draft whose task file was written becomes a task; its name."""
    (draft.folder / "about.json").unlink(missing_ok=True)
    while True:
        name = free_name(workspace, title)
        with contextlib.suppress(FileExistsError):
            target = workspace / "tasks" / name
            target.mkdir()
            # Onto an empty folder: whoever made the same name in between was told so.
            draft.folder.replace(target)
            return name


def forget(draft: Draft) -> None:
    """Throw an upload away."""
    shutil.rmtree(draft.folder, ignore_errors=True)


def _forget_old(workspace: Path) -> None:
    below = workspace / "tasks" / ".new"
    for folder in list(below.iterdir()) if below.is_dir() else []:
        if _DRAFT.fullmatch(folder.name) and time.time() - folder.stat().st_mtime > _DRAFTS_S:
            shutil.rmtree(folder, ignore_errors=True)


# What is looked at -------------------------------------------------------------------------------------------------


def first_rows(path: Path, *, encoding: str | None = None, most: int = 10) -> tuple[Sequence[str], list[list[str]]]:
    """
    The columns of a file and its first rows as text; empty for what is missing.

    Raises:
        DataError: a row that cannot be read.
    """
    rows: list[Mapping[str, Any]] = []
    reader = reader_for(path)
    for _number, row in _upto(reader.rows(path, encoding=encoding), most):
        rows.append(row)
    if not rows:
        raise DataError("the file holds no cases", path=path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[_cell(row.get(name)) for name in names] for row in rows]


def _upto(rows: Iterable[Any], most: int) -> Iterator[Any]:
    for at, row in enumerate(rows):
        if at == most:
            return
        yield row


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def without_place(error: TouchstoneError, translate: Any) -> str:
    """What is wrong with somebody's file, without the path under which we keep it."""
    text = TouchstoneError.text(error, translate)
    row = getattr(error, "row", None) if isinstance(error, DataError) else None
    line = error.line if isinstance(error, TaskError) else None
    if row is not None:
        return str(translate("row {row}: {text}")).format(row=row, text=text)
    return text if line is None else str(translate("line {line}: {text}")).format(line=line, text=text)
