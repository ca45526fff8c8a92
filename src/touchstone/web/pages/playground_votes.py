"""Blind votes: what somebody says of answers without names, what comes next, and what all votes say."""

from __future__ import annotations

from touchstone.errors import SettingsError
from touchstone.evaluation.votes import result_of
from touchstone.web.base import Answer, Ask, Move, Send, Show
from touchstone.web.forms import Form
from touchstone.web.pages.playground_session import page
from touchstone.web.pages.playground_view import playground_of, problem_of, session_of, store_of, turn_of
from touchstone.workspace.playground_base import Session, Turn
from touchstone.workspace.playground_store import votes_jsonl

AHEAD = 2
"""Prompts of a series that are asked ahead, so that nobody waits between two votes."""


def vote(ask: Ask) -> Answer:
    """Keep a vote, and go on with the next prompt of a series."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    number = ask.form.whole("turn", 0) or 0
    asked = turn_of(store, session, number)
    try:
        verdict, given = _verdict(ask.form, len(asked.answers))
        store.vote(session, number, ask.viewer.name, verdict, given)  # type: ignore[arg-type]  # one of the four
    except SettingsError as error:
        return page(ask, session, problem=problem_of(error)[1], status=422)
    if session.series:
        ask_upto(ask, session, number + AHEAD)
    return Move(f"/playground/s/{session.id}")


def _verdict(form: Form, count: int) -> tuple[str, tuple[int, ...]]:
    said = form.text("verdict")
    if said.startswith("better-") and said.removeprefix("better-").isdigit():
        return "better", (int(said.removeprefix("better-")),)
    if said in ("good", "bad"):
        return said, ()
    if said == "order":
        return said, tuple(form.whole(f"place-{at}", 0, high=count) or 0 for at in range(count))
    raise SettingsError("{field} is {value!r}; there are {known}", field="verdict", value=said, known="good, bad")


def go_on(ask: Ask) -> Answer:
    """Ask the next prompts of a series."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    ask_upto(ask, session, len(store.numbers(session.id)) + 1)
    return Move(f"/playground/s/{session.id}")


def ask_upto(ask: Ask, session: Session, upto: int) -> None:
    """Have the prompts of a series asked, up to this one; those that were asked are not asked again."""
    store = store_of(ask)
    for number in range(len(store.numbers(session.id)) + 1, min(upto, len(session.series)) + 1):
        case = session.series[number - 1]
        turn = Turn(number=0, created="", who=ask.viewer.name, text=case.text, case=case, asked=())
        try:
            store.ask(session, turn, after=number - 1)
        except SettingsError:
            return  # somebody else who votes on the same series was quicker
        playground_of(ask).ask(session.id, number)


def ranking(ask: Ask) -> Answer:
    """What the votes of a session say."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    found = store.votes(session.id)
    return Show(
        "playground/votes.html.j2",
        {
            "session": session,
            "votes": found,
            "result": result_of(one.vote for one in found) if found else None,
            "voters": sorted({one.who for one in found}),
            "left": max(0, len(session.series) - len({one.turn for one in found})),
        },
    )


def export(ask: Ask) -> Answer:
    """All votes of a session, one JSON object a line."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    return Send(votes_jsonl(store.votes(session.id)), "application/x-ndjson", file_name=f"votes-{session.id}.jsonl")
