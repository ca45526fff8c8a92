"""
Quality by everything that was published on a scenario: how often a model beat others that were measured alike.

A test is one board: results that share benchmark, subset, setting, harness and measurer. On it two models are held
against each other and against nobody else, so no value of one scale ever meets one of another; what is put together is
only who was ahead of whom. Two results that their error does not tell apart, pair by pair at 95 %, are a tie. Where
nobody states the error, the better value is taken for a win of half the weight. A model weighs 1 on a test however many
stand on it, because the pairs of one test are not independent of each other.

All models of the catalog are looked at, not only those that qualify: through those that were measured in many places,
others hang together that never met. Who hangs together with none of those that qualify, or was hardly measured,
stays unknown.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import ModelId, PartialDate, earliest
from touchstone.decision.shortlist_base import Evidence, Published, PublishedTests
from touchstone.evaluation.bradley_terry import Outcome, bradley_terry
from touchstone.evaluation.claim_interval import gap, known_value
from touchstone.evaluation.leaderboard import alike

RECENT_DAYS = 730
"""A test whose newest result is older than this than the newest of its scenario says nothing: it is of other models."""
ENOUGH_TESTS = 20
"""While fewer tests than this have a model on them that qualifies, those of the next scenario are looked at too."""
FEWEST_PAIRS, FEWEST_TESTS = 3, 2
"""A model's quality is known from so many pairs on, or from so many tests on."""
FEWEST_KNOWN = 3
"""Where it is known of fewer models than this, it puts nobody in order."""
UNSTATED_WEIGHT = 0.5
"""Of a pair whose error nobody states."""
LEVEL = math.log(2)
"""Strengths this close are level: of three comparisons with the stronger one, the weaker is expected to win one."""
_TOLD_APART = 0.05
_MOST_EVIDENCE = 3


class _Test(NamedTuple):
    benchmark: Benchmark
    results: tuple[Claim, ...]
    """The best one of each model, best first."""
    day: int
    """Of the newest result, as an ordinal."""


def published(
    claims: Iterable[Claim],
    scenarios: Sequence[Scenario],
    benchmarks: Mapping[str, Benchmark],
    among: Collection[ModelId],
    released: Mapping[ModelId, PartialDate | None],
) -> tuple[dict[ModelId, Published], PublishedTests | None]:
    """
    How each model of `among` stands whose quality is known, the strongest first, and what was looked at; all of nothing
    where it is known of fewer than `FEWEST_KNOWN`.

    Args:
        claims: Of all models; own results are left out.
        scenarios: What the task is like, the closest first.
        among: Those that qualify.
        released: By model; tells how old a table is that carries no date.
    """
    tests, used = _tests_of(claims, scenarios, benchmarks, frozenset(among), released)
    met = [(test, pair) for test in tests for pair in _pairs(test)]
    strengths = bradley_terry(
        Outcome(pair.better.model, pair.worse.model, 1.0 if pair.won else 0.5, pair.weight) for _test, pair in met
    )
    of_tests: Counter[ModelId] = Counter(one.model for test in tests for one in test.results)
    of_pairs: Counter[ModelId] = Counter(one.model for _test, pair in met for one in (pair.better, pair.worse))
    wide = [
        model
        for model in strengths
        if model in among and (of_pairs[model] >= FEWEST_PAIRS or of_tests[model] >= FEWEST_TESTS)
    ]
    sizes = Counter(strengths[model].part for model in wide)
    part = min(sizes, key=lambda one: (-sizes[one], one), default=0)
    known = [model for model in wide if strengths[model].part == part]
    if len(known) < FEWEST_KNOWN:
        return {}, None
    told: dict[tuple[int, ModelId], int] = defaultdict(int)
    for test, pair in met:
        if pair.won:
            for one in (pair.better, pair.worse):
                told[id(test), one.model] += 1
    found = {
        model: Published(
            strength=strengths[model].value,
            low=strengths[model].low,
            high=strengths[model].high,
            place=strengths[model].place,
            best_place=strengths[model].best_place,
            worst_place=strengths[model].worst_place,
            of=len(strengths),
            tests=of_tests[model],
            pairs=of_pairs[model],
            evidence=_evidence(model, tests, told),
        )
        for model in known
    }
    basis = PublishedTests(scenarios=used, tests=len(tests), pairs=len(met), models=len(strengths), known=len(known))
    return found, basis


