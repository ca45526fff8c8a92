"""How small a difference n cases can show, and how many cases a difference needs: asked before anything is paid."""

from __future__ import annotations

import math

from touchstone.evaluation.distributions import normal_quantile

DISCORDANCE = 0.2
"""Share of cells where two candidates differ, as long as nothing was measured (`method.md` 2)."""


def cases_needed(
    difference: float,
    discordance: float = DISCORDANCE,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> int:
    """
    Paired cases after which a true difference comes out significant with probability `power`.

    Sources: Connor (1987), Biometrics 43:207-211, for two-sided McNemar,
    sqrt(n) d = z(1 - alpha/2) sqrt(psi) + z(power) sqrt(psi - d²); with 1 taken off the count n d (Edwards 1948,
    Psychometrika 13:185-187), because the test that is used is the exact one, which the plain formula flatters.

    Args:
        difference: True difference of the two means, in [-1, 1] and not 0; its sign does not matter.
        discordance: Mean squared difference of a cell; of 0/1 scores the share of cells where the two differ. It
            cannot be below |difference| there and is raised to it. Times the design effect it may exceed 1.
        power: Wanted chance of finding the difference.
        alpha: Two-sided level of the test.
        comparisons: Pairs tested together; alpha / comparisons, the first step of Holm, is what must be met.

    Raises:
        ValueError: the difference is 0, for no number of cases shows it.
    """
    gap = abs(difference)
    if not 0.0 < gap <= 1.0:
        raise ValueError(f"a difference of {difference!r} cannot be planned for; name one in (0, 1]")
    needed = _spread(gap, discordance, power, alpha, comparisons)
    # n d - 1 = K sqrt(n), a quadratic in sqrt(n).
    return math.ceil(((needed + math.sqrt(needed * needed + 4 * gap)) / (2 * gap)) ** 2)


def detectable_difference(
    n: int,
    discordance: float = DISCORDANCE,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> float | None:
    """
    The least true difference that `n` paired cases show with probability `power`; the inverse of `cases_needed`.

    Returns:
        A difference in (0, 1]; None when not even a candidate that is always right against one that is always wrong
        would come out significant (below 6 cases at alpha 0.05).

    Raises:
        ValueError: `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"{n!r} cases show nothing; give at least 1")

    def shown(gap: float) -> bool:
        return n * gap - 1 >= math.sqrt(n) * _spread(gap, discordance, power, alpha, comparisons)

    if not shown(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def fewest_for_quantile(quantile: float, confidence: float = 0.95) -> int:
    """How many amounts it takes until the quantile has an upper end: the least n with q^n <= (1 - confidence) / 2."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(quantile))


def _spread(gap: float, discordance: float, power: float, alpha: float, comparisons: int) -> float:
    """Connor's right side, per sqrt(n): what the count must exceed."""
    if not (discordance > 0.0 and 0.0 < power < 1.0 and 0.0 < alpha < 1.0 and comparisons >= 1):
        raise ValueError(
            f"cannot plan with discordance {discordance!r}, power {power!r}, alpha {alpha!r} "
            f"and {comparisons!r} comparisons"
        )
    psi = max(discordance, gap)
    return normal_quantile(1 - alpha / comparisons / 2) * math.sqrt(psi) + normal_quantile(power) * math.sqrt(
        max(psi - gap * gap, 0.0)
    )
