"""Which candidates the user's own machine answers for, and what its time for a case comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from touchstone.catalog.prices import OWN_MACHINE
from touchstone.decision.base import Volume
from touchstone.decision.projection import usd_per_month
from touchstone.evaluation.base import Cost, MachineTime
from touchstone.evaluation.cells import Cells
from touchstone.evaluation.intervals import amount_interval
from touchstone.evaluation.summaries import Ground

_OUR_ADAPTERS = ("starter", "local")
"""First word of the endpoint of weights that this process reads."""


def runs_here(strategy: str, endpoint: str | None, price_source: str | None) -> bool:
    """
    Whether the user's own machine answers: a baseline, weights that this process reads, a local server.

    It goes by who was asked in the end, not by how the entry called the model: a network trained from nothing on an
    entry of a service answers here. A local server for which the user names a price costs that price.
    """
    adapter = (endpoint or "").partition("|")[0].partition("/")[0]
    return strategy == "baseline" or adapter in _OUR_ADAPTERS or price_source == OWN_MACHINE


def with_machine(
    cost: Cost, strategy: str, settings: Mapping[str, Any], cells: Cells, ground: Ground, usd_per_hour: float | None
) -> Cost:
    """
    The cost of a candidate with the time of the user's machine, where that answered; else as it is.

    The month is worked out again by `decision.projection`, as the ladder of `improve` does it.

    Args:
        settings: Of the candidate, as they are stored.
        usd_per_hour: Of the machine; None where nobody said.
    """
    price = settings.get("price") or {}
    if not runs_here(strategy, settings.get("endpoint"), price.get("source")):
        return cost
    machine = MachineTime() if usd_per_hour is None else _time_of(cells, ground, usd_per_hour)
    cost = cost.model_copy(update={"machine": machine, "per_month_usd": None})
    month = usd_per_month(cost, Volume(requests_per_month=ground.requests_per_month))
    return cost.model_copy(update={"per_month_usd": month[0]})


def _time_of(cells: Cells, ground: Ground, usd_per_hour: float) -> MachineTime:
    """
    The mean time of a case, with its interval.

    The mean and not the median: many requests take the mean's time, and times are skewed. As of costs, the interval is
    the one for a fixed number of cases, after a race as well.
    """
    measured = ~np.isnan(cells.latency_s)
    if not measured.any():
        return MachineTime(usd_per_hour=usd_per_hour)
    units = ground.units(cells)
    groups = None if units is None else units[measured].tolist()
    mean, low, high = amount_interval(cells.latency_s[measured], groups, ground.confidence, ground.seed)
    return MachineTime(usd_per_hour=usd_per_hour, seconds=mean, seconds_low=low, seconds_high=high)
