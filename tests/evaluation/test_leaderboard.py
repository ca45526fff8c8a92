"""Published results as rankings: like only with like, ranks as wide as the error, nothing averaged."""

from __future__ import annotations

import inspect
import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.benchmarks import benchmarks, scenarios, shipped_claims
from touchstone.catalog.claims import Benchmark, Claim, Fit, Scenario
from touchstone.catalog.model import Words
from touchstone.evaluation import leaderboard as module
from touchstone.evaluation import leaderboard_nouns
from touchstone.evaluation.claim_interval import value_interval
from touchstone.evaluation.intervals import wilson
from touchstone.evaluation.leaderboard import (
    leaderboard,
    over_time,
    scenario_boards,
    trade_off,
)
from touchstone.evaluation.leaderboard_nouns import Board, Leaderboard
from touchstone.noun import Noun

WORDS = Words(en="Words.", zh="文字。")


def benchmark(**facts: object) -> Benchmark:
    """A test of 1,000 questions, unless said otherwise."""
    return Benchmark.model_validate(
        {
            "id": "test",
            "name": "Test",
            "area": "maths",
            "explanation": WORDS,
            "metric": "accuracy",
            "unit": "percent",
            "kind": "share",
            "questions": 1000,
            "url": "https://example.org",
            **facts,
        }
    )


def claim(model: str = "a/a", value: float = 50, **facts: object) -> Claim:
    """One result on the test."""
    return Claim.model_validate(
        {
            "model": model,
            "benchmark": "test",
            "value": value,
            "harness": "h",
            "measured_by": "somebody",
            "source": "A table",
            "as_of": "2025",
            "date": "2025-01",
            **facts,
        }
    )


def only(found: Leaderboard) -> Board:
    """The one board there is."""
    [board] = found.boards
    return board


claims = st.builds(
    claim,
    model=st.sampled_from(["a/a", "a/b", "a/c", "b/a"]),
    value=st.integers(0, 100).map(float),
    subset=st.sampled_from([None, "hard"]),
    setting=st.sampled_from([None, "5-shot"]),
    harness=st.sampled_from([None, "h", "i"]),
    measured_by=st.sampled_from(["somebody", "ours"]),
    mode=st.sampled_from([None, "high", "low"]),
    snapshot=st.sampled_from([None, "s-1"]),
    source=st.sampled_from(["p", "q"]),
    date=st.sampled_from([None, "2024", "2025-01", "2025-01-02"]),
    questions=st.sampled_from([None, 10, 400, 960, 1000]),
)
units = st.sampled_from(
    [benchmark(), benchmark(higher_is_better=False), benchmark(kind="score"), benchmark(questions=None)]
)


# --- groups -----------------------------------------------------------------------------------------------------------


@given(test=units, found=st.lists(claims, max_size=14))
def test_a_ranking_never_mixes_conditions(test: Benchmark, found: list[Claim]) -> None:
    """Every row of a board shares subset, setting, harness and measurer, and no two boards share them."""
    boards = leaderboard(test, found).boards
    conditions = []
    for board in boards:
        rows = [place.claim for place in board.places] + [apart.claim for apart in board.apart]
        [condition] = {row.condition for row in rows}
        conditions.append(condition)
        assert {(row.subset, row.setting, row.harness, row.measured_by) for row in rows} == {
            (board.subset, board.setting, board.harness, board.measured_by)
        }
    assert len(set(conditions)) == len(conditions) == len({one.condition for one in found})


@given(test=units, found=st.lists(claims, max_size=14), data=st.data())
def test_the_order_of_claims_does_not_matter(test: Benchmark, found: list[Claim], data: st.DataObject) -> None:
    """Shuffled claims give the same boards, to the letter."""
    assert leaderboard(test, data.draw(st.permutations(found))) == leaderboard(test, found)


@given(test=units, found=st.lists(claims, max_size=14))
def test_every_claim_stands_somewhere_once_and_a_row_is_there_once(test: Benchmark, found: list[Claim]) -> None:
    """Ranked or apart with a reason; in a ranking a model stands once per snapshot and mode."""
    shown: Counter[str] = Counter()
    for board in leaderboard(test, found).boards:
        keys = [(place.claim.model, place.claim.snapshot, place.claim.mode) for place in board.places]
        assert len(set(keys)) == len(keys)
        shown.update(place.claim.model_dump_json() for place in board.places)
        shown.update(apart.claim.model_dump_json() for apart in board.apart)
    assert shown == Counter(one.model_dump_json() for one in found)


