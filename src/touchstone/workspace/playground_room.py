"""What the thread of a playground keeps between questions, and what becomes of an answer."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson

from touchstone.data.base import Case
from touchstone.errors import ModelError, RequestRejected, TouchstoneError
from touchstone.evaluation.journal import CellCalls
from touchstone.evaluation.purse import Purse
from touchstone.models.base import Completion, ImagePart
from touchstone.workspace.candidates import Lanes
from touchstone.workspace.playground_base import Choice, Failure, PaneAnswer, Session, Turn
from touchstone.workspace.playground_media import Medium, picture_of
from touchstone.workspace.playground_panes import Answerer, Makes, Question, said_before
from touchstone.workspace.playground_purse import SessionPurse
from touchstone.workspace.playground_store import Asked, PlaygroundStore
from touchstone.workspace.workspace import Workspace

_AT_ONCE = 16
"""Calls of one account at the same time."""
_RESENDS = 0
"""A request whose reply was lost is not sent again by itself: somebody sits here and can say so."""


class Room:
    """What the thread of a playground keeps between questions."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.store = PlaygroundStore(workspace.ledger.engine)
        self.is_stale = False
        """Whether an account was closed by a failure: who asks again has perhaps mended it, and is not held to it."""
        self._makes = self._new_makes()
        self._purses: dict[str, SessionPurse] = {}
        self._answerers: dict[tuple[str, int], Answerer] = {}
        self._used_at = time.monotonic()
        # One at a time: two threads that import the same library at once break each other's import of it.
        self._turn = asyncio.Lock()

    def _new_makes(self) -> Makes:
        return Makes(self.workspace, Lanes(_AT_ONCE, _RESENDS), self._catalog)

    def _catalog(self) -> Any:
        from touchstone.catalog.catalog import Catalog

        return Catalog(self.workspace.settings.workspace, today=datetime.now(UTC).date())

    def purse(self, session: Session) -> SessionPurse:
        """The money of a session, under the cap that it has now."""
        purse = self._purses.get(session.id)
        if purse is None:
            purse = self._purses[session.id] = SessionPurse(self.workspace.ledger, session.run)
        purse.balance = purse.balance._replace(cap_usd=session.cap_usd)
        purse.exhausted = None
        purse.open()
        return purse

    async def answerer(self, session: Session, pane: int, purse: Purse) -> Answerer:
        """Who answers in a pane; made at its first question. Raises `UserError`."""
        self._used_at = time.monotonic()
        key = session.id, pane
        async with self._turn:
            if key not in self._answerers:
                choice = session.panes[pane]
                self._answerers[key] = await asyncio.to_thread(self._makes.answerer, choice, session.system, purse)
            return self._answerers[key]

    def question(self, session: Session, turns: tuple[Asked, ...], turn: Turn, answer: PaneAnswer) -> Question:
        """What a pane is asked: the turn, and before it what it was asked and answered itself."""
        before = []
        if not session.is_blind:
            for earlier in turns:
                own = next((one for one in earlier.answers if one.pane == answer.pane), None)
                if earlier.turn.number < turn.number and own is not None and own.state == "done" and own.text:
                    before.append((earlier.turn.text, self._medium(session, earlier.turn.image), own.text))
        case = turn.case or Case(id=f"turn {turn.number}", input=turn.text)
        return Question(
            case,
            said_before(before),
            self._medium(session, turn.image),
            self._medium(session, turn.sound),
            answer.draw,
        )

    def _medium(self, session: Session, digest: str | None) -> Medium | None:
        return None if digest is None else self.store.medium(session.id, digest)

    async def let_go(self, idle_s: float) -> None:
        """Release models that nobody has asked for so long."""
        if time.monotonic() - self._used_at < idle_s:
            return
        gone, self._answerers = self._answerers, {}
        self._purses.clear()
        self._makes, self.is_stale = self._new_makes(), False
        for answerer in gone.values():
            await answerer.close()


def check_takes(choice: Choice, turn: Turn) -> None:
    """Say what a model cannot read before anybody is paid for finding out. Raises `RequestRejected`."""
    if choice.kind == "transcription":
        if turn.sound is None:
            raise RequestRejected("{name} writes down what a recording says; send one", name=choice.name)
        return
    if turn.image is not None and (choice.kind != "chat" or (choice.takes is not None and "image" not in choice.takes)):
        raise RequestRejected("{name} takes no pictures", name=choice.name)
    if turn.sound is not None and (choice.kind != "chat" or (choice.takes is not None and "audio" not in choice.takes)):
        raise RequestRejected("{name} takes no recordings", name=choice.name)


def answered(
    choice: Choice, answer: PaneAnswer, completion: Completion, calls: CellCalls, seconds: float
) -> tuple[list[Medium], PaneAnswer]:
    """(pictures that came, the answer as it is kept); `seconds` is taken where the model has no clock of its own."""
    usage = completion.usage
    pictures = [
        found
        for part in completion.parts
        if isinstance(part, ImagePart) and (found := picture_of(part.url)) is not None
    ]
    vector = tuple(orjson.loads(completion.text)) if choice.kind == "embedding" else ()
    return pictures, answer.model_copy(
        update={
            "state": "done",
            "text": "" if vector else completion.text,
            "reasoning": completion.reasoning,
            "pictures": tuple(one.digest for one in pictures),
            "vector": vector,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "estimated": usage.estimated,
            "cost_usd": completion.cost_usd,
            "retry_usd": calls.retry_usd,
            "latency_s": completion.latency_s if completion.latency_s is not None else seconds,
            "first_token_s": completion.first_token_s,
            "finish": completion.finish,
            "served_model": completion.served_model,
            "passages": completion.passages or (),
        }
    )


def failed(answer: PaneAnswer, error: TouchstoneError, calls: CellCalls) -> PaneAnswer:
    """The answer of whoever could not be asked, or failed; what went wrong is kept in words that can be translated."""
    billed = isinstance(error, ModelError) and error.maybe_billed
    failure = Failure(
        kind=type(error).__name__,
        template=error.template,
        values={name: _plain(value) for name, value in error.values.items()},
        maybe_billed=billed,
    )
    return answer.model_copy(update={"state": "failed", "failure": failure, "retry_usd": calls.retry_usd})


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, str | int | float) else str(value)
