"""
What many published tests say together of how strong each model is: who beat whom on each of them, and the strengths.

Two results that their error does not tell apart, pair by pair at 95 %, are a tie; `shortlist_published` says why.
Working it out takes most of a shortlist's time and depends on nothing but the tests, so it can be kept under `key_of`
them and read again.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import combinations
from typing import NamedTuple

import orjson

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import ModelId
from touchstone.evaluation.bradley_terry import Outcome, Strength, bradley_terry
from touchstone.evaluation.claim_interval import KnownValue, gap, known_value

FIT_VERSION = 1
"""Part of the key: raise it when the same tests give other numbers, here or in `evaluation/bradley_terry.py`."""
_TOLD_APART = 0.05


class PublishedTest(NamedTuple):
    """Results that were measured alike."""

    benchmark: Benchmark
    results: tuple[Claim, ...]
    """The best one of each model, best first; two at least."""
    day: int
    """Of the newest result, as an ordinal."""
    weight: float
    """Of each model on it, however many there are."""


class Fit(NamedTuple):
    """What tests say together."""

    strengths: dict[ModelId, Strength]
    """The strongest first."""
    pairs: int
    told_apart: list[list[int]]
    """Of each test, in their order, and each result on it: from how many others it is told apart."""


def fit_of(tests: Sequence[PublishedTest]) -> Fit:
    """The strengths of all models of some tests, worked out."""
    told_apart = [[0] * len(test.results) for test in tests]
    outcomes = [one for test, told in zip(tests, told_apart, strict=True) for one in _outcomes(test, told)]
    return Fit(bradley_terry(outcomes), len(outcomes), told_apart)


def is_won(better: Claim, one: KnownValue | None, worse: Claim, other: KnownValue | None) -> bool:
    """Whether the better of two results is a win, and no tie; `one` and `other` are their values where known."""
    if one is None or other is None:
        return better.value != worse.value
    return gap(one, other).p <= _TOLD_APART


def key_of(tests: Sequence[PublishedTest]) -> str:
    """A digest of everything of some tests that `fit_of` looks at."""
    seen = [
        (
            test.weight,
            (test.benchmark.kind, test.benchmark.unit, test.benchmark.questions),
            [(one.model, one.value, one.low, one.high, one.questions, one.subset is None) for one in test.results],
        )
        for test in tests
    ]
    return blake2b(orjson.dumps((FIT_VERSION, seen)), digest_size=16).hexdigest()


def fit_as_json(fit: Fit) -> bytes:
    """A fit to be kept; `fit_from_json` gives back the same numbers."""
    strengths = [(model, *one) for model, one in fit.strengths.items()]
    return orjson.dumps({"strengths": strengths, "pairs": fit.pairs, "told_apart": fit.told_apart})


def fit_from_json(body: bytes) -> Fit:
    """The fit that `fit_as_json` wrote."""
    found = orjson.loads(body)
    return Fit({model: Strength(*one) for model, *one in found["strengths"]}, found["pairs"], found["told_apart"])


def _outcomes(test: PublishedTest, told: list[int]) -> Iterator[Outcome]:
    """Every pair of a test; wins are counted into `told` on the way."""
    weight = test.weight / (len(test.results) - 1)
    known = [known_value(test.benchmark, claim) for claim in test.results]
    for (i, better), (j, worse) in combinations(enumerate(test.results), 2):
        won = is_won(better, known[i], worse, known[j])
        if won:
            told[i] += 1
            told[j] += 1
        yield Outcome(better.model, worse.model, 1.0 if won else 0.5, weight)
