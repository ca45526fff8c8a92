"""A task file as text: read with a digest, edited key by key, written when it was read back and found good."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from touchstone.catalog.addresses import is_near
from touchstone.catalog.providers import providers
from touchstone.errors import SettingsError, TaskError, TouchstoneError
from touchstone.noun import Noun
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.yaml_edit import Edit, edited_sequence
from touchstone.workspace.yaml_file import read_yaml
from touchstone.workspace.yaml_keys import edited_keys, in_flow

LONGEST_BYTES = 1 << 20
"""Of a text that somebody saves through a page."""

Check = Callable[[Any], None]
"""Looks at what a text says before it is kept; raises what is wrong with it."""

_FREE_TEXT = frozenset({"task", "instruction", "name", "rubric", "prompt", "system", "example_answer", "base_url"})
"""Keys whose texts are no places, whatever they look like."""
_ABOVE = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)")
_FROM_ROOT = re.compile(r"^(?:[/\\~]|[A-Za-z]:[/\\])")


class TaskText(Noun):
    """What a file says, and a digest by which a change in between is noticed."""

    text: str
    digest: str


class Wrong(Noun):
    """What is wrong with a text, and where."""

    line: int | None
    """From 1."""
    column: int | None
    """From 1."""
    error: Any
    """The error; said in the reader's language without its place."""


