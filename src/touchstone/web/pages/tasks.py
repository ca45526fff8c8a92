"""Tasks: what is measured here, and each task's overview."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from touchstone.errors import DataError, SettingsError, TouchstoneError, UnknownName
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Route, Send, Show
from touchstone.web.pages import tasks_candidates, tasks_edit, tasks_new, tasks_run
from touchstone.web.pages.jobs import STATES
from touchstone.web.pages.tasks_base import KINDS, chosen_models, found, summary_of, tabs, told
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.first_look import MOST_CASES
from touchstone.workspace.jobs import JobView
from touchstone.workspace.tasks import FarTask, OwnTask, comparisons_of, far_tasks, own_tasks

_DOWNLOADED_BYTES = 64 * 1024 * 1024


def listing(ask: Ask) -> Answer:
    """All tasks of the project: those made here, and those whose comparisons are stored here."""
    comparisons = ask.workspace.comparisons()
    live = {view.job.about for view in ask.jobs.all() if view.is_live}
    rows = [_row(own, comparisons_of(own.path, comparisons), live) for own in own_tasks(ask.folder)]
    return Show(
        "tasks/list.html.j2",
        {
            "rows": rows,
            "far": far_tasks(ask.folder, comparisons),
            "models": chosen_models(ask),
            "sentence": _sentence,
        },
    )


def _row(own: OwnTask, comparisons: Sequence[StoredComparison], live: set[str]) -> dict[str, Any]:
    return {
        "own": own,
        "comparisons": comparisons,
        "candidates": 0 if own.task is None else len(own.task.file.candidates),
        "live": f"/tasks/{own.name}" in live,
    }


def _sentence(one: StoredComparison) -> str:
    return one.sentence(_)


def overview(ask: Ask) -> Answer:
    """One task: what is asked, of whom, and what came out so far."""
    try:
        own = found(ask)
    except UnknownName:
        return _far(ask)
    values: dict[str, Any] = {
        "own": own,
        "problem": None if own.problem is None else told(own.problem),
        "tabs": tabs(ask, own.name, ""),
        "comparisons": comparisons_of(own.path, ask.workspace.comparisons()),
        "runs": runs_of(ask, own),
        "states": STATES,
        "kinds": KINDS,
        "sentence": _sentence,
        "counts": None,
        "whole": True,
        "cases_problem": None,
    }
    if own.task is not None:
        values["names"] = [_shown(entry) for entry in own.task.file.candidates]
        try:
            values["counts"] = counts = summary_of(own.task).counts
            values["whole"] = sum(counts.values()) < MOST_CASES
        except (DataError, OSError) as error:
            values["cases_problem"] = told(error) if isinstance(error, TouchstoneError) else error.strerror
    return Show("tasks/one.html.j2", values)


def runs_of(ask: Ask, own: OwnTask) -> tuple[JobView, ...]:
    """The runs that these pages began of a task, newest first."""
    return tuple(view for view in ask.jobs.about(f"/tasks/{own.name}", 20) if view.job.verb == "compare")


def _shown(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    return str(entry.get("name") or entry.get("served_name") or entry.get("model") or entry.get("recorded"))


def _far(ask: Ask) -> Answer:
    """A task that was measured out of a folder elsewhere: what the store says of it, and nothing to change."""
    return Show("tasks/far.html.j2", {"task": far_task(ask), "sentence": _sentence})


def far_task(ask: Ask) -> FarTask:
    """The task elsewhere that an address means. Raises `UnknownName`."""
    name = ask.params["task"]
    for task in far_tasks(ask.folder, ask.workspace.comparisons()):
        if task.name == name:
            return task
    raise UnknownName(kind="task", name=name, known=())


def cases(ask: Ask) -> Answer:
    """The first cases as they are read, how many there are, and what is wrong with them."""
    from touchstone.data.cases import read_cases

    own = found(ask)
    values: dict[str, Any] = {
        "own": own,
        "tabs": tabs(ask, own.name, "/cases"),
        "summary": None,
        "whole": True,
        "problem": None,
        "rows": (),
        "problem_text": lambda problem: problem.text(_),
    }
    if own.task is not None:
        try:
            values["rows"] = tuple(read_cases(own.task.source, limit=30))
            values["summary"] = summary = summary_of(own.task)
            values["whole"] = sum(summary.counts.values()) < MOST_CASES
        except DataError as error:
            values["problem"] = told(error)
    elif own.problem is not None:
        values["problem"] = told(own.problem)
    return Show("tasks/cases.html.j2", values)


def download(ask: Ask) -> Answer:
    """The task's folder as an archive, for a repository or another machine; the same command takes it there."""
    own = found(ask)
    files = [file for file in sorted(own.path.parent.rglob("*")) if file.is_file() and not file.is_symlink()]
    if sum(file.stat().st_size for file in files) > _DOWNLOADED_BYTES:
        raise SettingsError("the task has more than {most} MB of files; copy its folder instead", most=64)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if not file.name.startswith("."):
                archive.write(file, f"{own.name}/{file.relative_to(own.path.parent).as_posix()}")
    return Send(body.getvalue(), "application/zip", f"{own.name}.zip")


routes = (
    Route("/tasks", listing, "view"),
    *tasks_new.routes,
    Route("/tasks/{task}", overview, "view"),
    Route("/tasks/{task}/cases", cases, "view"),
    Route("/tasks/{task}/download", download, "view"),
    *tasks_edit.routes,
    *tasks_candidates.routes,
    *tasks_run.routes,
)
