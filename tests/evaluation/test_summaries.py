"""What the numbers of a trial promise: no mean without its n, no sum with a hole in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Facts
from touchstone.evaluation.base import STRICT_ZEROS, OutcomeKind, TrialSummary
from touchstone.evaluation.cells import Cells
from touchstone.evaluation.intervals import wilson
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import KINDS
from touchstone.evaluation.summaries import Ground, summarise

GROUND = Ground(groups=None, confidence=0.95, seed=1, requests_per_month=1000, concurrency=4)
NAN = float("nan")


def cells(
    rows: list[dict[str, Any]], planned: int | None = None, repeats: int = 1, rest: OutcomeKind = "planned"
) -> Cells:
    """Cells from rows; what a row does not say is unknown."""

    def numbers(name: str) -> Any:
        return np.array([row.get(name, 0.0 if name == "retry_usd" else None) for row in rows], dtype=float)

    return Cells(
        planned_cases=len(rows) if planned is None else planned,
        repeats=repeats,
        rest=rest,
        ordinal=np.array([row.get("ordinal", at) for at, row in enumerate(rows)], dtype=np.int64),
        repeat=np.array([row.get("repeat", 0) for row in rows], dtype=np.int64),
        kind=np.array([KINDS.index(row.get("kind", "scored")) for row in rows], dtype=np.uint8),
        here=np.ones(len(rows), dtype=bool),
        **{
            name: numbers(name)
            for name in (
                "score",
                "cost_usd",
                "retry_usd",
                "judge_usd",
                "latency_s",
                "queue_s",
                "first_token_s",
                "input_tokens",
                "output_tokens",
                "estimated",
                "retries",
                "from_cache",
            )
        },
    )


def summed(found: Cells, ground: Ground = GROUND, **more: Any) -> TrialSummary:
    given_more = {"further": {}, "price_source": "task file", "fingerprint": "f", "facts": Facts(), **more}
    return summarise("n", "m", "prompt", found, ground, **given_more)


def test_estimates_by_both_conventions_have_their_n() -> None:
    """Strict counts the refusal as 0; answered-only leaves it out."""
    found = summed(cells([{"score": 1}] * 3 + [{"score": 0}] + [{"kind": "refused"}]))

    assert found.estimate is not None
    assert found.answered_only is not None
    assert (found.estimate.mean, found.estimate.n) == (0.6, 5)
    assert (found.answered_only.mean, found.answered_only.n) == (0.75, 4)
    assert found.bounds is None


def test_nothing_scored_is_no_mean() -> None:
    """A provider that was down all the time has no score, and certainly not 0."""
    found = summed(cells([{"kind": "error"}] * 4))

    assert found.estimate is None
    assert found.answered_only is None
    assert found.bounds == (0.0, 1.0)
    assert found.outcomes.error == 4


@given(
    st.lists(
        st.tuples(st.sampled_from(["scored", "refused", "empty", "error", "in_doubt"]), st.floats(0, 1)),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 5),
    st.integers(1, 3),
    st.sampled_from(["planned", "skipped_race", "skipped_budget", "skipped_cancel"]),
)
@settings(max_examples=60, deadline=None)
def test_bounds_hold_whatever_the_lost_cells_would_have_scored(
    rows: list[tuple[str, float]], cut: int, repeats: int, rest: OutcomeKind
) -> None:
    """
    Set exactly when a cell was asked and has no score: all of them wrong, all of them right.

    Cells that nobody asked come in a random order, so they are unseen and no bound speaks of them.
    """
    found = summed(
        cells(
            [
                {"kind": kind, "score": score, "ordinal": at // repeats, "repeat": at % repeats}
                for at, (kind, score) in enumerate(rows)
            ],
            -(-len(rows) // repeats) + cut,
            repeats,
            rest,
        )
    )
    known = [score if kind == "scored" else 0.0 for kind, score in rows if kind == "scored" or kind in STRICT_ZEROS]
    lost = len(rows) - len(known)
    if not lost:
        assert found.bounds is None
    else:
        assert found.bounds == (
            pytest.approx(sum(known) / len(rows)),
            pytest.approx((sum(known) + lost) / len(rows)),
        )


def test_cost_per_case_correct_answer_and_month() -> None:
    """Total over cells, over the sum of scores, and at the user's volume."""
    found = summed(cells([{"score": 1, "cost_usd": 0.02}, {"score": 0.5, "cost_usd": 0.04}])).cost

    assert found.run_usd == pytest.approx(0.06)
    assert found.per_case_usd == pytest.approx(0.03)
    assert found.per_correct_usd == pytest.approx(0.04)
    assert found.per_month_usd == pytest.approx(30.0)
    assert found.per_case_low_usd is not None
    assert found.per_case_low_usd <= 0.03


