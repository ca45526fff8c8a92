"""The index of the catalog, read: words by FTS5, facts as numpy columns that are loaded when a query needs them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from touchstone.catalog.index_text import spaced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    """One truth value per row."""

INDEX_VERSION = 9
"""Part of the key: raise it when the tables or what they mean change."""
RELEVANCE_LIMIT = 5_000
"""More matches than this are not ordered by relevance: words that stand everywhere tell nothing apart."""

_PRICES = ("input_usd", "output_usd", "blended_output_usd")
_MOST_COMPUTED = 8
_MOST_OUTER = 64
_MOST_WORDS = 32

V = TypeVar("V")

_FIRST_KANA = 0x3040
"""Japanese and Chinese characters begin here; `spaced` sets them apart."""
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_NAMES_WEIGHT, _ABOUT_WEIGHT = 10.0, 1.0


class _Facet(NamedTuple):
    """All values of a facet, so that they are counted in one pass."""

    dense: list[tuple[str, NDArray[np.uint8]]]
    """The frequent values with a bit for each row."""
    rare: list[str]
    rows: NDArray[np.int64]
    """The rows of all rare values, one value after the other."""
    starts: NDArray[np.int64]
    """Where in `rows` each rare value begins."""


class Scores(NamedTuple):
    """Results on a benchmark under one condition, each model's best."""

    condition: str
    newest: int | None
    """Ordinal of the newest result's day."""
    rows: NDArray[np.uint32]
    values: NDArray[np.float64]
    labels: str
    """JSON: by row, which snapshot and mode was measured, where the source says it."""