def test_long_rankings_stand_first_and_old_ones_last() -> None:
    """Old is more than two years before the newest result; a table without dates is as old as the day it was read."""
    old = [claim(f"a/{name}", setting="old", date="2023-09") for name in "abcd"]
    old.append(claim("a/e", setting="old", date=None, as_of="2026-01"))  # of a table with dates these count
    read = [claim(f"a/{name}", setting="read", date=None, as_of="2025-06") for name in "abc"]
    new = [claim(f"a/{name}", setting="new", date="2025-09-01") for name in "ab"]

    assert [board.setting for board in leaderboard(benchmark(), [*old, *read, *new]).boards] == ["read", "new", "old"]
    assert [board.setting for board in leaderboard(benchmark(), old).boards] == ["old"]


def test_claims_of_another_benchmark_are_left_out() -> None:
    """A leaderboard is of one benchmark."""
    assert leaderboard(benchmark(), [claim(benchmark="other")]).boards == ()


def test_two_modes_of_a_model_are_two_rows_of_one_ranking() -> None:
    """Their price differs as their value does; the board says that modes differ."""
    board = only(leaderboard(benchmark(), [claim(mode="high", value=60), claim(mode="low", value=55), claim("b/b")]))
    assert [place.claim.mode for place in board.places] == ["high", "low", None]
    assert [(one.of, one.values, one.unknown) for one in board.differences] == [("mode", ("high", "low"), 1)]


def test_ours_stands_beside_the_published_and_not_among_them() -> None:
    """Same benchmark, setting and harness, and still another ranking: somebody else measured."""
    found = leaderboard(benchmark(), [claim(), claim("b/b"), claim("c/c", measured_by="ours", ours=True)])
    assert [(board.ours, len(board.places)) for board in found.boards] == [(False, 2), (True, 1)]


def test_the_newest_result_of_a_row_counts_and_of_one_day_the_worse() -> None:
    """Nobody gains by being measured often."""
    board = only(
        leaderboard(
            benchmark(),
            [
                claim(value=70, date="2024-12"),
                claim(value=62, date="2025-01"),
                claim(value=60, date="2025-01"),
                claim(value=80, date=None),
            ],
        )
    )
    assert [place.claim.value for place in board.places] == [60]
    assert [(apart.claim.value, apart.reason) for apart in board.apart] == [
        (80, "superseded"),
        (70, "superseded"),
        (62, "superseded"),
    ]


def test_of_one_day_the_newer_version_of_the_harness_counts() -> None:
    """Versions are compared as numbers: 0.10 is newer than 0.9."""
    board = only(
        leaderboard(benchmark(), [claim(value=70, harness_version="0.9"), claim(value=71, harness_version="0.10")])
    )
    assert board.places[0].claim.harness_version == "0.10"


@pytest.mark.parametrize(
    ("size", "reason"), [(33, "partial"), (949, "partial"), (950, None), (29, "few"), (1000, None)]
)
def test_results_on_a_part_of_the_questions_stand_apart(size: int, reason: str | None) -> None:
    """Below 95 % of the questions it is another test, below 30 questions it is too few to rank."""
    board = only(leaderboard(benchmark(), [claim("b/b"), claim(questions=size, value=90)]))
    assert [apart.reason for apart in board.apart] == ([reason] if reason else [])
    assert len(board.places) == (1 if reason else 2)


def test_a_subset_is_as_large_as_its_largest_run() -> None:
    """Of a subset nobody wrote the size down, so the whole benchmark's is not taken for it."""
    rows = [claim(subset="hard", questions=50), claim("b/b", subset="hard", questions=40)]
    board = only(leaderboard(benchmark(), rows))
    assert [apart.claim.model for apart in board.apart] == ["b/b"]


