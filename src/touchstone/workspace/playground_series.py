"""Prompts that are voted on one after another: cases of a task, drawn by a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from touchstone.data.base import Case
from touchstone.data.cases import read_cases
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.comparisons import Comparisons
from touchstone.language import N_
from touchstone.workspace.playground_choices import find_task, recent_comparisons, task_files

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

MOST_PROMPTS = 500
PROMPTS = 30
"""Of a series, where nobody says."""
_LOOKED_AT = 20_000
"""Cases of a task file that a series is drawn from, at most."""


class SeriesSource(NamedTuple):
    """Where prompts can come from."""

    id: str
    """`compared:COMPARISON` or `task:NAME`."""
    name: str


def series_sources(workspace: Workspace) -> tuple[SeriesSource, ...]:
    """The tasks that were compared, newest first and each once, and those of the workspace."""
    found: dict[str, SeriesSource] = {}
    for row in recent_comparisons(workspace):
        path = row["spec"].get("path", row["task"])
        found.setdefault(path, SeriesSource(f"compared:{row['id']}", row["task"]))
    for task in task_files(workspace.settings.workspace):
        found.setdefault(str(task.path), SeriesSource(f"task:{task.folder.name}", task.file.task))
    return tuple(found.values())


def series_of(workspace: Workspace, source: str, count: int, seed: int = 0) -> tuple[str, tuple[Case, ...]]:
    """
    (name of the task, prompts): test cases in a random order, for what is voted on is measured and not learned from.

    Args:
        source: Id of a `SeriesSource`.
        count: At most so many.

    Raises:
        UnknownName: there is no such source.
        SettingsError: it has no case that can be shown as text.
    """
    kind, _, name = source.partition(":")
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    if kind == "compared":
        row = Comparisons(workspace.ledger).find(name)
        if row is None or name == "latest":
            raise UnknownName(kind=N_("comparison"), name=name, known=())
        datasets = workspace.ledger.datasets
        size = datasets.case_count(row["dataset"], "test")
        ordinals = draw.sample(range(size), min(size, 4 * count))
        title, cases = row["task"], datasets.cases_at(row["dataset"], "test", ordinals)
    elif kind == "task":
        task = find_task(workspace.settings.workspace, name)
        title = task.file.task
        cases = [case for case in read_cases(task.source, limit=_LOOKED_AT) if case.split == "test"]
        draw.shuffle(cases)
    else:
        raise UnknownName(kind=N_("task"), name=source, known=())
    # Files of pictures and recordings lie beside the cases, and do not come along.
    shown = tuple(case for case in cases if case.image is None and case.audio is None and case.text.strip())[:count]
    if not shown:
        raise SettingsError("{task} has no test case that can be shown as text", task=title)
    return title, shown
