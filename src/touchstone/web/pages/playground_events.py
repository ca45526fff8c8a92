"""Answers of a turn as they come, for a page that watches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import copy_context
from typing import Any

from touchstone.reporting.text import visible
from touchstone.web.base import Answer, Ask, Event, Follow
from touchstone.web.pages.playground_view import (
    WORDS,
    TurnView,
    playground_of,
    session_of,
    store_of,
    turn_of,
    turn_view,
)
from touchstone.web.render import part
from touchstone.workspace.playground_base import Session
from touchstone.workspace.playground_store import Asked

_LOOK_S = 0.1


def events(ask: Ask) -> Answer:
    """Answers of a turn as they come."""
    store = store_of(ask)
    session = session_of(store, ask.params["session"])
    number = ask.params["turn"]
    asked = turn_of(store, session, int(number) if number.isdigit() and len(number) < 10 else 0)
    mine = {vote.turn for vote in store.votes(session.id) if vote.who == ask.viewer.name}
    return Follow(_events(ask, session, asked, hidden=session.is_blind and asked.turn.number not in mine))


async def _events(ask: Ask, session: Session, asked: Asked, *, hidden: bool) -> AsyncIterator[Event]:
    loop, number = asyncio.get_running_loop(), asked.turn.number
    places = {answer.pane: place for place, answer in enumerate(asked.answers)}
    sent: dict[int, tuple[int, int, int]] = {}
    open_ones = {answer.pane for answer in asked.answers if answer.state == "asking"}
    populated = False

    def finished(panes: set[int]) -> list[tuple[int, str]]:
        store = store_of(ask)
        view = turn_view(ask, session, store.turn(session.id, number), hidden=False)
        return [
            (places[pane], part("playground/pane.html.j2", "pane", _pane_values(ask, session, view, places[pane])))
            for pane in sorted(panes)
        ]

    while True:
        live = playground_of(ask).live(session.id, number)
        coming = {} if live is None else dict(live)
        if not hidden:
            for pane, answer in coming.items():
                before = sent.get(pane)
                text, reasoning, begun = answer.text, answer.reasoning, answer.begun
                now = begun, len(text), len(reasoning)
                if now == before or now[1:] == (0, 0):
                    continue
                whole = before is None or before[0] != begun or now[1] < before[1]
                from_text, from_reasoning = (0, 0) if whole or before is None else before[1:]
                sent[pane] = now
                said = {
                    "place": places[pane],
                    "whole": whole,
                    "text": visible(text[from_text:]),
                    "reasoning": visible(reasoning[from_reasoning:]),
                }
                yield Event(json.dumps(said, ensure_ascii=True), name="piece")
            # Nobody is coming yet right after the question; who has come and is gone has an answer in the store.
            populated = populated or bool(coming)
            fresh = open_ones - set(coming) if populated or live is None else set()
            if fresh:
                context = copy_context()
                for place, html in await loop.run_in_executor(ask.site.workers, context.run, finished, fresh):
                    yield Event(html, name=f"pane-{place}")
                open_ones -= fresh
        if live is None:
            yield Event("", name="ended")
            return
        await asyncio.sleep(_LOOK_S)


def _pane_values(ask: Ask, session: Session, view: TurnView, place: int) -> dict[str, Any]:
    return {"ask": ask, "session": session, "view": view, "pane": view.panes[place], **WORDS}