def groups_of_published(found: Mapping[ModelId, Published]) -> dict[ModelId, int]:
    """The group of each model, the best is 0: the strongest leads everybody who is level with it, and so on."""
    groups: dict[ModelId, int] = {}
    group, leads = -1, math.inf
    for model in sorted(found, key=lambda model: (-found[model].strength, model)):
        if group < 0 or found[model].strength < leads - LEVEL:
            group, leads = group + 1, found[model].strength
        groups[model] = group
    return groups


def _tests_of(
    claims: Iterable[Claim],
    scenarios: Sequence[Scenario],
    benchmarks: Mapping[str, Benchmark],
    among: frozenset[ModelId],
    released: Mapping[ModelId, PartialDate | None],
) -> tuple[list[_Test], tuple[str, ...]]:
    """The recent tests of the closest scenarios, and which those are."""
    by_benchmark: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if not claim.ours:
            by_benchmark[claim.benchmark].append(claim)
    found: dict[tuple[str, ...], _Test] = {}
    used = []
    for scenario in scenarios:
        tests = []
        for fit in scenario.benchmarks:
            benchmark = benchmarks.get(fit.benchmark)
            for rows in alike(benchmark, by_benchmark[fit.benchmark]) if benchmark else ():
                of_model = {claim.model: claim for claim in reversed(rows)}  # so that the best one stays
                results = tuple(claim for claim in rows if of_model[claim.model] is claim)
                if benchmark is not None and len(results) > 1:
                    tests.append(_Test(benchmark, results, _day(rows, released)))
        newest = max((test.day for test in tests), default=0)
        found |= {test.results[0].condition: test for test in tests if newest - test.day <= RECENT_DAYS}
        used.append(scenario.id)
        if sum(any(one.model in among for one in test.results) for test in found.values()) >= ENOUGH_TESTS:
            break
    return list(found.values()), tuple(used)


def _day(claims: Sequence[Claim], released: Mapping[ModelId, PartialDate | None]) -> int:
    """
    When the newest result was measured, as an ordinal.

    A table without dates is about as old as the newest model on it: the day that somebody read it says nothing.
    """
    days = (
        [claim.date for claim in claims if claim.date]
        or [day for claim in claims if (day := released.get(claim.model))]
        or [claim.as_of for claim in claims]
    )
    return max(earliest(day).toordinal() for day in days)


class _Pair(NamedTuple):
    better: Claim
    worse: Claim
    won: bool
    """False for a tie."""
    weight: float


def _pairs(test: _Test) -> Iterable[_Pair]:
    weight = 1 / (len(test.results) - 1)
    known = [known_value(test.benchmark, claim) for claim in test.results]
    for (better, one), (worse, other) in itertools.combinations(zip(test.results, known, strict=True), 2):
        if one is None or other is None:
            yield _Pair(better, worse, better.value != worse.value, weight * UNSTATED_WEIGHT)
        else:
            yield _Pair(better, worse, gap(one, other).p <= _TOLD_APART, weight)


def _evidence(model: ModelId, tests: Sequence[_Test], told: Mapping[tuple[int, ModelId], int]) -> tuple[Evidence, ...]:
    """The tests that say most of a model, one of a benchmark: where it is told apart from most others."""
    mine = []
    for test in tests:
        place = next((at for at, one in enumerate(test.results) if one.model == model), None)
        if place is not None:
            mine.append((-told.get((id(test), model), 0), -len(test.results), -test.day, len(mine), test, place))
    found: dict[str, Evidence] = {}
    for *_order, test, at in sorted(mine, key=lambda one: one[:4]):
        if test.benchmark.id not in found and len(found) < _MOST_EVIDENCE:
            rival = test.results[at + 1 if at + 1 < len(test.results) else at - 1]
            found[test.benchmark.id] = Evidence(
                benchmark=test.benchmark.name,
                claim=test.results[at],
                place=at + 1,
                of=len(test.results),
                told_apart=told.get((id(test), model), 0),
                rival=rival,
            )
    return tuple(found.values())
