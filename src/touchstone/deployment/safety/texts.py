"""
The choke-point: every text of a request that a model would read, every text of a reply that a person would read.

A body is walked as a whole, whatever it is for. What `fields.py` does not name is a text: values, names of fields,
numbers long enough to be somebody's. So a field that is new tomorrow is looked at tomorrow. What cannot be looked at is
refused (token numbers, texts kept elsewhere) or named (pictures, sounds), never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from touchstone.deployment.safety import fields
from touchstone.errors import InvalidValue

Path = tuple[str | int, ...]

_DEEPEST = 64


class Slot(NamedTuple):
    """One text of a body and how another is put in its place."""

    path: Path
    text: str
    put: Callable[[Any, str], None]
    """Takes the copy of the body and the other text."""


class Texts:
    """
    All texts of a body.

    Attributes:
        texts: In the order of the body; texts that are read as one come once more, put together, after their parts.
        places: Where each stands, such as `messages[0].content`.
        not_checked: Places of what holds no text that could be looked at.
    """

    def __init__(self, body: Any, *, reply: bool = False) -> None:
        """
        Args:
            body: Parsed JSON; bytes stand for an uploaded file.
            reply: Whether it comes from a model: only there a text is told once more piece by piece.

        Raises:
            InvalidValue: there is something in it that can neither be looked at nor named: token numbers, a text kept
                elsewhere, more than 64 levels.
        """
        self._body = body
        self._reply = reply
        self._slots: list[Slot] = []
        self._spelled: list[Path] = []
        self._within: list[tuple[Path, int, Texts]] = []
        self.not_checked: list[str] = []
        self._walk(body, ())
        self.texts = tuple(slot.text for slot in self._slots)
        self.places = tuple(place_of(slot.path) for slot in self._slots)

    def put(self, texts: Sequence[str]) -> Any:
        """
        The body with these texts in place of its own; the body itself where they are the same.

        Raises `ValueError` where their number differs, which is a mistake of ours.
        """
        if len(texts) != len(self.texts):
            raise ValueError(f"{len(self.texts)} texts were found and {len(texts)} are to be put back")
        changed = [(slot, text) for slot, text in zip(self._slots, texts, strict=True) if slot.text != text]
        if not changed:
            return self._body
        body = copied(self._body)
        for slot, text in changed:
            if not isinstance(slot, _Key):
                slot.put(body, text)
        for path, first, within in self._within:
            inner = within.put(texts[first : first + len(within.texts)])
            if inner is not within._body:
                put_at(body, path, orjson.dumps(inner).decode())
        for path in self._spelled:
            put_at(body, path, None)
        # Names last, and the deepest first: under another name nothing below would be found again.
        for slot, text in sorted(changed, key=lambda one: -len(one[0].path)):
            if isinstance(slot, _Key):
                slot.put(body, text)
        return body

    # The walk ---------------------------------------------------------------------------------------------------------

    def _walk(self, value: Any, path: Path) -> None:
        if len(path) > _DEEPEST:
            raise InvalidValue("the body has more than {limit} levels; send a flatter one", limit=_DEEPEST)
        if isinstance(value, dict):
            self._walk_fields(value, path)
        elif isinstance(value, list):
            self._walk_list(value, path)
        elif isinstance(value, str):
            self._text(value, path)
        elif isinstance(value, bytes | bytearray):
            self.not_checked.append(place_of(path))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(value, path)

    def _walk_fields(self, value: dict[str, Any], path: Path) -> None:
        if not self._reply:
            _refuse_references(value, path)
        for name, inner in value.items():
            here = (*path, name)
            if name not in fields.KEYS and not (name.isascii() and len(name) < 3):
                self._slots.append(_key(here, name))
            if self._reply and name in fields.SPELLED and isinstance(inner, dict | list) and inner:
                self._spelled_out(inner, here)
            elif name in fields.JSON_TEXT and isinstance(inner, str):
                self._json_text(inner, here)
            else:
                self._walk(inner, here)

    def _walk_list(self, value: list[Any], path: Path) -> None:
        if path and path[0] in {"prompt", "input"} and value and all(type(one) is int for one in value):
            raise InvalidValue(
                "{place} holds token numbers, which cannot be looked at here; send the text itself",
                place=place_of(path),
            )
        if path and path[-1] == "embedding" and all(type(one) is float for one in value):
            return
        before = len(self._slots)
        for number, inner in enumerate(value):
            self._walk(inner, (*path, number))
        if path and path[-1] in fields.PARTED:
            self._joined(self._slots[before:], path)

    def _text(self, value: str, path: Path) -> None:
        around, name = _names(path)
        if not fields.is_text(name, value, top=len(path) == 1):
            return
        if fields.is_media(around, name, value):
            self.not_checked.append(place_of(path))
            return
        if "image_url" in (around, name) and value.startswith(("http://", "https://")):
            self.not_checked.append(place_of(path))  # the address is a text; what it leads to is not looked at
        self._slots.append(Slot(path, value, lambda body, text: put_at(body, path, text)))

    def _number(self, value: float, path: Path) -> None:
        if fields.is_telling(_names(path)[1], value):
            self._slots.append(Slot(path, str(int(value)), lambda body, text: put_at(body, path, text)))

    def _json_text(self, value: str, path: Path) -> None:
        """A text that is JSON: its own texts, because an escaped letter says that letter to whoever reads the JSON."""
        try:
            inner = orjson.loads(value)
        except orjson.JSONDecodeError:
            return self._text(value, path)
        if not isinstance(inner, dict | list):
            return self._text(value, path)
        within = Texts(inner, reply=self._reply)
        self.not_checked += [f"{place_of(path)}: {place}" for place in within.not_checked]
        self._within.append((path, len(self._slots), within))
        self._slots += [Slot((*path, "", *slot.path), slot.text, _nothing) for slot in within._slots]
        return None

    def _spelled_out(self, value: Any, path: Path) -> None:
        said = "".join(_pieces(value))
        self._spelled.append(path)
        if said:
            self._slots.append(Slot(path, said, _nothing))

    def _joined(self, slots: Sequence[Slot], path: Path) -> None:
        """Parts of one message once more as a model reads them: an order or a number may be cut in two between them."""
        parts = [slot for slot in slots if _is_part(slot.path[len(path) :])]
        if len(parts) < 2:
            return
        whole = "".join(slot.text for slot in parts)

        def put(body: Any, text: str) -> None:
            if "".join(str(get(body, slot.path)) for slot in parts) == text:
                return  # each part was masked by itself
            for number, slot in enumerate(parts):
                put_at(body, slot.path, "" if number else text)

        self._slots.append(Slot(path, whole, put))


def _is_part(below: Path) -> bool:
    return len(below) == 1 or (len(below) == 2 and below[1] in {"text", "refusal", "thinking"})


def _nothing(body: Any, text: str) -> None:
    """What stands in JSON written as a text is put back with all of it."""


def _refuse_references(value: dict[str, Any], path: Path) -> None:
    """Raise `InvalidValue` where a request brings in a text that is kept elsewhere."""
    kind = value.get("type") if isinstance(value.get("type"), str) else None
    named = ["type"] if kind == "item_reference" else []
    if not path:
        named += [name for name in ("previous_response_id", "conversation") if value.get(name)]
    if kind in fields.FILE_PARTS or (path and path[-1] == "file"):
        named += [name for name in ("file_id", "file_url", "vector_store_ids") if value.get(name)]
    if path == ("prompt",) and value.get("id"):
        named.append("id")
    if named:
        raise InvalidValue(
            "{place} brings in a text that is kept elsewhere and cannot be looked at here; send the text itself",
            place=place_of((*path, named[0])),
        )


class _Key(Slot):
    """The name of a field."""

    __slots__ = ()


def _key(path: Path, name: str) -> _Key:
    def put(body: Any, text: str) -> None:
        around = get(body, path[:-1])
        while text in around:
            text += " "
        # Rebuilt in order: what stands where may matter to whoever reads it.
        renamed = {text if field == name else field: value for field, value in around.items()}
        around.clear()
        around.update(renamed)

    return _Key(path, name, put)


def _names(path: Path) -> tuple[str, str]:
    """The last two names on a path; list positions are none."""
    named = ["", "", *(step for step in path if isinstance(step, str))]
    return named[-2], named[-1]


def _pieces(value: Any) -> list[str]:
    """The tokens or words of a text that is told piece by piece, in order; alternatives of a token are none."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        for name in ("token", "word"):
            if isinstance(value.get(name), str):
                return [value[name]]
        return [piece for name, inner in value.items() if name != "top_logprobs" for piece in _pieces(inner)]
    if isinstance(value, list):
        gap = " " if value and isinstance(value[0], dict) and "word" in value[0] else ""
        return [piece + gap for inner in value for piece in _pieces(inner)]
    return []


def place_of(path: Path) -> str:
    """`("messages", 0, "content")` as `messages[0].content`; an empty step leads into JSON written as a text."""
    said = ""
    for step in path:
        if isinstance(step, int):
            said += f"[{step}]"
        elif step == "":
            said += ": "
        else:
            # A name that somebody chose may be personal data itself; records hold places, never texts.
            shown = step if step in fields.KEYS else "*"
            said += shown if not said or said.endswith(" ") else f".{shown}"
    return said


def copied(value: Any) -> Any:
    """The same objects and lists anew, with the same values in them."""
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value


def get(body: Any, path: Path) -> Any:
    """What stands at a path."""
    for step in path:
        body = body[step]
    return body


def put_at(body: Any, path: Path, value: Any) -> None:
    """Put a value at a path."""
    get(body, path[:-1])[path[-1]] = value
