"""
What was seen of the cases of a task, kept in the workspace: whoever moves a limit asks about the same cases again.

One file, `looks.json`, with the last few looks, each under a digest of the files of cases, of how they are read and of
what else a look depends on. Whatever changes makes another digest. It holds counts, shares and digests, and no text;
whoever removes it loses time.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from touchstone import __version__
from touchstone.data.source_digest import source_digest
from touchstone.noun import Noun
from touchstone.storage.whole_file import replace_whole
from touchstone.workspace.shortlist_cases import CasesLook, look_at_cases

if TYPE_CHECKING:
    from touchstone.workspace.taskfile import Task

_FORMAT = 1
"""Raised when a look is worked out in another way within a version of the program."""
_MOST = 32


class _File(Noun):
    looks: dict[str, CasesLook] = Field(default_factory=dict)
    """The one that was made first stands first."""


def kept_look(task: Task, workspace: Path, *, digest: bool = False) -> CasesLook:
    """
    What `look_at_cases` says: as it was kept, else worked out and kept where there is a workspace.

    Raises:
        DataError: a file cannot be read, or a row cannot be read as a case.
    """
    file, key = workspace / "looks.json", _key(task)
    looks = _read(file)
    known = looks.get(key)
    if known is not None and (known.digest or not digest):
        return known
    look = look_at_cases(task, digest=digest)
    # No folder is made for this. What a guest read is not kept, for another version of it may read otherwise; nor what
    # was read of files that changed meanwhile.
    if workspace.is_dir() and _is_read_by_us(task) and _key(task) == key:
        looks.pop(key, None)
        looks[key] = look
        with suppress(OSError):  # a folder that cannot be written to costs time and nothing else
            replace_whole(file, _File(looks=dict(list(looks.items())[-_MOST:])).model_dump_json().encode())
    return look


def _key(task: Task) -> str:
    answer = task.answer
    return source_digest(task.source, [_FORMAT, __version__, task.file.instruction, answer.kind, answer.labels])


def _is_read_by_us(task: Task) -> bool:
    from touchstone.data.readers import is_ours, reader_for

    return all(is_ours(reader_for(path, task.source.format)) for path in task.source.files.values())


def _read(file: Path) -> dict[str, CasesLook]:
    try:
        return dict(_File.model_validate_json(file.read_bytes()).looks)
    except (OSError, ValidationError, ValueError):
        return {}
