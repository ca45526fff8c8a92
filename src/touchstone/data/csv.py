"""CSV, TSV and their relatives, streamed; the dialect is found out and told."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from touchstone.data.dialect import MAX_CELL_CHARS, Dialect, detect
from touchstone.data.lines import LineTooLong, Undecodable, byte_order_mark, lines
from touchstone.errors import DataError
from touchstone.language import N_, _

_SAMPLE_LINES = 400
_SAMPLE_CHARS = 1 << 18
_SEPARATOR_NAMES = {",": N_("comma"), ";": N_("semicolon"), "\t": N_("tab"), "|": N_("bar")}


class CsvReader:
    """
    Text tables with a header; every cell stays text, an empty cell is the empty text.

    A byte order mark is dropped; LF, CRLF and CR end a row, and are kept as they are inside quotes; the separator is
    one of comma, semicolon, tab and bar. Blank lines are no rows but are counted. Memory: one row and 64 KiB.
    """

    name = "csv"
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".txt")

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """
        Every data row in order, counted from 1; the header is row 0.

        Raises:
            DataError: bytes that are no text in the encoding (with row and offset), broken quoting, a row with more or
                fewer cells than the header, a header name that is empty or stands twice, a cell over 8 Mi characters.
        """
        path = Path(path)
        dialect, _ends = _look(path, encoding)
        number = -1
        names: list[str] = []
        try:
            for cells in dialect.records(islice(lines(path, encoding), dialect.skips, None)):
                if not names:
                    if cells:
                        number = 0
                        names = _header(path, cells)
                    continue
                number += 1
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise _ragged(path, number, cells, names, dialect)
                yield number, dict(zip(names, cells, strict=True))
        except csv.Error as error:
            raise _broken(path, number + 1, error) from error
        except Undecodable as error:
            raise error.at(path, max(number + 1, 0)) from error
        except LineTooLong as error:
            raise DataError("the line does not end; is this a CSV file?", path=path, row=max(number + 1, 0)) from error

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """Separator, quoting, encoding, line ends and columns in one line."""
        path = Path(path)
        dialect, ends = _look(path, encoding)
        records = dialect.records(islice(lines(path, encoding), dialect.skips, None))
        try:
            names = _header(path, next((cells for cells in records if cells), []))
        except csv.Error as error:
            raise _broken(path, 0, error) from error
        mark = byte_order_mark(path) == "utf-8-sig" and encoding is None
        line = _("CSV, {encoding}, separator {separator}, {quoting}, line ends {ends}, {count} columns: {names}")
        return line.format(
            encoding=encoding or (_("UTF-8 with byte order mark") if mark else "UTF-8"),
            separator=_(_SEPARATOR_NAMES.get(dialect.separator, dialect.separator)),
            quoting=_("cells may be quoted") if dialect.quoted else _("quotes are ordinary characters"),
            ends=ends,
            count=len(names),
            names=", ".join(names),
        )


def _look(path: Path, encoding: str | None) -> tuple[Dialect, str]:
    """(dialect, line ends) from the first lines."""
    if encoding is None and (found := byte_order_mark(path)) not in (None, "utf-8-sig"):
        raise DataError(
            "the file announces itself as {found}; declare it: `encoding: {found}`, or save it as UTF-8",
            path=path,
            found=found,
        )
    sample: list[str] = []
    chars = 0
    complete = False
    source = lines(path, encoding)
    try:
        while len(sample) < _SAMPLE_LINES and chars < _SAMPLE_CHARS:
            line = next(source, None)
            if line is None:
                complete = True
                break
            sample.append(line)
            chars += len(line)
    except (Undecodable, LineTooLong) as error:
        # The rows before it are good enough to find the dialect; reading them will name the row.
        if not sample:
            if isinstance(error, Undecodable):
                raise error.at(path, 0) from error
            raise DataError("the first line does not end; is this a CSV file?", path=path) from error
    finally:
        source.close()  # type: ignore[attr-defined]  # a generator, typed by what it yields
    while sample and not sample[0].strip():
        sample.pop(0)
    if not sample:
        raise DataError("the file is empty; a CSV file starts with a header", path=path)
    if "\x00" in sample[0]:
        raise DataError(
            "the header holds NUL characters, as text in UTF-16 does when it is read as something else; "
            "declare `encoding: utf-16-le`, or save the file as UTF-8",
            path=path,
            row=0,
        )
    ends = Counter("CRLF" if line.endswith("\r\n") else "CR" if line.endswith("\r") else "LF" for line in sample)
    dialect = detect(sample, complete=complete, prefer="\t" if path.suffix.lower() == ".tsv" else ",")
    return dialect, ends.most_common(1)[0][0]


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names:
        raise DataError(
            "column {position} of the header has no name; name it or take the column out "
            "(pandas writes such a column for its index: use index=False)",
            path=path,
            row=0,
            position=names.index("") + 1,
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError("the header names {name!r} twice; rename one of the two", path=path, row=0, name=twice[0])
    if not names:
        raise DataError("the file has no header; its first line must name the columns", path=path, row=0)
    return names


def _ragged(path: Path, row: int, cells: list[str], names: list[str], dialect: Dialect) -> DataError:
    separator = _SEPARATOR_NAMES.get(dialect.separator, dialect.separator)
    if len(cells) > len(names):
        return DataError(
            "the row has {count} cells and the header {width}; put double quotes around texts that contain the "
            "separator {separator}",
            path=path,
            row=row,
            count=len(cells),
            width=len(names),
            separator=separator,
        )
    return DataError(
        "the row has {count} cells and the header {width}; "
        "add the missing cells, even as empty ones ({missing} is the first)",
        path=path,
        row=row,
        count=len(cells),
        width=len(names),
        missing=names[len(cells)],
    )


def _broken(path: Path, row: int, error: csv.Error) -> DataError:
    reason = str(error)
    if "field larger" in reason:
        return DataError(
            "a cell is longer than {limit} characters; a quote that is opened and never closed does this: "
            'close it, or write "" for a quote inside a cell',
            path=path,
            row=max(row, 0),
            limit=MAX_CELL_CHARS,
        )
    if "unexpected end" in reason:
        return DataError(
            'a quote is opened and never closed; close it, or write "" for a quote inside a cell',
            path=path,
            row=max(row, 0),
        )
    return DataError(
        'the quoting is broken ({reason}); write "" for a quote inside a quoted cell',
        path=path,
        row=max(row, 0),
        reason=reason,
    )
