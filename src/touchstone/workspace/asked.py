"""
What exactly was asked for one cell, and the raw reply: found again by making the request a second time.

A cell does not say which request it came from. The candidate is made again as it would be served, asked by nobody but
this look-up, and its request leads to the stored reply. Nothing is sent.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.errors import ModelError, TouchstoneError
from touchstone.evaluation.ledger import Ledger, StoredReply, canonical, key_of
from touchstone.evaluation.purse import NotStored
from touchstone.evaluation.sends import Send, sends_of
from touchstone.language import N_
from touchstone.models.base import ChatModel, ChatRequest, Completion
from touchstone.models.resolve import make_model
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.answers import OpenedAnswers
from touchstone.workspace.bundle import Bundle, make_served
from touchstone.workspace.taskfile import TaskFile, task_place

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_PATIENCE_S = 20.0
_TWINS = 4
"""Candidates of one comparison that may ask the same; each has draws of its own."""
LONGEST_BODY = 256 * 1024
"""Bytes of a raw reply that are shown."""


_Seen = tuple[ChatRequest, str, StoredReply | None]
"""A request, its key, and the reply that is kept."""


@dataclass(frozen=True)
class CallMade:
    """One call for a cell."""

    key: str
    request: str
    """As JSON, without a line break in its texts."""
    reply: StoredReply | None
    """None where none is kept."""
    sends: tuple[Send, ...]

    @property
    def body(self) -> str:
        """The raw reply as text, as far as it is shown; bytes that are no text are written out."""
        return "" if self.reply is None else self.reply.reply.body[:LONGEST_BODY].decode("utf-8", "backslashreplace")

    @property
    def cut_bytes(self) -> int:
        """Bytes of the raw reply that are not shown."""
        return 0 if self.reply is None else max(0, len(self.reply.reply.body) - LONGEST_BODY)


@dataclass(frozen=True)
class CellCall:
    """What is known of how a cell was asked for."""

    calls: tuple[CallMade, ...] = ()
    why_not: str | None = None
    """Why there is nothing, or not all; a sentence, a message id. None where everything is there."""
    because: TouchstoneError | None = None
    """What stood in the way, where something did."""


class _Looking:
    """A `Caller` that asks the store alone, and notes what it was asked."""

    def __init__(self, model: ChatModel, ledger: Ledger, seen: list[_Seen]) -> None:
        self.model = model
        self._ledger = ledger
        self._seen = seen

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def endpoint(self) -> str:
        return self.model.endpoint

    @property
    def price(self) -> Price | None:
        return self.model.price

    @property
    def paid(self) -> bool:
        return self.model.paid

    async def complete(self, request: ChatRequest) -> Completion:
        key = key_of(self.model.endpoint, canonical(request))
        stored = self._ledger.reply(key)
        self._seen.append((request, key, stored))
        if stored is None:
            raise NotStored(model=self.name)
        return self.model.read(stored.reply)

    async def close(self) -> None:
        await self.model.close()


def how_it_was_asked(
    workspace: Workspace, opened: OpenedAnswers, candidate: str, case: Case, repeat: int, text: str | None
) -> CellCall:
    """
    The requests of a cell with their raw replies and every try.

    Args:
        case: As it was measured.
        text: What the cell says was answered, by which a reply is known to be its own.
    """
    wanted = CandidateSpec.model_validate(next(one for one in opened.spec["candidates"] if one["name"] == candidate))
    if wanted.strategy == "recorded":
        return CellCall(why_not=N_("these answers were recorded elsewhere; the request is not known here"))
    if wanted.strategy == "baseline":
        return CellCall(why_not=N_("a baseline answers in this process; no model is asked"))
    try:
        return asyncio.run(asyncio.wait_for(_find(workspace, opened, wanted, case, repeat, text), _PATIENCE_S))
    except TimeoutError:
        return CellCall(why_not=N_("making the request again takes too long here"))
    except (TouchstoneError, OSError) as error:
        # A prompt file that is gone, a library that is missing: what is stored of the cell is shown all the same.
        because = error if isinstance(error, TouchstoneError) else None
        return CellCall(why_not=N_("the request cannot be made again, because something is gone"), because=because)


async def _find(
    workspace: Workspace, opened: OpenedAnswers, wanted: CandidateSpec, case: Case, repeat: int, text: str | None
) -> CellCall:
    ledger, spec = workspace.reader, opened.spec
    seen: list[_Seen] = []
    file = TaskFile.model_validate(spec["file"])
    folder = task_place(spec).parent
    bundle = Bundle(
        file=file.model_copy(update={"candidates": ({"model": wanted.model},)}),
        answer=AnswerSpec.model_validate(spec["answer"]),
        spec=wanted,
        dataset=opened.dataset,
        columns=tuple(sorted({"input", "options", "id", *case.fields})),
    )

    def look(reference: str, given: Any) -> Any:
        return _Looking(make_model(reference, parameters=dict(given), folder=folder), ledger, seen)

    made, _settings = await make_served(bundle, folder, ledger, workspace.settings.workspace, look)
    try:
        best: list[_Seen] = []
        for twin in range(_TWINS if isinstance(made, PromptCandidate) else 1):
            if isinstance(made, PromptCandidate):
                made.twin = twin
            seen.clear()
            said = None
            with suppress(NotStored, ModelError):
                said = (await made.answer(case, draw=repeat)).text
            if not best or (said is not None and said == text):
                best = list(seen)
            if said is not None and said == text:
                break
    finally:
        await made.close()
    calls = tuple(_call(ledger, *one) for one in best)
    if calls and all(call.reply is not None or call.sends for call in calls):
        return CellCall(calls)
    why = N_("no raw reply is kept: the model answers on this machine for free, or its reply was no answer")
    return CellCall(calls, why)


def _call(ledger: Ledger, request: ChatRequest, key: str, stored: StoredReply | None) -> CallMade:
    body = canonical(request)
    try:
        written = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        written = json.dumps(json.loads(body), indent=2)
    return CallMade(key, written, stored, sends_of(ledger, key, None if stored is None else stored.attempt))
