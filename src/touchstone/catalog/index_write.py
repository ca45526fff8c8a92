"""
The index of the catalog, written: one SQLite file with a full-text table, and columns for numpy.

It is derived and can be thrown away at any time: its key says from what it was made, and another key means it is made
anew. So it needs no migration, and no care about a crash; a half-written file never gets its final name.

Words are found by SQLite's FTS5. Facts are kept as columns: per value of a facet, the rows that have it; per number,
one value for each row. A filter is then one operation on an array, whatever is combined with it (`search.py`).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from touchstone.catalog.index_text import spaced

NUMBERS = (
    "context_tokens",
    "parameters",
    "released",
    "retired",
    "values_per_token",
    "windowed_values_per_token",
    "window_tokens",
    "state_values",
    "four_bit_bits",
)
"""Columns of a row that hold a number, NaN where it is unknown. Dates are day ordinals; `four_bit_bits` are those that
one weight takes at 4 bit (`memory.bits_per_weight`)."""

OFFER_NUMBERS = ("entry", "provider", "input_usd", "output_usd", "blended_output_usd", "context_tokens", "ends")

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE entry (row INTEGER PRIMARY KEY, id TEXT UNIQUE, listing BLOB, card BLOB, results BLOB);
CREATE TABLE facet (name TEXT, value TEXT, count INTEGER, packed INTEGER, rows BLOB,
                    PRIMARY KEY (name, value)) WITHOUT ROWID;
CREATE TABLE number (name TEXT PRIMARY KEY, vals BLOB) WITHOUT ROWID;
CREATE TABLE offer (row INTEGER PRIMARY KEY, provider TEXT, served_name TEXT);
CREATE TABLE offer_facet (name TEXT, value TEXT, count INTEGER, packed INTEGER, rows BLOB,
                          PRIMARY KEY (name, value)) WITHOUT ROWID;
CREATE TABLE offer_number (name TEXT PRIMARY KEY, vals BLOB) WITHOUT ROWID;
CREATE TABLE score (benchmark TEXT, condition TEXT, count INTEGER, newest INTEGER, rows BLOB, vals BLOB,
                    labels TEXT, PRIMARY KEY (benchmark, condition)) WITHOUT ROWID;
CREATE TABLE later_price (day INTEGER, row INTEGER, input_usd REAL, output_usd REAL, blended_output_usd REAL);
CREATE TABLE claim (benchmark TEXT, row INTEGER, body BLOB);
CREATE TABLE derived (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(names, about, content='', tokenize="unicode61 remove_diacritics 2", prefix='2 3');
"""

_CHUNK = 20_000


class LaterPrice(NamedTuple):
    """What an offer will cost from a day on that is announced."""

    day: int
    """Ordinal."""
    input_usd: float | None
    output_usd: float | None


@dataclass(frozen=True)
class OfferRow:
    """What the index keeps of one offer."""

    provider: str
    served_name: str
    input_usd: float | None = None
    """USD per million tokens."""
    output_usd: float | None = None
    writes_tokens: bool = True
    """Whether output is billed by the token at all; vectors and scores are not, so only their input has a price."""
    context_tokens: int | None = None
    regions: tuple[str, ...] = ()
    deprecated: bool = False
    """Whether its seller calls it so; it may still answer."""
    ends: int | None = None
    """Ordinal of the day from which it is over. It stays in the list, as what is deprecated does."""
    later: tuple[LaterPrice, ...] = ()
    """Announced prices, earliest first: an index stays good when one of them begins."""

    def blended_output_usd(self, output_usd: float | None) -> float | None:
        """What output costs in a blend: nothing where none is billed by the token."""
        return output_usd if self.writes_tokens else output_usd or 0.0


class ScoreRow(NamedTuple):
    """What the index keeps of one result; of several under one condition only the best."""

    benchmark: str
    condition: str
    """As text."""
    value: float
    label: str = ""
    """Which snapshot and mode of the model was measured."""
    day: int | None = None
    """Ordinal of the day from which the result is; None where nobody says."""


