"""
A streamed reply, held back until it was looked at.

The events are put together into whole texts, field by field, so that a number cut into five events is one number; the
same rules as for a reply in one piece then see the same texts. Nothing leaves before: what was sent cannot be masked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from touchstone.deployment.json_object import json_object
from touchstone.deployment.safety import fields
from touchstone.deployment.safety.texts import Path, Texts, copied, get, put_at
from touchstone.models.event_stream import events

_WHERE = ("type", "item_id", "output_index", "content_index", "summary_index")
"""Fields of an event that say which text its `delta` goes on with, in OpenAI's responses and transcriptions."""


class _Leaf(NamedTuple):
    """Where a piece of a text stands: the number of its event, and the path there."""

    event: int
    path: Path


class HeldStream:
    """
    The texts of a whole event stream, and the stream with other texts in their places.

    Where nothing changed, the events say what they said. A changed text stands whole in the first event that held a
    piece of it, and the pieces after it are empty: put together they are that text.

    Attributes:
        texts: As those of `Texts`, each put together from its pieces.
        places: Where each stands, with the events put together.
        not_checked: Places of pictures and sounds.
    """

    def __init__(self, body: bytes) -> None:
        """
        Args:
            body: The event stream as it came, whole; `[DONE]` may be missing.

        Raises:
            UnicodeDecodeError: an event is not UTF-8.
            InvalidValue: an event has more than 64 levels.
        """
        self._names: list[str] = []
        self._events: list[Any] = []
        self._plain: list[bool] = []
        self._leaves: dict[Path, list[_Leaf]] = {}
        self._merged: list[dict[str, Any]] = []
        groups: dict[tuple[Any, ...], int] = {}
        for event in events(body):
            if event.data.strip() == b"[DONE]":
                continue
            name = event.name.decode("ascii", "replace")
            self._names.append(name if name.replace(".", "").replace("_", "").isalpha() else "")
            said = json_object(event.data)
            # What is no object is shown as it is, so it is a text.
            self._plain.append(said is None)
            self._events.append({"text": event.data.decode()} if said is None else said)
            group = (self._plain[-1], *(str(self._events[-1].get(field)) for field in _WHERE))
            if group not in groups:
                groups[group] = len(self._merged)
                self._merged.append({})
            self._merge(self._merged[groups[group]], self._events[-1], (groups[group],), ())
        self._texts = Texts({"stream": self._merged}, reply=True)
        self.texts, self.places = self._texts.texts, self._texts.places
        self.not_checked = self._texts.not_checked

    def put(self, texts: Sequence[str]) -> Iterator[bytes]:
        """The events one by one, as bytes, with these texts in place of their own; `[DONE]` is none of them."""
        merged = self._texts.put(texts)["stream"]
        said = self._events
        if merged is not self._merged:
            said = copied(self._events)
            for path, leaves in self._leaves.items():
                lost = _lost(merged, path)
                for number, leaf in enumerate(leaves):
                    if lost is not None:
                        _drop(said[leaf.event], leaf.path, lost)
                    elif (now := get(merged, path)) != get(self._merged, path):
                        put_at(said[leaf.event], leaf.path, "" if number and isinstance(now, str) else now)
        for name, plain, event in zip(self._names, self._plain, said, strict=True):
            yield _written(name, event, plain=plain)

    def _merge(self, into: dict[str, Any], value: dict[str, Any], here: Path, path: Path) -> None:
        """Add an event's fields to those before it; `here` is where `into` stands, `path` where `value` stands."""
        for name, inner in value.items():
            where = (*path, name)
            if name in fields.SPELLED and isinstance(inner, dict | list) and inner:
                key = _free(into, name, list)
                into.setdefault(key, []).append(inner)
                self._leaf((*here, key), where)
            elif isinstance(inner, dict):
                key = _free(into, name, dict)
                self._merge(into.setdefault(key, {}), inner, (*here, key), where)
            elif isinstance(inner, list):
                self._merge_list(into, name, inner, here, where)
            else:
                self._merge_value(into, name, inner, here, where)

    def _merge_list(self, into: dict[str, Any], name: str, items: list[Any], here: Path, where: Path) -> None:
        numbered = bool(items) and all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in items)
        if numbered:  # choices and tool calls go on by their index, whatever place in the list they have
            key = _free(into, name, dict)
            for number, item in enumerate(items):
                inner = into.setdefault(key, {}).setdefault(str(item["index"]), {})
                self._merge(inner, item, (*here, key, str(item["index"])), (*where, number))
            return
        key = _free(into, name, list)
        whole = into.setdefault(key, [])
        for number, item in enumerate(items):
            if isinstance(item, dict):
                if number >= len(whole) or not isinstance(whole[number], dict):
                    whole.append({})
                    place = len(whole) - 1
                else:
                    place = number
                self._merge(whole[place], item, (*here, key, place), (*where, number))
            else:
                whole.append(item)
                if isinstance(item, str | int | float) and not isinstance(item, bool):
                    self._leaf((*here, key, len(whole) - 1), (*where, number))

    def _merge_value(self, into: dict[str, Any], name: str, value: Any, here: Path, where: Path) -> None:
        if isinstance(value, str):
            if not fields.is_text(name, value, top=len(where) == 1):
                return
            key = _free(into, name, str)
            into[key] = into.get(key, "") + value
        elif isinstance(value, int | float) and not isinstance(value, bool) and fields.is_telling(name, value):
            key = name
            while key in into:
                key += " "
            into[key] = value
        else:
            return
        self._leaf((*here, key), where)

    def _leaf(self, merged: Path, path: Path) -> None:
        self._leaves.setdefault(merged, []).append(_Leaf(len(self._events) - 1, path))


def _free(into: dict[str, Any], name: str, kind: type) -> str:
    """`name`, or one like it where a field of that name is of another kind already."""
    while name in into and not isinstance(into[name], kind):
        name += " "
    return name


def _lost(merged: Any, path: Path) -> str | None:
    """The first name on a path that is not there any more, because it was masked itself."""
    for step in path:
        if isinstance(merged, dict) and step not in merged:
            return str(step)
        merged = merged[step]
    return None


def _drop(event: Any, path: Path, name: str) -> None:
    """Take a field out of an event, with all that is in it."""
    for step in path:
        if step == name or name.rstrip() == step:
            event.pop(step, None)
            return
        if isinstance(event, dict) and step not in event:
            return  # taken out with another piece of it
        event = event[step]


def _written(name: str, event: Any, *, plain: bool) -> bytes:
    body = orjson.dumps(event)
    if plain:
        body = str(event["text"]).replace("\r", "\n").encode().replace(b"\n", b"\ndata: ")
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + body + b"\n\n"
