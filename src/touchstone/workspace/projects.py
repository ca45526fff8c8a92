"""
Projects of one site: each a workspace of its own, with its own store, cards, endpoints and files.

The first, `default`, is the workspace that was opened; the others lie below it. A name is checked before it becomes
part of a path, and only folders that are there already are opened.
"""

from __future__ import annotations

import re
from pathlib import Path

from touchstone.errors import SettingsError

DEFAULT_PROJECT = "default"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def folder_of(workspace: Path, project: str) -> Path:
    """
    Where a project's workspace lies.

    Raises:
        SettingsError: no project can have that name.
    """
    if not _NAME.fullmatch(project):
        raise SettingsError(
            "project {name!r} cannot be used: write small letters, digits and hyphens, at most 40", name=project
        )
    return workspace if project == DEFAULT_PROJECT else workspace / "projects" / project


def is_project(workspace: Path, project: str) -> bool:
    """Whether there is such a project."""
    if not _NAME.fullmatch(project):
        return False
    folder = folder_of(workspace, project)
    return project == DEFAULT_PROJECT or (folder.is_dir() and not folder.is_symlink())


def projects(workspace: Path) -> tuple[str, ...]:
    """The names of all projects, the first one first."""
    below = workspace / "projects"
    found = [entry.name for entry in below.iterdir()] if below.is_dir() else []
    return (DEFAULT_PROJECT, *sorted(name for name in found if name != DEFAULT_PROJECT and is_project(workspace, name)))


def make_project(workspace: Path, project: str) -> Path:
    """Make the folder of a project; one that is there stays as it is."""
    folder = folder_of(workspace, project)
    if project != DEFAULT_PROJECT and folder.is_symlink():
        folder.unlink()  # the earlier name of another project: whoever comes now has it to themselves
    folder.mkdir(parents=True, exist_ok=True)
    return folder