@dataclass(frozen=True)
class IndexRow:
    """What the index keeps of one model."""

    id: str
    listing: bytes
    """JSON of what a list shows."""
    card: bytes
    """JSON of the card without its results, `claims`; an object with at least one key."""
    names: str
    about: str
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    offers: Sequence[OfferRow] = ()
    scores: Sequence[ScoreRow | tuple[str, str, float]] = ()
    """Every result; a plain tuple where neither label nor day is known."""
    claims: Sequence[tuple[str, bytes]] = ()
    """Benchmark and the whole result as JSON, so that a leaderboard need not open every card."""


def write_index(
    path: Path,
    rows: Iterable[IndexRow],
    meta: Mapping[str, str],
    *,
    derive: Callable[[sqlite3.Connection], Mapping[str, bytes]] | None = None,
) -> None:
    """
    Write an index and give it its name only when it is whole.

    Args:
        path: Where it shall lie; the folder exists. What lay there is replaced.
        rows: What it holds; ids are unique.
        meta: What `CatalogIndex.meta` shall return: `key`, and `lower_is_better`, a JSON list of benchmarks.
        derive: Reads what was written, and gives what shall lie beside it; see `CatalogIndex.derived`.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    connection = sqlite3.connect(unfinished)
    try:
        connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;")
        fill_index(connection, rows, meta)
        if derive is not None:
            connection.executemany("INSERT INTO derived VALUES (?, ?)", derive(connection).items())
            connection.commit()
        connection.close()
        unfinished.replace(path)
    finally:
        connection.close()
        unfinished.unlink(missing_ok=True)


def fill_index(connection: sqlite3.Connection, rows: Iterable[IndexRow], meta: Mapping[str, str]) -> None:
    """Fill an empty database; for one in memory where no file can be written."""
    connection.executescript(_SCHEMA)
    facts, offers = _Columns(NUMBERS), _Columns(OFFER_NUMBERS)
    providers: dict[str, int] = {}
    scores = _Scores(json.loads(meta.get("lower_is_better", "[]")))
    count = 0
    for chunk in _chunks(rows):
        sold = [sorted(row.offers, key=lambda offer: offer.provider) for row in chunk]
        connection.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
            (
                (count + n, row.id, row.listing, row.card, b",".join(body for _benchmark, body in row.claims))
                for n, row in enumerate(chunk)
            ),
        )
        connection.executemany(
            "INSERT INTO words (rowid, names, about) VALUES (?, ?, ?)",
            ((count + n, spaced(row.names), spaced(row.about)) for n, row in enumerate(chunk)),
        )
        connection.executemany(
            "INSERT INTO offer VALUES (?, ?, ?)",
            (
                (offers.length + n, offer.provider, offer.served_name)
                for n, offer in enumerate(offer for of_row in sold for offer in of_row)
            ),
        )
        for row, of_row in zip(chunk, sold, strict=True):
            facts.add(row.numbers, row.facets)
            for offer in of_row:
                for day, input_usd, output_usd in offer.later:
                    connection.execute(
                        "INSERT INTO later_price VALUES (?, ?, ?, ?, ?)",
                        (day, offers.length, input_usd, output_usd, offer.blended_output_usd(output_usd)),
                    )
                offers.add(
                    {
                        "entry": count,
                        "provider": providers.setdefault(offer.provider, len(providers)),
                        "input_usd": offer.input_usd,
                        "output_usd": offer.output_usd,
                        "blended_output_usd": offer.blended_output_usd(offer.output_usd),
                        "context_tokens": offer.context_tokens,
                        "ends": offer.ends,
                    },
                    {
                        "provider": (offer.provider,),
                        "region": offer.regions,
                        "deprecated": ("yes",) if offer.deprecated else (),
                    },
                )
            connection.executemany(
                "INSERT INTO claim VALUES (?, ?, ?)", ((name, count, body) for name, body in row.claims)
            )
            scores.add(count, row.scores)
            count += 1
    connection.execute("CREATE INDEX claim_of ON claim (benchmark)")
    _store(connection, "", facts)
    _store(connection, "offer_", offers)
    connection.executemany(
        "INSERT INTO score VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (*key, len(kept.rows), kept.newest, kept.rows.tobytes(), kept.values.tobytes(), json.dumps(kept.labels))
            for key, kept in scores.kept.items()
        ),
    )
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        {
            **meta,
            "rows": str(count),
            "offers": str(offers.length),
            "providers": json.dumps(list(providers)),
        }.items(),
    )
    connection.commit()


class _Columns:
    """Numbers and facets of rows, added one after the other."""

    def __init__(self, numbers: Sequence[str]) -> None:
        self.numbers = {name: array("d") for name in numbers}
        self.facets: dict[tuple[str, str], array[int]] = {}
        self.length = 0

    def add(self, numbers: Mapping[str, float | None], facets: Mapping[str, Sequence[str]]) -> None:
        for name, column in self.numbers.items():
            value = numbers.get(name)
            column.append(float("nan") if value is None else value)
        for facet, values in facets.items():
            for one in dict.fromkeys(values):
                self.facets.setdefault((facet, one), array("I")).append(self.length)
        self.length += 1


@dataclass
class _Condition:
    """Results of all models under one condition."""

    rows: array[int] = field(default_factory=lambda: array("I"))
    values: array[float] = field(default_factory=lambda: array("d"))
    labels: dict[int, str] = field(default_factory=dict)
    """By row, where there is one."""
    newest: int | None = None


class _Scores:
    """
    One result for each model, benchmark and condition: its best one, in the benchmark's direction.

    Snapshots and modes of a model share a condition. The best is kept, the first of equals, whatever the order of the
    file; the label says of which snapshot and mode it is.
    """

    def __init__(self, lower_is_better: Sequence[str]) -> None:
        self.lower_is_better = frozenset(lower_is_better)
        self.kept: dict[tuple[str, str], _Condition] = {}

    def add(self, row: int, results: Sequence[ScoreRow | tuple[str, str, float]]) -> None:
        best: dict[tuple[str, str], ScoreRow] = {}
        for one in (ScoreRow(*result) for result in results):
            key = one.benchmark, one.condition
            before = best.setdefault(key, one)
            if one.value < before.value if one.benchmark in self.lower_is_better else one.value > before.value:
                best[key] = one
            condition = self.kept.setdefault(key, _Condition())
            if one.day is not None:
                condition.newest = max(one.day, condition.newest or one.day)
        for key, one in best.items():
            condition = self.kept[key]
            condition.rows.append(row)
            condition.values.append(one.value)
            if one.label:
                condition.labels[row] = one.label


def _store(connection: sqlite3.Connection, prefix: str, columns: _Columns) -> None:
    connection.executemany(
        f"INSERT INTO {prefix}number VALUES (?, ?)",  # noqa: S608 - a table of ours
        ((name, values.tobytes()) for name, values in columns.numbers.items()),
    )
    connection.executemany(
        f"INSERT INTO {prefix}facet VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - a table of ours
        ((*key, len(rows), *_rows_stored(rows, columns.length)) for key, rows in columns.facets.items()),
    )


def _rows_stored(rows: array[int], length: int) -> tuple[bool, bytes]:
    """Whether a bit for every row is stored, which is less where many have the value; and what is stored."""
    import numpy as np

    if 8 * 4 * len(rows) < length:
        return False, rows.tobytes()
    bits = np.zeros(length, np.bool_)
    bits[np.frombuffer(rows, np.uint32)] = True
    return True, np.packbits(bits).tobytes()


def _chunks(rows: Iterable[IndexRow]) -> Iterator[list[IndexRow]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, _CHUNK)):
        yield chunk
