"""What a task asks and what is wanted of the winner: as a form, as the file's text, and as a gate for CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from touchstone.errors import SettingsError, TouchstoneError, UserError
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.jobs import STATES
from touchstone.web.pages.tasks_base import KINDS, SCORERS, by_field, found, mend, named, options, reach, tabs, told
from touchstone.workspace.jobs import JobView
from touchstone.workspace.task_text import LONGEST_BYTES, change_keys, read_text, save_text, wrong_in
from touchstone.workspace.taskfile import Task
from touchstone.workspace.tasks import OwnTask
from touchstone.workspace.tryout import candidate_names
from touchstone.workspace.yaml_file import read_yaml
from touchstone.workspace.yaml_keys import in_flow

_NUMBERS: Mapping[str, tuple[str, float, float]] = {
    "min_score": (N_("Score of at least (0 to 1)"), 0.0, 1.0),
    "max_usd_per_month": (N_("USD a month at most"), 0.0, 1e12),
    "max_usd_per_case": (N_("USD a case at most"), 0.0, 1e9),
    "max_p95_latency_s": (N_("95 % of answers within (seconds)"), 0.001, 1e6),
    "max_refused_share": (N_("Share of refusals at most (0 to 1)"), 0.0, 1.0),
}
"""Constraints that are numbers: words, smallest, largest."""

LICENCES = {"": N_("any"), "open_weights": N_("open weights"), "open": N_("an open licence")}
_LABELS_CHARACTERS = 200_000


def edit(ask: Ask) -> Answer:
    """Instruction, kind of answer, scoring, goal, limits."""
    own = found(ask)
    return mend(own) if own.task is None else _edit(ask, own, own.task, {}, {})


def save(ask: Ask) -> Answer:
    """Write what was changed; everything else in the file stays as it is."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    problems: dict[str, str] = {}
    typed = dict(ask.form.items())
    changes = _changes(ask, own, problems)
    if not problems:
        try:
            change_keys(own.path, changes, check=reach(ask, own))
        except UserError as error:
            problems["form"] = told(error)
    if problems:
        return _edit(ask, own, own.task, problems, typed, 422)
    return Move(f"/tasks/{own.name}", _("Saved. What was measured before stays; a run asks what has changed anew."))


def _edit(
    ask: Ask, own: OwnTask, task: Task, problems: Mapping[str, str], typed: Mapping[str, str], status: int = 200
) -> Show:
    file = task.file
    labels = file.answer.labels
    now = {
        "instruction": file.instruction,
        "kind": file.answer.kind,
        "labels": "\n".join(labels) if isinstance(labels, tuple) else "",
        "from": _shown(file.answer.source),
        "scorers": "\n".join(map(_shown, file.scorers)),
        "goal": "best" if file.goal == "best" else "cheapest-within",
        "tolerance": "" if file.goal == "best" else _tolerance(file.goal),
        **{name: "" if (value := getattr(file.constraints, name)) is None else f"{value:g}" for name in _NUMBERS},
        "licence": file.constraints.licence or "",
        "self_hostable": "1" if file.constraints.self_hostable else "",
        "requests_per_month": "" if (n := file.volume.requests_per_month) is None else f"{n:.12g}",
        "max_usd": "" if (usd := file.limits.max_usd) is None else f"{usd:.12g}",
        "concurrency": str(file.limits.concurrency),
    }
    if typed:
        now = {key: typed.get(key, "") for key in now}
    kinds = KINDS if file.answer.kind in KINDS else {**KINDS, file.answer.kind: file.answer.kind}
    return Show(
        "tasks/edit.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/edit"),
            "now": now,
            "numbers_asked": _NUMBERS,
            "kinds": kinds,
            "known_scorers": SCORERS,
            "licences": LICENCES,
            "labels_file": labels if isinstance(labels, str) else None,
            "problems": by_field(problems),
            "options": options,
        },
        status=status,
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else in_flow(value)


def _tolerance(goal: Any) -> str:
    from touchstone.workspace.taskfile import parse_goal

    return f"{parse_goal(goal)[1]:g}"


