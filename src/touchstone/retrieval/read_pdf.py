"""PDF: the text of its pages under the entries of its outline, through pypdf."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from touchstone.retrieval.parsed import MOST_HEADING_CHARS, Parsed, Part, TextTaken, Unreadable, clean, line

VERSION = 1
"""Raise it when the same bytes give another text."""

MOST_PAGES = 3_000
MOST_OUTLINE = 10_000

_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[a-z])")
_WRAPPED = re.compile(r"(?<=[^\s.!?:;。！？：；])\n(?![\s\-•*|]|\d+[.)]\s|\Z)")


def read(data: bytes) -> Parsed:
    """
    The pages in order; a new section begins on each page that the outline names, under that entry's path.

    Lines that were wrapped are joined, words that were parted at a line's end too. A page of pictures has no text: no
    characters are recognised.

    Raises:
        Unreadable: it needs a password, has too many pages, or no text at all.
    """
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("needs_password")
    if len(reader.pages) > MOST_PAGES:
        raise Unreadable("too_many_pages", count=len(reader.pages), most=MOST_PAGES)
    taken = TextTaken()
    paths = _paths(reader)
    parts: list[Part] = []
    said: list[str] = []
    starts: list[int] = []
    headings: tuple[str, ...] = ()
    first = 1
    for number, page in enumerate(reader.pages, start=1):
        if number in paths:
            _close(parts, headings, said, first, starts)
            headings, said, starts, first = paths[number], [], [], number
        said.append(taken(_text(page)))
    _close(parts, headings, said, first, starts)
    if not any(part.text for part in parts):
        raise Unreadable("no_text")
    meta = reader.metadata
    return Parsed(line(str(meta.title or ""))[:MOST_HEADING_CHARS] or None if meta else None, tuple(parts))


def _close(parts: list[Part], headings: tuple[str, ...], said: list[str], first: int, starts: list[int]) -> None:
    place = 0
    for text in said:
        place += len(text) + 2
        starts.append(place)
    # Nothing is stripped off the whole, or the places would not be true: each page is clean by itself.
    text = "\n\n".join(said)
    if text.strip() or headings:
        parts.append(Part(headings, text, first, tuple(starts[:-1])))


def _text(page: Any) -> str:
    text = clean(page.extract_text() or "")
    return _WRAPPED.sub(_joined, _HYPHEN.sub("", text))


def _joined(found: re.Match[str]) -> str:
    # Chinese lines are joined without a blank.
    before, behind = found.string[found.start() - 1], found.string[found.end()]
    return "" if before >= "\u2e80" or behind >= "\u2e80" else " "


def _paths(reader: Any) -> dict[int, tuple[str, ...]]:
    """Heading paths by the number of the page, from 1; of several on one page the first."""
    found: dict[int, tuple[str, ...]] = {}
    left = [MOST_OUTLINE]

    def follow(entries: Sequence[Any], above: tuple[str, ...], depth: int) -> None:
        own = above
        for entry in entries:
            left[0] -= 1
            if left[0] < 0 or depth > 16:
                return
            if isinstance(entry, list):
                follow(entry, own, depth + 1)
                continue
            name = line(str(entry.title or ""))[:MOST_HEADING_CHARS]
            own = (*above, name) if name else above
            page = reader.get_destination_page_number(entry)
            if name and page is not None and page >= 0:
                found.setdefault(page + 1, own)

    follow(reader.outline, (), 0)
    return found
