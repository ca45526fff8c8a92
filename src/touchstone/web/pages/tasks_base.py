"""What the pages of a task share: which task it is, its tabs, and what its forms may write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from touchstone.data.base import CaseSummary
from touchstone.data.check import check_cases
from touchstone.errors import TouchstoneError
from touchstone.language import N_, _, current_language
from touchstone.reporting.text import visible
from touchstone.web.base import Ask, Move
from touchstone.workspace.first_look import MOST_CASES
from touchstone.workspace.task_text import check_reach
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.tasks import OwnTask, own_task, without_place
from touchstone.workspace.yaml_file import read_yaml

KINDS = {
    "label": N_("one label out of a list"),
    "choice": N_("one of the options of each case"),
    "number": N_("a number"),
    "text": N_("a short text with one right answer"),
    "json": N_("JSON"),
    "free": N_("free text that a judge or a rule looks at"),
}
"""Kinds of answer, for people."""

SCORERS = {
    "exact": N_("exact: the same text after normalising"),
    "label": N_("label: the same label"),
    "choice": N_("choice: the same option"),
    "number": N_("number: the same number"),
    "contains": N_("contains: the target stands in the answer"),
    "squad_f1": N_("squad_f1: words in common with the target"),
    "squad_em": N_("squad_em: the same words"),
    "rouge": N_("rouge: overlap with a reference summary"),
    "chrf": N_("chrf: overlap of characters, for translations"),
    "bleu": N_("bleu: overlap of word sequences"),
    "json_valid": N_("json_valid: whether it is JSON at all"),
    "json_fields": N_("json_fields: the same fields as the target"),
    "refusal": N_("refusal: whether the model declines"),
    "length": N_("length: whether it is short enough"),
    "judge": N_("judge: another model reads the answers by a rubric"),
}
"""Scorers that a form offers, for people; the file takes more."""


_EDITORS = frozenset({"/edit", "/candidates", "/try", "/run"})


def tabs(ask: Ask, name: str, here: str) -> list[tuple[str, str, bool]]:
    """The views of one task that who asks may open."""
    rows = [
        ("", _("Overview")),
        ("/cases", _("Cases")),
        ("/edit", _("Instruction and scoring")),
        ("/candidates", _("Candidates")),
        ("/try", _("Try")),
        ("/run", _("Price and run")),
        ("/gate", _("Gate")),
        ("/file", _("File")),
    ]
    editor = ask.may("edit")
    return [(f"/tasks/{name}{path}", words, path == here) for path, words in rows if editor or path not in _EDITORS]


def found(ask: Ask) -> OwnTask:
    """The task of the address; it is told as not there where it is none of this project."""
    return own_task(ask.folder, ask.params["task"])


def mend(own: OwnTask) -> Move:
    """To the file's text, where it must be mended before anything else."""
    return Move(f"/tasks/{own.name}/file", _("This task file cannot be read as it is; mend it here first."), "warning")


def load(own: OwnTask) -> Task:
    """The task as a run reads it, candidates and all. Raises `TaskError`."""
    return load_task(own.path)


def reach(ask: Ask, own: OwnTask) -> Callable[[Any], None]:
    """
    What a form of this person may write into the file.

    Whoever came in from this machine owns its files. Others may not have them read, nor send this machine's secrets
    somewhere, by naming them in a task.
    """
    if ask.viewer.is_local:
        return lambda _raw: None
    try:
        trusted = read_yaml(own.path)[0]
    except TouchstoneError:
        trusted = None
    return lambda raw: check_reach(raw, trusted=trusted, near=ask.may("admin"))


def told(error: TouchstoneError) -> str:
    """What is wrong, without the path under which we keep the file."""
    return without_place(error, _)


def by_field(problems: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong, or was typed, by its field; nothing for every other field."""
    return defaultdict(str, problems)


def options(known: Mapping[str, str], otherwise: str | None = None) -> list[tuple[str, str]]:
    """Choices of a form in the reader's language; `otherwise` are the words of the empty one."""
    return ([] if otherwise is None else [("", otherwise)]) + [(key, _(words)) for key, words in known.items()]


def named(names: Sequence[str], otherwise: str) -> list[tuple[str, str]]:
    """Names to choose from; `otherwise` are the words of the empty one, which is not there without words."""
    return ([("", otherwise)] if otherwise else []) + [(one, visible(one)) for one in names]


def with_models(path: str, models: Sequence[str]) -> str:
    """An address that carries models on, which somebody chose before there was a task."""
    return f"{path}?{urlencode({'models': ','.join(models)})}" if models else path


def chosen_models(ask: Ask) -> tuple[str, ...]:
    """Models that another page sent along: `?models=a,b`, or ticked boxes, each with a field of its own."""
    said = ",".join(ask.query.all("models", longest=8_000))
    return tuple(dict.fromkeys(one.strip() for one in said.split(",") if one.strip()))[:64]


def summary_of(task: Task) -> CaseSummary:
    """
    What a look at the cases of a task finds; looked at again once a file has changed.

    Raises:
        DataError: a row that cannot be read.
    """
    files = tuple((split, str(path), _stamp(path)) for split, path in task.source.files.items())
    return _summary(task.path, _stamp(task.path), files).said_in(current_language())


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _summary(path: Path, _file: tuple[int, int], _cases: tuple[tuple[str, str, tuple[int, int]], ...]) -> CaseSummary:
    task = load_task(path, candidates_to_come=True)
    return check_cases(
        task.source,
        labels=task.answer.labels,
        needs_target=task.answer.kind != "free",
        kind=task.answer.kind,
        limit=MOST_CASES,
    )
