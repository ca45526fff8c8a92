"""What the pages of Improve share: which comparison or task, its views, and where its folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from touchstone.errors import UnknownName
from touchstone.language import _
from touchstone.web.base import Ask, NotHere
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.tasks import FarTask, OwnTask, far_tasks, own_task, own_tasks


def task_folder(ask: Ask, one: StoredComparison) -> tuple[OwnTask | None, Path | None]:
    """
    The task of a comparison where it is one of this workspace, and its folder as far as who asks may look into it.

    Folders elsewhere belong to whoever sits at this machine.
    """
    if one.path is None:
        return None, None
    place = Path(one.path).resolve()
    own = next((task for task in own_tasks(ask.folder) if task.path.resolve() == place), None)
    if own is not None:
        return own, own.path.parent
    return None, place.parent if ask.viewer.is_local and place.is_file() else None


def found_task(ask: Ask) -> OwnTask | FarTask:
    """The task of the address. Raises `NotHere`."""
    return task_named(ask, ask.params["task"])


def task_named(ask: Ask, wanted: str) -> OwnTask | FarTask:
    """
    A task of this workspace, or one that was measured out of a folder elsewhere.

    Raises:
        NotHere: there is none of that name.
    """
    try:
        return own_task(ask.folder, wanted)
    except UnknownName:
        far = far_tasks(ask.folder, ask.workspace.comparisons())
        known = next((one for one in far if one.name == wanted), None)
        if known is None:
            raise NotHere from None
        return known


def file_of(ask: Ask, task: OwnTask | FarTask) -> Path | None:
    """The task file that a run would read; None where who asks may not have it read, or it is gone."""
    if isinstance(task, OwnTask):
        return task.path
    path = Path(task.path)
    return path if ask.viewer.is_local and path.is_file() else None


def load(path: Path) -> Task:
    """The task as a run reads it. Raises `TaskError`."""
    return load_task(path)


def views(here: str) -> list[tuple[str, str, bool]]:
    """The two halves of Improve."""
    rows = [("/improve", _("Ways and ladders")), ("/improve/training", _("Training"))]
    return [(path, words, path == here) for path, words in rows]


def tabs(comparison: str, here: str) -> list[tuple[str, str, bool]]:
    """The views of one comparison."""
    rows = [
        ("", _("The ladder")),
        ("/prompts", _("Prompts")),
        ("/examples", _("Examples shown")),
        ("/passages", _("Passages found")),
    ]
    return [(f"/improve/ladders/{comparison}{path}", words, path == here) for path, words in rows]


def about(task: OwnTask | FarTask) -> str:
    """By which the jobs of a task's improvement are found again."""
    return f"/improve/tasks/{task.name}"


def asks_models(settings: Any) -> bool:
    """Whether a candidate with these stored settings asks a chat model with a prompt."""
    return isinstance(settings.get("system"), str) or isinstance(settings.get("prompt"), str)
