"""BM25: rank documents by the words they share with a query."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from math import log
from typing import Any

import numpy as np

from touchstone.retrieval.tokens import words

K1 = 1.2
"""How quickly repeats of a word stop counting; Robertson and Zaragoza 2009, section 3.2: 1.2 to 2."""

B = 0.75
"""How much long documents are held back; same source: 0.5 to 0.8."""


class BM25:
    """
    An index of documents, built once.

    Score of a document: sum over the query's words of idf x tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length)),
    idf = ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative (Robertson and Zaragoza 2009; the idf is Lucene's).
    """

    def __init__(self, documents: Iterable[str]) -> None:
        places: dict[str, array[int]] = {}
        counts: dict[str, array[int]] = {}
        lengths = array("I")
        for place, document in enumerate(documents):
            tokens = words(document)
            lengths.append(len(tokens))
            for word, count in Counter(tokens).items():
                places.setdefault(word, array("I")).append(place)
                counts.setdefault(word, array("I")).append(count)
        self.size = len(lengths)
        length = np.array(lengths, dtype=float)
        mean = float(length.mean()) if self.size and length.any() else 1.0
        hold_back = K1 * (1 - B + B * length / mean)
        self._postings: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
        for word, found in places.items():
            where = np.array(found, dtype=np.int64)
            tf = np.array(counts[word], dtype=float)
            idf = log(1 + (self.size - len(where) + 0.5) / (len(where) + 0.5))
            self._postings[word] = (where, idf * tf * (K1 + 1) / (tf + hold_back[where]))

    def scores(self, query: str) -> np.ndarray[Any, Any]:
        """One score per document (size,), 0 where no word is shared."""
        found = np.zeros(self.size)
        for word, times in Counter(words(query)).items():
            if word in self._postings:
                where, weight = self._postings[word]
                found[where] += times * weight
        return found

    def top(self, query: str, k: int = 1) -> list[tuple[int, float]]:
        """The `k` best (document, score), best first, ties by place; documents that share no word are left out."""
        scores = self.scores(query)
        order = np.argsort(-scores, kind="stable")[:k]
        return [(int(place), float(scores[place])) for place in order if scores[place] > 0]
