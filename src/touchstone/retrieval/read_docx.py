"""DOCX: paragraphs, lists and tables under their headings, through python-docx."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from touchstone.retrieval.parsed import Outline, Parsed, Unreadable

VERSION = 1
"""Raise it when the same bytes give another text."""

MOST_MEMBERS = 2_000
MOST_UNPACKED_BYTES = 256 << 20
MOST_RATIO = 200
"""Unpacked over packed bytes of the whole file; ordinary documents reach 20."""
_RATIO_COUNTS_FROM_BYTES = 4 << 20
"""A small file may be packed as well as it likes."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def read(data: bytes) -> Parsed:
    """
    The text under its headings; rows of tables are lines with ` | ` between cells.

    Comments, headers, footers, footnotes and deletions of a review are left out, its insertions are in.

    Raises:
        Unreadable: too many members, or they would be too large unpacked. Nothing is unpacked to disk.
    """
    import docx
    from docx.table import Table

    _refuse_bombs(data)
    document = docx.Document(io.BytesIO(data))
    outline = Outline()
    items: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            _end_list(outline, items)
            outline.block("\n".join(_row(row) for row in block._tbl.iter(f"{_W}tr")))
            continue
        said = _text(block._p)
        level = _level(block)
        if level is not None:
            _end_list(outline, items)
            outline.heading(level, said)
        elif _is_item(block):
            items.append(f"- {' '.join(said.split())}")
        else:
            _end_list(outline, items)
            outline.block(said)
    _end_list(outline, items)
    return outline.parsed(document.core_properties.title)


def _refuse_bombs(data: bytes) -> None:
    # `zipfile` gives no more bytes of a member than its directory says, so these sums hold whatever is packed.
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = packed.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MOST_MEMBERS:
        raise Unreadable("too_many_members", count=len(members), most=MOST_MEMBERS)
    if unpacked > MOST_UNPACKED_BYTES or (
        unpacked > _RATIO_COUNTS_FROM_BYTES and unpacked > MOST_RATIO * max(1, len(data))
    ):
        raise Unreadable("unpacks_too_large", megabytes=unpacked >> 20, most=MOST_UNPACKED_BYTES >> 20)


def _end_list(outline: Outline, items: list[str]) -> None:
    outline.block("\n".join(items))
    items.clear()


def _text(node: Any) -> str:
    """Text below an XML node in order; what is deleted in a review has other tags and is not seen."""
    said: list[str] = []
    skipped = {inner for fallback in node.iter(_FALLBACK) for inner in fallback.iter()}
    for inner in node.iter():
        if inner in skipped:
            continue  # the same text box once more, for old programs
        if inner.tag == f"{_W}t":
            said.append(inner.text or "")
        elif inner.tag == f"{_W}tab":
            said.append("\t")
        elif inner.tag in (f"{_W}br", f"{_W}cr") or (inner.tag == f"{_W}p" and said):
            said.append("\n")
    return "".join(said)


def _row(row: Any) -> str:
    return " | ".join(" ".join(_text(cell).split()) for cell in row.findall(f"{_W}tc"))


def _level(paragraph: Any) -> int | None:
    """1 for the outermost heading; None for text."""
    name = str(getattr(paragraph.style, "name", "") or "").lower()
    if name == "title":
        return 1
    if name.startswith("heading ") and name[8:].isdecimal():
        return int(name[8:])
    outlined = paragraph._p.find(f"{_W}pPr/{_W}outlineLvl")
    if outlined is None and paragraph.style is not None:
        outlined = paragraph.style.element.find(f"{_W}pPr/{_W}outlineLvl")
    if outlined is None:
        return None
    value = outlined.get(f"{_W}val", "")
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else None


def _is_item(paragraph: Any) -> bool:
    name = str(getattr(paragraph.style, "name", "") or "").lower()
    return name.startswith("list ") or paragraph._p.find(f"{_W}pPr/{_W}numPr") is not None
