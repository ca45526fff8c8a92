"""The body of a chat completion request in OpenAI's protocol."""

from __future__ import annotations

from typing import Any, Literal

import orjson

from touchstone.errors import RequestRejected
from touchstone.models.base import ChatRequest, ImagePart, Part, TextPart

_OURS = frozenset({"model", "messages", "stream", "stream_options"})
"""Fields of the body that `extra` may not set: they decide who is asked what, and how the reply is read."""


def request_body(
    request: ChatRequest,
    served_name: str,
    *,
    stream: bool = False,
    stream_usage: bool = True,
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
) -> tuple[bytes, int]:
    """
    The JSON body of a request, and how many bytes of text its messages hold.

    Raises:
        RequestRejected: the request cannot be written down: a lone surrogate in a text, a value that is no JSON, or an
            `extra` field that is ours to set.
    """
    body: dict[str, Any] = {"model": served_name}
    text_bytes = 0
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        if isinstance(message.content, str):
            messages.append({"role": message.role, "content": message.content})
            text_bytes += _size(message.content)
        else:
            messages.append({"role": message.role, "content": [_part(part) for part in message.content]})
            text_bytes += sum(_size(part.text) for part in message.content if isinstance(part, TextPart))
    body["messages"] = messages
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.max_tokens is not None:
        body[max_tokens_field] = request.max_tokens
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = request.stop
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if stream:
        body["stream"] = True
        if stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.extra:
        taken = sorted(_OURS & request.extra.keys())
        if taken:
            raise RequestRejected("extra may not set {field!r}; it is set for you", field=taken[0])
        body.update(request.extra)
    try:
        return orjson.dumps(body), text_bytes
    except TypeError as error:
        raise RequestRejected("the request cannot be written as JSON: {reason}", reason=str(error)) from None


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": part.url}}
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