def _changes(ask: Ask, own: OwnTask, problems: dict[str, str]) -> dict[str, Any]:
    """What the form says, key by key; what a key held besides stays in it."""
    raw = read_yaml(own.path)[0]
    form, file = ask.form, own.task.file if own.task else None
    assert file is not None
    changes: dict[str, Any] = {"instruction": form.raw("instruction").strip()}
    answer = dict(raw.get("answer") or {})
    answer["kind"] = form.text("kind", file.answer.kind)
    labels = [line.strip() for line in form.raw("labels", longest=_LABELS_CHARACTERS).split("\n") if line.strip()]
    if answer["kind"] != "label":
        answer.pop("labels", None)
    elif labels:
        answer["labels"] = labels
    elif not isinstance(answer.get("labels"), str):
        answer.pop("labels", None)
    with_from = _parsed(form.text("from", "auto"), "from", problems)
    if with_from != "auto" or "from" in answer:
        answer["from"] = with_from
    changes["answer"] = answer
    lines = [line for line in form.raw("scorers").split("\n") if line.strip()]
    changes["scorers"] = [_parsed(line.strip(), "scorers", problems) for line in lines] or None
    changes["goal"] = _number_of(ask, "tolerance", 0.0, 0.999, problems, 0.02)
    changes["goal"] = {"cheapest-within": changes["goal"]} if form.text("goal") == "cheapest-within" else "best"
    if changes["goal"] == "best" and "goal" not in raw:
        del changes["goal"]
    limits = {name: _number_of(ask, name, low, high, problems) for name, (_words, low, high) in _NUMBERS.items()}
    constraints = {**(raw.get("constraints") or {}), **limits}
    constraints["licence"] = form.text("licence") or None
    constraints["self_hostable"] = True if form.flag("self_hostable") else None
    changes["constraints"] = _kept(constraints)
    volume = {**(raw.get("volume") or {})}
    volume["requests_per_month"] = _number_of(ask, "requests_per_month", 0.001, 1e12, problems)
    changes["volume"] = _kept(volume)
    limit = {**(raw.get("limits") or {})}
    limit["max_usd"] = _number_of(ask, "max_usd", 1e-6, 1e9, problems)
    if (concurrency := _number_of(ask, "concurrency", 1, 1024, problems)) is not None:
        limit["concurrency"] = int(concurrency)
    if limit.get("concurrency") == 16 and "concurrency" not in (raw.get("limits") or {}):
        del limit["concurrency"]
    changes["limits"] = _kept(limit)
    return {key: value for key, value in changes.items() if value is not None or raw.get(key) is not None}


