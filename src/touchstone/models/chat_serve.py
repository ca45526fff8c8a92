"""The other side of OpenAI's protocol: reading a request, and writing completions, streams and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from touchstone.errors import (
    AccessDenied,
    ModelError,
    NoReply,
    OutOfCredit,
    RateLimited,
    RequestRejected,
)
from touchstone.models.base import AudioPart, ChatRequest, Completion, ImagePart, Message, Part, TextPart

_ANSWERED = frozenset({"temperature", "top_p", "seed", "response_format"})
_READ = _ANSWERED | {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop"}

_FINISH_REASONS = {"stop": "stop", "length": "length", "filter": "content_filter", "tool": "tool_calls"}

STREAM_END = b"data: [DONE]\n\n"


def parse_request(body: bytes) -> tuple[ChatRequest, str, bool, bool]:
    """
    A request body: the request, the model's name, whether to stream, whether to count in the stream.

    Raises:
        ValueError: it is no chat completion request.
    """
    found = orjson.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("messages"), list) or not found.get("model"):
        raise ValueError("a chat completion request needs a model and messages")
    stop = found.get("stop") or ()
    request = ChatRequest(
        messages=tuple(_message(message) for message in found["messages"]),
        max_tokens=found.get("max_completion_tokens", found.get("max_tokens")),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        extra={key: value for key, value in found.items() if key not in _READ},
        **{key: found[key] for key in _ANSWERED if found.get(key) is not None},
    )
    options = found.get("stream_options") or {}
    return request, str(found["model"]), bool(found.get("stream")), bool(options.get("include_usage"))


def completion_body(
    completion: Completion, model: str, *, reply_id: str = "chatcmpl-0", usage: bool = True, created: int = 0
) -> bytes:
    """A plain reply; `created` is seconds since 1970."""
    refused = completion.finish == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused else completion.text,
        "refusal": completion.text if refused else None,
    }
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    body: dict[str, Any] = {
        "id": reply_id,
        "object": "chat.completion",
        "created": created,
        "model": completion.served_model or model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(completion)}],
    }
    if completion.system_fingerprint:
        body["system_fingerprint"] = completion.system_fingerprint
    if usage:
        body["usage"] = usage_body(completion)
    return orjson.dumps(body)


def stream_events(
    completion: Completion, model: str, *, reply_id: str = "chatcmpl-0", usage: bool = False, created: int = 0
) -> Iterator[bytes]:
    """
    A streamed reply, event by event: the role, the reasoning, the text word by word, the finish, the usage, the end.

    Args:
        completion: What is said.
        model: The name to echo where the completion has none.
        reply_id: The id in every chunk.
        usage: Whether the chunk with the usage is sent, as `stream_options.include_usage` asks.
        created: Seconds since 1970, the same in every chunk.
    """

    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        body = {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": completion.served_model or model,
            "choices": choices,
            **more,
        }
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def delta(found: dict[str, Any], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": found, "finish_reason": finish}])

    yield delta({"role": "assistant", "content": ""})
    for piece in pieces(completion.reasoning or ""):
        yield delta({"reasoning_content": piece})
    key = "refusal" if completion.finish == "refusal" else "content"
    for piece in pieces(completion.text):
        yield delta({key: piece})
    yield delta({}, finish_reason(completion))
    if usage:
        yield chunk([], usage=usage_body(completion))
    yield STREAM_END


def error_body(error: ModelError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body with which a provider reports a failure of this class."""
    status, kind = 500, "server_error"
    if isinstance(error, OutOfCredit):
        status, kind = 429, "insufficient_quota"
    elif isinstance(error, RateLimited):
        status, kind = 429, "rate_limit_exceeded"
    elif isinstance(error, AccessDenied):
        status, kind = 401, "invalid_api_key"
    elif isinstance(error, RequestRejected):
        status, kind = 400, "invalid_request_error"
    elif isinstance(error, NoReply):
        status = 504
    headers = {} if error.retry_after_s is None else {"Retry-After": f"{error.retry_after_s:g}"}
    return status, headers, error_object(str(error), kind)


def error_object(message: str, kind: str) -> bytes:
    """An error as OpenAI writes it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "code": kind, "param": None}})


def usage_body(completion: Completion) -> Mapping[str, Any]:
    """The usage of a reply; unknown counts as nothing, because a server knows."""
    usage = completion.usage
    input_tokens, output_tokens = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def pieces(text: str) -> Iterator[str]:
    """A text in pieces that join to it: a word with the space before it, or a few characters where there are none."""
    start = 0
    for end in range(1, len(text) + 1):
        longest = 12 if text[start:end].isascii() else 4
        if end == len(text) or text[end] == " " or end - start >= longest:
            yield text[start:end]
            start = end


def finish_reason(completion: Completion) -> str:
    """Why a completion ended, in OpenAI's word."""
    return _FINISH_REASONS.get(completion.finish or "stop", "stop")


def _message(found: Mapping[str, Any]) -> Message:
    content = found.get("content")
    if isinstance(content, list):
        return Message(role=found["role"], content=tuple(_part(part) for part in content))
    return Message(role=found["role"], content=content or "")


def _part(found: Mapping[str, Any]) -> Part:
    if found.get("type") == "image_url":
        return ImagePart(url=found["image_url"]["url"])
    if found.get("type") == "input_audio":
        return AudioPart(**found["input_audio"])
    return TextPart(text=found["text"])
