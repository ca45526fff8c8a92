"""A session of the playground: what is asked, and what came."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from touchstone.errors import SettingsError, UnknownName
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, NotHere, Send, Show
from touchstone.web.pages.playground_view import (
    LONGEST_PROMPT,
    WORDS,
    money_of,
    playground_of,
    problem_of,
    session_of,
    store_of,
    turn_of,
    turn_view,
)
from touchstone.workspace.playground_base import Session, Turn
from touchstone.workspace.playground_forget import contents_of, forget_session
from touchstone.workspace.playground_media import MOST_BYTES, Medium, picture, sound
from touchstone.workspace.playground_store import PlaygroundStore

_WAIT_S = 10.0
"""How long a form without scripts waits for answers before its page comes without them."""
_SHOWN = 20
"""Turns of a session that are shown; the others are there all the same."""

_waiting = threading.Semaphore(2)
"""Forms that may wait at the same time: each holds a thread that makes pages."""


def one(ask: Ask) -> Answer:
    """A session: what is asked next, what was answered, and what can be done with it."""
    return page(ask, session_of(store_of(ask), ask.params["session"]))


def page(ask: Ask, session: Session, *, typed: str = "", problem: str = "", status: int = 200) -> Answer:
    """The page of a session; `typed` is a question that could not be asked, `problem` why."""
    store = store_of(ask)
    numbers = store.numbers(session.id)
    values: dict[str, Any] = {
        "session": session,
        "money": money_of(ask, session),
        "typed": typed,
        "problem": problem,
        "last": numbers[-1] if numbers else 0,
        **WORDS,
    }
    if session.is_blind:
        values |= _blind(ask, session, numbers)
        return Show("playground/blind.html.j2", values, status=status)
    shown = store.turns(session.id, since=numbers[-_SHOWN] if len(numbers) > _SHOWN else 0)
    views = [
        turn_view(ask, session, asked, hidden=False, before=shown[at - 1] if at else None)
        for at, asked in enumerate(shown)
    ]
    values |= {"views": views[::-1], "more": len(numbers) - len(shown)}
    return Show("playground/session.html.j2", values, status=status)


def _blind(ask: Ask, session: Session, numbers: Sequence[int]) -> dict[str, Any]:
    """Which turn who asks votes on now: the one named by `at`, else the first without a vote of theirs."""
    store = store_of(ask)
    mine = {vote.turn: vote for vote in store.votes(session.id) if vote.who == ask.viewer.name}
    waiting = [number for number in numbers if number not in mine]
    at = ask.query.whole("at", low=1)
    current = at if at in numbers else waiting[0] if waiting else None
    if current is None and numbers and not session.series:
        current = numbers[-1]
    later = [number for number in waiting if current is not None and number > current]
    return {
        "view": None
        if current is None
        else turn_view(ask, session, store.turn(session.id, current), hidden=current not in mine),
        "vote": None if current is None else mine.get(current),
        "voted": len(mine),
        "total": len(session.series),
        "skip": later[0] if later else None,
        "names": sorted({pane.name for pane in session.panes}),
    }


def ask_all(ask: Ask) -> Answer:
    """Ask everybody something."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    text = ask.form.raw("prompt", longest=LONGEST_PROMPT)
    try:
        found, image, recording = _uploads(ask)
        if not text.strip() and recording is None:
            raise SettingsError("there is nothing to ask yet; write a question")
        if session.series:
            raise SettingsError("the prompts of this session come from a task; begin another one to type your own")
        turn = Turn(number=0, created="", who=ask.viewer.name, text=text, image=image, sound=recording, asked=())
        asked = store.ask(session, turn, after=ask.form.whole("after", 0) or 0, found=found)
    except SettingsError as error:
        return page(ask, session, typed=text, problem=problem_of(error)[1], status=422)
    return _asked(ask, session, asked.turn.number)


def _uploads(ask: Ask) -> tuple[list[Medium], str | None, str | None]:
    found: list[Medium] = []
    digests: list[str | None] = []
    for field, read in (("image", picture), ("sound", sound)):
        upload = ask.form.file(field)
        body = b""
        if upload is not None:
            with upload.file as file:
                body = file.read(MOST_BYTES + 1)
        if not body:
            digests.append(None)
            continue
        found.append(read(body))
        digests.append(found[-1].digest)
    return found, digests[0], digests[1]


def _asked(ask: Ask, session: Session, number: int) -> Answer:
    """The page of a session whose turn was just asked; without scripts, once answers are there or take too long."""
    playground_of(ask).ask(session.id, number)
    if not ask.form.flag("scripted") and _waiting.acquire(blocking=False):
        try:
            playground_of(ask).wait(session.id, number, _WAIT_S)
        finally:
            _waiting.release()
    return Move(f"/playground/s/{session.id}")


def again(ask: Ask) -> Answer:
    """Ask those again who have not answered a turn."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    number = ask.form.whole("turn", 0) or 0
    asked = turn_of(store, session, number)
    if playground_of(ask).live(session.id, number) is None:
        store.ask_again(session.id, asked)
        return _asked(ask, session, number)
    return Move(f"/playground/s/{session.id}")


def stop(ask: Ask) -> Answer:
    """Stop answering."""
    session = session_of(store_of(ask), ask.params["session"])
    playground_of(ask).stop(session.id, ask.form.whole("turn", 0) or 0)
    playground_of(ask).wait(session.id, ask.form.whole("turn", 0) or 0, 1.0)
    return Move(f"/playground/s/{session.id}", _("Stopped. What was under way may have been billed, and counts."))


def cap(ask: Ask) -> Answer:
    """Another cap; what was spent counts on."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    try:
        usd = ask.form.number("cap", low=0, high=10_000)
        if usd is None:
            raise SettingsError("{field} is empty; write an amount in USD", field="cap")
    except SettingsError as error:
        return page(ask, session, problem=problem_of(error)[1], status=422)
    store.change_cap(session.id, usd)
    return Move(f"/playground/s/{session.id}", _("The cap of this session is ${cap} now.").format(cap=f"{usd:g}"))


def before_deleting(ask: Ask) -> Answer:
    """What would go with a session, before anything goes."""
    return _before_deleting(ask, session_of(store_of(ask), ask.params["session"]))


def _before_deleting(ask: Ask, session: Session, status: int = 200) -> Answer:
    return Show(
        "playground/delete.html.j2",
        {
            "session": session,
            "contents": contents_of(ask.workspace.ledger, session),
            "money": money_of(ask, session),
            "answering": playground_of(ask).answers(session.id),
        },
        status=status,
    )


def delete(ask: Ask) -> Answer:
    """Throw a session away, unless somebody answers in it."""
    session = session_of(store_of(ask), ask.params["session"])
    if playground_of(ask).answers(session.id):
        return _before_deleting(ask, session, 409)
    forget_session(ask.workspace.ledger, session)
    return Move("/playground", _("The session {title} is deleted.").format(title=session.title[:200]))


def medium(ask: Ask) -> Answer:
    """A picture or a recording of a session, as nothing but that."""
    found = _found(store_of(ask), ask.params["session"], ask.params["digest"])
    return Send(
        found.body,
        found.kind.replace("audio/mp3", "audio/mpeg").replace("audio/m4a", "audio/mp4"),
        headers={"content-security-policy": "default-src 'none'; sandbox"},
    )


def _found(store: PlaygroundStore, session: str, digest: str) -> Medium:
    try:
        return store.medium(session_of(store, session).id, digest)
    except UnknownName:
        raise NotHere from None
