"""From cells to the numbers of a trial: estimates, cost, latency, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from touchstone.catalog.base import Facts
from touchstone.evaluation.base import NOT_ASKED, Cost, Estimate, Latency, TrialSummary, UsageTotal
from touchstone.evaluation.bounds import missing_bounds
from touchstone.evaluation.cells import Cells, Vector
from touchstone.evaluation.intervals import amount_interval, estimate, quantile_interval
from touchstone.evaluation.live import anytime_estimate, anytime_quantile
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.repeats import repeat_stats
from touchstone.evaluation.resampling import unit_numbers


@dataclass(frozen=True)
class Ground:
    """What all trials of a comparison share."""

    groups: Sequence[str | None] | None
    """Cluster per test case; None when no case has one."""
    confidence: float
    seed: int
    requests_per_month: float | None
    concurrency: int | None
    order: CaseOrder | None = None
    """Set where what was asked depended on the answers: the order of asking, for intervals that hold at any moment."""

    def estimate(self, scores: Vector, asked: Vector | None = None) -> Estimate | None:
        """
        The mean of the scores that are there, with its interval; None when none is.

        Args:
            scores: By the place of the case, NaN where there is none.
            asked: Cases of which every answer was asked for; by default, those with a score.
        """
        known = ~np.isnan(scores)
        if not known.any():
            return None
        if self.order is not None:
            return anytime_estimate(scores, self.order, self.confidence, asked)
        groups = (
            None if self.groups is None else [group for group, keep in zip(self.groups, known, strict=True) if keep]
        )
        return estimate(scores[known], groups, self.confidence, self.seed)

    def units(self, cells: Cells) -> Vector | None:
        """The unit each cell belongs to, a case or a cluster; None where every cell is one of its own."""
        if self.groups is None:
            return cells.ordinal if cells.repeats > 1 else None
        return unit_numbers(self.groups, cells.planned_cases)[cells.ordinal]


def summarise(
    name: str,
    model: str,
    strategy: str,
    cells: Cells,
    ground: Ground,
    *,
    facts: Facts,
    further: Mapping[str, Vector],
    price_source: str | None,
    fingerprint: str,
) -> TrialSummary:
    """
    One candidate in numbers.

    Args:
        further: Scores per case of the scorers that do not decide.
        price_source: Where the price was read; None when it is unknown.
    """
    counts, asked = cells.counts(), cells.whole()
    strict = cells.strict()
    bounds = None
    if counts.asked > counts.strict_n:
        bounds = missing_bounds(cells.score_sum(), counts.strict_n, counts.asked)
    answered = cells.answered()
    return TrialSummary(
        name=name,
        model=model,
        strategy=strategy,
        estimate=ground.estimate(strict, asked),
        answered_only=ground.estimate(answered, asked),
        refused=ground.estimate(cells.refused(), asked),
        bounds=bounds,
        outcomes=counts,
        usage=_usage(cells),
        cost=_cost(cells, ground, price_source),
        latency=_latency(cells, ground, asked),
        scorers={
            key: found for key, scores in further.items() if (found := ground.estimate(scores, asked)) is not None
        },
        licence=facts.licence,
        self_hostable=facts.self_hostable,
        recipe_fingerprint=fingerprint,
        repeats=repeat_stats(cells.strict_draws(), ground.groups, ground.confidence, ground.seed)
        if cells.repeats > 1
        else None,
    )


def _usage(cells: Cells) -> UsageTotal:
    known = ~np.isnan(cells.input_tokens) & ~np.isnan(cells.output_tokens)
    if not known.any():
        return UsageTotal()
    estimated = np.nan_to_num(cells.estimated[known]) > 0
    return UsageTotal(
        input_tokens=int(cells.input_tokens[known].sum()),
        output_tokens=int(cells.output_tokens[known].sum()),
        estimated=bool(estimated.any()),
        estimated_share=float(estimated.mean()),
    )


_WITHOUT_ANSWER = NOT_ASKED | {"error", "in_doubt"}


def _cost(cells: Cells, ground: Ground, price_source: str | None) -> Cost:
    """
    What a candidate cost.

    The interval of the mean is the one for a fixed number of cases, after a race as well, where that number depends on
    the scores: an amount of money has no largest value, so nothing holds for its mean at any moment.
    """
    judged = cells.judge_usd[~np.isnan(cells.judge_usd)]
    judge_usd = float(judged.sum()) if judged.size else None
    # A cell whose judge the cap stopped is skipped, and its answer was paid for all the same.
    answered = ~is_kind(cells.kind, _WITHOUT_ANSWER) | ~np.isnan(cells.cost_usd)
    # A send whose reply was lost costs, whether a retry brought the answer or the cell stayed in doubt.
    paid = answered | (cells.retry_usd != 0)
    costs = (np.where(answered, cells.cost_usd, 0.0) + cells.retry_usd)[paid]
    if not costs.size or np.isnan(costs).any():
        # One cell of unknown cost makes the total unknown; a partial sum would pass for the whole.
        return Cost(judge_usd=judge_usd, price_source=price_source)
    units = ground.units(cells)
    groups = None if units is None else units[paid].tolist()
    per_case, low, high = amount_interval(costs, groups, ground.confidence, ground.seed)
    right = cells.score_sum()
    return Cost(
        run_usd=float(costs.sum()),
        per_case_usd=per_case,
        per_case_low_usd=low,
        per_case_high_usd=high,
        per_correct_usd=float(costs.sum()) / right if right > 0 else None,
        per_month_usd=None if ground.requests_per_month is None else per_case * ground.requests_per_month,
        judge_usd=judge_usd,
        price_source=price_source,
    )


def _latency(cells: Cells, ground: Ground, asked: Vector) -> Latency:
    measured = ~np.isnan(cells.latency_s)
    seconds = cells.latency_s[measured]
    if not seconds.size:
        return Latency()
    if ground.order is None:
        units = ground.units(cells)
        groups = None if units is None else units[measured].tolist()
        p95, low, high = quantile_interval(seconds, 0.95, ground.confidence, groups)
    else:
        p95 = float(np.quantile(seconds, 0.95))
        low, high = anytime_quantile(cells.latency_s, cells.ordinal, ground.order, 0.95, ground.confidence, asked)
    first = cells.first_token_s[~np.isnan(cells.first_token_s)]
    queued = cells.queue_s[~np.isnan(cells.queue_s)]
    streamed = ~np.isnan(cells.first_token_s) & (cells.output_tokens > 1) & (cells.latency_s > cells.first_token_s)
    speed = (cells.output_tokens[streamed] - 1) / (cells.latency_s[streamed] - cells.first_token_s[streamed])
    return Latency(
        p50=float(np.quantile(seconds, 0.5)),
        p95=p95,
        p99=float(np.quantile(seconds, 0.99)),
        p95_low=low,
        p95_high=high,
        first_token_p50=float(np.quantile(first, 0.5)) if first.size else None,
        tokens_per_s_p50=float(np.quantile(speed, 0.5)) if speed.size else None,
        queue_p50=float(np.quantile(queued, 0.5)) if queued.size else None,
        n=int(seconds.size),
        concurrency=ground.concurrency,
    )
