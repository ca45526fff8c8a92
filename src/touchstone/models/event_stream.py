"""
Server-sent events: the data of each event of a stream, and where in the bytes it ended.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6. One leniency: a last event that
is not closed by an empty line still counts, because some servers close the connection right after `[DONE]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Event(NamedTuple):
    """One event of a stream."""

    data: bytes
    end: int
    """Offset of the first byte after the event's last data line."""
    name: bytes = b""
    closed: bool = True
    """Whether an empty line ended it; an unclosed event may have been cut."""


def events(body: bytes) -> Iterator[Event]:
    """The events of a stream that carry data; comments, ids and retry times are passed over."""
    lines: list[bytes] = []
    name = b""
    text = body.removeprefix(b"\xef\xbb\xbf")
    offset = end = len(body) - len(text)
    # bytes.splitlines knows exactly the three line ends of the specification: CR LF, LF and CR.
    for raw in text.splitlines(keepends=True):
        offset += len(raw)
        line = raw.rstrip(b"\r\n")
        if not line:
            if lines:
                yield Event(b"\n".join(lines), end, name)
            lines, name = [], b""
        elif line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
            end = offset
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    if lines:
        yield Event(b"\n".join(lines), end, name, closed=False)
