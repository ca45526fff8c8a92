"""Ways of choosing examples: one set for all cases, or the nearest ones for each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from touchstone.data.base import Case
from touchstone.retrieval.tokens import words
from touchstone.strategies.chat import Shown
from touchstone.strategies.example_pool import Example, Pool, digest_of, question_key

_REMEMBERED_QUESTIONS, _REMEMBERED_PLACES = 4_096, 16
"""Of one pool; some 3 MB."""


class OneSet:
    """
    The same examples for every case.

    Args:
        examples: In their order; those beyond `k` take the place of one that asks just what a case asks.
        k: How many are shown.
    """

    def __init__(self, examples: Sequence[Example], k: int) -> None:
        self.examples = examples
        self.k = k
        self.identity = f"set {k} {digest_of(examples)}"
        self.always = tuple(one.shown for one in examples[: k + 1])

    def choose(self, case: Case) -> tuple[Shown, ...]:
        """The first `k`, the case itself never among them."""
        own = question_key(case)
        return tuple(one.shown for one in self.examples[: self.k + 1] if one.key != own)[: self.k]


class Nearest:
    """
    For each case the examples whose questions share the most with it, by BM25.

    Where fewer than `k` share a word, the pool's first ones fill up.

    Args:
        pool: To choose from.
        k: How many are shown.
        best_last: Whether the nearest stands last, right before the question.
    """

    def __init__(self, pool: Pool, k: int, *, best_last: bool) -> None:
        self.pool = pool
        self.k = k
        self.best_last = best_last
        self._index = _similar_to(tuple(one.shown.case.text for one in pool.examples))
        self.identity = f"nearest {k} {best_last} {pool.digest}"
        self.always: tuple[Shown, ...] = ()

    def ranked(self, case: Case, count: int) -> tuple[tuple[Example, float], ...]:
        """The `count` nearest with their scores by BM25, best first; fewer where not so many share a word."""
        return tuple((self.pool.examples[place], score) for place, score in self._index.scored(case.text, count))

    def choose(self, case: Case) -> tuple[Shown, ...]:
        """The `k` nearest, the case itself never among them."""
        own = question_key(case)
        places = list(self._index.nearest(case.text, self.k + 1))
        places += [place for place in range(min(2 * self.k + 1, len(self.pool.examples))) if place not in places]
        found = [self.pool.examples[place] for place in places]
        chosen = [one.shown for one in found if one.key != own][: self.k]
        return tuple(reversed(chosen) if self.best_last else chosen)


class _Similar:
    """
    Finds texts that are like a question, and remembers which.

    Candidates that differ by how many examples they show, as in a sweep, ask it the same questions.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from touchstone.retrieval.bm25 import BM25

        self._index = BM25(texts)
        self._remembered = lru_cache(maxsize=_REMEMBERED_QUESTIONS)(self._places)

    def nearest(self, text: str, count: int) -> Sequence[int]:
        """Places of the `count` texts nearest to one, best first; fewer where not so many share a word."""
        return self._remembered(text)[:count] if count <= _REMEMBERED_PLACES else self._places(text, count)

    def scored(self, text: str, count: int) -> Sequence[tuple[int, float]]:
        """The same with their scores."""
        return self._index.top(text, count)

    def _places(self, text: str, count: int = _REMEMBERED_PLACES) -> tuple[int, ...]:
        return tuple(place for place, _ in self._index.top(text, count))


@lru_cache(maxsize=1)
def _similar_to(texts: tuple[str, ...]) -> _Similar:
    return _Similar(texts)


def first(pool: Pool, _count: int, _seed: int) -> Sequence[Example]:
    """In the order of the file."""
    return pool.examples


def at_random(pool: Pool, count: int, seed: int) -> Sequence[Example]:
    """Drawn with a seed; with a larger `count` the same ones come first, so that a sweep adds examples to others."""
    order = list(pool.examples)
    random.Random(seed).shuffle(order)  # noqa: S311 - a draw that must come out the same again
    return order[:count]


def diverse(pool: Pool, count: int, _seed: int, *, per_label: bool = False) -> Sequence[Example]:
    """
    Examples that are unlike each other.

    The first is the most typical one: its words are on average in the most questions. Each further one is that whose
    nearest chosen neighbour is farthest away (Gonzalez 1985, "Clustering to minimize the maximum intercluster
    distance"), by the share of words that two questions do not have in common (Jaccard distance). Ties go to the
    earlier one. It takes count x pool comparisons of word sets.

    Args:
        per_label: Whether the labels take turns, the most frequent first, so that each is shown before any twice.
    """
    sets = [frozenset(words(one.shown.case.text)) for one in pool.examples]
    spread = Counter(word for own in sets for word in own)
    typical = [sum(spread[word] for word in own) / len(own) if own else 0.0 for own in sets]
    labels = Counter(one.target for one in pool.examples)
    turns = sorted(labels, key=lambda label: (-labels[label], label)) if per_label else []
    far = [1.0] * len(sets)
    left = set(range(len(sets)))
    chosen: list[int] = []
    while left and len(chosen) < count:
        among = left
        if per_label:
            # A label whose examples are all shown is passed over.
            while not (among := {place for place in left if pool.examples[place].target == turns[0]}):
                turns.append(turns.pop(0))
            turns.append(turns.pop(0))
        best = min(among, key=lambda place: (-far[place], -typical[place], place))
        chosen.append(best)
        left.discard(best)
        for place in left:
            both = len(sets[place] | sets[best])
            distance = 1.0 - len(sets[place] & sets[best]) / both if both else 0.0
            far[place] = min(far[place], distance)
    return [pool.examples[place] for place in chosen]
