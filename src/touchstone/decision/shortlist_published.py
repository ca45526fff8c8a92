"""
Quality by everything that was published on a scenario: how often a model beat others that were measured alike.

A test is one board: results that share benchmark, subset, setting, harness and measurer. On it two models are held
against each other and against nobody else, so no value of one scale ever meets one of another; what is put together is
only who was ahead of whom. Two results that their error does not tell apart, pair by pair at 95 %, are a tie. Where
nobody states the error, the better value is a win: a tie would say that the two are level, which nobody states either,
and the model of Bradley and Terry takes every outcome to be chance in part. A model weighs 1 on a test however many
stand on it, because the pairs of one test are not independent of each other.

All models of the catalog are looked at, not only those that qualify: through those that were measured in many places,
others hang together that never met. Who hangs together with none of those that qualify, or was hardly measured,
stays unknown.

Models are put in order by the strength that each has at least, with five chances in six: a lucky test does not put a
model that was hardly measured before one that was measured often.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import ModelId, PartialDate
from touchstone.decision.shortlist_base import Evidence, Published, PublishedTests
from touchstone.decision.shortlist_fit import Fit, PublishedTest, fit_of, is_won
from touchstone.evaluation.alike import RECENT_DAYS, newest_day, of_one_condition, sorted_out
from touchstone.evaluation.claim_interval import known_value

ENOUGH_KNOWN = 0.5
"""While the quality of a smaller share of those who qualify is known, the next scenario's tests are looked at too."""
FURTHER_WEIGHT = 0.5
"""Of a test that does not belong to the closest scenario."""
FEWEST_PAIRS, FEWEST_TESTS = 3, 2
"""A model's quality is known from so many pairs on, or from so many tests on;"""
LEAST_WEIGHT = 1.0
"""and from tests that together weigh as much as one of the closest scenario: a lone test of something else is luck."""
FEWEST_KNOWN = 3
"""Where it is known of fewer models than this, it puts nobody in order."""
LEVEL = math.log(1.5)
"""Strengths this close are level: of five comparisons with the stronger one, the weaker is expected to win two."""
_MOST_EVIDENCE = 3


def published(
    claims: Iterable[Claim],
    scenarios: Sequence[Scenario],
    benchmarks: Mapping[str, Benchmark],
    among: Collection[ModelId],
    released: Mapping[ModelId, PartialDate | None],
    *,
    fit: Callable[[Sequence[PublishedTest]], Fit] = fit_of,
) -> tuple[dict[ModelId, Published], PublishedTests | None]:
    """
    How each model of `among` stands whose quality is known, and what was looked at; nothing of either where it is known
    of fewer than `FEWEST_KNOWN`.

    Args:
        claims: Of all models; own results are left out.
        scenarios: What the task is like, the closest first.
        among: Those that qualify.
        released: By model; tells how old a table is that carries no date.
        fit: Works out the strengths, or remembers them.
    """
    wanted = frozenset(among)
    looked_at, used = _tests_of(claims, scenarios, benchmarks, wanted, released)
    tests = _within_reach(looked_at, wanted)
    fitted = fit(tests)
    strengths = fitted.strengths
    measured = _measured(tests)
    met = [model for model in strengths if model in wanted and measured[model].enough]
    sizes = Counter(strengths[model].part for model in met)
    part = min(sizes, key=lambda one: (-sizes[one], one), default=0)
    known = [model for model in met if strengths[model].part == part]
    if len(known) < FEWEST_KNOWN:
        return {}, None
    stands: defaultdict[ModelId, list[tuple[PublishedTest, int, int]]] = defaultdict(list)
    for test, told in zip(tests, fitted.told_apart, strict=True):
        for at, one in enumerate(test.results):
            stands[one.model].append((test, at, told[at]))
    found = {
        model: Published(
            strength=strengths[model].value,
            at_least=strengths[model].value - strengths[model].error,
            low=strengths[model].low,
            high=strengths[model].high,
            place=strengths[model].place,
            best_place=strengths[model].best_place,
            worst_place=strengths[model].worst_place,
            of=len(strengths),
            tests=measured[model].tests,
            pairs=measured[model].pairs,
            evidence=_evidence(stands[model]),
        )
        for model in known
    }
    basis = PublishedTests(
        scenarios=used, tests=len(tests), pairs=fitted.pairs, models=len(strengths), known=len(known)
    )
    return found, basis


def groups_of_published(found: Mapping[ModelId, Published]) -> dict[ModelId, int]:
    """The group of each model, the best is 0: the strongest leads everybody who is level with it, and so on."""
    groups: dict[ModelId, int] = {}
    group, leads = -1, math.inf
    for model in sorted(found, key=lambda model: (-found[model].at_least, model)):
        if group < 0 or found[model].at_least < leads - LEVEL:
            group, leads = group + 1, found[model].at_least
        groups[model] = group
    return groups


