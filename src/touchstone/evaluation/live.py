"""Numbers of a run that may be looked at at any moment: intervals and pairs that hold whenever one stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from touchstone.evaluation.base import Estimate, PairResult
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.sequences import anytime_p, difference_sequence, mean_sequence

Vector = np.ndarray[Any, Any]


def anytime_estimate(scores: Vector, order: CaseOrder, confidence: float, asked: Vector | None = None) -> Estimate:
    """
    The mean of the scores that are there, with an interval for future cases that holds at any moment.

    Args:
        scores: In [0, 1] by the place of the case in its split, shape (cases,); NaN where there is none, one at least
            is there.
        order: In which they were asked; a cluster counts as one.
        confidence: Between 0 and 1.
        asked: As in `in_units`.
    """
    values, sizes = in_units(scores, order, asked)
    low, high = mean_sequence(values, confidence, sizes=sizes) if len(values) else (0.0, 1.0)
    mean, n = _mean(values, sizes, scores)
    return Estimate(
        mean=mean,
        # The interval is of a running intersection, and the mean of all cases may lie just outside of it.
        low=min(low, mean),
        high=max(high, mean),
        n=n,
        method=f"anytime-valid {100 * confidence:g} %",
    )


def _mean(values: Vector, sizes: Sequence[int] | None, scores: Vector) -> tuple[float, int]:
    """Mean and n of the cases that the interval is of; of all that are there, while no unit is answered."""
    if not len(values):
        values, sizes = scores[~np.isnan(scores)], None
    if sizes is None:
        return float(values.mean()), len(values)
    weights = np.asarray(sizes[: len(values)], dtype=float)
    return float(weights @ values / weights.sum()), int(weights.sum())


def anytime_pairs(
    names: Sequence[str], scores: Vector, order: CaseOrder, confidence: float, asked: Vector | None = None
) -> tuple[PairResult, ...]:
    """
    All pairs of candidates on the cases both have, with intervals and p values that hold at any moment.

    The p value of each pair holds for that pair; what protects the choice among many is the race's own finish, so it is
    not adjusted a second time.

    Args:
        names: One per candidate.
        scores: Strict scores, shape (candidates, cases), NaN where there is none.
        order: In which the cases were asked.
        confidence: Of each pair's interval.
        asked: As in `in_units`, shape (candidates, cases).
    """
    found = []
    binary = bool(np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all())
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            difference = scores[a] - scores[b]
            if np.isnan(difference).all():
                continue
            values, sizes = in_units(difference, order, None if asked is None else asked[a] & asked[b])
            low, high = difference_sequence(values, confidence, sizes=sizes) if len(values) else (-1.0, 1.0)
            mean, n = _mean(values, sizes, difference)
            p = anytime_p(values, sizes=sizes)
            found.append(
                PairResult(
                    a=names[a],
                    b=names[b],
                    difference=mean,
                    low=min(low, mean),
                    high=max(high, mean),
                    n=n,
                    p=p,
                    adjusted_p=p,
                    discordance=float((difference[~np.isnan(difference)] != 0).mean()) if binary else None,
                    method=f"anytime-valid {100 * confidence:g} %",
                )
            )
    return tuple(found)


def anytime_quantile(
    amounts: Vector,
    ordinal: Vector,
    order: CaseOrder,
    quantile: float,
    confidence: float,
    asked: Vector | None = None,
) -> tuple[float | None, float | None]:
    """
    Ends of a quantile, such as 0.95 of latencies, at any moment: where "this share is slower" is refuted, where not.

    An amount v is above the quantile when the share of amounts beyond v is shown to be below 1 - quantile. Source: the
    inversion of a confidence sequence for a share, Howard and Ramdas (2022), Bernoulli 28:1704-1728, section 3. Answers
    to one case, and cases of one cluster, may be slow together: the share is averaged over each of them first.

    Args:
        amounts: One per cell, NaN where unknown.
        ordinal: The case of each cell.
        order: In which the cases were asked.
        asked: As in `in_units`.

    Returns:
        (low, high); an end is None while there is too little to say.
    """
    known = ~np.isnan(amounts)
    values, place = amounts[known], ordinal[known]
    levels = np.unique(values)
    cells = np.bincount(place, minlength=order.cases)

    def beyond(level: int) -> tuple[float, float]:
        slow = np.bincount(place, weights=values > levels[level], minlength=order.cases)
        shares, sizes = in_units(np.where(cells > 0, slow / np.maximum(cells, 1), np.nan), order, asked)
        return mean_sequence(shares, confidence, sizes=sizes) if len(shares) else (0.0, 1.0)

    above = _first(len(levels), lambda level: beyond(level)[1] <= 1 - quantile)
    below = _first(len(levels), lambda level: beyond(level)[0] <= 1 - quantile)
    high = float(levels[above]) if above < len(levels) else None
    low = float(levels[below - 1]) if below > 0 else None
    return low, high


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first place at which something holds that holds from there on; `count` when it never does."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def in_units(scores: Vector, order: CaseOrder, asked: Vector | None = None) -> tuple[Vector, list[int] | None]:
    """
    Means of the units of which every case was asked, in the order of asking, and the sizes that go with them.

    A unit that was asked in part is left out: its mean is still going to change. Where a case was asked and has no
    score, its unit counts with the others; a unit without any score does not.

    Args:
        scores: By the place of the case in its split, NaN where there is none.
        order: In which the cases were asked.
        asked: Whether every answer to a case was asked for, by its place; by default, where there is a score.

    Returns:
        (means, sizes): how many scores each unit has, and behind them the size of the order's largest unit, by which
        bets are measured from the first unit on. None where no case is in a cluster.
    """
    ordered = scores[order.ordinals]
    known = ~np.isnan(ordered)
    whole = known if asked is None else asked[order.ordinals]
    if order.units == order.cases:
        return ordered[known & whole], None
    unit = np.repeat(np.arange(order.units), order.sizes)
    counts = np.bincount(unit[known], minlength=order.units)
    sums = np.bincount(unit[known], weights=ordered[known], minlength=order.units)
    there = (counts > 0) & (np.bincount(unit[~whole], minlength=order.units) == 0)
    return sums[there] / counts[there], [*counts[there].tolist(), int(order.sizes.max())]