class Kept(dict[Any, V]):
    """The last few things that were put in."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: Any, value: V) -> None:
        super().__setitem__(key, value)
        while len(self) > self.most:
            del self[next(iter(self))]


class CatalogIndex:
    """
    An index that was opened for reading.

    Columns are kept once they were loaded, so an index that lives as long as a server answers from memory.
    """

    def __init__(self, connection: sqlite3.Connection, *, today: int | None = None) -> None:
        self._connection = connection
        self._path: Path | None = None
        """None for one that lives in memory."""
        self._is_another = False
        self.today = today
        """Ordinal of the day whose prices count; None for those of the day on which the index was made."""
        self._facets: dict[tuple[str, str, str], tuple[bool, NDArray[Any]]] = {}
        self._numbers: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._values: dict[tuple[str, str], list[str]] = {}
        self._whole: dict[str, _Facet] = {}
        self._matching: Kept[NDArray[np.int64]] = Kept(_MOST_COMPUTED)
        """Of the last texts: whoever turns a page or adds a filter asks for the same words again."""
        self.computed: Kept[NDArray[np.float64]] = Kept(_MOST_COMPUTED)
        """Columns that a query worked out and others will want too, by what they are of."""
        self.kept_outer: Kept[tuple[NDArray[np.uint8], Any]] = Kept(_MOST_OUTER)
        """By saved query and day, a bit for each row that it leaves, and the selection where it asks of offers."""

    @classmethod
    def open(cls, path: Path, *, today: int | None = None) -> Self | None:
        """The index in a file; None when there is none, or the file is no index."""
        if not path.is_file():
            return None
        # The file is replaced as a whole, never changed in place, so nothing needs to be locked.
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        found = cls(connection, today=today)
        found._path = path
        try:
            _ = found.meta
        except sqlite3.DatabaseError:
            connection.close()
            return None
        return found

    def another(self) -> CatalogIndex:
        """
        A reader of the same index beside this one, for another thread: what one keeps the other does not see.

        Of an index in memory it shares the connection, which SQLite guards itself, and closing it closes nothing.
        """
        found = None if self._path is None else CatalogIndex.open(self._path, today=self.today)
        if found is None:
            found = CatalogIndex(self._connection, today=self.today)
            found._is_another = True
        return found

    def close(self) -> None:
        """Release the file."""
        if not self._is_another:
            self._connection.close()

    @cached_property
    def meta(self) -> Mapping[str, str]:
        """What the index was made from, `key` among it."""
        return dict(self._connection.execute("SELECT key, value FROM meta"))

    def __len__(self) -> int:
        return int(self.meta["rows"])

    @property
    def offer_count(self) -> int:
        """How many offers all rows have together."""
        return int(self.meta["offers"])

    # Facts ------------------------------------------------------------------------------------------------------------

    def number(self, name: str, *, of: str = "") -> NDArray[np.float64]:
        """A column of numbers, NaN where unknown; of the rows, or of their offers (`of="offer_"`)."""
        import numpy as np

        if (of, name) not in self._numbers:
            sql = f"SELECT vals FROM {of}number WHERE name = ?"  # noqa: S608 - "" or "offer_"
            (raw,) = self._connection.execute(sql, (name,)).fetchone()
            column = np.frombuffer(raw, np.float64)
            self._numbers[of, name] = self._as_of_today(name, column) if of else column
        return self._numbers[of, name]

    def _as_of_today(self, name: str, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """A column of offers with the prices that began since the index was made."""
        if self.today is None or name not in _PRICES:
            return column
        begun = self._connection.execute(
            f"SELECT row, {name} FROM later_price WHERE day <= ? ORDER BY day",  # noqa: S608 - one of three names
            (self.today,),
        ).fetchall()
        if begun:
            column = column.copy()
            for row, usd in begun:
                column[row] = float("nan") if usd is None else usd
        return column

    @cached_property
    def offer_codes(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Of each offer, its row and its provider's place in `meta["providers"]`; ascending by both."""
        import numpy as np

        owners, providers = (self.number(name, of="offer_").astype(np.int32) for name in ("entry", "provider"))
        return owners, providers

    @cached_property
    def offer_starts(self) -> NDArray[np.int64]:
        """Where each row's offers begin, and behind the last row how many there are."""
        import numpy as np

        counts = np.bincount(self.offer_codes[0], minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)])

    def having(self, facet: str, value: str, *, of: str = "") -> Mask:
        """Which rows have a value; of the rows, or of their offers (`of="offer_"`)."""
        import numpy as np

        length = self.offer_count if of else len(self)
        packed, rows = self._rows(facet, value, of)
        if packed:
            return np.unpackbits(rows, count=length).view(np.bool_)
        found = np.zeros(length, np.bool_)
        found[rows] = True
        return found

    def ids_having(self, facet: str, value: str) -> tuple[str, ...]:
        """Ids of the rows that have a value, in their order; without numpy, whose import would take longer."""
        sql = "SELECT packed, rows FROM facet WHERE name = ? AND value = ?"
        packed, raw = self._connection.execute(sql, (facet, value)).fetchone() or (0, b"")
        rows = (
            [8 * at + bit for at, byte in enumerate(raw) for bit in range(8) if byte & (128 >> bit)]
            if packed
            else memoryview(raw).cast("I").tolist()
        )
        sql = "SELECT id FROM entry WHERE row = ?"
        return tuple(entry_id for row in rows for (entry_id,) in self._connection.execute(sql, (row,)))

    def counts(self, facet: str, mask: Mask) -> list[tuple[str, int]]:
        """Of each value of a facet, how many of the rows in a mask have it."""
        import numpy as np

        if mask.all():
            return self._all_counts(facet)
        dense, rare, rows, starts = self._facet(facet)
        bits = np.packbits(mask)
        # Eight rows at a time where a bit a row is kept, all rare values in one pass: ten times as quick as one by one.
        found = [(value, int(np.bitwise_count(bits & packed).sum())) for value, packed in dense]
        if rare:
            sums = np.add.reduceat(mask.take(rows), starts, dtype=np.int64)
            found += zip(rare, sums.tolist(), strict=True)
        return found

    def _all_counts(self, facet: str) -> list[tuple[str, int]]:
        return list(self._connection.execute("SELECT value, count FROM facet WHERE name = ?", (facet,)))

    def _facet(self, facet: str) -> _Facet:
        import numpy as np

        if facet not in self._whole:
            kept = {value: self._rows(facet, value, "") for value in self.values_of(facet)}
            rare = {value: rows for value, (packed, rows) in kept.items() if not packed}
            ends = np.cumsum([0, *map(len, rare.values())])
            self._whole[facet] = _Facet(
                dense=[(value, rows) for value, (packed, rows) in kept.items() if packed],
                rare=list(rare),
                rows=np.concatenate(list(rare.values())).astype(np.int64) if rare else np.empty(0, np.int64),
                starts=ends[:-1],
            )
        return self._whole[facet]

    def _rows(self, facet: str, value: str, of: str) -> tuple[bool, NDArray[Any]]:
        """Whether what is kept of a value is a bit for each row, and these bits, else the rows that have it."""
        import numpy as np

        if (of, facet, value) not in self._facets:
            sql = f"SELECT packed, rows FROM {of}facet WHERE name = ? AND value = ?"  # noqa: S608 - "" or "offer_"
            packed, raw = self._connection.execute(sql, (facet, value)).fetchone() or (0, b"")
            self._facets[of, facet, value] = bool(packed), np.frombuffer(raw, np.uint8 if packed else np.uint32)
        return self._facets[of, facet, value]

    def values_of(self, facet: str, *, of: str = "") -> list[str]:
        """Every value of a facet, the most frequent first."""
        if (of, facet) not in self._values:
            sql = f"SELECT value FROM {of}facet WHERE name = ? ORDER BY count DESC, value"  # noqa: S608 - "" or "offer_"
            self._values[of, facet] = [value for (value,) in self._connection.execute(sql, (facet,))]
        return self._values[of, facet]

    def scores(self, benchmark: str) -> list[Scores]:
        """Results on a benchmark, the condition with most models first, equals by name."""
        import numpy as np

        sql = "SELECT condition, newest, rows, vals, labels FROM score WHERE benchmark = ? "
        return [
            Scores(condition, newest, np.frombuffer(rows, np.uint32), np.frombuffer(values, np.float64), labels)
            for condition, newest, rows, values, labels in self._connection.execute(
                sql + "ORDER BY count DESC, condition", (benchmark,)
            )
        ]

    def claims(self, benchmark: str) -> list[bytes]:
        """Every result on a benchmark, as JSON."""
        return [
            body for (body,) in self._connection.execute("SELECT body FROM claim WHERE benchmark = ?", (benchmark,))
        ]

    def derived(self, key: str) -> bytes | None:
        """
        What somebody worked out from these entries when the index was made, for it takes long; None where nobody did.

        The key is a digest of all that it was worked out from, so what is found holds, whatever else has changed.
        """
        found = self._connection.execute("SELECT body FROM derived WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def claim_counts(self) -> dict[str, tuple[int, int]]:
        """By benchmark, how many results there are and of how many models."""
        sql = "SELECT benchmark, count(*), count(DISTINCT row) FROM claim GROUP BY benchmark"
        return {benchmark: (results, models) for benchmark, results, models in self._connection.execute(sql)}

    # Words ------------------------------------------------------------------------------------------------------------

    def matching(self, text: str) -> NDArray[np.int64] | None:
        """The rows in which all words of a text stand; None when it has no word."""
        import numpy as np

        asked = match_expression(text)
        if asked is None:
            return None
        if asked not in self._matching:
            # As one text: a Python object for each of a million hits would take longer than to find them.
            (found,) = self._connection.execute(
                "SELECT group_concat(rowid) FROM words WHERE words MATCH ?", (asked,)
            ).fetchone()
            self._matching[asked] = np.fromstring(found, np.int64, sep=",") if found else np.empty(0, np.int64)
        return self._matching[asked]

    def by_relevance(self, text: str) -> NDArray[np.int64]:
        """The rows that match a text, the most relevant first (BM25; a name counts ten times a mention)."""
        import numpy as np

        ranked = self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, ?, ?), rowid",
            (match_expression(text), _NAMES_WEIGHT, _ABOUT_WEIGHT),
        )
        return np.array([row for (row,) in ranked], np.int64)

    # Entries ----------------------------------------------------------------------------------------------------------

    def row_of(self, entry_id: str) -> int | None:
        """Where an entry stands; None when there is none of this id."""
        try:
            found = self._connection.execute("SELECT row FROM entry WHERE id = ?", (entry_id,)).fetchone()
        except UnicodeEncodeError:
            return None  # bytes that are no text name nothing
        return None if found is None else int(found[0])

    def listing(self, row: int) -> bytes:
        """JSON of what a list shows of a row."""
        return self._one("SELECT listing FROM entry WHERE row = ?", row)

    def card(self, row: int, *, results: bool = True) -> bytes:
        """JSON of a row's card; without its results it is read in two thirds of the time."""
        body = self._one("SELECT card FROM entry WHERE row = ?", row)
        found = self._one("SELECT results FROM entry WHERE row = ?", row) if results else b""
        return body[:-1] + b',"claims":[' + found + b"]}" if found else body

    def listings(self) -> Iterator[tuple[int, str, bytes]]:
        """Row, id and JSON of what a list shows, of every entry in the order of the rows."""
        yield from self._connection.execute("SELECT row, id, listing FROM entry ORDER BY row")

    def offer(self, row: int) -> tuple[str, str]:
        """Provider and name there of an offer."""
        found: tuple[str, str] = self._connection.execute(
            "SELECT provider, served_name FROM offer WHERE row = ?", (row,)
        ).fetchone()
        return found

    def ids(self) -> list[str]:
        """Every id, in the order of the rows."""
        return [entry_id for (entry_id,) in self._connection.execute("SELECT id FROM entry ORDER BY row")]

    def _one(self, sql: str, row: int) -> bytes:
        found: bytes = self._connection.execute(sql, (row,)).fetchone()[0]
        return found


def match_expression(text: str) -> str | None:
    """
    What FTS5 is asked for: every word quoted, so that nothing a user types is an operator; the last may be a beginning.

    Chinese characters that follow each other are asked for as a phrase. Of many different words only the first 32 are
    asked for: each one costs time, and thousands took minutes. None when the text has no word.
    """
    parts = [part for piece in text.split() for part in _phrases(spaced(piece).split())]
    if not parts:
        return None
    if text[-1:].isalnum():
        parts[-1] += "*"
    return " AND ".join(islice(dict.fromkeys(parts), _MOST_WORDS))


def _phrases(pieces: Sequence[str]) -> Iterator[str]:
    """What stood together without a blank: each run of Chinese characters as one phrase, and each word between."""
    for is_run, group in groupby(pieces, key=lambda piece: len(piece) == 1 and ord(piece) >= _FIRST_KANA):
        if is_run:
            yield '"' + " ".join(group) + '"'
        else:
            for piece in group:
                words = _WORD.findall(piece)
                if words:
                    yield '"' + " ".join(words) + '"'
