"""
What a reader makes of a file's bytes, and why it may refuse them. Plain values: they cross from a child process.

Nothing heavy is imported here: the child that reads an untrusted file starts for a folder of one file too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

MOST_CHARS = 16 << 20
"""Characters of one document; more is no document that passages are looked up in."""
MOST_HEADING_CHARS = 300
"""A heading is a line, not a text."""


class Part(NamedTuple):
    """What stands under one heading."""

    headings: tuple[str, ...]
    text: str
    page: int | None = None
    page_starts: tuple[int, ...] = ()


class Parsed(NamedTuple):
    """A document without its name."""

    title: str | None
    parts: tuple[Part, ...]


class Unreadable(Exception):
    """
    A file cannot be read.

    Args:
        reason: A key of `documents.REASONS`.
        values: What fills the sentence.
    """

    def __init__(self, reason: str, /, **values: str | int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values_said = values


class TextTaken:
    """Counts the characters that a reader hands on, and stops it when they are too many."""

    def __init__(self, most: int = MOST_CHARS) -> None:
        self._left = most
        self._most = most

    def __call__(self, text: str) -> str:
        """The text, when there is still room for it; raises `Unreadable` otherwise."""
        self._left -= len(text)
        if self._left < 0:
            raise Unreadable("too_much_text", most=self._most)
        return text


_ODD_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_DROPPED = re.compile(
    # Controls other than tab and line end; direction marks and overrides; byte order marks; halves of a pair.
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_HALVES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")


def clean(text: str) -> str:
    """
    Text that is only text: control characters, direction overrides and invisible marks are out, every line ends in a
    line feed, at most one empty line stands together, and no blank at either end. Unicode form NFC.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _DROPPED.sub("", text)
    text = _ODD_SPACES.sub(" ", text)
    text = _HALVES.sub("\ufffd", text)
    text = _TRAILING.sub("", text)
    return unicodedata.normalize("NFC", _BLANK_LINES.sub("\n\n", text)).strip()


def line(text: str) -> str:
    """Text in one line with single blanks: a heading, a cell of a table."""
    return " ".join(clean(text).split())


class Outline:
    """Collects a document's text under its headings."""

    def __init__(self) -> None:
        self._taken = TextTaken()
        self._open: list[tuple[int, str]] = []
        self._blocks: list[str] = []
        self._parts: list[Part] = []
        self.first_heading: str | None = None

    def heading(self, level: int, text: str) -> None:
        """What follows stands under this heading; level 1 is the outermost."""
        name = line(text)[:MOST_HEADING_CHARS]
        if not name:
            return
        self._close()
        self._taken(name)
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, name))
        if self.first_heading is None and level == 1:
            self.first_heading = name

    def block(self, text: str) -> None:
        """A paragraph, a list or a table of the section; blank ones are left out."""
        found = clean(text)
        if found:
            self._blocks.append(self._taken(found))

    def parsed(self, title: str | None = None) -> Parsed:
        """All of it; the first heading of level 1 is the title where there is no other."""
        self._close()
        return Parsed(line(title or "")[:MOST_HEADING_CHARS] or self.first_heading, tuple(self._parts))

    def _close(self) -> None:
        if self._blocks or self._open:
            self._parts.append(Part(tuple(name for _, name in self._open), "\n\n".join(self._blocks)))
        self._blocks = []


def decoded(data: bytes) -> str:
    """
    The text of a file: UTF-8, or what a byte order mark says.

    Raises:
        Unreadable: the bytes are something else. Guessing would index garbage that nobody looks at.
    """
    encoding = "utf-8-sig"
    for mark, name in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
                       (b"\xfe\xff", "utf-16")):  # fmt: skip
        if data.startswith(mark):
            encoding = name
            break
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable("not_utf8", offset=error.start) from None
