"""
A provider's event stream as it is passed on: whole events, byte for byte, counted while they pass.

Events are looked into only where they may hold what is of interest: the end mark, a usage, an error, the first words.
All others go on as they came, which is what keeps a stream of a hundred pieces below two milliseconds of work.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NoReturn

from touchstone.deployment.base import Usage
from touchstone.deployment.json_object import json_object
from touchstone.errors import ProviderFailed, StreamCut
from touchstone.models.chat_failure import Said, failure_of, shown
from touchstone.models.chat_reply import BYTES_PER_TOKEN
from touchstone.models.event_stream import events
from touchstone.models.heard import Heard
from touchstone.models.relay import Passing

_OF_INTEREST = (
    b"[DONE]", b'"usage":{', b'"usage": {', b'"error"', b'"finish_reason":"', b'"finish_reason": "',
)  # fmt: skip
"""One of them stands in every event that is looked into; looking for each is faster than one expression for all."""
_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
"""How an event ends: an empty line, with any of the line ends that there are."""
_FIELDS = (b"data", b"event", b"id", b"retry", b":")
"""How an event's first line begins, or a comment's."""
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LONGEST_EVENT_BYTES = 4 * 1024 * 1024


class PassedFlow:
    """
    A chat stream of a provider, as a `Flow`.

    Args:
        passing: The reply.
        model: Whom was asked, until the reply names itself.
        place: Whose reply it is, for errors.
        request_bytes: Of text that was sent, for an estimate where the provider does not count.
        usage_wanted: Whether the client asked for the chunk that counts.
    """

    def __init__(
        self,
        passing: Passing,
        model: str,
        place: str,
        *,
        request_bytes: int,
        usage_wanted: bool,
    ) -> None:
        self.model = model
        self.first_token_s: float | None = None
        self._passing = passing
        self._place = place
        self._request_bytes = request_bytes
        self._usage_wanted = usage_wanted
        self._heard = Heard()
        self._finishes: dict[int, str] = {}
        self._blocks: list[bytes] = []
        self._named = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Whole events, without the end mark. Raises `ModelError` where it breaks off."""
        left = b""
        async for chunk in self._passing:
            if not left and self._named and self.first_token_s is not None and _is_plain(chunk):
                # Most chunks are one whole event and nothing of interest: they go on as they are.
                self._blocks.append(chunk)
                yield chunk
                continue
            left += chunk
            end = _last_end(left)
            if not end:
                if len(left) > _LONGEST_EVENT_BYTES:
                    raise ProviderFailed("{place}: an event of the stream does not end", place=self._place)
                continue
            block, left = left[:end], left[end:]
            block = self._looked_at(block)
            if block:
                yield block
        if left.strip():
            # Some servers close the connection right after their last event.
            block = self._looked_at(left + b"\n\n")
            if block:
                yield block
        if not self._finishes:
            # One that was longer than allowed was ended by us, which is no better.
            raise StreamCut(
                "{place}: the stream ended without a finish reason after {bytes} bytes",
                place=self._place,
                bytes=self._passing.size,
            )

    @property
    def usage(self) -> Usage:
        """What the provider counted; estimated from what passed where it did not."""
        said = Heard()
        if not {"input", "output"} <= self._heard.usage.keys():
            for block in self._blocks:
                for event in events(block):
                    for choice in (json_object(event.data) or {}).get("choices") or ():
                        delta = choice.get("delta") if isinstance(choice, dict) else None
                        if isinstance(delta, dict):
                            said.hear(delta)
        return heard_usage(self._heard, said, self._request_bytes)

    @property
    def finish(self) -> tuple[str, ...]:
        """Why each of its answers ended, as far as they have."""
        return tuple(self._finishes[number] for number in sorted(self._finishes))

    async def close(self) -> None:
        """End the request upstream, if it still runs; may be called twice."""
        await self._passing.close()

    def _looked_at(self, block: bytes) -> bytes:
        """A block of whole events as it is passed on."""
        passed: list[bytes] = []
        start, size = 0, len(block)
        while start < size:
            if self._named and self.first_token_s is not None:
                begin = _next_of_interest(block, start)
                if begin != start:
                    passed.append(block[start:begin])
                    start = begin
                    continue
            end = _end_of_event(block, start)
            passed.append(self._event(block[start:end]))
            start = end
        block = passed[0] if len(passed) == 1 else b"".join(passed)
        if block:
            self._blocks.append(block)
        return block

    def _event(self, raw: bytes) -> bytes:
        if not self._named and not raw.lstrip().startswith(_FIELDS):
            self._not_a_stream(raw)
        for event in events(raw):
            if event.data.startswith(b"[DONE]"):
                return b""
            chunk = json_object(event.data) or {}
            if chunk.get("error") or chunk.get("object") == "error" or event.name == b"error":
                said = Said(chunk)
                raise failure_of(
                    said, None, self._place, shown(said.message or event.data[:2000].decode("utf-8", "replace"))
                )
            self._heard.hear_about(chunk)
            if not self._named:
                self.model, self._named = self._heard.model or self.model, True
            choices = [one for one in chunk.get("choices") or () if isinstance(one, dict)]
            for choice in choices:
                self._heard.count(choice.get("usage"))
                if choice.get("finish_reason"):
                    index = choice.get("index")
                    self._finishes[index if type(index) is int else 0] = _word(choice["finish_reason"])
                delta = choice.get("delta")
                if self.first_token_s is None and isinstance(delta, dict) and _says(delta):
                    self.first_token_s = time.perf_counter() - self._passing.sent_at
            if not choices and chunk.get("usage") and not self._usage_wanted:
                return b""
        return raw

    def _not_a_stream(self, raw: bytes) -> NoReturn:
        """A page or a document came with status 200; nothing of it is passed on."""
        said = Said(json_object(raw) or {})
        if said.message:
            raise failure_of(said, None, self._place, shown(said.message))
        raise ProviderFailed("{place}: status 200, but the reply is no stream of events", place=self._place)


