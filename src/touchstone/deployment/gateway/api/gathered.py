"""
From the chunks of a streamed chat completion to the reply that would have come in one piece, and back.

Whole replies are what is kept, compared and answered from the store; streams are one way of sending them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from touchstone.deployment.json_object import json_object
from touchstone.models.event_stream import events

_JOINED = ("content", "refusal", "reasoning_content", "reasoning")
"""Texts of a message, which come piece by piece."""
_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")


def chunks_of(blocks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream's events; what is none is passed over."""
    for block in blocks:
        for event in events(block):
            found = json_object(event.data)
            if found is not None:
                yield found


def whole_of(blocks: Iterable[bytes]) -> bytes:
    """The chat completion that a stream's events add up to, as JSON."""
    whole: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks_of(blocks):
        for name in _HEAD:
            if chunk.get(name) is not None:
                whole.setdefault(name, chunk[name])
        if isinstance(chunk.get("usage"), dict):
            whole["usage"] = chunk["usage"]
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict):
                _join(choices.setdefault(choice.get("index") or 0, _empty(choice)), choice)
    whole["choices"] = [_finished(choices[number]) for number in sorted(choices)]
    return orjson.dumps(whole)


def _empty(choice: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    return {"index": choice.get("index") or 0, "message": message, "finish_reason": None}


def _join(whole: dict[str, Any], choice: Mapping[str, Any]) -> None:
    delta, message = choice.get("delta"), whole["message"]
    if isinstance(delta, dict):
        for name, value in delta.items():
            if name in _JOINED and isinstance(value, str):
                message[name] = (message.get(name) or "") + value
            elif name == "tool_calls" and isinstance(value, list):
                _join_calls(message.setdefault("tool_calls", {}), value)
            elif value is not None and name not in _JOINED:
                message[name] = value
    if choice.get("finish_reason"):
        whole["finish_reason"] = choice["finish_reason"]
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict):
        kept = whole.setdefault("logprobs", {})
        for name, value in logprobs.items():
            if isinstance(value, list):
                kept[name] = (kept.get(name) or []) + value


def _join_calls(calls: dict[int, dict[str, Any]], pieces: Iterable[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        call = calls.setdefault(piece.get("index") or 0, {"id": "", "type": "function", "function": {}})
        for name in ("id", "type"):
            call[name] = piece.get(name) or call[name]
        function = piece.get("function")
        if isinstance(function, dict):
            kept = call["function"]
            kept["name"] = kept.get("name") or function.get("name") or ""
            kept["arguments"] = kept.get("arguments", "") + (function.get("arguments") or "")


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    calls = choice["message"].get("tool_calls")
    if isinstance(calls, dict):
        choice["message"]["tool_calls"] = [calls[number] for number in sorted(calls)]
    return choice


def events_of_whole(body: bytes, *, usage: bool) -> list[bytes]:
    """
    A whole chat completion as the events of a stream, without the end mark.

    Args:
        body: JSON.
        usage: Whether the client wants the chunk that counts.
    """
    whole: dict[str, Any] = orjson.loads(body)
    head = {name: whole[name] for name in _HEAD if name in whole}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return (
            b"data: " + orjson.dumps({**head, "object": "chat.completion.chunk", "choices": choices, **more}) + b"\n\n"
        )

    found = []
    for choice in whole.get("choices") or ():
        delta = {name: value for name, value in choice["message"].items() if value is not None}
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
        said = {"index": choice.get("index") or 0, "delta": delta, "finish_reason": None}
        if choice.get("logprobs"):
            said["logprobs"] = choice["logprobs"]
        found.append(event([said]))
        found.append(event([{"index": said["index"], "delta": {}, "finish_reason": choice.get("finish_reason")}]))
    if usage and whole.get("usage"):
        found.append(event([], usage=whole["usage"]))
    return found
