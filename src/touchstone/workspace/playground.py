"""
The playground: several candidates asked at once, watched while they answer, paid under one cap.

Answers come in a thread of their own with one event loop, so that they go on when a page is left or loaded again. What
was asked and what came lies in the store; what is still coming is here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchstone.errors import StoreError, TouchstoneError
from touchstone.evaluation.journal import CellCalls, cell_calls
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.recovery import recover
from touchstone.storage.lock import EngineLock
from touchstone.workspace.playground_base import PaneAnswer, Session
from touchstone.workspace.playground_media import Medium
from touchstone.workspace.playground_panes import Answerer
from touchstone.workspace.playground_room import Room, answered, check_takes, failed
from touchstone.workspace.playground_store import Asked
from touchstone.workspace.playground_stream import listening
from touchstone.workspace.session import event_loop
from touchstone.workspace.workspace import Workspace

if TYPE_CHECKING:
    from touchstone.config import Settings

_IDLE_S = 120.0
"""After so long without a question, models and their processes are let go."""
_PATIENCE_S = 10.0
"""How long what is under way may take to end when the site ends."""
_LOOK_S = 0.05

_log = logging.getLogger("touchstone.playground")


@dataclass
class Live:
    """An answer while it comes. Written by the thread of the playground, read by anybody."""

    text: str = ""
    reasoning: str = ""
    begun: int = 0
    """How many requests went out for it; what an earlier one brought is void."""

    def begin(self) -> None:
        """A request goes out."""
        self.begun += 1
        self.text = self.reasoning = ""

    def hear(self, text: str, reasoning: str) -> None:
        """Some more of it."""
        self.text += text
        self.reasoning += reasoning


class Playground:
    """
    Asks the panes of sessions in one workspace.

    Args:
        settings: The workspace; it is opened once more here, for the thread that asks.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._live: dict[tuple[str, int], dict[int, Live]] = {}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._room: Room | None = None

    # Asked by pages, from any thread ----------------------------------------------------------------------------------

    def ask(self, session: str, number: int) -> None:
        """Have everybody answer whose answer to a turn is open; returns at once."""
        with self._guard:
            self._begin()
            if (session, number) in self._live:
                return
            self._live[session, number] = {}
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._start, session, number)

    def live(self, session: str, number: int) -> Mapping[int, Live] | None:
        """What is coming, by pane; None where nobody answers this turn now."""
        return self._live.get((session, number))

    def answers(self, session: str | None = None) -> bool:
        """Whether somebody answers in this session now; in any of them where none is named."""
        return any(session in (None, at) for at, _number in tuple(self._live))

    def wait(self, session: str, number: int, seconds: float) -> bool:
        """Wait until everybody has answered a turn, so long at most; returns whether they have."""
        end = time.monotonic() + seconds
        while self.live(session, number) is not None:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_S)
        return True

    def stop(self, session: str, number: int) -> None:
        """Stop answering a turn now; what is under way may have been billed, and is booked so."""
        task, loop = self._tasks.get((session, number)), self._loop
        if task is not None and loop is not None:
            loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """End everything that is under way and release the store; may be called twice."""
        with self._guard:
            thread, loop, stop = self._thread, self._loop, self._stop
            self._thread = None
        if thread is not None and loop is not None and stop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stop.set)
            thread.join(_PATIENCE_S)

    # In its own thread ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name="playground", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._loop is None:
            raise StoreError("the playground could not open the workspace; the log of the site says why")

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=event_loop) as runner:
                runner.run(self._serve())
        except TouchstoneError as error:
            _log.error("the playground ended: %s", error)
        finally:
            self._loop = None
            self._live.clear()
            self._ready.set()

    async def _serve(self) -> None:
        with Workspace(self._settings) as workspace:
            with suppress(StoreError), EngineLock(workspace.ledger.engine):
                # What an earlier site left under way. Where an engine works, it has done so itself.
                recover(workspace.ledger)
            self._room = Room(workspace)
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            try:
                while not self._stop.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stop.wait(), _IDLE_S)
                    if not self._tasks:
                        await self._room.let_go(_IDLE_S)
            finally:
                tasks = tuple(self._tasks.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._room.let_go(0.0)
                await workspace.ledger.drain()

    def _start(self, session: str, number: int) -> None:
        key = session, number
        self._tasks[key] = task = asyncio.get_running_loop().create_task(self._turn(session, number))
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: tuple[str, int], done: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        self._live.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            _log.error("a turn of the playground failed: %s", type(error).__name__, exc_info=error)

    async def _turn(self, identity: str, number: int) -> None:
        room = self._room
        assert room is not None
        live = self._live[identity, number]
        if room.is_stale and len(self._tasks) == 1:
            await room.let_go(0.0)
        session = room.store.session(identity)
        turns = room.store.turns(identity)
        asked = next(one for one in turns if one.turn.number == number)
        purse = room.purse(session)
        waiting = [answer for answer in asked.answers if answer.state == "asking"]
        live.update({answer.pane: Live() for answer in waiting})
        try:
            ready: dict[int, Answerer] = {}
            for answer in waiting:
                # All are made before one is asked, so that reading an index stops nobody's clock.
                try:
                    check_takes(session.panes[answer.pane], asked.turn)
                    ready[answer.pane] = await room.answerer(session, answer.pane, purse)
                except TouchstoneError as error:
                    room.store.keep(identity, number, failed(answer, error, CellCalls()))
                    live.pop(answer.pane)
            await asyncio.gather(
                *(
                    self._pane(room, session, turns, asked, answer, ready[answer.pane], live)
                    for answer in waiting
                    if answer.pane in ready
                )
            )
        except asyncio.CancelledError:
            for answer in room.store.turn(identity, number).answers:
                if answer.state == "asking":
                    part = live.get(answer.pane, Live())
                    room.store.keep(
                        identity,
                        number,
                        answer.model_copy(
                            update={"state": "stopped", "text": part.text, "reasoning": part.reasoning or None}
                        ),
                    )
            raise
        finally:
            await room.workspace.ledger.drain()

    async def _pane(
        self,
        room: Room,
        session: Session,
        turns: tuple[Asked, ...],
        asked: Asked,
        answer: PaneAnswer,
        answerer: Answerer,
        live: dict[int, Live],
    ) -> None:
        calls = CellCalls()
        listening.set(live[answer.pane])
        cell_calls.set(calls)
        pictures: list[Medium] = []
        sent_at = time.perf_counter()
        try:
            question = room.question(session, turns, asked.turn, answer)
            completion = await answerer.answer(question, session.parameters)
            seconds = time.perf_counter() - sent_at - calls.queue_s
            pictures, found = answered(session.panes[answer.pane], answer, completion, calls, seconds)
        except TouchstoneError as error:
            room.is_stale = room.is_stale or isinstance(error, LaneClosed) or getattr(error, "stops_lane", False)
            part = live[answer.pane]
            found = failed(answer, error, calls).model_copy(
                update={"text": part.text, "reasoning": part.reasoning or None}
            )
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one pane is no reason to stop the others
            _log.error("a pane of the playground failed: %s", type(error).__name__, exc_info=error)
            found = failed(answer, TouchstoneError("this pane failed; the log of the site says where"), calls)
        room.store.keep(session.id, asked.turn.number, found, pictures)
        live.pop(answer.pane, None)