def test_a_board_says_in_what_its_rows_differ() -> None:
    """Dates, versions and numbers of questions as a range with the unknown counted; sources by name."""
    board = only(
        leaderboard(
            benchmark(),
            [
                claim("a/a", date="2024-03", harness_version="0.9", questions=999, source="p"),
                claim("a/b", date="2025-01-07", harness_version="0.10", source="q"),
                claim("a/c", date=None, harness_version="0.9.1", source="p"),
            ],
        )
    )
    assert {one.of: (one.values, one.unknown) for one in board.differences} == {
        "date": (("2024-03", "2025-01-07"), 1),
        "harness_version": (("0.9", "0.10"), 0),
        "questions": (("999", "1000"), 0),
        "source": (("p", "q"), 0),
    }


def test_rows_of_one_day_and_version_differ_in_nothing() -> None:
    """Then the board says nothing."""
    assert only(leaderboard(benchmark(), [claim(), claim("b/b")])).differences == ()


def test_where_nobody_says_the_day_the_board_says_that() -> None:
    """Undated rows may be years apart."""
    [one] = only(leaderboard(benchmark(), [claim(date=None), claim("b/b", date=None)])).differences
    assert (one.of, one.values, one.unknown) == ("date", (), 2)


# --- ranks ------------------------------------------------------------------------------------------------------------


@given(test=units, found=st.lists(claims, max_size=14))
def test_a_rank_interval_holds_the_rank_and_the_interval_the_value(test: Benchmark, found: list[Claim]) -> None:
    """Rank 1 is the best value in the benchmark's own direction; equal values share a rank."""
    for board in leaderboard(test, found).boards:
        values = [place.claim.value for place in board.places]
        for place in board.places:
            better = [one > place.claim.value if test.higher_is_better else one < place.claim.value for one in values]
            assert place.rank == 1 + sum(better)
            if place.best_rank is None or place.worst_rank is None or place.low is None or place.high is None:
                assert (place.error, place.low, place.worst_rank) == ("unknown", None, None)
            else:
                assert 1 <= place.best_rank <= place.rank <= place.worst_rank <= len(values)
                assert place.low <= place.claim.value <= place.high


@given(values=st.lists(st.integers(0, 100), min_size=2, max_size=8), factor=st.integers(2, 40))
def test_more_questions_never_widen_a_rank(values: list[int], factor: int) -> None:
    """The same shares of more questions leave at most the same ranks possible."""

    def ranks(size: int) -> list[tuple[int | None, int | None]]:
        rows = [claim(f"a/m{at}", value) for at, value in enumerate(values)]
        board = only(leaderboard(benchmark(questions=size), rows))
        found = {place.claim.model: (place.best_rank, place.worst_rank) for place in board.places}
        return [found[row.model] for row in rows]

    for (few_best, few_worst), (many_best, many_worst) in zip(ranks(100), ranks(100 * factor), strict=True):
        assert few_best is not None
        assert few_worst is not None
        assert many_best is not None
        assert many_worst is not None
        assert few_best <= many_best <= many_worst <= few_worst


def test_thirty_questions_tell_hardly_anybody_apart() -> None:
    """Six models ten points apart on 30 questions: each may have nearly any rank. On 30,000 each has its own."""
    rows = [claim(f"a/m{at}", 90 - 10 * at) for at in range(6)]
    few = only(leaderboard(benchmark(questions=30), rows)).places
    many = only(leaderboard(benchmark(questions=30000), rows)).places
    assert [(place.best_rank, place.worst_rank) for place in few] == [(1, 4), (1, 5), (1, 6), (1, 6), (2, 6), (3, 6)]
    assert [(place.best_rank, place.worst_rank) for place in many] == [(at, at) for at in range(1, 7)]


def test_all_rank_intervals_hold_together() -> None:
    """A difference that is significant for itself is not when 45 pairs are looked at: Holm over all of them."""
    two = [claim("a/a", 55), claim("a/b", 50.4)]
    alone = only(leaderboard(benchmark(), two)).places
    among = only(leaderboard(benchmark(), [*two, *(claim(f"a/m{at}", 53) for at in range(8))])).places
    assert (alone[0].worst_rank, alone[1].best_rank) == (1, 2)
    assert (among[0].best_rank, among[0].worst_rank) == (1, 10)


def test_lower_is_better_where_the_benchmark_says_so() -> None:
    """The lowest error rate is first, and the rank intervals turn with it."""
    test = benchmark(higher_is_better=False)
    board = only(leaderboard(test, [claim("a/a", 30), claim("b/b", 2), claim("c/c", 10)]))
    assert [place.claim.model for place in board.places] == ["b/b", "c/c", "a/a"]
    assert [(place.best_rank, place.worst_rank) for place in board.places] == [(1, 1), (2, 2), (3, 3)]


