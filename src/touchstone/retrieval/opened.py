"""An index as it is at one moment: what stays the same under a search, whatever others write meanwhile."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import orjson
from numpy.typing import NDArray

from touchstone.retrieval.base import Embedder, Passage, VectorStore
from touchstone.retrieval.bm25 import K1, Places, length_part, rarity
from touchstone.retrieval.segment import Kept, Segment
from touchstone.retrieval.tokens import terms, weight


class Part:
    """A segment with what is alive in it."""

    def __init__(self, segment: Segment, dead: Sequence[int], base: int) -> None:
        self.segment = segment
        self.dead = frozenset(dead)
        self.base = base
        """Row of the whole index at which its rows begin."""
        self.alive = segment.rows_alive(dead)
        self.all_alive = not dead

    @property
    def kept(self) -> Iterator[Kept]:
        """Its documents that are alive."""
        return (kept for number, kept in enumerate(self.segment.documents) if number not in self.dead)


class OpenIndex:
    """
    A search over segments gives what one index built anew would give: dead passages count nowhere.

    Args:
        segments: With the numbers of their documents that are dead.
        embedder: Fitted, if it is one that learns; None for an index of words only.
        vectors: Opened; None for an index of words only.
        learned: Digests of the files of what the embedder learned, when it is one that learns.
        took_s: Seconds that all changes of the index took; None where nobody counted.
    """

    def __init__(
        self,
        segments: Sequence[tuple[Segment, Sequence[int]]],
        embedder: Embedder | None = None,
        vectors: VectorStore | None = None,
        *,
        learned: Mapping[str, tuple[int, str]] | None = None,
        took_s: float | None = None,
    ) -> None:
        self.parts: list[Part] = []
        base = 0
        for segment, dead in segments:
            self.parts.append(Part(segment, dead, base))
            base += segment.size
        self.rows = base
        """Rows of all segments, dead ones too."""
        self.size = int(sum(part.alive.sum() for part in self.parts))
        """Passages."""
        self.embedder = embedder
        self.vectors = vectors
        self.took_s = took_s
        self._learned = learned
        total = float(sum(part.segment.postings.lengths[part.alive].sum() for part in self.parts))
        mean = total / self.size if total else 1.0
        self._hold_back = [length_part(part.segment.postings.lengths, mean) for part in self.parts]
        self._stale = 0 if vectors is None else max(0, len(vectors.ids()) - self.size)

    def documents(self) -> dict[str, Kept]:
        """Documents that are alive, by id."""
        return {kept.id: kept for part in self.parts for kept in part.kept}

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the documents' ids and digests and of what the embedder learned; the key is not in it."""
        held = sorted((kept.id, kept.digest) for kept in self.documents().values())
        return hashlib.sha256(orjson.dumps([held, sorted((self._learned or {}).items())])).hexdigest()

    def passages(self) -> Iterator[Passage]:
        """Every passage in the order of its row."""
        for part in self.parts:
            for row in np.flatnonzero(part.alive):
                yield part.segment.passage(int(row))

    def of_document(self, document: str) -> tuple[Passage, ...]:
        """The passages of a document in order; empty when it has none or is unknown."""
        for part in self.parts:
            for kept in part.kept:
                if kept.id == document:
                    return tuple(part.segment.passage(row) for row in range(kept.first, kept.first + kept.passages))
        return ()

    def passage(self, id: str) -> Passage | None:  # noqa: A002 - it is the id
        """The passage with an id; None when there is none that is alive."""
        row = self._by_id.get(id)
        return None if row is None else self._at(row)

    def rarity(self, term: str) -> float:
        """Idf of a term in this index."""
        return rarity(self.size, sum(len(where) for _, where, _ in self._entries(term)))

    def lexical(self, query: str, k: int) -> list[tuple[Passage, float]]:
        """The `k` best passages by BM25 over `terms`, best first, ties by id; those that share no term are left out."""
        scores = np.zeros(self.rows)
        for term, times in Counter(terms(query)).items():
            entries = list(self._entries(term))
            idf = rarity(self.size, sum(len(where) for _, where, _ in entries))
            for number, where, counts in entries:
                tf = counts.astype(float)
                part = self.parts[number]
                rows = scores[part.base : part.base + part.segment.size]
                rows[where] += times * weight(term) * idf * (K1 + 1) * (tf / (tf + self._hold_back[number][where]))
        return self._best(scores, k)

    def dense(self, query: str, k: int) -> list[tuple[Passage, float]]:
        """The `k` passages whose vectors are nearest to the query's, best first, ties by id."""
        assert self.embedder is not None
        assert self.vectors is not None
        [vector] = self.embedder.embed([query])
        if not vector.any():
            return []  # nothing of the query is known: every passage would be as near
        # Whoever died between the store and the manifest has left vectors that belong to no passage.
        found = self.vectors.search(vector, k + self._stale)
        known = ((self._by_id.get(one), score) for one, score in found)
        return [(self._at(row), score) for row, score in known if row is not None][:k]

    def close(self) -> None:
        """Let files and connections go."""
        for part in self.parts:
            part.segment.close()
        if self.vectors is not None:
            self.vectors.close()

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {
            part.segment.ids[row]: part.base + int(row) for part in self.parts for row in np.flatnonzero(part.alive)
        }

    def _at(self, row: int) -> Passage:
        part = next(part for part in reversed(self.parts) if part.base <= row)
        return part.segment.passage(row - part.base)

    def _entries(self, term: str) -> Iterator[tuple[int, Places, Places]]:
        """(number of the part, rows in it, counts) of a term, dead rows left out."""
        for number, part in enumerate(self.parts):
            found = part.segment.postings.entries(term)
            if found is None:
                continue
            where, counts = found
            if not part.all_alive:
                alive = part.alive[where]
                where, counts = where[alive], counts[alive]
            yield number, where, counts

    def _best(self, scores: NDArray[np.float64], k: int) -> list[tuple[Passage, float]]:
        floor = 0.0
        if k < len(scores):
            floor = float(np.partition(scores, len(scores) - k)[len(scores) - k])
        among = np.flatnonzero(scores >= floor) if floor > 0 else np.flatnonzero(scores > 0)
        order = sorted(among, key=lambda row: (-scores[row], self._id(int(row))))[:k]
        return [(self._at(int(row)), float(scores[row])) for row in order]

    def _id(self, row: int) -> str:
        part = next(part for part in reversed(self.parts) if part.base <= row)
        return part.segment.id(row - part.base)
