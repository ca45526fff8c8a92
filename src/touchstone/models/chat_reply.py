"""
What a raw reply in OpenAI's protocol says: pure, so that a stored reply can be read again for nothing.

Rules that providers force on us: usage may be missing (estimated, four bytes a token, and flagged), cumulative (each
field's maximum, never the sum, and a smaller later one is remembered) or leave reasoning out of `completion_tokens`
while `total_tokens` has it (the larger reading counts, because reasoning is billed); a stream without a finish reason
is cut, however complete it looks; a reply of status 200 may carry an error, a page of HTML or nothing.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.catalog.base import Price
from touchstone.errors import ModelError, NoReply, ProviderFailed, StreamCut, WrongModel
from touchstone.models.base import Completion, Finish, Reply, TextPart, Usage
from touchstone.models.chat_failure import Said, failure_of, shown
from touchstone.models.event_stream import events
from touchstone.models.heard import Heard
from touchstone.models.served_name import same_family

BYTES_PER_TOKEN = 4
"""For estimates where the provider does not count (promises.md, F14)."""

REGION_HEADERS = ("x-ms-region", "x-groq-region", "x-region")
"""Response headers in which providers say where a request was answered."""

_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",
    "content_filter": "filter",
    "sensitive": "filter",  # Zhipu
    "safety": "filter",
    "recitation": "filter",
    "refusal": "refusal",
    "tool_calls": "tool",
    "tool_use": "tool",
    "function_call": "tool",
}

_BROKEN_FINISHES = frozenset({"error", "network_error", "insufficient_system_resource", "abort"})
"""The provider says that it broke off: OpenRouter and Mistral, Zhipu, DeepSeek, vLLM."""


def read_reply(reply: Reply, *, place: str, price: Price | None = None, requested: str | None = None) -> Completion:
    """
    What a raw reply says.

    Args:
        reply: As received, from the wire or from the store.
        place: Whose reply it is, for errors.
        price: For the cost; None leaves it unknown.
        requested: The name of the model that was asked for, to compare with the one echoed; None compares nothing.

    Raises:
        WrongModel: another maker's model answered; its cost is on the error.
        ModelError: it is no answer; the class says why.
    """
    if reply.status != 200:
        # Only replies that a filter blocked come this far; see `ChatModel.send`.
        return Completion(parts=(), finish="filter", latency_s=reply.latency_s, raw_digest=_digest(reply))
    start = reply.body[:64].lstrip()
    streamed = reply.streamed and not start.startswith((b"{", b"[", b"<"))
    if streamed:
        heard = _read_stream(reply, place)
    elif reply.capped:
        # Half a JSON document is never repaired; what is known is that it was too long.
        heard = Heard(finish="length")
    else:
        heard = _read_document(reply, place)
    text = _whole("".join(heard.text) or "".join(heard.refusal))
    reasoning = _whole("".join(heard.reasoning))
    received = len(reply.body) if reply.capped and not streamed else len((text + reasoning).encode())
    usage = _usage(heard, reply.request_bytes, received)
    cost_usd = None
    if price is not None:
        cost_usd = price.cost_usd(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
    failure = heard.failure or _broken_off(heard, place) or _stranger(heard, place, requested)
    if failure is not None:
        # What came before a failure is billed by most providers.
        failure.charged = failure.charged or bool(text or reasoning or heard.usage.get("output"))
        failure.cost_usd = cost_usd if failure.charged else None
        raise failure
    return Completion(
        parts=(TextPart(text=text),) if text else (),
        usage=usage,
        cost_usd=cost_usd,
        latency_s=reply.latency_s,
        first_token_s=_when(reply, heard.first_text) if streamed else None,
        first_thought_s=_when(reply, heard.first_thought) if streamed else None,
        finish="length" if reply.capped else _finish(heard),
        served_model=heard.model,
        system_fingerprint=heard.fingerprint,
        served_region=next((reply.headers[name] for name in REGION_HEADERS if name in reply.headers), None),
        reasoning=reasoning or None,
        raw_digest=_digest(reply),
    )


def _broken_off(heard: Heard, place: str) -> ModelError | None:
    if heard.finish not in _BROKEN_FINISHES:
        return None
    return ProviderFailed("{place}: the provider broke off its reply ({finish})", place=place, finish=heard.finish)


def _stranger(heard: Heard, place: str, requested: str | None) -> ModelError | None:
    """What it means that another model answered than was asked for."""
    if requested is None or heard.model is None or heard.model == requested or same_family(requested, heard.model):
        return None
    return WrongModel(
        "{place}: asked for {requested}, and {echoed} answered; name the model that is served there, or ask elsewhere",
        place=place,
        requested=requested,
        echoed=shown(heard.model),
    )


def _read_document(reply: Reply, place: str) -> Heard:
    body = _parsed(reply.body)
    if body is None and reply.body[:64].lstrip().startswith(b"{"):
        error = NoReply(
            "{place}: the reply was cut inside its JSON after {bytes} bytes; it may have been billed",
            place=place,
            bytes=len(reply.body),
        )
        error.received = reply.body
        raise error
    if not isinstance(body, dict):
        raise _no_reply(reply.body, place)
    if body.get("error") or body.get("object") == "error":
        if Said(body).blocked:
            return Heard(finish="content_filter")
        return Heard(failure=_inner_failure(body, place, reply.body))
    heard = Heard()
    heard.hear_about(body)
    if "choices" not in body:
        heard.failure = _no_reply(reply.body, place)
        return heard
    choice = _first(body["choices"])
    heard.finish = _name(choice.get("finish_reason"))
    message = choice.get("message")
    if isinstance(message, dict):
        heard.hear(message)
    if choice.get("error"):
        heard.failure = _inner_failure(choice, place, reply.body)
    return heard


def _read_stream(reply: Reply, place: str) -> Heard:
    heard = Heard()
    count = 0
    for event in events(reply.body):
        count += 1
        if event.data.startswith(b"[DONE]"):
            break
        chunk = _parsed(event.data)
        if not isinstance(chunk, dict):
            if event.closed:
                heard.failure = _no_reply(event.data, place)
            break  # otherwise the connection ended inside this event: cut, unless the finish was heard before
        if chunk.get("error") or chunk.get("object") == "error" or event.name == b"error":
            if Said(chunk).blocked:
                heard.finish = "content_filter"
                break
            heard.failure = _inner_failure(chunk, place, event.data)
            break
        heard.hear_about(chunk)
        choice = _first(chunk.get("choices"))
        heard.count(choice.get("usage"))  # Moonshot's place for it
        heard.finish = _name(choice.get("finish_reason")) or heard.finish
        delta = choice.get("delta")
        if isinstance(delta, dict):
            heard.hear(delta, event.end)
    if not count and not reply.capped:
        raise _no_reply(reply.body, place)
    if heard.finish is None and heard.failure is None and not reply.capped:
        error = StreamCut(
            "{place}: the stream ended without a finish reason after {bytes} bytes; its text is not scored",
            place=place,
            bytes=len(reply.body),
        )
        error.received = reply.body
        raise error
    return heard


def _parsed(raw: bytes) -> object:
    """The JSON in some bytes, None when they are none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        # Half an emoji as `\ud83d`, its other half in the next chunk: the standard library lets it through.
        found: object = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found


