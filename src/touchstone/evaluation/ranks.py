"""Where each candidate stands: ranks as intervals, and the front that nobody beats on every axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from touchstone.evaluation.base import PairResult
from touchstone.evaluation.holm import holm

Axes = tuple[float | None, float | None, float | None]
"""Quality (more is better), cost, latency (less is better); None is unknown."""


def rank_intervals(
    names: Sequence[str], pairs: Iterable[PairResult], alpha: float = 0.05
) -> dict[str, tuple[int, int]]:
    """
    Best and worst rank each candidate can have, 1 is first.

    Best: 1 + those significantly better. Worst: all that are not significantly worse stand before it. A pair that was
    not compared decides nothing. The pairs' own p values are adjusted here for all of them (Holm), also those of a
    race; so all intervals hold together with probability 1 - alpha (Al Mohamad, Goeman and van Zwet 2022, "Simultaneous
    confidence intervals for ranks with application to ranking institutions", Biometrics 78).
    """
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    found = list(pairs)
    for pair, adjusted_p in zip(found, holm([pair.p for pair in found]), strict=True):
        if adjusted_p <= alpha and pair.difference != 0:
            first, second = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
            better[second] += 1
            worse[first] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}


def pareto_front(points: Mapping[str, Axes]) -> tuple[str, ...]:
    """
    Names nobody dominates, best quality first, then cheapest, fastest and by name.

    One dominates another when it is at least as good on every axis and better on one. An axis nobody knows is left out.
    Elsewhere an unknown value neither dominates nor is dominated: it might be better or worse. A point of unknown
    quality has not been measured and is not on the front.
    """
    measured = {name: axes for name, axes in points.items() if axes[0] is not None}
    used = [axis for axis in range(3) if any(axes[axis] is not None for axes in measured.values())]
    costs = {name: [_as_cost(axes, axis) for axis in used] for name, axes in measured.items()}
    front = [name for name in measured if not any(dominates(costs[other], costs[name]) for other in measured)]
    return tuple(sorted(front, key=lambda name: (*(_last(cost) for cost in costs[name]), name)))


def dominates(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    """Whether `one` is nowhere more and somewhere less than `other`; False as soon as a value is unknown."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return len(both) == len(one) and all(a <= b for a, b in both) and any(a < b for a, b in both)


def _as_cost(axes: Axes, axis: int) -> float | None:
    value = axes[axis]
    return -value if axis == 0 and value is not None else value


def _last(cost: float | None) -> float:
    return float("inf") if cost is None else cost
