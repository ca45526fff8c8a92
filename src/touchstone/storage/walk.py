"""
Every row of a damaged table that can still be read.

A table is a tree in the order of its key. Reading along that order stops at the first page that makes no sense, so
what lies behind it is reached from the other end, and what lies between two bad pages by seeking keys in the middle
of the gap, again and again: keys that stand on the file's pages first, then any others.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from math import isqrt
from typing import Any

Key = tuple[Any, ...]
Row = tuple[Any, ...]

_SEEKS = 100_000
"""Per table, so that a table of which little is left takes seconds."""
_KNOWN = 100_000
"""Known keys that are remembered, per table."""
_HALVINGS = 12
"""How often a gap is halved without finding a row where no key is known."""
_MOST_LOST = 10_000_000
"""Keys that lie further apart than this are no numbers of rows, and say nothing of how many are lost."""

_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**63 - 1
_CODE_POINTS = 0x110000


class TableWalk:
    """
    The readable rows of one table, in no particular order; a row that stands on two pages comes twice.

    Args:
        source: Of the damaged file. It is only read.
        table: The table's name.
        key: SQL of the columns that the table is ordered by: `rowid`, or the primary key of a table without one.
        integers: For each of them, whether it is declared as an integer; text otherwise.
        columns: SQL of the columns to read.
        known: Keys that the table may have, asked for when it turns out to be damaged.
    """

    def __init__(
        self,
        source: sqlite3.Connection,
        table: str,
        key: Sequence[str],
        integers: Sequence[bool],
        columns: Sequence[str],
        known: Callable[[], Iterable[Key]] = tuple,
    ) -> None:
        self._source = source
        self._known = known
        self._width = len(key)
        keys, wanted = ", ".join(key), ", ".join(columns)
        marks = ", ".join("?" * len(key))
        # The table itself, not one of its indexes, which may be damaged in other places.
        self._head = f"SELECT {keys}, {wanted} FROM {table} NOT INDEXED"  # noqa: S608 - names out of the schema, quoted
        self._from, self._above, self._below = (f"({keys}) {sign} ({marks})" for sign in (">=", ">", "<"))
        self._up, self._down = (
            f"ORDER BY {', '.join(f'{name} {direction}' for name in key)}" for direction in ("ASC", "DESC")
        )
        self._like: Key = tuple(0 if integer else "" for integer in integers)
        self.whole = True
        """Whether every row was read; known when all were taken, like the next."""
        self.lost_at_most: int | None = 0
        """Rows that there may have been in the gaps; None when that cannot be told from the keys."""

    def __iter__(self) -> Iterator[Row]:
        last, ended = yield from self._upwards(None, None)
        if ended:
            return
        self.whole = False
        low = last or tuple(_least(example) for example in self._like)
        first, ended = yield from self._downwards(last, None)
        if ended:
            return
        high = first or tuple(_most(example) for example in self._like)
        if last is None or first is None:
            self.lost_at_most = None  # who knows where the table began or ended
        gaps = deque([(low, high, 0)])
        known = self._known_between(low, high)
        for _ in range(_SEEKS):
            if not gaps:
                return
            low, high, halvings = gaps.popleft()
            middle = _inside(known, low, high)
            if middle is None and not known and halvings < _HALVINGS:
                middle, halvings = between(low, high), halvings + 1
            if middle is None:
                self._lose(low, high)
                continue
            last, ended = yield from self._upwards(middle, high, inclusive=True)
            if not ended:
                gaps.append((last or middle, high, 0 if last else halvings))
                if last is None:
                    self._lose_one()
            first, ended = yield from self._downwards(low, middle)
            if not ended:
                gaps.append((low, first or middle, 0 if first else halvings))
        for low, high, _ in gaps:
            self._lose(low, high)

    def _known_between(self, low: Key, high: Key) -> list[Key]:
        """The known keys inside a gap, in SQLite's order."""
        inside = (key for key in self._known() if self._fits(key) and order(low) < order(key) < order(high))
        return sorted(set(islice(inside, _KNOWN)), key=order)

    def _fits(self, key: Key) -> bool:
        return len(key) == self._width and all(
            isinstance(part, type(example)) for part, example in zip(key, self._like, strict=True)
        )

    def _lose(self, low: Key, high: Key) -> None:
        """Count the keys of a gap, as far as keys can be counted."""
        countable = self._width == 1 and isinstance(low[0], int) and high[0] - low[0] < _MOST_LOST
        if self.lost_at_most is not None:
            self.lost_at_most = self.lost_at_most + high[0] - low[0] - 1 if countable else None

    def _lose_one(self) -> None:
        """Count a key that was sought in vain, and that now bounds two gaps."""
        if self.lost_at_most is not None:
            self.lost_at_most += 1

    def _upwards(
        self, low: Key | None, high: Key | None, *, inclusive: bool = False
    ) -> Generator[Row, None, tuple[Key | None, bool]]:
        """Rows up to one that cannot be read; returns the key of the last and whether there was nothing behind it."""
        bound = self._from if inclusive else self._above
        last, ended = yield from self._run(self._query(bound, low, high, self._up))
        if not ended:
            # The driver reads one row ahead, and gives up the one before when it cannot: that one is asked for alone.
            rest = (self._above, last) if last else (bound, low)
            final, _ = yield from self._run(self._query(*rest, high, f"{self._up} LIMIT 1"))
            last = final or last
        return last, ended

    def _downwards(self, low: Key | None, high: Key | None) -> Generator[Row, None, tuple[Key | None, bool]]:
        """The same from the upper end."""
        last, ended = yield from self._run(self._query(self._above, low, high, self._down))
        if not ended:
            final, _ = yield from self._run(self._query(self._above, low, last or high, f"{self._down} LIMIT 1"))
            last = final or last
        return last, ended

    def _query(self, above: str, low: Key | None, high: Key | None, tail: str) -> tuple[str, Key]:
        bounds = [(above, low)] if low else []
        if high:
            bounds.append((self._below, high))
        where = f" WHERE {' AND '.join(sql for sql, _ in bounds)}" if bounds else ""
        return f"{self._head}{where} {tail}", tuple(part for _, key in bounds for part in key)

    def _run(self, query: tuple[str, Key]) -> Generator[Row, None, tuple[Key | None, bool]]:
        last: Key | None = None
        try:
            for row in self._source.execute(*query):
                last = row[: self._width]
                yield row[self._width :]
        except sqlite3.Error:
            return last, False
        return last, True


