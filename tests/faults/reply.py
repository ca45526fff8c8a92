"""A healthy reply in OpenAI's protocol as bytes, plain and streamed, with the framing of HTTP around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Said:
    """What is answered to one request."""

    number: int
    model: str
    text: str
    input_tokens: int
    limit: int | None
    """The request's limit on output tokens."""
    stream: bool
    count: bool
    """Whether the usage is told."""
    finish: str | None = "stop"
    reasoning: str = ""
    fingerprint: str | None = None

    def within_limit(self) -> Said:
        """The same, cut where the limit says so."""
        if self.limit is None or tokens(self.text) <= self.limit:
            return self
        return replace(self, text=self.text.encode()[: 4 * self.limit].decode("utf-8", "ignore"), finish="length")

    @property
    def output_tokens(self) -> int:
        """What it counts, reasoning included."""
        return tokens(self.text) + tokens(self.reasoning)

    def usage(self) -> dict[str, Any]:
        """The usage object."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }

    def document(self) -> dict[str, Any]:
        """The plain reply."""
        message = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        found = self.about("chat.completion")
        found["choices"] = [{"index": 0, "message": message, "finish_reason": self.finish}]
        return {**found, "usage": self.usage()} if self.count else found

    def chunks(self) -> list[dict[str, Any]]:
        """The chunks of the streamed reply, without the `[DONE]`."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": piece} for piece in pieces(self.reasoning)]
        deltas += [{"content": piece} for piece in pieces(self.text)]
        found = [self.chunk(delta, None) for delta in deltas]
        found.append(self.chunk({}, self.finish))
        if self.count:
            found.append({**self.about("chat.completion.chunk"), "choices": [], "usage": self.usage()})
        return found

    def chunk(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        """One chunk of a stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self.about("chat.completion.chunk"), "choices": [choice]}

    def about(self, kind: str) -> dict[str, Any]:
        """What every reply and chunk says about itself."""
        found = {"id": f"chatcmpl-{self.number}", "object": kind, "created": 0, "model": self.model}
        return {**found, "system_fingerprint": self.fingerprint} if self.fingerprint else found


def tokens(text: str) -> int:
    """Four bytes are a token here."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


DONE = b"data: [DONE]\n\n"


def event(chunk: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def head(status: int, kind: str, length: int | None, more: Mapping[str, str] | bytes = b"") -> bytes:
    """Status line and headers; chunked where the length is None."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    extra = (
        more if isinstance(more, bytes) else "".join(f"{name}: {value}\r\n" for name, value in more.items()).encode()
    )
    return f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\n{framing}\r\n".encode() + extra + b"\r\n"


def in_chunks(pieces: list[bytes]) -> list[bytes]:
    """Pieces framed as chunks, the last one closing."""
    return [*(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces), b"0\r\n\r\n"]


JSON, EVENTS = "application/json", "text/event-stream"


def error_object(code: str, message: str, kind: str | None = None) -> bytes:
    """An error as most providers write it."""
    return json.dumps({"error": {"code": code, "type": kind or code, "message": message}}).encode()


def pieces(text: str) -> list[str]:
    """A text as it is streamed."""
    return [text[at : at + 8] for at in range(0, len(text), 8)]
