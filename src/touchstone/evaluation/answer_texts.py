"""
What the cases and answers of a comparison say, to be searched: a file beside the store, made from it and thrown away.

Equal texts are kept once; each cell knows the number of its text. An FTS5 table over trigrams finds any run of three
characters, so words of languages without spaces are found as well; shorter ones are looked up among the trigrams that
begin with them. The file holds no text that could be read back whole.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.store_errors import store_errors

Vector = np.ndarray[Any, Any]

Where = Literal["any", "output", "input", "target"]

PLACES: tuple[Where, ...] = ("any", "output", "input", "target")

_VERSION = "2"
_LONGEST = 20_000
"""Characters of a text that are searched; what stands behind them is not found."""
_MOST_HITS = 30_000
"""Texts that a search looks at; where more hold the words, the first ones in the order of the store."""
_MOST_BEGINNINGS = 120
"""Trigrams that one or two characters may begin."""
_TRIGRAM = 3
_END = "\n\n"
"""Behind every text, so that its last two characters begin trigrams too."""
_BLOCK = 5_000
_KEPT_SEARCHES = 32


class Hits(NamedTuple):
    """What a search found."""

    mask: Vector
    """Of the cells, shape (columns, cases)."""
    is_cut: bool
    """Whether more texts hold the words than were looked at."""
    is_vague: bool = False
    """Whether a word is so short that only some of what begins with it was looked for."""


class TextsMade(NamedTuple):
    """What making the file came to."""

    texts: int
    """Different ones."""
    cells: int


def make_texts(
    ledger: Ledger,
    path: Path,
    *,
    dataset: str,
    trials: Sequence[int],
    repeats: int,
    cases: int,
    key: str,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> TextsMade:
    """
    Make the file anew, and put it in its place when it is whole.

    Args:
        path: Where it belongs; its folder is made.
        trials: In the order of the candidates.
        key: What it is made from; `open_texts` wants the same.
        progress: Told how many cells were read, of how many.

    Raises:
        StoreError: the store cannot be read.
        OSError, sqlite3.Error: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    working = path.with_name(f"{path.name}.{os.getpid()}.part")
    working.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(working, isolation_level=None)) as connection:
            made = _Maker(connection, cases, len(trials), repeats).make(ledger, dataset, trials, key, progress)
        working.replace(path)
    finally:
        with suppress(OSError):
            working.unlink(missing_ok=True)
    return made


class _Maker:
    def __init__(self, connection: sqlite3.Connection, cases: int, candidates: int, repeats: int) -> None:
        self._connection = connection
        self._shape = (candidates * repeats, cases)
        self._repeats = repeats
        self._numbers: dict[bytes, int] = {}
        self._waiting: list[tuple[int, str]] = []
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text, content='', columnsize=0, tokenize='trigram')")
        connection.execute("CREATE TABLE trigram (term TEXT PRIMARY KEY) WITHOUT ROWID")

    def make(
        self, ledger: Ledger, dataset: str, trials: Sequence[int], key: str, progress: Callable[[int, int], None]
    ) -> TextsMade:
        columns, cases = self._shape
        outputs = np.zeros(self._shape, dtype=np.int32)
        answers = np.zeros((len(trials), cases), dtype=np.int64)
        asked = {name: np.zeros(cases, dtype=np.int32) for name in ("input", "target")}
        self._connection.execute("BEGIN")
        for ordinal, case in ledger.datasets.cases(dataset, "test"):
            if ordinal < cases:
                words = "\n".join([case.text, *case.options])
                asked["input"][ordinal] = self._number(words)
                asked["target"][ordinal] = self._number(case.target)
        done = 0
        for place, trial in enumerate(trials):
            for ordinal, repeat, text, answer, error in _cells(ledger, trial, self._repeats):
                done += 1
                if ordinal >= cases:
                    continue
                outputs[place * self._repeats + repeat, ordinal] = self._number(text if text else error)
                if repeat == 0 and answer is not None:
                    answers[place, ordinal] = _number_of(answer)
                if done % _BLOCK == 0:
                    progress(done, cases * columns)
        self._write()
        self._connection.execute("INSERT INTO texts(texts) VALUES ('optimize')")
        # The vocabulary of FTS5 reads every list of a trigram to count it, each time somebody looks.
        self._connection.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, texts, 'row')")
        self._connection.execute("INSERT INTO trigram SELECT term FROM vocabulary")
        values = {
            "key": key.encode(),
            "version": _VERSION.encode(),
            "outputs": outputs.tobytes(),
            "differ": _differ(answers).tobytes(),
            **{name: numbers.tobytes() for name, numbers in asked.items()},
        }
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", list(values.items()))
        self._connection.execute("COMMIT")
        progress(cases * columns, cases * columns)
        return TextsMade(len(self._numbers), done)

    def _number(self, text: str | None) -> int:
        """The number of a text, from 1; 0 where there is none."""
        if not text:
            return 0
        text = text[:_LONGEST]
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._numbers) + 1
            # SQLite takes valid UTF-8 without NUL; neither could be typed into the search.
            clean = text.encode("utf-8", "replace").decode().replace("\0", " ")
            self._waiting.append((number, clean + _END))
            if len(self._waiting) == _BLOCK:
                self._write()
        return number

    def _write(self) -> None:
        self._connection.executemany("INSERT INTO texts(rowid, text) VALUES (?, ?)", self._waiting)
        self._waiting = []


