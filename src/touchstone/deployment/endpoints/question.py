"""
From a conversation that a client sends to the case that a recipe was measured on, and to the messages that are sent.

A recipe was measured on cases: one input, with the words, examples and passages that belong to it. In a conversation
the last user turn is that input. The same input alone gives the same messages as in the trial; earlier turns and tool
replies stand between the examples and the last turn as they came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from touchstone.data.base import Case
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.language import N_
from touchstone.models.base import AudioPart, ImagePart, Message, Part, TextPart

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_FIRST = frozenset({"system", "developer"})
_OURS = frozenset({"fields", "options"})
_PARTS = ("text", "input_text", "refusal", "image_url", "input_audio")
"""Kinds of parts that any turn may have."""
_UNREAD = N_("message {place} has a part that cannot be read; known are text, image_url, input_audio")


class Question(NamedTuple):
    """What a client asks."""

    case: Case | None
    """The last user turn; None where no user has said anything."""
    before: tuple[Mapping[str, Any], ...]
    """The turns before it, as they came."""
    after: tuple[Mapping[str, Any], ...]
    """The turns after it: calls of tools and what they gave."""

    @property
    def alone(self) -> bool:
        """Whether it is just what a trial asks: one turn of a user."""
        return self.case is not None and not self.before and not self.after


def question(body: Mapping[str, Any], request: str, image_hosts: Collection[str] = ()) -> Question:
    """
    The question of a chat request.

    Args:
        body: Parsed JSON; `touchstone.fields` gives further columns of the case by name, `touchstone.options` the
            options of a choice.
        request: Names the case.
        image_hosts: Hosts whose images may be named by address; other images come as `data:`.

    Raises:
        Unusable: the messages cannot be read, or an image is none that may be named.
    """
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise Unusable("messages must be a list of at least one message")
    for place, turn in enumerate(turns):
        role = turn.get("role") if isinstance(turn, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            raise Unusable("message {place} has no role that is known", place=place)
        _check_parts(turn.get("content"), image_hosts, place)
    fields, options = _about(body.get("touchstone"))
    last = next((place for place in reversed(range(len(turns))) if turns[place]["role"] == "user"), None)
    if last is None:
        return Question(None, tuple(turns), ())
    case = _case(turns[last].get("content"), fields, options, request, last)
    return Question(case, tuple(turns[:last]), tuple(turns[last + 1 :]))


def _about(said: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    if said is None:
        return {}, ()
    if not isinstance(said, dict) or set(said) - _OURS:
        raise Unusable("touchstone may hold fields and options only")
    fields, options = said.get("fields") or {}, said.get("options") or []
    texts = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    if not texts or not isinstance(options, list) or not all(isinstance(one, str) for one in options):
        raise Unusable("touchstone.fields maps names to texts, and touchstone.options lists texts")
    return fields, tuple(options)


def _check_parts(content: Any, hosts: Collection[str], place: int) -> None:
    """No request makes us or a provider fetch what it likes, and none names a file of ours (promises.md, R13, R15)."""
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict) or part.get("type") not in _PARTS:
            # A server of weights may fetch what other kinds name, such as `video_url`, from wherever it stands.
            raise Unusable(_UNREAD, place=place)
        found = part.get("image_url")
        url = found.get("url") if isinstance(found, dict) else found
        if url is None:
            continue
        if isinstance(url, str) and url.startswith("data:image/"):
            continue
        if not isinstance(url, str) or not _may_be_named(url, hosts):
            raise Unusable("the image of message {place} must come as a data: URL", place=place)


def _may_be_named(url: str, hosts: Collection[str]) -> bool:
    """Whether an image may be fetched by its address: https, from a host that was named, on its usual port."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.hostname in hosts and not parts.username and not parts.port
    except ValueError:  # brackets that do not close, a port that is no number
        return False


def _case(content: Any, fields: Mapping[str, str], options: tuple[str, ...], request: str, place: int) -> Case:
    if isinstance(content, str):
        return Case(id=request, input=content, fields=fields, options=options)
    if not isinstance(content, list) or not content:
        raise Unusable("message {place} has no content", place=place)
    parts = tuple(_part(part, place) for part in content)
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts):
        return Case(id=request, input="\n".join(texts), fields=fields, options=options)
    images = [part.url for part in parts if isinstance(part, ImagePart)]
    recordings = [part for part in parts if isinstance(part, AudioPart)]
    if len(images) <= 1 and len(recordings) <= 1:
        # As the columns of a file of cases have it, so that a template of the recipe finds its text.
        audio = [f"data:audio/{one.format};base64,{one.data}" for one in recordings]
        return Case(
            id=request,
            input="\n".join(texts),
            image=images[0] if images else None,
            audio=audio[0] if audio else None,
            fields=fields,
            options=options,
        )
    return Case(id=request, messages=(Message(role="user", content=parts),), fields=fields, options=options)


def _part(found: Any, place: int) -> Part:
    """A part of a message; images by address were looked at before, see the guard of the gateway."""
    try:
        kind = found["type"]
        if kind in ("text", "input_text"):
            return TextPart(text=found["text"])
        if kind == "image_url":
            url = found["image_url"]
            return ImagePart(url=url if isinstance(url, str) else url["url"])
        if kind == "input_audio":
            return AudioPart(data=found["input_audio"]["data"], format=found["input_audio"].get("format", "wav"))
    except (KeyError, TypeError, ValueError):
        pass
    raise Unusable(_UNREAD, place=place)


def sent_messages(asked: Question, own: Sequence[Mapping[str, Any]], head: int, shots: int) -> list[Mapping[str, Any]]:
    """
    The messages that go to the model.

    Args:
        asked: What the client asks.
        own: What the recipe sends for the case alone: system text, examples, turn.
        head: How many of them are its system text.
        shots: How many are examples.
    """
    lead = next((place for place, turn in enumerate(asked.before) if turn["role"] not in _FIRST), len(asked.before))
    return [
        *own[:head],
        *asked.before[:lead],
        *own[head : head + shots],
        *asked.before[lead:],
        *own[head + shots :],
        *asked.after,
    ]