def _whole(text: str) -> str:
    """The text with halves of characters put together; a half without its other half becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _finish(heard: Heard) -> Finish | None:
    if heard.refusal and not heard.text:
        return "refusal"
    if heard.finish is None:
        return None
    finish = _FINISHES.get(heard.finish, "other")
    # Some servers call a tool call "stop"; a reply with text beside it is still an answer.
    return "tool" if finish == "stop" and heard.tool and not heard.text else finish


def _usage(heard: Heard, request_bytes: int | None, received_bytes: int) -> Usage:
    counted = heard.usage
    input_tokens, output_tokens = counted.get("input"), counted.get("output")
    if input_tokens is not None and output_tokens is not None:
        output_tokens = max(output_tokens, counted.get("total", 0) - input_tokens)
    estimated = input_tokens is None or output_tokens is None
    if input_tokens is None and request_bytes is not None:
        input_tokens = -(-request_bytes // BYTES_PER_TOKEN)
    if output_tokens is None:
        output_tokens = -(-received_bytes // BYTES_PER_TOKEN)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=counted.get("cached"),
        reasoning_tokens=counted.get("reasoning"),
        estimated=estimated,
        shrank=heard.shrank,
    )


def _when(reply: Reply, end: int | None) -> float | None:
    """Seconds until the bytes up to an offset had been received."""
    if end is None or not reply.chunk_times_s:
        return None
    position = bisect_left(reply.chunk_times_s, end, key=lambda chunk: chunk[0])
    return reply.chunk_times_s[min(position, len(reply.chunk_times_s) - 1)][1]


def _inner_failure(body: Mapping[str, Any], place: str, raw: bytes) -> ModelError:
    said = Said(body)
    return failure_of(said, None, place, shown(said.message or raw[:2000].decode("utf-8", "replace")))


def _no_reply(raw: bytes, place: str) -> ProviderFailed:
    return ProviderFailed(
        "{place}: status 200, but the reply is no chat completion: {shown}; check base_url",
        place=place,
        shown=shown(raw[:2000].decode("utf-8", "replace")),
    )


def _first(choices: object) -> Mapping[str, Any]:
    """The first choice, empty when there is none."""
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _name(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and value else None


def _digest(reply: Reply) -> str:
    return hashlib.sha256(reply.body).hexdigest()
