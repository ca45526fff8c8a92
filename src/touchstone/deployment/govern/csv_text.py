"""CSV that a spreadsheet opens without running any of it (R20)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula, also behind its own trimming."""
_WIDE = str.maketrans({"＝": "=", "＋": "+", "－": "-", "＠": "@"})
"""Full-width signs, which some spreadsheets read like the others."""


def harmless(cell: object) -> object:
    """A cell as it may stand in a file: a text that a spreadsheet would run gets an apostrophe in front."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").translate(_WIDE).startswith(_STARTS) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV by RFC 4180: commas, quotes where needed, lines that end in CR LF. None is an empty cell."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return buffer.getvalue()
