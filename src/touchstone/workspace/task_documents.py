"""Documents that people bring for a task: kept in its folder under names of ours, and told again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from touchstone.errors import SettingsError
from touchstone.noun import Noun
from touchstone.workspace.tasks import keep_file

FOLDER = "documents"
"""Beside the task file; what an entry or `improve` names."""
SUFFIXES = (".md", ".txt", ".pdf", ".docx", ".html", ".htm", ".csv", ".jsonl")
MOST_BYTES = 64 * 1024 * 1024
"""Of one document."""
MOST_FILES = 50
"""That are taken at once."""
_LISTED = 500


class KeptDocument(Noun):
    """A document in a task's folder."""

    name: str
    size: int
    """Bytes."""


def keep_document(task_folder: Path, stream: IO[bytes], file_name: str) -> Path:
    """
    Copy an upload beside a task file; of its name what is plain stays, since people look for it by that.

    Raises:
        SettingsError: it is of no kind that is read, too large, or cannot be written.
    """
    name = file_name.replace("\\", "/").rpartition("/")[2]
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingsError(
            "{name} is no document that is read; there are {known}", name=name[-80:], known=", ".join(SUFFIXES)
        )
    folder = task_folder / FOLDER
    if folder.is_symlink():
        raise SettingsError("{path} leads elsewhere; make it a folder", path=str(folder))
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem)[:60].strip("-") or "document"
    return keep_file(folder, stream, stem, suffix, most=MOST_BYTES)


def documents_of(task_folder: Path) -> tuple[KeptDocument, ...]:
    """What lies there, by name."""
    folder = task_folder / FOLDER
    if not folder.is_dir() or folder.is_symlink():
        return ()
    files = sorted((one for one in folder.iterdir() if one.is_file()), key=lambda one: one.name)
    return tuple(KeptDocument(name=one.name, size=one.stat().st_size) for one in files[:_LISTED])
