"""
Published results as rankings of like with like, and the same points against price and against date.

Pure: claims, prices and dates come in as arguments. Nothing here averages over benchmarks, whose scales are unlike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import ModelId, PartialDate, earliest
from touchstone.evaluation.alike import RECENT_DAYS, merit, natural, newest_day, of_one_condition, order, sorted_out
from touchstone.evaluation.base import PairResult
from touchstone.evaluation.claim_interval import KnownValue, gap, known_value, question_count
from touchstone.evaluation.leaderboard_nouns import (
    Apart,
    Board,
    DatePoint,
    Difference,
    Feature,
    Leaderboard,
    OverTime,
    Place,
    PricePoint,
    ScenarioBoards,
    TradeOff,
)
from touchstone.evaluation.ranks import pareto_front, rank_intervals

RANK_METHOD = (
    "pairs as if their questions were not shared: score test of two shares where both are counted, else normal "
    "distance of the intervals' ends; Holm over all pairs of the board at 95 %"
)
"""How rank intervals are made."""


def leaderboard(benchmark: Benchmark, claims: Iterable[Claim]) -> Leaderboard:
    """
    The results on one benchmark as rankings of like with like.

    Claims are grouped by `Claim.condition`. Within a group a model stands once per snapshot and mode, with its newest
    result; of two of one day the worse one, so that nobody gains by being measured often. Results on part of the
    questions stand apart. What still differs inside a group is said in `Board.differences`.

    Args:
        claims: Of any benchmark and in any order; those of others are left out.
    """
    found = [(_board(benchmark, group), newest_day(group)) for group in of_one_condition(benchmark, claims)]
    since = max((day for _board, day in found), default=0) - RECENT_DAYS
    found.sort(key=lambda one: (one[1] < since, -len(one[0].places), not one[0].ours))  # stable: then by condition
    return Leaderboard(benchmark=benchmark, boards=tuple(board for board, _day in found))


def scenario_boards(
    scenario: Scenario, benchmarks: Mapping[str, Benchmark], claims: Collection[Claim]
) -> ScenarioBoards:
    """
    The leaderboards of a scenario's benchmarks, one after the other.

    Raises:
        KeyError: the scenario names a benchmark that `benchmarks` lacks.
    """
    found = tuple(leaderboard(benchmarks[fit.benchmark], claims) for fit in scenario.benchmarks)
    return ScenarioBoards(scenario=scenario, leaderboards=found)


def trade_off(benchmark: Benchmark, board: Board, prices: Mapping[ModelId, float | None] | None = None) -> TradeOff:
    """
    Score against price, with the front of points that nobody beats on both.

    A board and not claims comes in, so that points of two conditions never meet on one chart. The front goes by the
    published values; neighbours on it may be within each other's error.

    Args:
        prices: USD by model, of whatever the caller compares (a million blended tokens, a month); None or no entry
            means unknown. Without prices, what each measurement cost.
    """
    priced: dict[str, tuple[Claim, float]] = {}
    unpriced = []
    for at, place in enumerate(board.places):
        usd = place.claim.usd if prices is None else prices.get(place.claim.model)
        if usd is None:
            unpriced.append(place.claim)
        else:
            priced[str(at)] = (place.claim, usd)
    front = set(pareto_front({at: (merit(benchmark, claim), usd, None) for at, (claim, usd) in priced.items()}))
    points = [PricePoint(claim=claim, usd=usd, on_front=at in front) for at, (claim, usd) in priced.items()]
    points.sort(key=lambda point: point.usd)  # stable: of equal price the best first
    return TradeOff(usd_is="measurement" if prices is None else "price", points=tuple(points), unpriced=tuple(unpriced))


def over_time(benchmark: Benchmark, board: Board, released: Mapping[ModelId, PartialDate | None]) -> OverTime:
    """
    Score against the day the model came out, with the running best.

    Args:
        released: By model; None or no entry means unknown. A snapshot that the caller knows the date of may be given
            by `model@snapshot`, which wins over the model's.
    """
    dated: list[tuple[Claim, PartialDate]] = []
    undated = []
    for place in board.places:
        claim = place.claim
        day = released.get(f"{claim.model}@{claim.snapshot}") or released.get(claim.model)
        if day is None:
            undated.append(claim)
        else:
            dated.append((claim, day))
    dated.sort(key=lambda one: earliest(one[1]))  # stable: of one day the best first
    points: list[DatePoint] = []
    best = -math.inf
    for _, same_day in itertools.groupby(dated, key=lambda one: earliest(one[1])):
        group = list(same_day)
        top = max(merit(benchmark, claim) for claim, _ in group)
        for claim, day in group:
            points.append(
                DatePoint(claim=claim, released=day, best_so_far=merit(benchmark, claim) == top and top > best)
            )
        best = max(best, top)
    return OverTime(points=tuple(points), undated=tuple(undated))


def _board(benchmark: Benchmark, claims: Sequence[Claim]) -> Board:
    ranked, left_out = sorted_out(benchmark, claims)
    apart = [Apart(claim=claim, reason=reason) for claim, reason in left_out]
    places = _places(benchmark, ranked)
    one = claims[0]
    return Board(
        benchmark=benchmark.id,
        subset=one.subset,
        setting=one.setting,
        harness=one.harness,
        measured_by=one.measured_by,
        ours=all(claim.ours for claim in claims),
        places=places,
        apart=tuple(sorted(apart, key=lambda one: order(benchmark, one.claim))),
        differences=_differences(benchmark, ranked),
        method=RANK_METHOD if any(place.best_rank is not None for place in places) else None,
    )


def _places(benchmark: Benchmark, claims: Sequence[Claim]) -> tuple[Place, ...]:
    known = {str(at): found for at, claim in enumerate(claims) if (found := known_value(benchmark, claim)) is not None}
    pairs = [_pair(a, b, known, benchmark.higher_is_better) for a, b in itertools.combinations(known, 2)]
    possible = rank_intervals([str(at) for at in range(len(claims))], pairs)
    merits = [merit(benchmark, claim) for claim in claims]  # best first, so the first of a value has its rank
    places = []
    for at, claim in enumerate(claims):
        rank = merits.index(merits[at]) + 1
        found = known.get(str(at))
        if found is None:
            places.append(Place(claim=claim, rank=rank, error="unknown"))
            continue
        best, worst = possible[str(at)]
        places.append(
            Place(
                claim=claim,
                rank=rank,
                best_rank=best,
                worst_rank=worst,
                low=found.low,
                high=found.high,
                error="published" if found.share is None else "wilson",
            )
        )
    return tuple(places)


def _pair(a: str, b: str, known: Mapping[str, KnownValue], higher_is_better: bool) -> PairResult:
    one, other = known[a], known[b]
    found = gap(one, other)
    return PairResult(
        a=a,
        b=b,
        difference=found.difference if higher_is_better else -found.difference,
        low=found.low if higher_is_better else -found.high,
        high=found.high if higher_is_better else -found.low,
        n=min(one.n, other.n),
        p=found.p,
        adjusted_p=1.0,  # rank_intervals adjusts for all pairs itself
    )


def _differences(benchmark: Benchmark, claims: Sequence[Claim]) -> tuple[Difference, ...]:
    sizes = [question_count(benchmark, claim) for claim in claims]
    columns: tuple[tuple[Feature, list[str | None]], ...] = (
        ("date", [claim.date for claim in claims]),
        ("harness_version", [claim.harness_version for claim in claims]),
        ("questions", [None if size is None else str(size) for size in sizes]),
        ("mode", [claim.mode for claim in claims]),
        ("source", [claim.source for claim in claims]),
    )
    found = []
    for of, said in columns:
        known = sorted({one for one in said if one is not None}, key=natural)
        unknown = sum(one is None for one in said)
        # Where nobody says the version or the mode, that is a gap of the source; where nobody says the day, the rows
        # may be years apart.
        if len(known) > 1 or (unknown and (known or (of == "date" and len(claims) > 1))):
            shown = known if of in ("mode", "source") else [*known[:1], *known[1:][-1:]]
            found.append(Difference(of=of, values=tuple(shown), unknown=unknown))
    return tuple(found)
