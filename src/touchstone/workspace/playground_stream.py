"""
A model whose reply can be watched while it comes, with the whole of it kept as any other.

It stands between a journal and the model: the journal holds the money, writes the intent and stores the raw reply; what
is new here is that somebody is told of each piece. Nothing that is shown on the way is read out of it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import orjson

from touchstone.catalog.base import Price
from touchstone.errors import NoReply
from touchstone.models.base import ChatModel, ChatRequest, Completion, Reply, account_of
from touchstone.models.event_stream import events
from touchstone.models.heard import Heard
from touchstone.models.openai_compatible import OpenAICompatible

_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LONGEST_EVENT_BYTES = 4 << 20


class Listener(Protocol):
    """Who watches one answer come."""

    def begin(self) -> None:
        """A request goes out; what came of one before it is void."""

    def hear(self, text: str, reasoning: str) -> None:
        """Some more of the answer, and of the reasoning before it."""


listening: ContextVar[Listener | None] = ContextVar("listening", default=None)
"""Who watches the answer that is being asked for; set by whoever asks."""


class Watched:
    """
    A chat model as a `ChatModel`, streamed where it is behind OpenAI's protocol.

    Args:
        model: Whom to ask. Any other kind answers whole, and is heard once.
    """

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self.name = model.name
        self.endpoint = model.endpoint
        self.paid = model.paid
        self.price: Price | None = model.price
        self.account = account_of(model)

    async def send(self, request: ChatRequest) -> Reply:
        """Ask once. Raises a `ModelError` subclass."""
        listener = listening.get()
        if listener is not None:
            listener.begin()
        if isinstance(self.model, OpenAICompatible) and self.model.stream:
            return await self._streamed(self.model, request, listener)
        return await self.model.send(request)

    async def _streamed(self, model: OpenAICompatible, request: ChatRequest, listener: Listener | None) -> Reply:
        body, text_bytes = model.write(request, stream=True)
        relay = model.relay()
        stream = await relay.open("/chat/completions", body)
        pieces: list[bytes] = []
        times: list[tuple[int, float]] = []
        said = Said(listener)
        try:
            # Some servers leave the connection open behind the end of their stream.
            while not said.done and (piece := await stream.more()):
                pieces.append(piece)
                times.append((stream.size, time.perf_counter() - stream.sent_at))
                said.take(relay.line.redact.raw(piece))
        except NoReply as error:
            error.received = relay.line.redact.raw(b"".join(pieces))
            raise
        finally:
            await stream.close()
        return Reply(
            # As a whole: a key may stand across two pieces.
            body=relay.line.redact.raw(b"".join(pieces)),
            streamed=True,
            latency_s=times[-1][1] if times else time.perf_counter() - stream.sent_at,
            chunk_times_s=tuple(times),
            headers=stream.headers,
            request_bytes=text_bytes,
            capped=stream.capped,
        )

    def read(self, reply: Reply) -> Completion:
        """What a reply says. Raises a `ModelError` subclass."""
        return self.model.read(reply)

    async def close(self) -> None:
        """Release connections; may be called twice."""
        await self.model.close()


class Said:
    """
    What a stream says so far, event by event; what cannot be read is passed over, for the whole is read later.

    Args:
        listener: Who is told.
    """

    def __init__(self, listener: Listener | None) -> None:
        self.done = False
        """Whether the mark of its end came."""
        self._listener = listener
        self._left = b""

    def take(self, piece: bytes) -> None:
        """Some more bytes."""
        self._left += piece
        end = max((self._left.rfind(mark) + len(mark) for mark in _ENDS if mark in self._left), default=0)
        if not end:
            if len(self._left) > _LONGEST_EVENT_BYTES:
                self._left = b""
            return
        block, self._left = self._left[:end], self._left[end:]
        heard = Heard()
        for event in events(block):
            if event.data.startswith(b"[DONE]"):
                self.done = True
                continue
            for delta in _deltas(event.data):
                heard.hear(delta)
        text, reasoning = "".join((*heard.text, *heard.refusal)), "".join(heard.reasoning)
        if self._listener is not None and (text or reasoning):
            self._listener.hear(text, reasoning)


def _deltas(data: bytes) -> list[Mapping[str, Any]]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    choices = found.get("choices") if isinstance(found, dict) else None
    deltas = (one.get("delta") for one in choices or () if isinstance(one, dict))
    return [delta for delta in deltas if isinstance(delta, dict)]
