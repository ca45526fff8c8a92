"""BM25: rank documents by the words they share with a query."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.data.digests import digest64
from touchstone.retrieval.tokens import words

K1 = 1.2
"""How quickly repeats of a word stop counting; Robertson and Zaragoza 2009, section 3.2: 1.2 to 2."""

B = 0.75
"""
How much long documents are held back; same source: 0.5 to 0.8.

Looked at on the odd questions of XQuAD (recall at 1 and 5) beside k1 = 1.5 and b = 0.5: English 0.926 and 0.985 here,
0.919 and 0.987, 0.918 and 0.987; Chinese 0.931 and 0.988, 0.931 and 0.988, 0.938 and 0.987. The usual values stay.
"""

Places = NDArray[Any]
Split = Callable[[str], list[str]]

_MOST_COUNT = 0xFFFF
"""A word that stands more often in one document counts this often, which changes no score by a thousandth."""
_FILES = ("words", "starts", "places", "counts", "lengths")


class Postings:
    """
    Which documents hold a word and how often, as arrays that can be mapped from disk.

    Words are kept as sorted 64-bit digests: no vocabulary has to be read to open an index, and two of a million words
    share one with a probability below 1 in 10 million (n**2 / 2**65). It never changes; an index that grows is made
    of several (`segment.py`).

    Args:
        words: Digests of the words (w,), uint64, ascending.
        starts: Where the entries of each word begin (w + 1,), int64.
        places: Document of each entry (e,), int32, ascending within a word.
        counts: How often the word stands there (e,), uint16.
        lengths: Words of each document (n,), uint32.
    """

    def __init__(self, words: Places, starts: Places, places: Places, counts: Places, lengths: Places) -> None:
        self.words, self.starts, self.places, self.counts, self.lengths = words, starts, places, counts, lengths

    @classmethod
    def of(cls, documents: Iterable[list[str]]) -> Postings:
        """Those of documents given as lists of words."""
        collected = Collected()
        for found in documents:
            collected.add(found)
        return collected.postings()

    @classmethod
    def joined(cls, parts: Sequence[tuple[Postings, NDArray[np.bool_]]]) -> Postings:
        """
        Several one behind the other, without rebuilding them from texts.

        Args:
            parts: Postings with which of their documents (n,) are taken.
        """
        digests, places, counts, lengths = [], [], [], []
        base = 0
        for one, taken in parts:
            number = np.cumsum(taken) - 1 + base
            alive = taken[one.places]
            digests.append(np.repeat(one.words, np.diff(one.starts))[alive])
            places.append(number[one.places[alive]].astype(np.int32))
            counts.append(one.counts[alive])
            lengths.append(one.lengths[taken])
            base += int(taken.sum())
        every = np.concatenate(digests)
        # Parts come in the order of their documents, so that a stable sort keeps places ascending within a word.
        by_word = np.argsort(every, kind="stable")
        words, held = np.unique(every, return_counts=True)
        return cls(
            words=words,
            starts=np.concatenate([[0], np.cumsum(held)]).astype(np.int64),
            places=np.concatenate(places)[by_word],
            counts=np.concatenate(counts)[by_word],
            lengths=np.concatenate(lengths),
        )

    def save(self, folder: Path) -> None:
        """Five .npy files."""
        for name in _FILES:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Postings:
        """Those saved in a folder, mapped: nothing is read before it is needed."""
        return cls(**{name: mapped(folder / f"{name}.npy") for name in _FILES})

    def entries(self, word: str) -> tuple[Places, Places] | None:
        """(documents, counts) of a word; None when it stands nowhere."""
        digest = np.uint64(digest64(word))
        at = int(np.searchsorted(self.words, digest))
        if at == len(self.words) or self.words[at] != digest:
            return None
        span = slice(int(self.starts[at]), int(self.starts[at + 1]))
        return self.places[span], self.counts[span]


class Collected:
    """What postings are made of, document by document."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._entries, self._places, self._counts, self._lengths = array("I"), array("I"), array("I"), array("I")

    def add(self, found: list[str]) -> None:
        """The words of the next document."""
        numbers, place = self._numbers, len(self._lengths)
        counted = Counter(found)
        self._lengths.append(len(found))
        self._entries.extend([numbers.setdefault(word, len(numbers)) for word in counted])
        self._counts.extend(counted.values())
        self._places.extend([place] * len(counted))

    def postings(self) -> Postings:
        """Of all that was added."""
        digests = np.fromiter((digest64(word) for word in self._numbers), np.uint64, len(self._numbers))
        order = np.argsort(digests, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        ranked = rank[np.array(self._entries, np.uint32)]
        by_word = np.argsort(ranked, kind="stable")
        return Postings(
            words=digests[order],
            starts=np.concatenate([[0], np.cumsum(np.bincount(ranked, minlength=len(order)))]).astype(np.int64),
            places=np.array(self._places, np.int32)[by_word],
            counts=np.minimum(np.array(self._counts, np.uint32), _MOST_COUNT).astype(np.uint16)[by_word],
            lengths=np.array(self._lengths, np.uint32),
        )


def mapped(file: Path) -> Places:
    """An array of a .npy file without reading it; arrays of objects are refused."""
    if file.stat().st_size <= 128:  # an empty array has no bytes to map
        return np.asarray(np.load(file, allow_pickle=False))
    found: Places = np.load(file, mmap_mode="r", allow_pickle=False)
    return found


def rarity(size: int, holding: int) -> float:
    """Idf of a word in `holding` of `size` documents: ln(1 + (N - n + 0.5) / (n + 0.5)), never negative; Lucene's."""
    return log(1 + (size - holding + 0.5) / (holding + 0.5))


def length_part(lengths: Places, mean: float) -> NDArray[np.float64]:
    """What the length of each document adds below the fraction (n,): k1 (1 - b + b length / mean)."""
    return K1 * (1 - B + B * np.asarray(lengths, dtype=np.float64) / mean)


def best(scores: NDArray[np.float64], k: int) -> list[int]:
    """Places of the `k` largest scores above 0, best first, ties by place; `k` is at least 1."""
    if k < len(scores) // 8:
        # Every place whose score could be among the best, in the order of places, so that ties end by place.
        floor = np.partition(scores, len(scores) - k)[len(scores) - k]
        among = np.flatnonzero(scores >= max(floor, np.nextafter(0, 1)))
    else:
        among = np.flatnonzero(scores > 0)
    return [int(place) for place in among[np.argsort(-scores[among], kind="stable")[:k]]]


class BM25:
    """
    An index of documents in memory, built once.

    Score of a document: sum over the query's words of idf x tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length)),
    (Robertson and Zaragoza 2009); the idf is `rarity`.

    Args:
        documents: Their texts.
        split: Words of a text.
    """

    def __init__(self, documents: Iterable[str], split: Split = words) -> None:
        self._split = split
        self._postings = Postings.of(split(document) for document in documents)
        lengths = self._postings.lengths
        self.size = len(lengths)
        mean = float(lengths.mean()) if self.size and lengths.any() else 1.0
        self._hold_back = length_part(lengths, mean)
        self._weights: dict[str, tuple[Places, NDArray[np.float64]] | None] = {}

    def scores(self, query: str) -> NDArray[np.float64]:
        """One score per document (size,), 0 where no word is shared."""
        return self.scores_of(Counter(self._split(query)))

    def scores_of(self, query: Mapping[str, float]) -> NDArray[np.float64]:
        """The same for words that count differently."""
        found = np.zeros(self.size)
        for word, times in query.items():
            known = self._weighted(word)
            if known is not None:
                found[known[0]] += times * known[1]
        return found

    def top(self, query: str, k: int = 1) -> list[tuple[int, float]]:
        """The `k` best (document, score), best first, ties by place; documents that share no word are left out."""
        scores = self.scores(query)
        return [(place, float(scores[place])) for place in best(scores, k)]

    def _weighted(self, word: str) -> tuple[Places, NDArray[np.float64]] | None:
        if word not in self._weights:
            entries = self._postings.entries(word)
            if entries is None:
                return None  # not kept: queries have no end of words that stand nowhere
            where, tf = entries[0], entries[1].astype(float)
            idf = rarity(self.size, len(where))
            self._weights[word] = (where, idf * tf * (K1 + 1) / (tf + self._hold_back[where]))
        return self._weights[word]
