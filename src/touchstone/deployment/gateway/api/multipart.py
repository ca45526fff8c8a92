"""
Forms with files (`multipart/form-data`), read as they arrive: fields into memory, the one file to where it belongs.

The parser is python-multipart's. How many parts there are, how long names and values, is counted here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from touchstone.deployment.gateway.base import GatewayError, Incoming

MOST_PARTS = 64
FIELD_BYTES = 64 * 1024
"""Of one field's value; the prompt of a transcription is the longest there is."""
NAME_CHARS = 255
"""Of a field's or a file's name."""


class Part(NamedTuple):
    """One part of a form, before its content."""

    name: str
    filename: str | None
    """What its sender calls the file; None where it is a plain field."""
    content_type: str


class TakesFile(Protocol):
    """Takes the one file of a form."""

    async def begin(self, part: Part) -> None:
        """It begins. Raises `GatewayError` where it is none that is taken."""
        ...

    async def write(self, data: bytes) -> None:
        """It goes on."""
        ...


class InMemory:
    """A file that is needed as a whole; how much may come is for the body's own limit to say."""

    def __init__(self) -> None:
        self.part: Part | None = None
        self._pieces: list[bytes] = []

    async def begin(self, part: Part) -> None:
        """Note its name."""
        self.part = part

    async def write(self, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(data)

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


Fields = Mapping[str, tuple[str, ...]]
"""The plain fields of a form: every value of each name, in their order."""


async def read_form(incoming: Incoming, pieces: AsyncIterator[bytes], takes: TakesFile, *, field: str) -> Fields:
    """
    Read a form to its end.

    Args:
        incoming: Names the boundary.
        pieces: The body as it arrives.
        takes: Gets the file.
        field: The name of the file's field; a file of any other name is refused.

    Raises:
        GatewayError: it is no form that can be read, has more than one file, or is too long.
        ClientGone: it did not arrive.
    """
    events = _Events(incoming.header("content-type") or "")
    fields: dict[str, list[str]] = {}
    part, value, has_file = Part("", None, ""), b"", False
    async for piece in pieces:
        for event in events.of(piece):
            if isinstance(event, Part):
                part, value = event, b""
                if part.filename is not None:
                    if part.name != field or has_file:
                        raise GatewayError("invalid_value", param=part.name, reason=f"send one file, as {field}")
                    has_file = True
                    await takes.begin(part)
            elif event is None:
                if part.filename is None:
                    fields.setdefault(part.name, []).append(_text(value, part.name))
            elif part.filename is not None:
                await takes.write(event)
            else:
                value += event
                if len(value) > FIELD_BYTES:
                    raise GatewayError("invalid_value", param=part.name, reason=f"more than {FIELD_BYTES} bytes")
    events.end()
    if not has_file:
        raise GatewayError("invalid_value", param=field, reason="a file is missing")
    return {name: tuple(values) for name, values in fields.items()}


def one(fields: Fields, name: str) -> str | None:
    """The value of a field that may stand once; None where it is absent. Raises `GatewayError`."""
    values = fields.get(name, ())
    if len(values) > 1:
        raise GatewayError("invalid_value", param=name, reason="it stands twice")
    return values[0] if values else None


_Event = Part | bytes | None
"""A part begins, its content goes on, it ends."""


class _Events:
    """What the parser says, one event after the other instead of by calls."""

    def __init__(self, content_type: str) -> None:
        from python_multipart.exceptions import FormParserError  # type: ignore[import-not-found, unused-ignore]
        from python_multipart.multipart import MultipartParser, parse_options_header  # type: ignore[import-not-found, unused-ignore]

        self._options = parse_options_header
        self._error: type[Exception] = FormParserError
        self._said: list[_Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._parts = 0
        self._whole = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise GatewayError("invalid_value", reason="the form names no boundary")
        calls: Any = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": lambda data, start, end: self._said.append(data[start:end]),
            "on_part_end": lambda: self._said.append(None),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, calls)
        except FormParserError:
            raise GatewayError("invalid_value", reason="the form's boundary cannot be used") from None

    def of(self, piece: bytes) -> Iterator[_Event]:
        """What a piece of the body brings."""
        try:
            self._parser.write(piece)
        except self._error:
            raise GatewayError("invalid_value", reason="the form cannot be read") from None
        said, self._said = self._said, []
        return iter(said)

    def end(self) -> None:
        """The body has ended; the form has to have, too."""
        if not self._whole:
            raise GatewayError("invalid_value", reason="the form breaks off")

    def _end(self) -> None:
        self._whole = True

    def _part_begins(self) -> None:
        self._headers = {}
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise GatewayError("invalid_value", reason=f"the form has more than {MOST_PARTS} parts")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        kind, options = self._options(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise GatewayError("invalid_value", reason="a part of the form has no name")
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() not in (b"binary", b"8bit", b"7bit"):
            raise GatewayError("invalid_value", reason="a part of the form is encoded")
        name = _name(options[b"name"])
        filename = _name(options[b"filename"], name) if b"filename" in options else None
        content_type = self._options(self._headers.get(b"content-type", b"application/octet-stream"))[0]
        self._said.append(Part(name, filename, content_type.decode("latin-1")[:NAME_CHARS]))


def _name(raw: bytes, field: str | None = None) -> str:
    """A name as its sender wrote it: a label, never a path of ours."""
    try:
        found = raw.decode()
    except UnicodeDecodeError:
        found = ""
    if not 0 < len(found) <= NAME_CHARS or not found.isprintable():
        raise GatewayError("invalid_value", param=field, reason="a name in the form cannot be used")
    return found


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise GatewayError("invalid_value", param=name, reason="it is no UTF-8") from None
