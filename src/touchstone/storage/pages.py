"""
Keys that stand on the pages of a damaged SQLite file.

Where a tree is broken, the keys of the rows behind the break cannot be asked for: they are not known. They stand on
its leaves, which need no tree to be read: https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_INDEX_LEAF, _TABLE_LEAF = 10, 13
"""Kinds of the pages with the rows of a table without row numbers (or an index's entries), and of one with them."""
_PAGE_HEADER_BYTES = 8
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def leaf_keys(file: Path, page_bytes: int, width: int, columns: int) -> Iterator[tuple[Any, ...]]:
    """
    The keys of every leaf that may belong to a table, as they lie in the file.

    They may be of another table of that shape, or nonsense: seeking them does no harm.

    Args:
        file: The damaged file; nobody may have it open.
        page_bytes: Of one page of it.
        width: Number of columns in the table's key, which come first in its rows; 0 for a table with row numbers,
            which are its key.
        columns: Number of all its columns.
    """
    wanted = _INDEX_LEAF if width else _TABLE_LEAF
    with file.open("rb") as stream:
        while len(page := stream.read(page_bytes)) == page_bytes:
            if page[0] == wanted:
                [cells] = struct.unpack_from(">H", page, 3)
                for number in range(min(cells, (page_bytes - _PAGE_HEADER_BYTES) // 2)):
                    [cell] = struct.unpack_from(">H", page, _PAGE_HEADER_BYTES + 2 * number)
                    key = _key(page, cell, width, columns)
                    if key is not None:
                        yield key


def _key(page: bytes, cell: int, width: int, columns: int) -> tuple[Any, ...] | None:
    try:
        size, start = _number(page, cell)
        number = 0
        if not width:
            number, start = _number(page, start)
        head_bytes, at = _number(page, start)
        body, kinds = start + head_bytes, []
        # What is longer goes on, on other pages; this much of it is always here.
        end = start + min(size, (len(page) - 12) * 32 // 255 - 23)
        while at < min(body, end):
            kind, at = _number(page, at)
            kinds.append(kind)
        if not width <= len(kinds) <= columns:
            return None
        key = [] if width else [number]
        for kind in kinds[:width]:
            value, body = _value(page, body, kind)
            key.append(value)
        return tuple(key) if body <= end or not width else None
    except (IndexError, struct.error, UnicodeDecodeError):
        return None  # not what it looked like


def _value(page: bytes, at: int, kind: int) -> tuple[Any, int]:
    """A value of a row and where the next one begins, by the number that tells its type and length."""
    if kind in (8, 9):
        return kind - 8, at
    if kind in _INTEGER_BYTES:
        end = at + _INTEGER_BYTES[kind]
        return int.from_bytes(page[at:end], "big", signed=True), end
    if kind == 7:
        return struct.unpack_from(">d", page, at)[0], at + 8
    if kind >= 13 and kind % 2:
        end = at + (kind - 13) // 2
        return page[at:end].decode(), end
    if kind >= 12:
        end = at + (kind - 12) // 2
        return page[at:end], end
    return None, at


def _number(page: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for _ in range(8):
        byte = page[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            return value, at
    value = value << 8 | page[at]
    return value - (value >> 63 << 64), at + 1