def test_cost_per_correct_counts_cells_not_cases() -> None:
    """With repeats of which some failed, only what was scored is correct."""
    rows = [
        {"ordinal": 0, "score": 1, "cost_usd": 0.1},
        {"ordinal": 0, "kind": "error"},
        {"ordinal": 1, "score": 1, "cost_usd": 0.1},
        {"ordinal": 1, "score": 0, "cost_usd": 0.1},
    ]
    assert summed(cells(rows, 2, 2)).cost.per_correct_usd == pytest.approx(0.15)


def test_nothing_right_has_no_cost_per_correct_answer() -> None:
    """Not zero, not infinite: there is none. Without a volume there is no month either."""
    ground = Ground(groups=None, confidence=0.95, seed=1, requests_per_month=None, concurrency=None)
    found = summed(cells([{"score": 0, "cost_usd": 0.1}]), ground).cost

    assert found.per_correct_usd is None
    assert found.per_month_usd is None
    assert found.run_usd == 0.1


def test_paid_retries_and_calls_in_doubt_are_part_of_the_cost() -> None:
    """Whoever loses every first reply pays twice, and a cell that stayed in doubt may be billed as well."""
    rows: list[dict[str, Any]] = [
        {"score": 1, "cost_usd": 0.01, "retry_usd": 0.05},
        {"score": 1, "cost_usd": 0.01},
        {"kind": "in_doubt", "retry_usd": 0.11},
        {"kind": "error"},
    ]
    found = summed(cells(rows)).cost

    assert found.run_usd == pytest.approx(0.18)
    assert found.per_case_usd == pytest.approx(0.06)
    assert found.per_month_usd == pytest.approx(60)
    assert found.per_correct_usd == pytest.approx(0.09)
    assert found.per_case_low_usd is not None
    assert found.per_case_high_usd is not None
    assert found.per_case_low_usd < 0.06 < found.per_case_high_usd
    assert summed(cells([*rows, {"kind": "in_doubt", "retry_usd": None}])).cost.run_usd is None


def test_one_unknown_cost_makes_the_total_unknown() -> None:
    """A partial sum would pass for the whole."""
    found = summed(cells([{"score": 1, "cost_usd": 0.1}, {"score": 1}])).cost
    assert (found.run_usd, found.per_case_usd, found.per_month_usd) == (None, None, None)


@pytest.mark.parametrize("kind", ["error", "in_doubt", "skipped_budget", "skipped_cancel", "skipped_race"])
def test_cells_without_an_answer_do_not_hide_what_the_others_cost(kind: str) -> None:
    """A run that the cap stopped still knows what it spent; nor do they count among the cases of the mean."""
    found = summed(cells([{"score": 1, "cost_usd": 0.1}, {"kind": kind}])).cost
    assert (found.run_usd, found.per_case_usd) == (pytest.approx(0.1), pytest.approx(0.1))


def test_an_answer_whose_judge_was_skipped_was_paid_for() -> None:
    """Its cost is in the sum."""
    found = summed(cells([{"score": 1, "cost_usd": 0.1}, {"kind": "skipped_budget", "cost_usd": 0.1}])).cost
    assert found.run_usd == pytest.approx(0.2)


