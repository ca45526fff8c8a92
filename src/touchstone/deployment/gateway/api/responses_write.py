"""From a chat completion to the response object that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by chat's finish reason."""


def response_object(
    body: Mapping[str, Any],
    request: str,
    found: Mapping[str, Any],
    *,
    output: Sequence[Mapping[str, Any]],
    finish: str | None,
    usage: Mapping[str, Any] | None,
    status: str | None = None,
) -> dict[str, Any]:
    """
    A response.

    Args:
        body: The request, whose settings are said back.
        request: Its id.
        found: The completion, or a chunk of it: who answered, and when.
        output: Its items.
        finish: Chat's finish reason.
        usage: Chat's usage; None where it is not known.
        status: Instead of what the finish reason says, while it is under way.
    """
    reason = _INCOMPLETE.get(finish or "")
    return {
        "id": f"resp_{request}",
        "object": "response",
        "created_at": found.get("created") or 0,
        "status": status or ("incomplete" if reason else "completed"),
        "error": None,
        "incomplete_details": {"reason": reason} if reason and status is None else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": found.get("model") or body.get("model"),
        "output": list(output),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "store": False,
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": None if usage is None else _usage(usage),
        "user": body.get("user"),
    }


def output_of(message: Mapping[str, Any], request: str) -> list[dict[str, Any]]:
    """The items of a message: what it says, then the functions that it calls."""
    items: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    if message.get("content"):
        parts.append(text_part(message["content"]))
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    calls = message.get("tool_calls") or []
    if parts or not calls:
        items.append(message_item(request, parts, "completed"))
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        items.append(call_item(request, number, call.get("id"), function.get("name"), function.get("arguments") or ""))
    return items


def text_part(text: str) -> dict[str, Any]:
    """A piece of content."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(request: str, parts: Sequence[Mapping[str, Any]], status: str) -> dict[str, Any]:
    """What was said."""
    return {"id": f"msg_{request}", "type": "message", "status": status, "role": "assistant", "content": list(parts)}


def call_item(
    request: str, number: int, call_id: Any, name: Any, arguments: str, status: str = "completed"
) -> dict[str, Any]:
    """A function that is called."""
    return {
        "id": f"fc_{request}_{number}",
        "type": "function_call",
        "status": status,
        "call_id": call_id or f"call_{request}_{number}",
        "name": name or "",
        "arguments": arguments,
    }


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    read, written = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": usage.get("total_tokens") or read + written,
    }
