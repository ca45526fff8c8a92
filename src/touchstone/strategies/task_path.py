"""Where a path of the task file leads."""

from __future__ import annotations

from pathlib import Path


def task_path(folder: Path, written: str) -> Path:
    """
    A path that stands in a task file; it starts at the file, wherever the command was started.

    Args:
        folder: The task file's.
        written: As it stands there; `~` is the user's folder.
    """
    return folder / Path(written).expanduser()