def test_the_published_interval_comes_first() -> None:
    """It knows more than the number of questions does; a score with one can be ranked like a share."""
    given_ends = claim(low=45, high=56)
    assert value_interval(benchmark(), given_ends) == (45, 56)
    board = only(leaderboard(benchmark(kind="score", unit="points"), [given_ends, claim("b/b", 70, low=69, high=71)]))
    assert [(place.error, place.best_rank, place.worst_rank) for place in board.places] == [
        ("published", 1, 1),
        ("published", 2, 2),
    ]


@given(value=st.integers(0, 100), size=st.integers(30, 5000))
def test_a_share_has_wilsons_interval(value: int, size: int) -> None:
    """From the value and the number of questions, in the benchmark's unit."""
    low, high = wilson(value / 100 * size, size)
    assert value_interval(benchmark(questions=size), claim(value=value)) == (100 * low, 100 * high)
    assert value_interval(benchmark(questions=size, unit="ratio"), claim(value=value / 100)) == (low, high)


@pytest.mark.parametrize(
    "test",
    [benchmark(kind="score"), benchmark(questions=None), benchmark(kind="score", unit="points")],
)
def test_without_a_known_error_a_rank_claims_nothing(test: Benchmark) -> None:
    """The order is shown, without an interval and without a method."""
    board = only(leaderboard(test, [claim(), claim("b/b", 60)]))
    assert [(place.rank, place.best_rank, place.error) for place in board.places] == [
        (1, None, "unknown"),
        (2, None, "unknown"),
    ]
    assert board.method is None


def test_a_row_of_unknown_error_may_stand_before_anybody() -> None:
    """It narrows nobody's rank: those whose error is known may still come after it."""
    test = benchmark(kind="score", unit="points")
    rows = [claim("a/a", 90, low=89, high=91), claim("b/b", 50, low=49, high=51), claim("c/c", 10)]
    places = {place.claim.model: place for place in only(leaderboard(test, rows)).places}
    assert (places["a/a"].best_rank, places["a/a"].worst_rank) == (1, 2)
    assert (places["b/b"].best_rank, places["b/b"].worst_rank) == (2, 3)
    assert (places["c/c"].rank, places["c/c"].best_rank) == (3, None)


def test_the_whole_benchmarks_size_is_not_a_subsets() -> None:
    """A value on a subset of unknown size has no interval."""
    assert value_interval(benchmark(), claim(subset="hard")) is None
    assert value_interval(benchmark(), claim(subset="hard", questions=100)) is not None


# --- against price and date -------------------------------------------------------------------------------------------


def board_of(*rows: Claim, test: Benchmark | None = None) -> Board:
    """One board of these rows."""
    return only(leaderboard(test or benchmark(), rows))


def test_the_front_holds_what_nobody_beats_on_score_and_price() -> None:
    """Cheapest first; a model without a price is named and neither on the front nor in its way."""
    board = board_of(claim("a/a", 80), claim("b/b", 70), claim("c/c", 60), claim("d/d", 90), claim("e/e", 85))
    found = trade_off(benchmark(), board, {"a/a": 2.0, "b/b": 3.0, "c/c": 1.0, "d/d": None})
    assert [(point.claim.model, point.usd, point.on_front) for point in found.points] == [
        ("c/c", 1.0, True),
        ("a/a", 2.0, True),
        ("b/b", 3.0, False),
    ]
    assert [one.model for one in found.unpriced] == ["d/d", "e/e"]


def test_without_prices_the_cost_of_the_measurement_is_the_price() -> None:
    """Published tables say what a run cost; then two modes of a model have two costs."""
    board = board_of(claim(mode="high", value=80, usd=30), claim(mode="low", value=75, usd=10), claim("b/b", 60))
    found = trade_off(benchmark(), board)
    assert (found.usd_is, [point.usd for point in found.points], len(found.unpriced)) == ("measurement", [10, 30], 1)
    assert all(point.on_front for point in found.points)