def test_the_judge_has_a_column_of_its_own() -> None:
    """Its cost is no part of the candidate's, and is known even where the candidate's is not."""
    found = summed(cells([{"score": 1, "judge_usd": 0.5}, {"score": 1, "judge_usd": 0.25}])).cost
    assert (found.run_usd, found.judge_usd) == (None, 0.75)
    assert summed(cells([{"score": 1, "cost_usd": 0.0}])).cost.judge_usd is None


def test_latency_and_speed_come_from_what_was_measured() -> None:
    """Quantiles over the cells that have one; speed is tokens after the first over the time after the first."""
    rows = [{"score": 1, "latency_s": 2.0, "first_token_s": 1.0, "output_tokens": 11}] * 3
    rows += [{"score": 1, "latency_s": 4.0}, {"kind": "error"}]
    found = summed(cells(rows)).latency

    assert (found.p50, found.first_token_p50, found.tokens_per_s_p50, found.n) == (2.0, 1.0, 10.0, 4)
    assert found.concurrency == 4
    assert summed(cells([{"score": 1}])).latency.n == 0
    assert summed(cells([{"score": 1}])).latency.p50 is None


def test_usage_says_how_much_of_it_is_estimated() -> None:
    """Unknown usage is unknown; a share of estimated cells is shown."""
    rows = [
        {"score": 1, "input_tokens": 10, "output_tokens": 2, "estimated": 1},
        {"score": 1, "input_tokens": 30, "output_tokens": 2, "estimated": 0},
        {"score": 1},
    ]
    found = summed(cells(rows)).usage
    assert (found.input_tokens, found.output_tokens, found.estimated, found.estimated_share) == (40, 4, True, 0.5)
    assert summed(cells([{"score": 1}])).usage.input_tokens is None


