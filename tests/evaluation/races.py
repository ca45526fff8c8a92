"""Races over matrices whose every answer is known, for the tests of the race."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.race import Ask, Race, Standing

Matrix = npt.NDArray[np.float64]


def answer(
    race: Race,
    ask: Ask,
    scores: Matrix,
    high: Matrix | None = None,
    bars: Matrix | None = None,
    cost: Matrix | None = None,
) -> int:
    """Answers one ask at once; `bars` is candidates x units x bars x 2. How many units it were."""
    i, units = ask.candidate, np.arange(ask.start, ask.stop)
    race.tell_many(
        i,
        units,
        scores[i, units],
        (scores if high is None else high)[i, units],
        None if bars is None else bars[i, units],
        None if cost is None else cost[i, units],
    )
    return len(units)


def drive(
    race: Race,
    scores: Matrix,
    high: Matrix | None = None,
    bars: Matrix | None = None,
    cost: Matrix | None = None,
    look: Callable[[Standing], None] | None = None,
) -> int:
    """Runs a race to its end; how many units were asked."""
    asked = 0
    while asks := race.next():
        asked += sum(answer(race, ask, scores, high, bars, cost) for ask in asks)
        if look is not None:
            look(race.standing())
    return asked


def coins(seed: int, means: list[float], units: int, shared: float = 0.0) -> Matrix:
    """0/1 scores of candidates; a share of the units is as hard for everybody, as in real benchmarks."""
    rng = np.random.default_rng(seed)
    own, common = rng.random((len(means), units)), rng.random(units)
    luck = np.where(rng.random(units) < shared, common, own)
    return (luck < np.array(means)[:, None]).astype(float)
