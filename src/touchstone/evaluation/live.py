"""Numbers of a run that may be looked at at any moment: intervals and pairs that hold whenever one stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from touchstone.evaluation.base import Estimate, PairResult
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.sequences import anytime_p, difference_sequence, mean_sequence

Vector = np.ndarray[Any, Any]


def anytime_estimate(scores: Vector, order: CaseOrder, confidence: float) -> Estimate:
    """
    The mean of the scores that are there, with an interval for future cases that holds at any moment.

    Args:
        scores: In [0, 1] by the place of the case in its split, shape (cases,); NaN where there is none, one at least
            is there.
        order: In which they were asked; a cluster counts as one.
        confidence: Between 0 and 1.
    """
    known = scores[~np.isnan(scores)]
    values, sizes = in_units(scores, order)
    low, high = mean_sequence(values, confidence, sizes=sizes)
    mean = float(known.mean())
    return Estimate(
        mean=mean,
        # The interval is of a running intersection, and the mean of all cases may lie just outside of it.
        low=min(low, mean),
        high=max(high, mean),
        n=len(known),
        method=f"anytime-valid {100 * confidence:g} %",
    )


def anytime_pairs(names: Sequence[str], scores: Vector, order: CaseOrder, confidence: float) -> tuple[PairResult, ...]:
    """
    All pairs of candidates on the cases both have, with intervals and p values that hold at any moment.

    The p value of each pair holds for that pair; what protects the choice among many is the race's own finish, so it is
    not adjusted a second time.

    Args:
        names: One per candidate.
        scores: Strict scores, shape (candidates, cases), NaN where there is none.
        order: In which the cases were asked.
        confidence: Of each pair's interval.
    """
    found = []
    binary = bool(np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all())
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            difference = scores[a] - scores[b]
            known = difference[~np.isnan(difference)]
            if not known.size:
                continue
            values, sizes = in_units(difference, order)
            low, high = difference_sequence(values, confidence, sizes=sizes)
            mean = float(known.mean())
            p = anytime_p(values, sizes=sizes)
            found.append(
                PairResult(
                    a=names[a],
                    b=names[b],
                    difference=mean,
                    low=min(low, mean),
                    high=max(high, mean),
                    n=len(known),
                    p=p,
                    adjusted_p=p,
                    discordance=float((known != 0).mean()) if binary else None,
                    method=f"anytime-valid {100 * confidence:g} %",
                )
            )
    return tuple(found)


def anytime_quantile(
    amounts: Vector, ordinal: Vector, order: CaseOrder, quantile: float, confidence: float
) -> tuple[float | None, float | None]:
    """
    Ends of a quantile, such as 0.95 of latencies, at any moment: where "this share is slower" is refuted, where not.

    An amount v is above the quantile when the share of amounts beyond v is shown to be below 1 - quantile. Source: the
    inversion of a confidence sequence for a share, Howard and Ramdas (2022), Bernoulli 28:1704-1728, section 3.

    Args:
        amounts: One per cell, NaN where unknown.
        ordinal: The case of each cell.
        order: In which the cases were asked.

    Returns:
        (low, high); an end is None while there is too little to say.
    """
    places = np.empty(order.cases, dtype=np.int64)
    places[order.ordinals] = np.arange(order.cases)
    values = amounts[np.argsort(places[ordinal], kind="stable")]
    values = values[~np.isnan(values)]
    levels = np.unique(values)

    def beyond(place: int) -> tuple[float, float]:
        return mean_sequence((values > levels[place]).astype(float), confidence)

    above = _first(len(levels), lambda place: beyond(place)[1] <= 1 - quantile)
    below = _first(len(levels), lambda place: beyond(place)[0] <= 1 - quantile)
    high = float(levels[above]) if above < len(levels) and not _is_last(levels, values, above, quantile) else None
    low = float(levels[below - 1]) if below > 0 else None
    return low, high


def _is_last(levels: Vector, values: Vector, place: int, quantile: float) -> bool:
    """Nobody was slower than the slowest: that says something only where it was shown for a share, not seen."""
    return bool(place == len(levels) - 1 and (1 - quantile) * len(values) < 1)


def _first(count: int, holds: Any) -> int:
    """The first place at which something holds that holds from there on; `count` when it never does."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def in_units(scores: Vector, order: CaseOrder) -> tuple[Vector, list[int] | None]:
    """
    Means of the units that have a score, in the order of asking, and how many scores each has; None where all have one.

    Args:
        scores: By the place of the case in its split, NaN where there is none.
    """
    asked = scores[order.ordinals]
    known = ~np.isnan(asked)
    if order.units == order.cases:
        return asked[known], None
    unit = np.repeat(np.arange(order.units), order.sizes)[known]
    sizes = np.bincount(unit, minlength=order.units)
    sums = np.bincount(unit, weights=asked[known], minlength=order.units)
    there = sizes > 0
    return sums[there] / sizes[there], sizes[there].tolist()
