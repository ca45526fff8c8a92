"""A new task: cases that are uploaded or pasted, looked at together, and made into a task file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchstone.data.base import COLUMNS
from touchstone.errors import SettingsError, TouchstoneError, UserError
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.tasks_base import KINDS, SCORERS, by_field, chosen_models, options, told, with_models
from touchstone.workspace.demo import write_handbook, write_intents
from touchstone.workspace.first_look import FirstLook, look_at
from touchstone.workspace.init import default_instruction, write_task_file
from touchstone.workspace.tasks import (
    MOST_BYTES,
    Draft,
    adopt,
    find_draft,
    forget,
    free_name,
    keep_draft,
)

_PASTED_CHARACTERS = 2_000_000
_BODY_BYTES = MOST_BYTES + (1 << 20)
_OURS = tuple(column for column in COLUMNS if column not in ("image", "audio"))
"""Columns that the form maps; media lie in files beside the cases, which an upload of one file has not."""

COLUMN_WORDS = {
    "id": N_("id: its name"),
    "input": N_("input: what is asked"),
    "messages": N_("messages: a conversation instead of an input"),
    "target": N_("target: the right answer"),
    "options": N_("options: of a choice"),
    "split": N_("split: train, dev or test"),
    "group": N_("group: cases that belong together"),
    "tags": N_("tags"),
}
"""Our columns, for people, in the order of the form."""

EXAMPLES = {
    "helpdesk": (N_("Help-desk intents"), N_("Name the intent of a customer's message; runs without any key.")),
    "handbook": (N_("Answers from a handbook"), N_("Short answers from a document, with a small model; no key.")),
}
"""Shipped examples: title, and what they show."""


def start(ask: Ask) -> Answer:
    """Upload, paste, or begin with an example."""
    return _start(ask, {})


def _start(ask: Ask, problems: Mapping[str, str], status: int = 200) -> Show:
    again = status != 200 and "pasted" not in problems
    values = {
        "problems": by_field(problems),
        "examples": EXAMPLES,
        "models": chosen_models(ask),
        "pasted": ask.form.raw("pasted", longest=_PASTED_CHARACTERS) if again else "",
        "most_mb": MOST_BYTES // (1024 * 1024),
    }
    return Show("tasks/new.html.j2", values, status=status)


def take(ask: Ask) -> Answer:
    """Keep the cases under a name of ours, and look at them."""
    upload = ask.form.file("file")
    try:
        if upload is not None:
            draft = keep_draft(ask.folder, upload.file, upload.filename or "")
        else:
            pasted = ask.form.raw("pasted", longest=_PASTED_CHARACTERS).strip("\n")
            if not pasted.strip():
                return _start(ask, {"file": _("Choose a file, or paste rows below.")}, 422)
            suffix = ".jsonl" if pasted.lstrip()[:1] in "{[" else ".csv"
            draft = keep_draft(ask.folder, io.BytesIO((pasted + "\n").encode("utf-8", "replace")), f"cases{suffix}")
    except SettingsError as error:
        return _start(ask, {"file" if upload is not None else "pasted": error.text(_)}, 422)
    finally:
        if upload is not None:
            upload.file.close()
    return Move(with_models(f"/tasks/new/{draft.id}", chosen_models(ask)))


def example(ask: Ask) -> Answer:
    """A shipped example as a task of this project."""
    which = ask.form.choice("which", tuple(EXAMPLES), "helpdesk")
    name = free_name(ask.folder, which)
    write = {"helpdesk": write_intents, "handbook": write_handbook}[which]
    write(ask.folder / "tasks" / name)
    return Move(f"/tasks/{name}", _("The example is a task of yours now; change it as you like."))


def preview(ask: Ask) -> Answer:
    """What the cases are taken for; every guess can be changed."""
    draft = find_draft(ask.folder, ask.params["draft"])
    return _preview(ask, draft, look_at(draft.cases), {})


def decide(ask: Ask) -> Answer:
    """Look again with other columns, throw it away, or make the task."""
    draft = find_draft(ask.folder, ask.params["draft"])
    act = ask.form.choice("act", ("look", "make", "forget"), "look")
    if act == "forget":
        forget(draft)
        return Move("/tasks/new", _("The upload was thrown away."))
    columns = {ours: theirs for ours in _OURS if (theirs := ask.form.text(f"column_{ours}", longest=1_000))}
    kind = ask.form.choice("kind", tuple(KINDS), "") or None
    look = look_at(draft.cases, columns=columns, kind=kind)
    if act == "look":
        return _preview(ask, draft, look, {})
    problems: dict[str, str] = {}
    title = ask.form.text("title", longest=200)
    if not title:
        problems["title"] = _("Give the task a name.")
    elif not title.isprintable():
        problems["title"] = _("Use letters, digits and signs that can be seen.")
    try:
        scorers = _scorers(ask)
    except SettingsError as error:
        problems["scorer"] = error.text(_)
    if problems or not look.is_good:
        return _preview(ask, draft, look, problems, 422)
    try:
        write_task_file(
            Path(draft.cases),
            draft.folder / "task.yaml",
            name=title,
            instruction=ask.form.raw("instruction").strip() or None,
            columns=columns,
            kind=kind,
            scorers=scorers,
            force=True,
        )
    except UserError as error:
        return _preview(ask, draft, look, {"form": told(error)}, 422)
    name = adopt(ask.folder, draft, title)
    models = chosen_models(ask)
    if models:
        return Move(with_models(f"/tasks/{name}/candidates", models), _("The task is made. Now choose who takes part."))
    return Move(f"/tasks/{name}", _("The task is made. Baselines that cost nothing are in it; add models next."))


def _scorers(ask: Ask) -> list[str | Mapping[str, Any]]:
    """What the form says about scoring; nothing where the kind of answer decides."""
    wanted = ask.form.choice("scorer", tuple(SCORERS), "")
    if wanted == "judge":
        model, rubric = ask.form.text("judge_model", longest=200), ask.form.text("rubric", longest=4_000)
        if not model or not rubric:
            raise SettingsError("a judge needs the model that reads the answers, and a rubric by which it does")
        return [{"judge": {"model": model, "rubric": rubric}}]
    if wanted == "length":
        return [{"length": {"maximum": ask.form.whole("length", 120, low=1) or 120}}]
    return [wanted] if wanted else []


def _preview(ask: Ask, draft: Draft, look: FirstLook, problems: Mapping[str, str], status: int = 200) -> Show:
    proposal = look.proposal
    said = {ours: ask.form.text(f"column_{ours}", longest=1_000) for ours in _OURS if f"column_{ours}" in ask.form}
    # A column that is called like one of ours is it, whether or not anybody says so.
    same = {ours: ours for ours in _OURS if ours in look.columns}
    mapping = same | ({k: v for k, v in said.items() if v} or (dict(proposal.source.columns) if proposal else {}))
    kind = ask.form.text("kind") or (proposal.kind if proposal is not None else "label")
    leaks = [_(one.template).format(**one.values) for one in look.leaks]
    return Show(
        "tasks/preview.html.j2",
        {
            "draft": draft,
            "look": look,
            "error": None if look.error is None else _told(look.error),
            "mapping": mapping,
            "column_words": COLUMN_WORDS,
            "kinds": KINDS,
            "kind": kind,
            "scorers": SCORERS,
            "leaks": leaks,
            "problems": by_field(problems),
            "options": options,
            "problem_text": lambda problem: problem.text(_),
            "title": ask.form.text("title", draft.title, longest=400),
            "instruction": ask.form.raw("instruction") or default_instruction(kind),
            "form": ask.form,
            "models": chosen_models(ask),
        },
        status=status,
    )


def _told(error: Any) -> str:
    return told(error) if isinstance(error, TouchstoneError) else str(error)


routes = (
    Route("/tasks/new", start, "edit"),
    Route("/tasks/new", take, "edit", methods=("POST",), body_bytes=_BODY_BYTES),
    Route("/tasks/new/example", example, "edit", methods=("POST",)),
    Route("/tasks/new/{draft}", preview, "edit"),
    Route("/tasks/new/{draft}", decide, "edit", methods=("POST",)),
)
