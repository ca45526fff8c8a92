"""
A project gets another name, or is put into the trash. Nothing of it is rewritten or lost: its folder is moved.

Its folder lies in `projects`, under its name; what was deleted lies in `trash`, under its name and the moment. Paths
that were written down under an earlier name still lead to it, by a link that is no project of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from touchstone.errors import SettingsError, StoreBusy, StoreError, UnknownName
from touchstone.language import N_, _
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.settled import settled
from touchstone.storage.sqlite_file import beside
from touchstone.workspace.jobs import Jobs
from touchstone.workspace.projects import DEFAULT_PROJECT, folder_of, is_project, projects
from touchstone.workspace.trainings import trainings

TRASH = "trash"
"""The folder of the site's workspace in which deleted projects lie."""
_STORE = "touchstone.sqlite"
_LOOKED_AT = 5_000
"""The newest jobs among which one at work is looked for."""


def what_runs(folder: Path) -> tuple[str, ...]:
    """What goes on in a project's workspace, in the reader's words; empty where nothing does."""
    found = [_("the job {title}").format(title=view.job.title) for view in Jobs(folder).all(_LOOKED_AT) if view.is_live]
    if found:
        return tuple(found)
    # What somebody began in a shell: no job tells of it.
    if ProcessLock(beside(folder / _STORE, ".gateway.lock")).held:
        found.append(_("the gateway"))
    if ProcessLock(beside(folder / _STORE, ".lock")).held:
        found.append(_("a comparison"))
    if any(one.state == "running" for one in trainings(folder)):
        found.append(_("a training"))
    return tuple(found)


def rename_project(workspace: Path, project: str, name: str) -> Path:
    """
    Give a project another name; returns its folder.

    Args:
        workspace: The site's.

    Raises:
        UnknownName: there is no such project.
        SettingsError: it is the first one, no project can have that name, another has it, or something runs in it.
        StoreBusy: somebody has its store open.
        StoreError: the folder cannot be moved; it is where it was.
    """
    folder = _movable(workspace, project)
    target = folder_of(workspace, name)
    if name == project:
        raise SettingsError("the project is called {name} already", name=name)
    if is_project(workspace, name) or (target.exists() and not target.is_symlink()):
        raise SettingsError("there is a project {name} already; choose another name", name=name)
    with _at_rest(folder, project):
        if target.is_symlink():
            target.unlink()  # an earlier name of some project
        _move(folder, target)
    # Task files, comparisons and jobs name files by their paths.
    with suppress(OSError, NotImplementedError):
        folder.symlink_to(name, target_is_directory=True)
    return target


def delete_project(workspace: Path, project: str) -> Path:
    """
    Move a project into the trash of the site's workspace; returns where it lies.

    Raises:
        UnknownName: there is no such project.
        SettingsError: it is the first one, or something runs in it.
        StoreBusy: somebody has its store open.
        StoreError: the folder cannot be moved; it is where it was.
    """
    folder = _movable(workspace, project)
    moment = datetime.now(UTC)
    target = workspace / TRASH / f"{project}-{moment:%Y%m%d-%H%M%S}"
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{project}-{moment:%Y%m%d-%H%M%S}-{number}")
    with _at_rest(folder, project):
        _move(folder, target)
    for entry in tuple(folder.parent.iterdir()):
        if entry.is_symlink() and not entry.exists():
            entry.unlink()  # an earlier name of it
    return target


def trash(workspace: Path) -> Sequence[Path]:
    """Folders of deleted projects, by name."""
    place = workspace / TRASH
    return sorted(entry for entry in place.iterdir() if entry.is_dir()) if place.is_dir() else []


def _movable(workspace: Path, project: str) -> Path:
    if not is_project(workspace, project):
        raise UnknownName(kind=N_("project"), name=project, known=projects(workspace))
    if project == DEFAULT_PROJECT:
        raise SettingsError("the first project, {name}, is the site's own workspace: it stays as it is", name=project)
    return folder_of(workspace, project)


@contextmanager
def _at_rest(folder: Path, project: str) -> Iterator[None]:
    """Nothing runs in a project, and nothing can begin, while the block lasts."""
    _refuse_while_busy(folder, project)
    with ExitStack() as stack:
        for suffix in (".lock", ".gateway.lock") if (folder / _STORE).exists() else ():
            lock = stack.enter_context(ProcessLock(beside(folder / _STORE, suffix)))
            if not lock.take():
                _refuse_while_busy(folder, project)
                raise StoreBusy("something has just begun in the project {project}; look again", project=project)
        stack.enter_context(settled(folder / _STORE))
        yield


def _refuse_while_busy(folder: Path, project: str) -> None:
    found = what_runs(folder)
    if found:
        raise SettingsError(
            "in the project {project} something runs: {what}; stop it, or wait until it has ended",
            project=project,
            what=", ".join(found),
        )


def _move(folder: Path, target: Path) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        folder.rename(target)
    except OSError as error:
        raise StoreError(
            "the folder {folder} cannot be moved to {target}: {reason}; allow it, or move it by hand while the site "
            "does not run",
            folder=str(folder),
            target=str(target),
            reason=error.strerror or type(error).__name__,
        ) from error
