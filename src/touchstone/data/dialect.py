"""How a CSV file is written: separator and quoting, found out from its header and first rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

from touchstone.noun import Noun

SEPARATORS = (",", "\t", ";", "|")
MAX_CELL_CHARS = 8 << 20
"""Cells up to 8 Mi characters are read."""

_SEP_LINE = re.compile(r'"?sep=(.)"?[\r\n]*')


class Dialect(Noun):
    """How the cells of a row are told apart."""

    separator: str
    quoted: bool = True
    """Whether double quotes around a cell are part of the format; without them they are ordinary characters."""
    skips: int = 0
    """Lines before the header that are no data: 1 for the `sep=;` line some spreadsheets write."""

    def records(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """
        Cells of each record; empty for a blank line. Raises `csv.Error` where quoting is broken.

        The limit on the length of a cell is one per process in Python's `csv` module. It is raised here to
        `MAX_CELL_CHARS`, never lowered: readers side by side must not undo one another's limit.
        """
        if csv.field_size_limit() < MAX_CELL_CHARS:
            csv.field_size_limit(MAX_CELL_CHARS)
        if self.quoted:
            return csv.reader(lines, delimiter=self.separator, strict=True)
        return csv.reader(lines, delimiter=self.separator, quoting=csv.QUOTE_NONE, strict=True)


def detect(sample: Sequence[str], *, complete: bool, prefer: str = ",") -> Dialect:
    """
    The dialect of a file from its first lines.

    The header decides which separators are possible, the rows below it which of these fits: the one under which most
    rows are as wide as the header, then the one that makes the most columns. So neither a comma inside a text nor
    quoting in the header misleads it.

    Args:
        sample: First lines of the file, with their line ends; at least one.
        complete: Whether these are all lines; otherwise the last record may be cut off.
        prefer: Separator taken first where several fit equally well.
    """
    if named := _SEP_LINE.fullmatch(sample[0]):
        return Dialect(separator=named[1], skips=1)
    order = sorted(SEPARATORS, key=lambda separator: separator != prefer)
    candidates = [Dialect(separator=separator) for separator in order]
    # Tab-separated files are often written without any quoting, so a quote that opens a cell is just a character.
    candidates.append(Dialect(separator="\t", quoted=False))
    fits = [(_fit(dialect, sample, complete), dialect) for dialect in candidates]
    split = [(fit, dialect) for fit, dialect in fits if fit[1] > 1]
    if split:
        return max(split, key=lambda pair: pair[0])[1]
    # One column: any separator that occurs nowhere will do.
    return max(fits[:-1], key=lambda pair: pair[0][0])[1]


def _fit(dialect: Dialect, sample: Sequence[str], complete: bool) -> tuple[float, int]:
    """(share of rows as wide as the header, columns of the header); width 0 when the dialect is out of the question."""
    lines = iter(sample)
    records: list[list[str]] = []
    broken = False
    try:
        records.extend(record for record in dialect.records(lines) if record)
    except csv.Error:
        # The last record of a sample may be cut off within quotes; anything else is broken quoting.
        broken = complete or next(lines, None) is not None
    if not records:
        return 0.0, 0
    width, rows = len(records[0]), records[1:]
    if not dialect.quoted and (width == 1 or _looks_quoted(records)):
        return 0.0, 0
    alike = sum(len(record) == width for record in rows)
    # A file with one broken quote is still read best by its own separator, which then names the row.
    return (alike + 0.5) / (len(rows) + 0.5 + (len(sample) if broken else 0)), width


def _looks_quoted(records: Sequence[Sequence[str]]) -> bool:
    quoted = sum(any(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in record) for record in records)
    return quoted * 2 >= len(records)
