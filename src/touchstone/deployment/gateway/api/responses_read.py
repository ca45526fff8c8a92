"""From a request for a response to the chat request that means the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.deployment.gateway.api.base import unknown_field
from touchstone.deployment.gateway.base import GatewayError

_PASSING = frozenset({"model", "stream", "temperature", "top_p", "parallel_tool_calls", "user", "touchstone"})
_READ = frozenset({"input", "instructions", "max_output_tokens", "tools", "tool_choice", "text", "reasoning"})
_NOTES = frozenset({"metadata", "service_tier", "safety_identifier", "prompt_cache_key", "stream_options"})
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "store": (None, False),
    "previous_response_id": (None,),
    "conversation": (None,),
    "background": (None, False),
    "truncation": (None, "disabled"),
    "include": (None, []),
    "top_logprobs": (None, 0),
    "prompt": (None,),
    "max_tool_calls": (None,),
}
"""Fields that need what is not offered here, and the values at which they ask for nothing."""


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """
    The fields of a chat request.

    Raises:
        GatewayError: a field is not known, cannot be read, or asks for what is not offered here.
    """
    for name, values in _NOTHING.items():
        if body.get(name) not in values:
            raise GatewayError("unsupported", param=name, what=name)
    unknown = sorted(set(body) - _PASSING - _READ - _NOTES - set(_NOTHING))
    if unknown:
        raise unknown_field(unknown[0])
    wanted = {name: value for name, value in body.items() if name in _PASSING and value is not None}
    wanted["messages"] = _messages(body.get("instructions"), body.get("input"))
    if body.get("stream") is True:
        wanted["stream_options"] = {"include_usage": True}
    if body.get("max_output_tokens") is not None:
        wanted["max_completion_tokens"] = body["max_output_tokens"]
    if body.get("tools"):
        wanted["tools"] = [_tool(one) for one in _list(body["tools"], "tools")]
    choice = body.get("tool_choice")
    if choice is not None:
        wanted["tool_choice"] = _tool_choice(choice)
    text = _object(body.get("text"), "text")
    found = _object(text.get("format"), "text.format")
    if found.get("type", "text") != "text":
        wanted["response_format"] = _response_format(found)
    if text.get("verbosity") is not None:
        wanted["verbosity"] = text["verbosity"]
    effort = _object(body.get("reasoning"), "reasoning").get("effort")
    if effort is not None:
        wanted["reasoning_effort"] = effort
    return wanted


def _messages(instructions: Any, given: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if instructions is not None:
        if not isinstance(instructions, str):
            raise GatewayError("invalid_value", param="instructions", reason="give a text")
        messages.append({"role": "system", "content": instructions})
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
        return messages
    for item in _list(given, "input"):
        _add(messages, _object(item, "input"))
    return messages


def _add(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind == "message":
        messages.append({"role": item.get("role"), "content": _content(item.get("content"))})
    elif kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        if messages and messages[-1]["role"] == "assistant":
            messages[-1].setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        output = item.get("output")
        content = output if isinstance(output, str) else _content(output)
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
    elif kind == "reasoning":
        # What a model thought before is its maker's to read, and chat has no place for it.
        return
    else:
        raise GatewayError("unsupported", param="input", what="this kind of input item")


def _content(given: Any) -> Any:
    if isinstance(given, str):
        return given
    parts = [_part(_object(part, "input")) for part in _list(given, "input")]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text") and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"]}
        if part.get("detail") is not None:
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        return {"type": "input_audio", "input_audio": part["input_audio"]}
    raise GatewayError("unsupported", param="input", what="this kind of content")


def _tool(given: Any) -> dict[str, Any]:
    tool = _object(given, "tools")
    if tool.get("type") != "function":
        raise GatewayError("unsupported", param="tools", what="tools that run here; give functions")
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}


def _tool_choice(given: Any) -> Any:
    if isinstance(given, str):
        return given
    choice = _object(given, "tool_choice")
    if choice.get("type") != "function":
        raise GatewayError("unsupported", param="tool_choice", what="this tool_choice")
    return {"type": "function", "function": {"name": choice.get("name")}}


def _response_format(found: Mapping[str, Any]) -> dict[str, Any]:
    if found["type"] == "json_object":
        return {"type": "json_object"}
    if found["type"] == "json_schema":
        names = ("name", "description", "schema", "strict")
        schema = {name: found[name] for name in names if found.get(name) is not None}
        return {"type": "json_schema", "json_schema": schema}
    raise GatewayError("unsupported", param="text.format", what="this format")


def _object(given: Any, place: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise GatewayError("invalid_value", param=place, reason="give an object")
    return given


def _list(given: Any, place: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise GatewayError("invalid_value", param=place, reason="give a list of at least one")
    return given
