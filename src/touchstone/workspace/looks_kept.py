"""
What was seen of the cases of a task, kept in the workspace: whoever moves a limit asks about the same cases again.

One file, `looks.json`, with the last few looks, each under a digest of the files of cases, of how they are read and of
what else a look depends on. Whatever changes makes another digest. It holds counts and no text; whoever removes it
loses time.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from touchstone import __version__
from touchstone.data.source_digest import source_digest
from touchstone.noun import Noun
from touchstone.workspace.shortlist_cases import CasesLook, look_at_cases

if TYPE_CHECKING:
    from touchstone.workspace.taskfile import Task

_FORMAT = 1
"""Raised when a look is worked out in another way within a version of the program."""
_MOST = 32


class _File(Noun):
    looks: dict[str, CasesLook] = Field(default_factory=dict)
    """The least recent first."""


def kept_look(task: Task, workspace: Path, *, digest: bool = False) -> CasesLook:
    """
    What `look_at_cases` says: as it was kept, else worked out and kept where there is a workspace.

    Raises:
        DataError: a file cannot be read, or a row cannot be read as a case.
    """
    answer = task.answer
    key = source_digest(task.source, [_FORMAT, __version__, task.file.instruction, answer.kind, answer.labels])
    file = workspace / "looks.json"
    looks = _read(file)
    known = looks.get(key)
    if known is not None and (known.digest or not digest):
        return known
    look = look_at_cases(task, digest=digest)
    looks.pop(key, None)
    looks[key] = look
    _write(file, dict(list(looks.items())[-_MOST:]))
    return look


def _read(file: Path) -> dict[str, CasesLook]:
    try:
        return dict(_File.model_validate_json(file.read_bytes()).looks)
    except (OSError, ValidationError, ValueError):
        return {}


def _write(file: Path, looks: dict[str, CasesLook]) -> None:
    """Whole or not at all. A folder that cannot be written to costs time and nothing else; none is made for this."""
    if not file.parent.is_dir():
        return
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}.part")
    try:
        part.write_text(_File(looks=looks).model_dump_json(), encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
