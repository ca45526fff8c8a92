"""What may be asked of the cells of a comparison, and how many of them each answer would leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from touchstone.noun import Noun

Vector = np.ndarray[Any, Any]

SORTS = ("case", "disagreement", "score", "score-high", "cost", "latency")
"""In the order of the cases; most disagreement first; lowest score first; highest first; dearest; slowest."""

Sort = Literal["case", "disagreement", "score", "score-high", "cost", "latency"]
Differ = Literal["", "score", "answer"]
State = Literal["", "excluded", "corrected", "counted"]
Bucket = Literal["zero", "part", "full", "none"]

BUCKETS: tuple[Bucket, ...] = ("zero", "part", "full", "none")
"""A score of 0; between; of 1; none at all."""


class AnswerFilter(Noun):
    """Which cells are meant; what is empty asks nothing."""

    candidates: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    low: float | None = None
    """Least strict score, from 0 to 1."""
    high: float | None = None
    buckets: tuple[str, ...] = ()
    """Of `BUCKETS`."""
    tags: tuple[str, ...] = ()
    """The case has one of them."""
    groups: tuple[str, ...] = ()
    differ: Differ = ""
    """Cases on which candidates differ: in score, or in the answer that was read."""
    state: State = ""
    """Cases that were left out, were given another target, or neither left out."""


class Count(NamedTuple):
    """A value that can be asked for, and how many cells it would leave with everything else that is asked."""

    value: str
    cells: int


@dataclass(frozen=True)
class Facets:
    """Counts of every filter's values, under all other filters."""

    candidates: tuple[Count, ...]
    kinds: tuple[Count, ...]
    buckets: tuple[Count, ...]
    tags: tuple[Count, ...]
    """The most frequent ones."""
    groups: tuple[Count, ...]
    differ: tuple[Count, ...]
    states: tuple[Count, ...]


@dataclass(frozen=True)
class Labels:
    """Words that cases carry: tags or groups."""

    names: tuple[str, ...]
    case: Vector
    """Case of each pair of case and word, shape (pairs,)."""
    word: Vector
    """Place in `names`, shape (pairs,)."""

    @classmethod
    def read(cls, words: Sequence[Sequence[str]]) -> Labels:
        """Of the words of each case."""
        places: dict[str, int] = {}
        cases: list[int] = []
        found: list[int] = []
        for case, own in enumerate(words):
            for word in own:
                cases.append(case)
                found.append(places.setdefault(word, len(places)))
        return cls(tuple(places), np.array(cases, dtype=np.int64), np.array(found, dtype=np.int64))

    def mask(self, cases: int, wanted: Sequence[str]) -> Vector:
        """Cases that carry one of the words, shape (cases,)."""
        found = np.zeros(cases, dtype=bool)
        codes = [self.names.index(word) for word in wanted if word in self.names]
        found[self.case[np.isin(self.word, codes)]] = True
        return found

    def counts(self, weights: Vector, most: int) -> tuple[Count, ...]:
        """Words with the weights of their cases, the heaviest first."""
        if not self.names:
            return ()
        sums = np.bincount(self.word, weights=weights[self.case], minlength=len(self.names))
        order = np.argsort(-sums, kind="stable")[:most]
        return tuple(Count(self.names[place], int(sums[place])) for place in order if sums[place] > 0)


def buckets_of(score: Vector) -> Vector:
    """Places in `BUCKETS` of scores, shape as `score`; NaN is no score."""
    found = np.full(score.shape, BUCKETS.index("part"), dtype=np.uint8)
    found[score == 0] = BUCKETS.index("zero")
    found[score == 1] = BUCKETS.index("full")
    found[np.isnan(score)] = BUCKETS.index("none")
    return found


def spread_of(score: Vector, repeats: int) -> Vector:
    """
    Largest difference of two candidates on each case, shape (cases,); NaN where fewer than two have a score.

    Args:
        score: Shape (candidates x repeats, cases); a candidate's draws lie below each other, and their mean is meant.
    """
    means = score
    if repeats > 1:
        draws = score.reshape(-1, repeats, score.shape[1])
        known = ~np.isnan(draws)
        count = known.sum(axis=1)
        total = np.where(known, draws, 0.0).sum(axis=1)
        means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    missing = np.isnan(means)
    high = np.where(missing, -np.inf, means).max(axis=0, initial=-np.inf)
    low = np.where(missing, np.inf, means).min(axis=0, initial=np.inf)
    with np.errstate(invalid="ignore"):
        return np.where((~missing).sum(axis=0) > 1, high - low, np.nan).astype(np.float32)
