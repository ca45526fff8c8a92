"""Files of passages: JSON Lines or CSV with a text, and perhaps an id and a title, in each row."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from touchstone.data.dialect import detect
from touchstone.data.jsonl import parse
from touchstone.retrieval.parsed import Outline, Parsed, Unreadable, decoded

ROWS_VERSION = 1
"""Raise it when the same bytes give another text."""

ID_COLUMNS = ("id", "passage_id", "document_id")
"""Where an id is looked for when no column is named."""
_TOLD = 20
_SAMPLE = 200


@dataclass(frozen=True)
class Row:
    """One passage."""

    id: str
    title: str | None
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, in hex; another order of keys or other columns change nothing."""
        state = hashlib.sha256()
        for part in (self.id, self.title or "", self.text):
            data = part.encode("utf-8", "surrogatepass")
            state.update(b"%d:" % len(data) + data)
        return state.hexdigest()

    def parsed(self) -> Parsed:
        """As a document of one section."""
        outline = Outline()
        outline.block(self.text)
        return outline.parsed(self.title)


def rows(name: str, data: bytes, *, id_column: str | None, text: str, title: str | None) -> Iterator[Row | Unreadable]:
    """
    The rows of a file in order, and which of them cannot be used; the first 20 of these one by one.

    Args:
        name: The file's, whose suffix says how it is written.
        data: Its bytes.
        id_column: Name of the column with ids; None looks for one of `ID_COLUMNS`, and counts rows where there is none.
        text: Name of the column with the text.
        title: Name of the column with titles; None takes none.
    """
    try:
        body = decoded(data)
    except Unreadable as error:
        yield error
        return
    refused = 0
    for found in _read(name, body, id_column, text, title):
        if isinstance(found, Unreadable):
            refused += 1
            if refused > _TOLD:
                continue
        yield found
    if refused > _TOLD:
        yield Unreadable("more_rows", count=refused - _TOLD)


def _read(name: str, body: str, id_column: str | None, text: str, title: str | None) -> Iterator[Row | Unreadable]:
    read = _csv if PurePosixPath(name).suffix.lower() in (".csv", ".tsv") else _jsonl
    seen: set[str] = set()
    for number, row in read(body):
        if isinstance(row, Unreadable):
            yield row
            continue
        wanted = id_column or next((column for column in ID_COLUMNS if row.get(column) not in (None, "")), None)
        given = row.get(wanted) if wanted else None
        key = str(number) if given in (None, "") else str(given)
        said = row.get(text)
        if not isinstance(said, str) or not said.strip():
            yield Unreadable("no_row_text", row=number, column=text)
        elif key in seen:
            yield Unreadable("twice", row=number)
        else:
            seen.add(key)
            named = row.get(title) if title else None
            yield Row(key, str(named) if named else None, said)


def _jsonl(body: str) -> Iterator[tuple[int, Mapping[str, Any] | Unreadable]]:
    for number, line in enumerate(body.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse(line)
        except ValueError as error:
            yield number, Unreadable("bad_row", row=number, reason=str(error))
            continue
        yield number, row if isinstance(row, dict) else Unreadable("no_object", row=number)


def _csv(body: str) -> Iterator[tuple[int, Mapping[str, Any] | Unreadable]]:
    lines = list(islice(io.StringIO(body, newline=""), _SAMPLE))
    if not lines:
        return
    dialect = detect(lines, complete=len(lines) < _SAMPLE)
    source = io.StringIO(body, newline="")
    for _ in range(dialect.skips):
        source.readline()
    records = (record for record in dialect.records(source) if record)
    number = 0
    try:
        header = [name.strip() for name in next(records, [])]
        for number, record in enumerate(records, start=1):
            yield number, dict(zip(header, record, strict=False))
    except csv.Error as error:  # what follows broken quoting is no row any more
        yield number + 1, Unreadable("bad_row", row=number + 1, reason=str(error))