def _inside(known: Sequence[Key], low: Key, high: Key) -> Key | None:
    """The middle one of the known keys between two, None when there is none."""
    start = bisect_right(known, order(low), key=order)
    end = bisect_left(known, order(high), key=order)
    return known[(start + end) // 2] if start < end else None


def order(key: Key) -> tuple[tuple[int, Any], ...]:
    """What sorts keys as SQLite does: nothing, numbers, texts, bytes."""
    return tuple(
        (0, 0)
        if part is None
        else (1, part)
        if isinstance(part, int | float)
        else (2, part)
        if isinstance(part, str)
        else (3, part)
        for part in key
    )


def between(low: Key, high: Key) -> Key | None:
    """
    A key between two, neither of them; None when there is none, or none can be worked out.

    It is about half-way, except where both begin differently: then the places come first at which one beginning ends
    and the other starts, so that what follows the beginning is looked through as well.
    """
    at = next((position for position, (left, right) in enumerate(zip(low, high, strict=True)) if left != right), None)
    if at is None:
        return None
    start = _begin((*high[: at + 1],), high)
    if start != high:
        return start
    left = low[at]
    if isinstance(left, str) and _begin(low[: at + 1], low) != low:
        end = _begin((*low[:at], left + "\0"), low)
        if order(end) < order(high):
            return end
    for position in range(at, len(low)):
        bound = high[at] if position == at else _most(low[position])
        middle = _between_parts(low[position], bound)
        if middle is not None:
            return _begin((*low[:position], middle), low)
    return None


def _begin(beginning: Key, like: Key) -> Key:
    """The first key with this beginning, of as many parts as another."""
    return (*beginning, *(_least(part) for part in like[len(beginning) :]))


def _least(part: Any) -> Any:
    return _LEAST_INTEGER if isinstance(part, int) else "" if isinstance(part, str) else part


def _most(part: Any) -> Any:
    return _MOST_INTEGER if isinstance(part, int) else chr(_CODE_POINTS - 1)


def _between_parts(left: Any, right: Any) -> Any | None:
    if isinstance(left, int) and isinstance(right, int):
        return _between_integers(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _between_texts(left, right)
    return None


def _between_integers(left: int, right: int) -> int | None:
    if left < 0 < right:
        return 0
    if left < 0:
        mirrored = _between_integers(-right, -left)
        return None if mirrored is None else -mirrored
    # Numbers of rows are small beside the largest there can be: half-way by their length when they are far apart.
    far = right > 16 * (left + 16)
    middle = isqrt((left + 1) * (right + 1)) if far else (left + right) // 2
    return middle if left < middle < right else None


def _between_texts(left: str, right: str) -> str | None:
    # Texts as fractions: each character is a digit of base 0x110000.
    width = max(len(left), len(right)) + 1
    low, high = (_fraction(text, width) for text in (left, right))
    middle, digits = (low + high) // 2, []
    for _ in range(width):
        middle, digit = divmod(middle, _CODE_POINTS)
        digits.append(0xE000 if 0xD800 <= digit < 0xE000 else digit)  # halves of a pair are no characters
    text = "".join(map(chr, reversed(digits))).rstrip("\0")
    return text if left < text < right else None


def _fraction(text: str, width: int) -> int:
    value = 0
    for character in text.ljust(width, "\0"):
        value = value * _CODE_POINTS + ord(character)
    return value
