"""What missing cells could change: worst and best means, and how much of the plan was covered."""

from __future__ import annotations

from typing import Literal

CoverageClass = Literal["fine", "yellow", "withheld"]
FINE = 0.95
"""Coverage from here on needs no remark."""
WITHHELD = 0.80
"""Below this coverage nothing is ranked."""


def missing_bounds(total_score: float, known: int, planned: int) -> tuple[float, float]:
    """
    Worst and best mean over all planned cells, whatever the missing ones would have scored (`method.md` 5).

    Args:
        total_score: Sum of the known scores, each in [0, 1].
        known: Cells with a score.
        planned: Cells asked for, known or missing. Cells a race skipped on purpose are not among them: their order was
            random, so they are unseen, not lost.

    Raises:
        ValueError: nothing was planned, or the counts contradict each other.
    """
    _check(known, planned)
    if not -1e-9 <= total_score <= known + 1e-9:
        raise ValueError(f"{known} scores in [0, 1] cannot add up to {total_score!r}")
    total = min(max(total_score, 0.0), float(known))
    return total / planned, (total + planned - known) / planned


def coverage(known: int, planned: int) -> float:
    """
    Share of the planned cells that have a score, strict zeros included.

    Raises:
        ValueError: nothing was planned, or more is known than was planned.
    """
    _check(known, planned)
    return known / planned


def coverage_class(share: float) -> CoverageClass:
    """`fine` from 95 %, `yellow` from 80 %, else `withheld`: no ranking (`method.md` 2)."""
    return "fine" if share >= FINE else "yellow" if share >= WITHHELD else "withheld"


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether some way of filling the missing cells would turn the order of two candidates round, or level them."""
    return one[0] <= other[1] and other[0] <= one[1]


def _check(known: int, planned: int) -> None:
    if planned < 1:
        raise ValueError("nothing was planned, so there is nothing to cover")
    if not 0 <= known <= planned:
        raise ValueError(f"{known} known cells of {planned} planned ones are impossible")