def _cells(ledger: Ledger, trial: int, repeats: int) -> Iterator[tuple[int, int, str | None, str | None, str | None]]:
    table = tables.outcomes
    query = (
        sa.select(table.c.ordinal, table.c.repeat, table.c.text, table.c.answer, table.c.error)
        .where(table.c.trial == trial, table.c.repeat < repeats)
        .order_by(table.c.ordinal, table.c.repeat)
    )
    with store_errors(), ledger.engine.connect() as connection:
        found = connection.execution_options(stream_results=True).execute(query)
        while rows := found.fetchmany(_BLOCK):
            for row in rows:
                yield tuple(row)


def _number_of(answer: str) -> int:
    digest = hashlib.blake2b(answer.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _differ(answers: Vector) -> Vector:
    """Cases on which two candidates gave answers that are not the same, shape (cases,); 0 says there was none."""
    first = np.zeros(answers.shape[1], dtype=np.int64)
    differ = np.zeros(answers.shape[1], dtype=bool)
    for column in answers:
        differ |= (first != 0) & (column != 0) & (column != first)
        first = np.where(first == 0, column, first)
    return differ


class Texts:
    """
    An opened file of texts; may be asked from several threads.

    Args:
        path: The file.
        shape: (columns, cases) of the cells.
    """

    def __init__(self, path: Path, shape: tuple[int, int], meta: dict[str, bytes]) -> None:
        self._path = path
        self._outputs = np.frombuffer(meta["outputs"], dtype=np.int32).reshape(shape)
        self._asked = {name: np.frombuffer(meta[name], dtype=np.int32) for name in ("input", "target")}
        self.answers_differ: Vector = np.frombuffer(meta["differ"], dtype=bool)
        self._most = int(max([self._outputs.max(initial=0), *(own.max(initial=0) for own in self._asked.values())]))
        self._kept: OrderedDict[tuple[str, Where], Hits] = OrderedDict()
        self._lock = Lock()

    def find(self, words: str, where: Where = "any") -> Hits:
        """
        Cells in whose texts all the words stand, upper and lower case alike.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        key = (" ".join(words.split()), where)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._find(key[0].split(), where)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT_SEARCHES:
                self._kept.popitem(last=False)
        return found

    def _find(self, words: Sequence[str], where: Where) -> Hits:
        is_vague = False
        with closing(_opened(self._path)) as connection:
            asked: list[str] = []
            for word in words:
                word = word.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
                if len(word) >= _TRIGRAM:
                    asked.append(_quoted(word))
                    continue
                beginnings = _beginnings(connection, word)
                is_vague |= len(beginnings) > _MOST_BEGINNINGS
                if not beginnings:
                    return Hits(np.zeros(self._outputs.shape, dtype=bool), is_cut=False)
                asked.append("(" + " OR ".join(map(_quoted, beginnings[:_MOST_BEGINNINGS])) + ")")
            query = "SELECT rowid FROM texts WHERE texts MATCH ? LIMIT ?"
            rows = connection.execute(query, (" AND ".join(asked), _MOST_HITS + 1)).fetchall()
        hit = np.zeros(self._most + 1, dtype=bool)
        hit[np.fromiter((row[0] for row in rows[:_MOST_HITS]), dtype=np.int64, count=min(len(rows), _MOST_HITS))] = True
        mask = np.zeros(self._outputs.shape, dtype=bool)
        if where in ("any", "output"):
            mask |= hit[self._outputs]
        for name in ("input", "target"):
            if where in ("any", name):
                mask |= hit[self._asked[name]][None, :]
        return Hits(mask, is_cut=len(rows) > _MOST_HITS, is_vague=is_vague)


def open_texts(path: Path, shape: tuple[int, int], key: str) -> Texts | None:
    """The file of texts; None where there is none, or it is of other cells."""
    if not path.is_file():
        return None
    try:
        with closing(_opened(path)) as connection:
            meta = {name: bytes(value) for name, value in connection.execute("SELECT name, value FROM meta")}
    except sqlite3.Error:
        return None
    size = shape[0] * shape[1] * 4
    if meta.get("key") != key.encode() or meta.get("version") != _VERSION.encode() or len(meta["outputs"]) != size:
        return None
    return Texts(path, shape, meta)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _quoted(words: str) -> str:
    """Words as one string of the query language of FTS5, so that nothing in them is an operator."""
    return '"' + words.replace('"', '""') + '"'


def _beginnings(connection: sqlite3.Connection, word: str) -> list[str]:
    """Trigrams that begin with one or two characters, one more than are looked for at most."""
    # The vocabulary holds them as FTS5 folded them: in lower case.
    folded = word.lower()
    last = folded[:-1] + chr(min(ord(folded[-1]) + 1, 0x10FFFF))
    if 0xD800 <= ord(last[-1]) <= 0xDFFF:
        last = folded[:-1] + "\ue000"
    query = "SELECT term FROM trigram WHERE term >= ? AND term < ? LIMIT ?"
    return [term for (term,) in connection.execute(query, (folded, last, _MOST_BEGINNINGS + 1))]