def test_where_lower_is_better_the_front_turns() -> None:
    """The dearer model with the higher error rate is off it."""
    test = benchmark(higher_is_better=False)
    found = trade_off(test, board_of(claim("a/a", 10), claim("b/b", 5), test=test), {"a/a": 2.0, "b/b": 1.0})
    assert [(point.claim.model, point.on_front) for point in found.points] == [("b/b", True), ("a/a", False)]


prices = st.dictionaries(st.sampled_from(["a/a", "a/b", "a/c", "b/a"]), st.none() | st.integers(0, 3).map(float))


@given(test=units, found=st.lists(claims, max_size=10), usd=prices)
def test_off_the_front_means_that_somebody_is_better(
    test: Benchmark, found: list[Claim], usd: dict[str, float | None]
) -> None:
    """And on it, that nobody is; every row is a point or unpriced."""
    sign = 1 if test.higher_is_better else -1
    for board in leaderboard(test, found).boards:
        chart = trade_off(test, board, usd)
        assert len(chart.points) + len(chart.unpriced) == len(board.places)
        points = [(sign * point.claim.value, -point.usd, point.on_front) for point in chart.points]
        for score, thrift, on_front in points:
            beaten = any(a >= score and b >= thrift and (a, b) != (score, thrift) for a, b, _ in points)
            assert on_front != beaten


def test_the_running_best_over_release_dates() -> None:
    """Of one day only the best can be it; a partial date stands at its first day; the undated are named."""
    board = board_of(claim("a/a", 50), claim("b/b", 60), claim("c/c", 55), claim("d/d", 58), claim("e/e", 99))
    found = over_time(
        benchmark(), board, {"a/a": "2024", "b/b": "2024-06-01", "c/c": "2024-01-01", "d/d": "2025", "e/e": None}
    )
    assert [(point.claim.model, point.best_so_far) for point in found.points] == [
        ("c/c", True),
        ("a/a", False),
        ("b/b", True),
        ("d/d", False),
    ]
    assert [one.model for one in found.undated] == ["e/e"]


def test_a_snapshots_own_date_wins_over_its_models() -> None:
    """Where the caller knows it."""
    board = board_of(claim("a/a", 50), claim("a/a", 60, snapshot="a-2"))
    found = over_time(benchmark(), board, {"a/a": "2024-01", "a/a@a-2": "2025-01"})
    assert [(point.claim.snapshot, point.released) for point in found.points] == [(None, "2024-01"), ("a-2", "2025-01")]


# --- scenarios --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_a_list_of_boards_in_its_own_order() -> None:
    """Benchmarks without a result are listed too; nothing is added up."""
    tests = {one: benchmark(id=one) for one in ("one", "two")}
    use = Scenario(
        id="use",
        name=WORDS,
        explanation=WORDS,
        benchmarks=tuple(Fit(benchmark=one, why=WORDS, misses=WORDS) for one in ("two", "one")),
    )
    found = scenario_boards(use, tests, [claim(benchmark="one")])
    assert [(one.benchmark.id, len(one.boards)) for one in found.leaderboards] == [("two", 0), ("one", 1)]
    assert set(type(found).model_fields) == {"scenario", "leaderboards"}


def test_nothing_here_averages() -> None:
    """No noun has a field for a mean, total or index, and no function computes one."""
    nouns = [one for _, one in inspect.getmembers(leaderboard_nouns, inspect.isclass) if issubclass(one, Noun)]
    fields = {name for noun in nouns if noun.__module__ == leaderboard_nouns.__name__ for name in noun.model_fields}
    assert not {
        name for name in fields if any(word in name for word in ("mean", "average", "total", "index", "overall"))
    }
    assert not any(word in inspect.getsource(module) for word in ("mean(", "fmean", "average("))


def test_every_shipped_result_can_be_ranked_and_written_as_json() -> None:
    """All boards of all scenarios, with no value lost on the way."""
    for use in scenarios().values():
        found = scenario_boards(use, benchmarks(), shipped_claims())
        assert type(found).model_validate_json(json.dumps(found.model_dump(mode="json"))) == found
        for one in found.leaderboards:
            rows = sum(len(board.places) + len(board.apart) for board in one.boards)
            assert rows == sum(claim.benchmark == one.benchmark.id for claim in shipped_claims())
            for board in one.boards:
                assert all(math.isfinite(place.claim.value) for place in board.places)