def finishes(choices: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Why the choices of a whole reply ended."""
    return tuple(_word(choice["finish_reason"]) for choice in choices if choice.get("finish_reason"))


def _word(said: object) -> str:
    """A finish reason as logs and spans may have it: a word, never a text that a provider made up."""
    return said if isinstance(said, str) and _WORD.fullmatch(said) else "other"


def heard_usage(counted: Heard, said: Heard, request_bytes: int) -> Usage:
    """
    The usage that was counted; what was not is estimated at four bytes a token, and flagged.

    Args:
        counted: What the provider said of itself.
        said: What it answered.
        request_bytes: Of what was sent.
    """
    read, written = counted.usage.get("input"), counted.usage.get("output")
    estimated = read is None or written is None
    if read is not None and written is not None:
        written = max(written, counted.usage.get("total", 0) - read)  # reasoning that only the total counts is billed
    size = len("".join((*said.text, *said.reasoning, *said.refusal)).encode("utf-8", "replace"))
    return Usage(
        -(-request_bytes // BYTES_PER_TOKEN) if read is None else read,
        -(-size // BYTES_PER_TOKEN) if written is None else written,
        counted.usage.get("cached"),
        counted.usage.get("reasoning"),
        estimated,
    )


def _says(delta: dict[str, Any]) -> bool:
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning", "refusal", "tool_calls"))


def _last_end(data: bytes) -> int:
    """Offset after the last empty line; 0 where there is none."""
    return max((place + len(end) for end in _ENDS if (place := data.rfind(end)) >= 0), default=0)


def _is_plain(chunk: bytes) -> bool:
    """Whether it is whole events, none of which is looked into."""
    if not chunk.endswith(b"\n\n"):
        return False
    for mark in _OF_INTEREST:  # noqa: SIM110 - a generator takes as long as all that it looks for
        if mark in chunk:
            return False
    return True


def _end_of_event(block: bytes, start: int) -> int:
    """Offset after the event that begins at `start`."""
    return min((place + len(end) for end in _ENDS if (place := block.find(end, start)) >= 0), default=len(block))


def _next_of_interest(block: bytes, start: int) -> int:
    """Where the next event begins that is looked into; the end of the block where there is none."""
    found = min((place for mark in _OF_INTEREST if (place := block.find(mark, start)) >= 0), default=-1)
    if found < 0:
        return len(block)
    ends = (place + len(end) for end in _ENDS if (place := block.rfind(end, start, found)) >= 0)
    return max(ends, default=start)
