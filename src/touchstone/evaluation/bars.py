"""Constraints as a race sees them: a quantity of each cell, scaled into [0, 1], whose mean has a bar to meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from touchstone.evaluation.packed import is_kind
from touchstone.evaluation.race import Bar

Vector = np.ndarray[Any, Any]
Quantity = Literal["score", "latency_s", "cost_usd", "refused"]

SLOW_SHARE = 0.05
"""A 95th percentile holds when at most this share of the cells is slower."""

COST_CEILING = 4.0
"""Costs are cut at so many times the limit: a mean of cut costs above the limit refutes the uncut one too."""


@dataclass(frozen=True)
class Requirement:
    """A constraint that measured cells can break."""

    name: str
    """Key of the task file, such as `min_score`."""
    quantity: Quantity
    limit: float
    """In the quantity's own unit: a score, seconds, USD per case, a share."""

    @property
    def bar(self) -> Bar:
        """What the race is told."""
        if self.quantity == "score":
            return Bar(self.name, "at_least", self.limit)
        if self.quantity == "latency_s":
            return Bar(self.name, "at_most", SLOW_SHARE)
        if self.quantity == "cost_usd":
            return Bar(self.name, "at_most", 1 / COST_CEILING)
        return Bar(self.name, "at_most", self.limit)

    def values(
        self, kind: Vector, low: Vector, high: Vector, cost_usd: Vector, latency_s: Vector
    ) -> tuple[Vector, Vector]:
        """
        Ends between which each cell's variable lies, in [0, 1]; equal where it is known.

        Args:
            kind: Outcome kinds as places in `packed.KINDS`, shape (cells,), as are all.
            low, high: Ends of the strict score.
            cost_usd, latency_s: NaN where unknown.
        """
        if self.quantity == "score":
            return low, high
        if self.quantity == "refused":
            found = is_kind(kind, ("refused",)).astype(float)
            return found, found
        if self.quantity == "latency_s":
            return _ends((latency_s > self.limit).astype(float), np.isnan(latency_s))
        if self.limit <= 0:
            return _ends((cost_usd > 0).astype(float), np.isnan(cost_usd))
        ceiling = COST_CEILING * self.limit
        return _ends(np.minimum(cost_usd, ceiling) / ceiling, np.isnan(cost_usd))


def _ends(values: Vector, unknown: Vector) -> tuple[Vector, Vector]:
    return np.where(unknown, 0.0, values), np.where(unknown, 1.0, values)