def test_groups_widen_the_interval_of_the_scores_that_are_there() -> None:
    """The groups of missing cases go with them."""
    rows = [{"score": at // 4 % 2} for at in range(40)] + [{"kind": "error"}] * 3
    groups = tuple(f"g{at // 4}" for at in range(43))
    alone = summed(cells(rows)).estimate
    grouped = summed(cells(rows), Ground(groups, 0.95, 1, None, None)).estimate

    assert alone is not None
    assert grouped is not None
    assert (grouped.n, grouped.mean) == (40, alone.mean)
    assert grouped.high - grouped.low > alone.high - alone.low


def test_scorers_without_a_single_score_are_left_out() -> None:
    """There is no mean of nothing."""
    further = {"length": np.array([1.0, NAN]), "silent": np.array([NAN, NAN])}
    found = summed(cells([{"score": 1}, {"score": 1}]), further=further)

    assert list(found.scorers) == ["length"]
    assert found.scorers["length"].n == 1


def test_where_one_may_look_at_any_moment_intervals_say_so() -> None:
    """A race stops where its answers tell it to: intervals that hold for one look say nothing there."""
    rows = [{"score": at % 2, "latency_s": 1.0 + at % 7} for at in range(400)]
    looked = Ground(None, 0.95, 1, None, 4, order=CaseOrder.draw(400, 1))
    once, ever = summed(cells(rows)), summed(cells(rows), looked)

    assert once.estimate is not None
    assert ever.estimate is not None
    assert ever.estimate.mean == once.estimate.mean == 0.5
    assert (ever.estimate.n, ever.estimate.method) == (400, "anytime-valid 95 %")
    assert ever.estimate.low < once.estimate.low < once.estimate.high < ever.estimate.high
    assert ever.latency.p95 == once.latency.p95
    assert once.latency.p95_low is not None
    assert ever.latency.p95_low is not None
    assert ever.latency.p95_low <= once.latency.p95_low


def test_answers_to_the_same_cases_are_looked_at_together() -> None:
    """Repeats say how stable a candidate is; without them there is nothing to say."""
    rows = [{"ordinal": at // 2, "repeat": at % 2, "score": float(at % 4 != 1)} for at in range(40)]
    found = summed(cells(rows, 20, 2)).repeats

    assert (found.repeats, found.cases) == (2, 20)
    assert found.unstable_share.mean == 0.5
    assert found.pass_hat_k[1].mean == 0.5
    assert summed(cells(rows[::2], 20, 1)).repeats is None


def test_ten_answers_to_a_case_are_one_case_for_costs_and_latency_too() -> None:
    """Slow and dear cases are so each time: 40 of them show no upper end, however often they were asked."""
    generator = np.random.default_rng(3)
    usd, seconds = generator.random(40), generator.random(40)
    rows = [
        {"ordinal": at, "repeat": repeat, "score": 1, "cost_usd": usd[at], "latency_s": seconds[at]}
        for at in range(40)
        for repeat in range(10)
    ]
    once, often = summed(cells(rows[::10])), summed(cells(rows, 40, 10))
    asked = summed(cells([{**row, "ordinal": place, "repeat": 0} for place, row in enumerate(rows)]))

    assert (often.latency.p95_high, once.latency.p95_high) == (None, None)
    assert asked.latency.p95_high is not None
    assert often.cost.per_case_low_usd == pytest.approx(once.cost.per_case_low_usd, abs=0.01)
    assert often.cost.per_case_high_usd == pytest.approx(once.cost.per_case_high_usd, abs=0.01)
    assert asked.cost.per_case_high_usd is not None
    assert once.cost.per_case_high_usd is not None
    assert asked.cost.per_case_high_usd < once.cost.per_case_high_usd - 0.03


def test_groups_are_what_costs_and_latency_are_drawn_by() -> None:
    """As scores are: a document that is long for one question is long for all of them."""
    usd = np.repeat(np.random.default_rng(3).random(20), 10)
    rows = [{"score": 1, "cost_usd": cost, "latency_s": cost} for cost in usd]
    alone = summed(cells(rows))
    grouped = summed(cells(rows), Ground([f"g{at // 10}" for at in range(200)], 0.95, 1, None, None))

    assert (alone.cost.per_case_high_usd, grouped.cost.per_case_high_usd) != (None, None)
    assert grouped.cost.per_case_high_usd > alone.cost.per_case_high_usd + 0.05
    assert alone.latency.p95_high is not None
    assert (grouped.latency.p95, grouped.latency.p95_high) == (alone.latency.p95, None)


def test_the_share_that_was_declined_has_an_interval_of_its_own() -> None:
    """Of the cells with a strict score, as one looks at them: once, at any moment, or in groups."""
    rows = [{"kind": "refused"}] * 3 + [{"score": 1}] * 297 + [{"kind": "error"}] * 10
    once = summed(cells(rows)).refused
    ever = summed(cells(rows), Ground(None, 0.95, 1, None, 4, order=CaseOrder.draw(310, 1))).refused
    grouped = summed(cells(rows), Ground([f"g{at // 3}" for at in range(310)], 0.95, 1, None, 4)).refused

    assert once is not None
    assert ever is not None
    assert grouped is not None
    assert (once.low, once.high, once.n) == (*wilson(3, 300), 300)
    assert (ever.mean, ever.n, ever.method) == (0.01, 300, "anytime-valid 95 %")
    assert ever.high > once.high
    assert grouped.method.startswith("cluster bootstrap")
    assert summed(cells([{"kind": "error"}])).refused is None


def test_a_case_that_was_asked_in_part_is_not_known_yet() -> None:
    """A run that was stopped between two answers to a case: its mean is still going to change."""
    rows = [{"ordinal": at // 2, "repeat": at % 2, "score": float(at % 4 < 2)} for at in range(401)]
    looked = Ground(None, 0.95, 1, None, 4, order=CaseOrder.draw(300, 1))
    whole, more = (summed(cells(part, 300, 2), looked).estimate for part in (rows[:400], rows))

    assert whole is not None
    assert more is not None
    assert (more.n, more.mean, more.low, more.high) == (200, whole.mean, whole.low, whole.high)