def read_text(path: Path) -> TaskText:
    """The text of a task file. Raises `SettingsError`."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise SettingsError("{path} cannot be read: {reason}", path=str(path), reason=error.strerror) from error
    return TaskText(text=body.decode("utf-8", "replace"), digest=_digest(body))


def save_text(path: Path, text: str, *, before: str | None = None, check: Check = lambda _raw: None) -> Task:
    """
    Put a text in the place of a task file, once it was read and checked as one.

    Args:
        before: Digest of what it was made from; None does not look.
        check: Looks at what it says.

    Raises:
        TaskError: it is no task file; nothing was written.
        SettingsError: somebody else has changed the file in between, or it cannot be written.
    """
    body = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    if len(body) > LONGEST_BYTES:
        raise TaskError("the task file is larger than 1 MiB; cases belong in a file of their own", path=path)
    try:
        if before is not None and (not path.exists() or _digest(path.read_bytes()) != before):
            raise SettingsError(
                "{path} was changed by somebody else in between; load it again, then make the change", path=path.name
            )
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".task-", suffix=".yaml")
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                fresh.chmod(path.stat().st_mode & 0o7777)
            task = load_task(fresh, candidates_to_come=True)
            check(read_yaml(fresh)[0])
            fresh.replace(path)
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(path), reason=error.strerror) from error
    return task.model_copy(update={"path": path})


def change_keys(path: Path, changes: Mapping[str, Any], *, check: Check = lambda _raw: None) -> Task:
    """
    Set top-level keys of a task file; None takes one away, and a key that says so already stays as it is written.

    Raises:
        TaskError: the file cannot be edited so, or would be no task file any more; it stays as it was.
    """
    kept, raw = read_text(path), _raw(path)
    wanted = {key: value for key, value in changes.items() if raw.get(key) != value}
    if not wanted:
        return load_task(path, candidates_to_come=True)
    expected = {key: value for key, value in {**raw, **wanted}.items() if value is not None}

    def says_so(found: Any) -> None:
        if {key: value for key, value in found.items() if value is not None} != expected:
            raise TaskError("the file cannot be edited without changing something else; edit its text", path=path)
        check(found)

    return save_text(path, edited_keys(kept.text, wanted, path=path), before=kept.digest, check=says_so)


def change_candidates(
    path: Path, *, add: Sequence[str | Mapping[str, Any]] = (), remove: Sequence[int] = (),
    check: Check = lambda _raw: None,
) -> Task:  # fmt: skip
    """
    Add candidates at the end of the list, or take those at some places away.

    Raises:
        TaskError: as `change_keys`; one that is there already is not added again.
    """
    kept, raw = read_text(path), _raw(path)
    there = list(raw.get("candidates") or ())
    new = [entry if isinstance(entry, str) else dict(entry) for entry in add if entry not in there]
    if not new and not remove:
        return load_task(path, candidates_to_come=True)
    lines = tuple(in_flow(entry) if not isinstance(entry, str) else _plain(entry) for entry in new)
    edit = Edit(remove=frozenset(at for at in remove if 0 <= at < len(there)), add=lines, plain=lines)
    expected = [entry for at, entry in enumerate(there) if at not in edit.remove] + new

    def says_so(found: Any) -> None:
        others = {key: value for key, value in raw.items() if key != "candidates"}
        said = {key: value for key, value in found.items() if key != "candidates"}
        if list(found.get("candidates") or ()) != expected or said != others:
            raise TaskError("the candidates cannot be edited without changing something else; edit its text", path=path)
        check(found)

    return save_text(path, edited_sequence(kept.text, "candidates", edit, path=path), before=kept.digest, check=says_so)


def wrong_in(text: str, error: TouchstoneError) -> Wrong:
    """
    Where in a text an error lies.

    A text that is no YAML is wrong where reading it ended; a key has the column in which it begins.
    """
    line = getattr(error, "line", None)
    column = None
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as found:
        mark = found.problem_mark
        if mark is not None:
            line, column = mark.line + 1, mark.column + 1
    except (yaml.YAMLError, RecursionError):
        column = None
    else:
        lines = text.splitlines()
        if line is not None and line <= len(lines):
            column = len(lines[line - 1]) - len(lines[line - 1].lstrip()) + 1
    return Wrong(line=line, column=column, error=error)


def check_reach(raw: Any, *, trusted: Any = None, near: bool = False) -> None:
    """
    What somebody who is not of this machine may write into a task file: no place outside its folder, no variable of
    this machine's environment but those of known providers' keys, no address in this machine's own network.

    Args:
        raw: What the text says.
        trusted: What the file said before; what stands there already may stay.
        near: Whether addresses on this machine and in its network may be named.

    Raises:
        SettingsError: the value that reaches too far.
    """
    keys = {provider.key_env for provider in providers()}
    sent_before = set(_sent(trusted))
    for key_env, base_url in _sent(raw):
        # With its address: a variable that stood there for one host may not be sent to another.
        if key_env not in keys and (key_env, base_url) not in sent_before:
            raise SettingsError(
                "key_env is {value!r}; only variables of known providers can be named here, others by whoever runs "
                "this site, in the file itself",
                value=key_env,
            )
    known = {(_key(place), value) for place, value in _strings(trusted, ())}
    for place, value in _strings(raw, ()):
        key = _key(place)
        if (key, value) in known:
            continue
        if key == "base_url" and not near and is_near(value):
            raise SettingsError(
                "base_url is {value!r}, which lies in this site's own network; one of its admins can name it",
                value=value,
            )
        if key not in _FREE_TEXT and (_FROM_ROOT.search(value) or _ABOVE.search(value)):
            raise SettingsError(
                "{key} is {value!r}, which lies outside the task's folder; upload the file instead",
                key=key,
                value=value,
            )


def _sent(value: Any) -> Iterator[tuple[str, str]]:
    """(variable of a key, address it is sent to), wherever a mapping names one."""
    if isinstance(value, Mapping):
        if "key_env" in value:
            yield str(value["key_env"]), str(value.get("base_url"))
        for part in value.values():
            yield from _sent(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _sent(part)


def _key(place: tuple[str | int, ...]) -> str:
    """The key that a text stands under; labels in a list are texts, and not the name of a file with them."""
    if len(place) > 1 and place[-2] == "labels":
        return "name"
    return next((part for part in reversed(place) if isinstance(part, str)), "")


def _strings(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _strings(part, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for position, part in enumerate(value):
            yield from _strings(part, (*place, position))


def _raw(path: Path) -> dict[str, Any]:
    raw, _lines = read_yaml(path)
    if not isinstance(raw, dict):
        raise TaskError("a task file is a mapping of keys to values; `touchstone init` writes one", path=path, line=1)
    return raw


def _plain(reference: str) -> str:
    return (
        reference
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*", reference)
        else in_flow(reference)
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
