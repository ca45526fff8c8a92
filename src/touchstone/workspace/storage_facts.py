"""How much room a workspace takes, and which copies of its store there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_MOST_FILES = 50_000


@dataclass(frozen=True)
class Part:
    """A file or a folder of a workspace."""

    name: str
    bytes: int
    files: int
    is_whole: bool
    """False where there are more files than were counted."""


@dataclass(frozen=True)
class Copy:
    """A copy of the store as it was before its tables were changed."""

    name: str
    bytes: int
    made_at: str
    """A moment in UTC."""


def parts(workspace: Path) -> Sequence[Part]:
    """What lies in a workspace, the largest first; the projects below it are workspaces of their own."""
    if not workspace.is_dir():
        return []
    found = [_part(entry) for entry in workspace.iterdir() if entry.name != "projects" and not entry.is_symlink()]
    return sorted(found, key=lambda part: (-part.bytes, part.name))


def copies(workspace: Path) -> Sequence[Copy]:
    """Copies of the store, newest first."""
    found = [
        Copy(file.name, file.stat().st_size, datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat()[:16])
        for file in workspace.glob("*.bak")
        if file.is_file()
    ]
    return sorted(found, key=lambda copy: copy.made_at, reverse=True)


def _part(entry: Path) -> Part:
    if not entry.is_dir():
        return Part(entry.name, _size(entry), 1, is_whole=True)
    total = count = 0
    for folder, _folders, files in os.walk(entry):
        for name in files:
            if count >= _MOST_FILES:
                return Part(f"{entry.name}/", total, count, is_whole=False)
            total += _size(Path(folder, name))
            count += 1
    return Part(f"{entry.name}/", total, count, is_whole=True)


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0  # it went away meanwhile