def _tests_of(
    claims: Iterable[Claim],
    scenarios: Sequence[Scenario],
    benchmarks: Mapping[str, Benchmark],
    among: frozenset[ModelId],
    released: Mapping[ModelId, PartialDate | None],
) -> tuple[list[PublishedTest], tuple[str, ...]]:
    """The recent tests of the closest scenarios, and which those are."""
    by_benchmark: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if not claim.ours:
            by_benchmark[claim.benchmark].append(claim)
    found: dict[tuple[str, ...], PublishedTest] = {}
    used: list[str] = []
    measured: defaultdict[ModelId, _Measured] = defaultdict(_Measured)
    boards: dict[str, list[PublishedTest]] = {}  # a benchmark may speak for several scenarios
    for scenario in scenarios:
        weight = FURTHER_WEIGHT if used else 1.0
        tests = []
        for fit in scenario.benchmarks:
            benchmark = benchmarks.get(fit.benchmark)
            if benchmark is None:
                continue
            if benchmark.id not in boards:
                boards[benchmark.id] = list(_boards(benchmark, by_benchmark[benchmark.id], released))
            tests += [board._replace(weight=weight) for board in boards[benchmark.id]]
        newest = max((test.day for test in tests), default=0)
        for test in tests:
            condition = test.results[0].condition
            if newest - test.day <= RECENT_DAYS and condition not in found:
                found[condition] = test
                _measure(measured, test)
        used.append(scenario.id)
        if sum(measured[model].enough for model in among) >= ENOUGH_KNOWN * len(among):
            break
    return list(found.values()), tuple(used)


def _boards(
    benchmark: Benchmark, claims: Iterable[Claim], released: Mapping[ModelId, PartialDate | None]
) -> Iterator[PublishedTest]:
    """Those of a benchmark on which two models or more can be held against each other."""
    for group in of_one_condition(benchmark, claims):
        if len({claim.model for claim in group}) > 1:
            rows = sorted_out(benchmark, group)[0]
            best = {claim.model: claim for claim in reversed(rows)}  # the later one stays, and the best is the last
            results = tuple(claim for claim in rows if best[claim.model] is claim)
            if len(results) > 1:
                yield PublishedTest(benchmark, results, newest_day(rows, released), weight=1.0)


class _Measured:
    """What a model was measured on; counted up, test by test."""

    __slots__ = ("pairs", "tests", "weight")

    def __init__(self) -> None:
        self.tests, self.pairs, self.weight = 0, 0, 0.0

    @property
    def enough(self) -> bool:
        return self.weight >= LEAST_WEIGHT and (self.pairs >= FEWEST_PAIRS or self.tests >= FEWEST_TESTS)


def _measured(tests: Iterable[PublishedTest]) -> Mapping[ModelId, _Measured]:
    found: defaultdict[ModelId, _Measured] = defaultdict(_Measured)
    for test in tests:
        _measure(found, test)
    return found


def _measure(found: defaultdict[ModelId, _Measured], test: PublishedTest) -> None:
    """Count a test to what each of its models was measured on."""
    for claim in test.results:
        one = found[claim.model]
        one.tests += 1
        one.pairs += len(test.results) - 1
        one.weight += test.weight


def _within_reach(tests: Iterable[PublishedTest], among: frozenset[ModelId]) -> list[PublishedTest]:
    """Those that hang together, test by test, with some model of `among`."""
    reached, left = set(among), list(tests)
    found: list[PublishedTest] = []
    near = left
    while near:
        near = [test for test in left if not reached.isdisjoint(one.model for one in test.results)]
        left = [test for test in left if reached.isdisjoint(one.model for one in test.results)]
        reached |= {one.model for test in near for one in test.results}
        found += near
    return found


def _evidence(stands: Iterable[tuple[PublishedTest, int, int]]) -> tuple[Evidence, ...]:
    """
    The tests that say most of a model, one of a benchmark: where it is told apart from most others.

    Args:
        stands: Each test with the model's place on it, from 0, and from how many others it is told apart there.
    """
    apart = list(stands)
    apart.sort(key=lambda one: (-one[0].weight * one[2], -len(one[0].results), -one[0].day))  # stable: then as listed
    found: dict[str, Evidence] = {}
    for test, at, count in apart:
        if test.benchmark.id not in found and len(found) < _MOST_EVIDENCE:
            rival = test.results[at + 1 if at + 1 < len(test.results) else at - 1]
            mine = test.results[at]
            known, other = known_value(test.benchmark, mine), known_value(test.benchmark, rival)
            found[test.benchmark.id] = Evidence(
                benchmark=test.benchmark.name,
                claim=mine,
                place=at + 1,
                of=len(test.results),
                told_apart=count,
                rival=rival,
                level=not is_won(mine, known, rival, other),
            )
    return tuple(found.values())
