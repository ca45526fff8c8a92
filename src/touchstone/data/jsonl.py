"""JSON Lines, streamed: one object per line, or a small file that holds one array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from touchstone.data.lines import LineTooLong, Undecodable, byte_order_mark, lines, open_bytes
from touchstone.errors import DataError, InvalidValue
from touchstone.language import _

MAX_DEPTH = 64
"""Lists and objects within one another; deeper data is an attack or a mistake."""
MAX_ARRAY_BYTES = 64 << 20
"""A file that holds one array is read as a whole and must be smaller than this."""
_BLANK = " \t\r\n"


class JsonlReader:
    """
    One JSON object per line; values keep their JSON types.

    NaN and infinities are missing values (None). Blank lines are no rows but are counted, so that a row's number is
    its line. Refused: a key that stands twice in an object, more than 64 levels, a number of more than 4,300 digits,
    half of a surrogate pair. Memory: one row and 64 KiB; an array up to 64 MiB is read as a whole.
    """

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson", ".json")

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """
        Every object in order with its line number, or its position in the array, from 1.

        Raises:
            DataError: a line that is no JSON object, bytes that are no text in the encoding (with offset).
        """
        path = Path(path)
        number = 0
        source = _lines(path, encoding)
        try:
            head = list(islice(_until_content(source), 1000))
            if head and head[-1].lstrip(_BLANK).startswith("["):
                yield from _array(path, encoding)
                return
            for number, line in enumerate(chain(head, source), start=1):
                if line.strip(_BLANK):
                    yield number, _object(path, number, _parsed(path, number, line))
        except Undecodable as error:
            raise error.at(path, number + 1) from error
        except LineTooLong as error:
            raise DataError("the line is too long to be one case", path=path, row=number + 1) from error

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """Shape, encoding and the keys of the first rows in one line."""
        path = Path(path)
        names: dict[str, None] = {}
        for _number, row in islice(self.rows(path, encoding=encoding), 100):
            names.update(dict.fromkeys(row))
        first = next((line for line in _lines(path, encoding) if line.strip(_BLANK)), "")
        return _("{shape}, {encoding}, {count} columns: {names}").format(
            shape=_("JSON array") if first.lstrip(_BLANK).startswith("[") else "JSON Lines",
            encoding=encoding or "UTF-8",
            count=len(names),
            names=", ".join(names),
        )


def parse(text: str) -> Any:
    """
    The value of a JSON text under the rules of `JsonlReader`.

    Raises:
        ValueError: it is no JSON, or breaks one of the rules; the message says which.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise InvalidValue("more than {depth} levels of lists and objects", depth=MAX_DEPTH) from None
    # Brackets in the text bound the depth from above, so that almost no row needs to be walked.
    if (
        text.count("[") + text.count("{") > MAX_DEPTH
        and isinstance(value, (dict, list))
        and _deeper_than(value, MAX_DEPTH - 1)
    ):
        raise InvalidValue("more than {depth} levels of lists and objects", depth=MAX_DEPTH)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise InvalidValue(
                "{code} is half of a surrogate pair and no character", code=f"\\u{ord(half):04x}"
            ) from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                raise InvalidValue("the key {key!r} stands twice in one object", key=key)
            seen.add(key)
    return found


def _missing(_name: str) -> None:
    return None


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_missing)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _depth in range(limit + 1):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _lines(path: Path, encoding: str | None) -> Iterator[str]:
    if encoding is None and (found := byte_order_mark(path)) not in (None, "utf-8-sig"):
        raise DataError(
            "the file announces itself as {found}; declare it: `encoding: {found}`, or save it as UTF-8",
            path=path,
            found=found,
        )
    return lines(path, encoding)


def _until_content(source: Iterator[str]) -> Iterator[str]:
    """The lines up to and including the first that is not blank."""
    for line in source:
        yield line
        if line.strip(_BLANK):
            return


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return parse(line)
    except json.JSONDecodeError as error:
        if number == 1 and line.strip(_BLANK) in ("{", "[{"):
            raise DataError(
                "the first line is not a whole JSON object; write one object per line, without line breaks inside",
                path=path,
                row=number,
            ) from error
        raise DataError(
            "no JSON at character {position}: {reason}; write one JSON object per line",
            path=path,
            row=number,
            position=error.pos + 1,
            reason=error.msg,
        ) from error
    except ValueError as error:
        raise DataError(
            "the line cannot be used: {reason}; mend the row", path=path, row=number, reason=error
        ) from error


def _object(path: Path, number: int, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise DataError(
        'the row is {kind} and not a JSON object; write one object per line, such as {{"input": "…", "target": "…"}}',
        path=path,
        row=number,
        kind={list: "a list", str: "a text", type(None): "null", bool: "true or false"}.get(type(value), "a number"),
    )


def _array(path: Path, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_bytes(path) as file:
        size = file.seek(0, 2)
    if size >= MAX_ARRAY_BYTES:
        raise DataError(
            "the file is one JSON array of {size} MiB, which cannot be read row by row; write one object per line "
            "(for example with: jq -c '.[]' FILE > FILE.jsonl)",
            path=path,
            size=size >> 20,
        )
    text = "".join(lines(path, encoding))
    try:
        values = parse(text)
    except json.JSONDecodeError as error:
        raise DataError(
            "no JSON at line {line}, column {column}: {reason}; mend it, or write one JSON object per line",
            path=path,
            line=error.lineno,
            column=error.colno,
            reason=error.msg,
        ) from error
    except ValueError as error:
        raise DataError("the array cannot be used: {reason}; mend the file", path=path, reason=error) from error
    for number, value in enumerate(values, start=1):
        yield number, _object(path, number, value)
