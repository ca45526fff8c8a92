"""Conversations in the `messages` format of OpenAI's chat and fine-tuning files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from touchstone.errors import InvalidValue
from touchstone.models.base import AudioPart, ImagePart, Message, Part, TextPart

ROLES: tuple[str, ...] = get_args(Message.model_fields["role"].annotation)


def looks_like_messages(value: Any) -> bool:
    """Whether a value is a list of objects with a role, as opposed to any other list."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "role" in item for item in value)


def messages_of(value: Any) -> tuple[Message, ...]:
    """
    The turns of a conversation, from a list or its JSON text.

    Fields of a turn other than `role` and `content` (such as `name` and `weight`) are not kept.

    Raises:
        ValueError: it is no list of turns; the message names the turn, counted from 1.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidValue("messages must be a JSON list of objects with role and content") from None
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, (list, tuple)) or not value:
        raise InvalidValue("messages must be a list of objects with role and content, at least one")
    return tuple(_turn(number, turn) for number, turn in enumerate(value, start=1))


def without_answer(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], str | None]:
    """
    (conversation, target): the last turn is cut off as the target when it is the assistant's and something was asked.
    """
    last = messages[-1]
    if last.role != "assistant" or len(messages) == 1:
        return messages, None
    return messages[:-1], plain_text(last)


def plain_text(message: Message) -> str:
    """The text of a turn, without its images and recordings."""
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


def _turn(number: int, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise InvalidValue("message {number} is not an object with role and content", number=number)
    role = turn.get("role")
    if role not in ROLES:
        raise InvalidValue(
            "message {number} has the role {role!r}; use one of {known}",
            number=number,
            role=role,
            known=", ".join(ROLES),
        )
    if turn.get("tool_calls") or turn.get("function_call"):
        raise InvalidValue("message {number} calls a tool; conversations with tool calls are not read", number=number)
    content = turn.get("content")
    if isinstance(content, str):
        return Message(role=role, content=content)
    if isinstance(content, (list, tuple)) and content:
        return Message(role=role, content=tuple(_part(number, part) for part in content))
    raise InvalidValue("message {number} has no content; write a text", number=number)


def _part(number: int, part: Any) -> Part:
    if isinstance(part, str):
        return TextPart(text=part)
    if isinstance(part, Mapping):
        kind = part.get("type")
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            return TextPart(text=part["text"])
        if kind in ("image_url", "image", "input_image"):
            url = part.get("image_url", part.get("url"))
            url = url.get("url") if isinstance(url, Mapping) else url
            if isinstance(url, str) and url:
                return ImagePart(url=url)
        if kind in ("input_audio", "audio"):
            audio = part.get("input_audio", part)
            if isinstance(audio, Mapping) and isinstance(audio.get("data"), str):
                return AudioPart(data=audio["data"], format=str(audio.get("format") or "wav"))
    raise InvalidValue("message {number} has a part that is no text, image_url or input_audio", number=number)
