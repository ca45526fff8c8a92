"""What is worth keeping of an answer: the same question as a program, a case of a task, a prompt version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.errors import SettingsError, TouchstoneError
from touchstone.language import N_, _
from touchstone.models.base import Message
from touchstone.reporting.words import split_name
from touchstone.web.base import Answer, Ask, Move, NotHere, Show
from touchstone.web.pages.playground_view import LONGEST_PROMPT, problem_of, session_of, store_of, turn_of
from touchstone.workspace.playground_base import Session
from touchstone.workspace.playground_choices import find_task, plain_of, task_files
from touchstone.workspace.playground_code import code_of
from touchstone.workspace.playground_panes import said_before
from touchstone.workspace.playground_save import save_case, save_prompt, splits_of
from touchstone.workspace.playground_store import Asked


def code(ask: Ask) -> Answer:
    """The same question as a program, for one pane."""
    session, asked, place = _answer_of(ask)
    answer = asked.answers[place]
    choice = session.panes[answer.pane]
    store = store_of(ask)
    plain = None
    if choice.source not in ("compared", "endpoint"):
        plain = plain_of(choice, ask.workspace, ask.catalog)
    before = []
    for earlier in () if session.is_blind else store.turns(session.id):
        own = next((one for one in earlier.answers if one.pane == answer.pane), None)
        if earlier.turn.number < asked.turn.number and own is not None and own.state == "done" and own.text:
            image = store.medium(session.id, earlier.turn.image) if earlier.turn.image else None
            before.append((earlier.turn.text, image, own.text))
    image = store.medium(session.id, asked.turn.image) if asked.turn.image else None
    case = asked.turn.case
    text = case.text if case is not None else asked.turn.text
    messages = said_before([*before, (text, image, "")])[:-1]
    if plain is not None and session.system:
        messages = (Message(role="system", content=session.system), *messages)
    return Show(
        "playground/code.html.j2",
        {
            "session": session,
            "pane": choice,
            "turn": asked.turn.number,
            "code": code_of(choice, plain, messages, session.parameters),
        },
    )


def save(ask: Ask) -> Answer:
    """A form that makes a case of a turn, or a prompt version of the session's system text."""
    session, asked, place = _answer_of(ask)
    return _save_page(ask, session, asked, place, {"target": asked.answers[place].text})


def save_as_case(ask: Ask) -> Answer:
    """Add a case to a task of the workspace."""
    session, asked, place = _answer_of(ask)
    form = ask.form
    given = {name: form.raw(name, longest=LONGEST_PROMPT) for name in ("task", "split", "input", "target", "test")}
    try:
        task = _task(ask, given["task"])
        target = given["target"] if form.flag("has_target") else None
        saved = save_case(task, given["split"], given["input"], target, into_test=form.flag("test"))
    except TouchstoneError as error:
        return _save_page(ask, session, asked, place, given, problem=problem_of(error)[1], status=422)
    return Move(
        f"/playground/s/{session.id}",
        _("Saved into {split} of {task}, at the end of {file}.").format(
            split=saved.split, task=task.file.task, file=saved.path.name
        ),
    )


def save_as_prompt(ask: Ask) -> Answer:
    """Write the session's system text as the next version of a task's prompts."""
    session, asked, place = _answer_of(ask)
    try:
        task = _task(ask, ask.form.text("task"))
        saved = save_prompt(task, ask.form.raw("system", longest=LONGEST_PROMPT))
    except TouchstoneError as error:
        return _save_page(ask, session, asked, place, {}, prompt_problem=problem_of(error)[1], status=422)
    return Move(
        f"/playground/s/{session.id}",
        _("Saved as {file} of {task}. An entry of its task file uses it by {line}").format(
            file=f"{saved.path.parent.name}/{saved.path.name}", task=task.file.task, line=saved.line
        ),
    )


def _save_page(
    ask: Ask, session: Session, asked: Asked, place: int, given: Mapping[str, str], *, problem: str = "",
    prompt_problem: str = "", status: int = 200,
) -> Answer:  # fmt: skip
    tasks = [(task.folder.name, task.file.task, splits_of(task)) for task in task_files(ask.folder)]
    case = asked.turn.case
    return Show(
        "playground/save.html.j2",
        {
            "session": session,
            "turn": asked.turn.number,
            "place": place,
            "text": case.text if case is not None else asked.turn.text,
            "has_media": asked.turn.image is not None or asked.turn.sound is not None,
            "answer": asked.answers[place],
            "name": session.panes[asked.answers[place].pane].name,
            "tasks": tasks,
            "task_options": [(name, title) for name, title, _splits in tasks],
            "splits": "; ".join(
                f"{title}: {', '.join(map(split_name, found)) or _('none')}" for _name, title, found in tasks
            ),
            "given": given,
            "problem": problem,
            "prompt_problem": prompt_problem,
        },
        status=status,
    )


def _task(ask: Ask, name: str) -> Any:
    if not name:
        raise SettingsError("choose a task of this workspace")
    return find_task(ask.folder, name)


def _answer_of(ask: Ask) -> tuple[Session, Asked, int]:
    """The answer that an address names; nobody finds out by it who gave an answer before voting on it."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    number, place = ask.params["turn"], ask.params["place"]
    if not (number.isdigit() and place.isdigit() and len(number) < 10 and len(place) < 3):
        raise NotHere
    asked = turn_of(store, session, int(number))
    if int(place) >= len(asked.answers):
        raise NotHere
    if session.is_blind and not any(
        vote.turn == asked.turn.number and vote.who == ask.viewer.name for vote in store.votes(session.id)
    ):
        raise NotHere(N_("Whose answer that is shows after your vote."))
    return session, asked, int(place)
