"""Digests of what a case says, and compact memory of millions of them."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from touchstone.data.base import Case

_FIRST_SLOTS = 1 << 10


def digest64(*parts: str | None) -> int:
    """
    A digest of texts as a number from 1 to 2**64 - 1; the order and the borders of the parts count.

    Two of five million different texts share one with a probability below one in a million (n**2 / 2**65).
    """
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = b"\xff" if part is None else part.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))
        state.update(data)
    return int.from_bytes(state.digest(), "big") or 1


def canonical_bytes(case: Case) -> bytes:
    """What a case says, as bytes for a digest; where it stands in its file does not count."""
    return orjson.dumps(
        [
            case.id,
            case.input,
            [message.model_dump() for message in case.messages] if case.messages is not None else None,
            case.image,
            case.audio,
            case.target,
            case.options,
            case.split,
            case.group,
            case.tags,
            dict(case.fields),
        ],
        option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
    )


class DigestCounts:
    """
    How often each digest was counted: an open-addressed table of 8 bytes a slot, at most two thirds full.

    Five million digests take 67 MB where a dict takes over 500; only those counted more than once are in a dict.
    """

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8)) * _FIRST_SLOTS
        self._more: dict[int, int] = {}
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def count(self, digest: int) -> int:
        """Count a digest (from 1 to 2**64 - 1) once more; how often it was counted by now."""
        slot = self._slot(digest)
        if self._keys[slot] == digest:
            self._more[digest] = self._more.get(digest, 1) + 1
            return self._more[digest]
        if 3 * self._used >= 2 * len(self._keys):
            self._grow()
            slot = self._slot(digest)
        self._keys[slot] = digest
        self._used += 1
        return 1

    def _slot(self, digest: int) -> int:
        keys = self._keys
        mask = len(keys) - 1
        slot = digest & mask
        while (key := keys[slot]) != digest and key != 0:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        keys = self._keys
        self._keys = array("Q", bytes(8)) * (2 * len(keys))
        for key in keys:
            if key:
                self._keys[self._slot(key)] = key


def repeated(digests: array[int]) -> Iterator[Any]:
    """
    Places of equal digests, one ascending int64 array per digest that occurs at least twice.

    A digest of 0 stands for nothing and is never equal.
    """
    import numpy

    for ordered, places in _sorted_parts(digests):
        borders = numpy.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        starts = numpy.concatenate([[0], borders])
        ends = numpy.concatenate([borders, [len(ordered)]])
        several = ends - starts > 1
        for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
            yield places[start:end]


def different(digests: array[int]) -> int:
    """How many different digests there are, 0 apart."""
    import numpy

    return sum(int(numpy.count_nonzero(ordered[1:] != ordered[:-1])) + 1 for ordered, _ in _sorted_parts(digests))


def _sorted_parts(digests: array[int]) -> Iterator[tuple[Any, Any]]:
    """(sorted digests, their places), one sixteenth of the range of digests at a time to use little memory."""
    import numpy

    values = numpy.frombuffer(digests, dtype=numpy.uint64)
    step = 1 << 60
    for part in range(16):
        low, high = max(part * step, 1), (part + 1) * step - 1
        places = numpy.flatnonzero((values >= low) & (values <= high))
        if len(places):
            places = places[numpy.argsort(values[places], kind="stable")]
            yield values[places], places
