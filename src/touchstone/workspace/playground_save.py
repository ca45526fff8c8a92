"""
What is worth keeping of a conversation: a case of a task, or the next version of a prompt.

Only tasks of the workspace are written to, and only files in their own folders. Rows are added at the end of a file and
nothing in it is rewritten; nothing goes into test unless somebody says so.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from touchstone.data.base import SPLITS
from touchstone.data.dialect import Dialect, detect
from touchstone.data.lines import lines
from touchstone.errors import SettingsError
from touchstone.language import N_
from touchstone.workspace.taskfile import Task

_JSON_LINES = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")
_SAMPLE_LINES = 200
_LONGEST_PROMPT_BYTES = 256 * 1024
_VERSION = re.compile(r"v(\d{1,6})\.txt")
_PROMPTS = "prompts"


class Saved(NamedTuple):
    """Where a case went."""

    path: Path
    split: str


class PromptVersion(NamedTuple):
    """A prompt that was written beside a task file."""

    path: Path
    line: str
    """What an entry of the task file says to use it."""


def splits_of(task: Task) -> tuple[str, ...]:
    """Into which splits a case can be saved; none where the files are of a kind that is not added to, or elsewhere."""
    return tuple(split for split in SPLITS if _place(task, split) is not None)


def save_case(task: Task, split: str, text: str, target: str | None, *, into_test: bool = False) -> Saved:
    """
    Add a case to a task.

    Args:
        split: `train`, `dev` or `test`.
        target: The right answer; None where there is none.
        into_test: Whether whoever asks means test: what a model was tried on here says less of it there.

    Raises:
        SettingsError: the split has no file that can be added to, test was not meant, or the file lacks a column.
    """
    if split not in SPLITS:
        raise SettingsError("{split!r} is no split; there are {known}", split=split, known=", ".join(SPLITS))
    if split == "test" and not into_test:
        raise SettingsError(
            "test cases decide who is chosen; tick that it is meant, or save the case into train or dev"
        )
    if not text.strip():
        raise SettingsError("a case asks something; its input is empty")
    place = _place(task, split)
    if place is None:
        raise SettingsError(
            "{task} has no file for {split} that a case can be added to; name one in its task file, JSONL or CSV, in "
            "the same folder",
            task=task.file.task,
            split=split,
        )
    path, has_column = place
    columns = task.file.columns
    row: dict[str, str] = {str(columns.get("input", "input")): text}
    if target is not None:
        row[str(columns.get("target", "target"))] = target
    if has_column:
        row[str(columns.get("split", "split"))] = split
    try:
        added = _json_line(row) if path.suffix.lower() in _JSON_LINES else _table_row(task, path, row)
        _append(path, added)
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(path), reason=error.strerror) from error
    return Saved(path, split)


def save_prompt(task: Task, text: str) -> PromptVersion:
    """
    Write a system text as the next version of the task's prompts, `prompts/v3.txt` after `prompts/v2.txt`.

    A version that is there is never changed.

    Raises:
        SettingsError: there is nothing to write, or it cannot be written.
    """
    body = text.replace("\r\n", "\n").strip("\n").encode("utf-8", "strict") + b"\n"
    if not text.strip():
        raise SettingsError("there is no system prompt in this session to save")
    if len(body) > _LONGEST_PROMPT_BYTES:
        raise SettingsError("the prompt is longer than {limit} KiB", limit=_LONGEST_PROMPT_BYTES >> 10)
    folder = task.folder / _PROMPTS
    try:
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise SettingsError("{path} leads elsewhere; make it a folder", path=str(folder))
        numbers = [int(found[1]) for one in folder.iterdir() if (found := _VERSION.fullmatch(one.name))]
        for number in range(max(numbers, default=0) + 1, max(numbers, default=0) + 100):
            path = folder / f"v{number}.txt"
            try:
                with path.open("xb") as file:
                    file.write(body)
            except FileExistsError:
                continue  # somebody else saved a version meanwhile
            return PromptVersion(path, f"system: {{file: {_PROMPTS}/{path.name}}}")
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(folder), reason=error.strerror) from error
    raise SettingsError("{path} cannot be written: {reason}", path=str(folder), reason=N_("too many versions"))


def _place(task: Task, split: str) -> tuple[Path, bool] | None:
    """The file that holds a split and whether a column of it says so; None where no row can be added to it."""
    files = task.source.files
    if split in files:
        path, has_column = Path(files[split]), False
    elif "" in files:
        path = Path(files[""])
        if task.file.split is not None:
            return None  # which split a case lands in is drawn
        has_column = _has_column(task, path, task.file.columns.get("split", "split"))
        if not has_column and split != "test":
            return None
    else:
        return None
    mine = path.resolve().is_relative_to(task.folder.resolve()) and path.is_file()
    known = path.suffix.lower() in (*_JSON_LINES, *_TABLES)
    return (path, has_column) if mine and known and task.file.format is None else None


def _has_column(task: Task, path: Path, column: str) -> bool:
    if path.suffix.lower() in _JSON_LINES:
        try:
            with path.open("rb") as file:
                return any(column in _object(line) for line in islice(file, _SAMPLE_LINES))
        except OSError:
            return False
    if path.suffix.lower() in _TABLES and path.is_file():
        return column in _header(task, path)[1]
    return False


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _json_line(row: Mapping[str, str]) -> bytes:
    return orjson.dumps(row) + b"\n"


def _header(task: Task, path: Path) -> tuple[Dialect, list[str], str]:
    sample = list(islice(lines(path, task.file.encoding), _SAMPLE_LINES))
    dialect = detect(sample, complete=len(sample) < _SAMPLE_LINES, prefer="\t" if path.suffix == ".tsv" else ",")
    names = next((cells for cells in dialect.records(sample[dialect.skips :]) if cells), [])
    return dialect, [name.strip() for name in names], "\r\n" if sample[0].endswith("\r\n") else "\n"


def _table_row(task: Task, path: Path, row: Mapping[str, str]) -> bytes:
    dialect, names, end = _header(task, path)
    missing = sorted(set(row) - set(names))
    if missing:
        raise SettingsError(
            "{path} has no column {column!r}; its columns are {known}",
            path=str(path),
            column=missing[0],
            known=", ".join(names),
        )
    if not dialect.quoted and any(mark in value for value in row.values() for mark in (dialect.separator, "\n", "\r")):
        raise SettingsError(
            "{path} has no quotes around its cells, so a text with a separator or a line break cannot be added to it",
            path=str(path),
        )
    written = io.StringIO()
    kind: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    csv.writer(written, delimiter=dialect.separator, quoting=kind, lineterminator=end, quotechar='"').writerow(
        [row.get(name, "") for name in names]
    )
    return written.getvalue().encode(task.file.encoding or "utf-8")


def _append(path: Path, added: bytes) -> None:
    """One write at the end of the file, on a line of its own."""
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) not in (b"\n", b"\r"):
                added = b"\n" + added
        file.seek(0, os.SEEK_END)
        file.write(added)
        file.flush()
        os.fsync(file.fileno())
