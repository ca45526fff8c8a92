"""A reranker that needs no weights of a model: how completely and how closely a passage holds the query's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain

from touchstone.retrieval.base import Found
from touchstone.retrieval.bm25 import K1, B, rarity
from touchstone.retrieval.fuse import K
from touchstone.retrieval.pieces import sentences
from touchstone.retrieval.tokens import TERMS_VERSION, terms, weight

VERSION = 1
"""Raise it when the same passages come in another order."""

WINDOW = 3
"""Neighbouring sentences that are looked at together: an answer and what it refers to."""

FIRST = 16.0
"""
What the first ranking counts, as 60 / (60 + rank), beside the signs of `TermReranker`, which count 1 each.

Chosen on the odd questions of XQuAD among 0, 1, 4 and 16, with 0 to 2 for the signs, behind the hybrid. Recall at 1 and
5 there, then on the even ones. English: hybrid alone 0.935 and 0.990, 0.936 and 0.992; this 0.943 and 0.990, 0.941 and
0.992. Chinese: 0.936 and 0.988, 0.929 and 0.993; this 0.940 and 0.988, 0.933 and 0.993. With less weight the signs
alone decide, which did as well on odd questions and worse on even English ones (0.926 at 1).
"""

HEADING = 0.25
"""What the share of the query in title and headings counts. XQuAD has neither, so nothing was measured for it."""


class TermReranker:
    """
    Adds to a passage's rank signs from 0 to 1, in each of which a term of the query counts by its rarity.

    They are: BM25 among the passages at hand; the share of the query that stands in the passage or its headings; how
    close its terms stand to each other; the share in the best `WINDOW` neighbouring sentences; the share in headings.

    Args:
        rarity: Idf of a term, as an index knows it (`OpenIndex.rarity`); None takes it from the passages at hand.
        first: What the first ranking counts; 0 where the passages come in no order that says anything.
    """

    name = "terms"

    def __init__(self, rarity: Callable[[str], float] | None = None, *, first: float = FIRST) -> None:
        self.rarity = rarity
        self.first = first

    @property
    def identity(self) -> str:
        """Kind and version."""
        return f"{self.name} {VERSION} terms {TERMS_VERSION}"

    def rerank(self, query: str, found: Sequence[Found]) -> tuple[Found, ...]:
        """The same passages, best first; ties keep the order they came in."""
        if not found:
            return ()
        known = self.rarity or _rarity_among(found)
        values = {term: weight(term) * known(term) for term in terms(query)}
        total = sum(values.values()) or 1.0
        said = [_sentences(one.passage.text) for one in found]
        words = [[*chain.from_iterable(parts)] for parts in said]
        headings = [frozenset(terms(one.passage.heading)) for one in found]
        relevance = _bm25(words, values)
        top = max(relevance) or 1.0
        scores = [
            self.first * K / (K + rank) + own / top + _signs(heading, parts, flat, values) / total
            for rank, (heading, parts, flat, own) in enumerate(zip(headings, said, words, relevance, strict=True), 1)
        ]
        order = sorted(range(len(found)), key=lambda place: (-scores[place], place))
        return tuple(found[place].model_copy(update={"score": scores[place]}) for place in order)


def _bm25(said: Sequence[Sequence[str]], values: Mapping[str, float]) -> list[float]:
    """The formula of `BM25`, with the mean length of the passages at hand."""
    mean = sum(map(len, said)) / len(said) or 1.0
    scores = []
    for words in said:
        counts = Counter(word for word in words if word in values)
        hold_back = K1 * (1 - B + B * len(words) / mean)
        scores.append(sum(values[word] * tf * (K1 + 1) / (tf + hold_back) for word, tf in counts.items()))
    return scores


def _signs(
    heading: frozenset[str], parts: Sequence[Sequence[str]], words: Sequence[str], values: Mapping[str, float]
) -> float:
    def share(held: set[str]) -> float:
        return sum(values[term] for term in held)

    asked = values.keys()
    held = [asked & set(part) for part in parts]
    window = max(share(set().union(*held[at : at + WINDOW])) for at in range(max(1, len(held) - WINDOW + 1)))
    own = asked & heading
    return share(own.union(*held)) + _closeness(words, values) + window + HEADING * share(own)


def _closeness(words: Sequence[str], values: Mapping[str, float]) -> float:
    """
    Sum over neighbouring pairs of different query terms in the text of their smaller value / distance, each pair once
    at its closest; at most the sum of all values (Buettcher, Clarke and Lushman 2006 weigh pairs alike).
    """
    best: dict[tuple[str, str], float] = {}
    last: tuple[int, str] | None = None
    for place, word in enumerate(words):
        if word not in values:
            continue
        if last is not None and last[1] != word:
            pair = (min(last[1], word), max(last[1], word))
            worth = min(values[last[1]], values[word]) / (place - last[0])
            best[pair] = max(best.get(pair, 0.0), worth)
        last = (place, word)
    return min(sum(best.values()), sum(values.values()))


@lru_cache(maxsize=1_000)
def _sentences(text: str) -> tuple[tuple[str, ...], ...]:
    """The terms of each sentence; the passages that are found for many questions are read once."""
    return tuple(tuple(terms(text[span.start : span.end])) for span in sentences(text))


def _rarity_among(found: Sequence[Found]) -> Callable[[str], float]:
    holding = Counter(term for one in found for term in set(terms(one.passage.searched)))
    return lambda term: rarity(len(found), holding[term])