def _kept(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Without what asks nothing; None where nothing is asked."""
    return {key: value for key, value in values.items() if value is not None} or None


def _number_of(
    ask: Ask, name: str, low: float, high: float, problems: dict[str, str], default: float | None = None
) -> float | int | None:
    try:
        value = ask.form.number(name, default, low=low, high=high)
    except SettingsError:
        problems[name] = _("Write a number from {low:g} to {high:g}.").format(low=low, high=high)
        return None
    return int(value) if value is not None and value == int(value) else value


def _parsed(text: str, field: str, problems: dict[str, str]) -> Any:
    """A name as it is, or a mapping as it would stand in the file."""
    if not text.startswith("{"):
        return text
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        found = None
    if not isinstance(found, dict):
        problems[field] = _("{text} is no mapping; write it like {example}.").format(
            text=text[:60], example="{length: {maximum: 120}}"
        )
        return None
    return found


# The file as text --------------------------------------------------------------------------------------------------


def file(ask: Ask) -> Answer:
    """The task file as it is."""
    own = found(ask)
    kept = read_text(own.path)
    wrong = None if own.problem is None else wrong_in(kept.text, own.problem)
    return _file(ask, own, kept.text, kept.digest, wrong)


def save_file(ask: Ask) -> Answer:
    """Write the text, once it was read as a task file."""
    own = found(ask)
    text, before = ask.form.raw("text", longest=LONGEST_BYTES), ask.form.text("before")
    try:
        save_text(own.path, text if text.endswith("\n") else text + "\n", before=before, check=reach(ask, own))
    except UserError as error:
        return _file(ask, own, text, before, wrong_in(text, error), 422)
    return Move(f"/tasks/{own.name}/file", _("Saved."))


def _file(ask: Ask, own: OwnTask, text: str, digest: str, wrong: Any, status: int = 200) -> Show:
    return Show(
        "tasks/file.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/file"),
            "text": text,
            "digest": digest,
            "wrong": wrong,
            "why": None if wrong is None else TouchstoneError.text(wrong.error, _),
            "line": _line_of(text, wrong),
        },
        status=status,
    )


def _line_of(text: str, wrong: Any) -> str:
    """The line in which something is wrong."""
    lines = text.splitlines()
    return lines[wrong.line - 1] if wrong is not None and wrong.line and wrong.line <= len(lines) else ""


# The gate ----------------------------------------------------------------------------------------------------------


def gate(ask: Ask) -> Answer:
    """Thresholds for CI, how the last run stands to them, and what to put into a pipeline."""
    own = found(ask)
    return mend(own) if own.task is None else _gate(ask, own, own.task, {}, {})


def save_gate(ask: Ask) -> Answer:
    """Set the gate, or take it away."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    form, problems = ask.form, dict[str, str]()
    if form.text("act") == "remove":
        wanted: dict[str, Any] | None = None
    else:
        wanted = _kept(
            {
                "candidate": form.text("candidate", longest=200) or None,
                "baseline": form.text("baseline", longest=200) or None,
                "margin": _number_of(ask, "margin", 0.0, 0.999, problems),
                "min_score": _number_of(ask, "min_score", 0.0, 1.0, problems),
            }
        ) or {}  # fmt: skip
        if "min_score" not in wanted and "baseline" not in wanted and not problems:
            problems["min_score"] = _("Ask for a least score, or name a baseline; a gate must ask something.")
        if "margin" in wanted and "baseline" not in wanted:
            del wanted["margin"]
    if not problems:
        try:
            change_keys(own.path, {"gate": wanted}, check=reach(ask, own))
        except UserError as error:
            problems["form"] = told(error)
    if problems:
        return _gate(ask, own, own.task, problems, dict(form.items()), 422)
    return Move(f"/tasks/{own.name}/gate", _("Saved.") if wanted else _("There is no gate any more."))


def _gate(
    ask: Ask, own: OwnTask, task: Task, problems: Mapping[str, str], typed: Mapping[str, str], status: int = 200
) -> Show:
    set_to = task.file.gate
    now = {"candidate": "", "baseline": "", "margin": "", "min_score": ""}
    if set_to is not None:
        now = {name: "" if (value := getattr(set_to, name)) is None else f"{value}" for name in now}
    if typed:
        now = {name: typed.get(name, "") for name in now}
    last = next((view for view in ask.jobs.about(f"/tasks/{own.name}", 20) if _gate_of(ask, view)), None)
    try:
        names = candidate_names(task, ask.workspace.ledger)
    except TouchstoneError:
        names = ()
    return Show(
        "tasks/gate.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/gate"),
            "gate": set_to,
            "now": now,
            "names": names,
            "last": last,
            "checked": None if last is None else _gate_of(ask, last),
            "states": STATES,
            "problems": by_field(problems),
            "named": named,
            "cap": task.file.limits.max_usd,
        },
        status=status,
    )


def _gate_of(ask: Ask, view: JobView) -> Any:
    result = None if view.is_live or view.job.verb != "compare" else ask.jobs.result(view.job.id)
    return result.get("gate") if isinstance(result, dict) else None


routes = (
    Route("/tasks/{task}/edit", edit, "edit"),
    Route("/tasks/{task}/edit", save, "edit", methods=("POST",)),
    Route("/tasks/{task}/file", file, "view"),
    Route("/tasks/{task}/file", save_file, "edit", methods=("POST",), body_bytes=4 * LONGEST_BYTES),
    Route("/tasks/{task}/gate", gate, "view"),
    Route("/tasks/{task}/gate", save_gate, "edit", methods=("POST",)),
)
