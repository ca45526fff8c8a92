"""Candidates against each other on the cells both have: difference, interval, p, Holm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from touchstone.evaluation.base import PairResult
from touchstone.evaluation.distributions import binomial_cdf, normal_quantile
from touchstone.evaluation.holm import holm
from touchstone.evaluation.resampling import Floats, Interval, mean_difference_p, mean_intervals, unit_numbers

FEWEST_FLIPS = 9_999
"""Random sign patterns of a graded pair; more when so many pairs are tested that Holm could not reach 0.05."""


def compare_pairs(
    names: Sequence[str],
    scores: npt.NDArray[np.floating],
    known: npt.NDArray[np.bool_] | None = None,
    groups: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[PairResult, ...]:
    """
    All pairs of candidates, each on the cells both have, with p values adjusted by Holm over all of them.

    0/1 scores: exact McNemar, and Tango's score interval. Graded scores: sign-flip permutation and paired BCa
    bootstrap; from 300 cases t. With groups that hold more than one cell both are done over groups, for 0/1 scores
    too.

    Args:
        names: One per candidate.
        scores: In [0, 1], shape (candidates, cells): the same cell in the same column for everybody.
        known: Same shape, False where a cell has no score; its score is not looked at. None: all are known.
        groups: One per cell; None for a cell that belongs to nobody else.
        confidence: Of the intervals, each pair for itself; Holm acts on the p values only.
        seed: Same seed, same numbers.

    Returns:
        In the order of `names`: (0, 1), (0, 2), … A pair that shares no cell is left out, for it has no difference.

    Raises:
        ValueError: shapes do not fit, or a known score is NaN or outside [0, 1].
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != len(names):
        raise ValueError(f"scores have shape {values.shape}; wanted ({len(names)}, cells)")
    mask = np.ones(values.shape, dtype=bool) if known is None else np.asarray(known, dtype=bool)
    if mask.shape != values.shape:
        raise ValueError(f"known has shape {mask.shape}; wanted that of the scores, {values.shape}")
    values = np.where(mask, values, 0.0)
    if not bool(((values >= 0.0) & (values <= 1.0)).all()):  # False for NaN too
        raise ValueError("a known score is NaN or outside [0, 1]; mark missing cells in `known`")
    shared = mask.astype(np.float64) @ mask.T.astype(np.float64)
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names)) if shared[a, b] > 0]
    if not pairs:
        return ()
    first, second = np.array(pairs).T
    numbers = None if groups is None else unit_numbers(groups, values.shape[1])
    grouped = numbers is not None and int(numbers.max()) + 1 < values.shape[1]
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    discordances: list[float] | list[None] = [None] * len(pairs)
    if binary:
        right = values @ values.T
        total = values @ mask.T.astype(np.float64)  # total[a, b]: sum of a's scores on the cells it shares with b
        only_a, only_b = (total - right)[first, second], (total.T - right)[first, second]
        discordances = ((only_a + only_b) / shared[first, second]).tolist()
    if binary and not grouped:
        sizes = shared[first, second]
        low, high = tango(only_a, only_b, sizes, confidence)
        intervals = [
            Interval(*ends, f"Tango {100 * confidence:g} %, exact McNemar")
            for ends in zip(((only_a - only_b) / sizes).tolist(), low.tolist(), high.tolist(), strict=True)
        ]
        p = [mcnemar_p(int(a), int(b)) for a, b in zip(only_a, only_b, strict=True)]
    else:
        unit = numbers if grouped and numbers is not None else np.arange(values.shape[1])
        intervals, p = _drawn(values, mask, pairs, unit, confidence, seed, grouped=grouped)
    adjusted = holm(p)
    return tuple(
        PairResult(
            a=names[a],
            b=names[b],
            difference=found.mean,
            low=found.low,
            high=found.high,
            n=int(shared[a, b]),
            p=p[at],
            adjusted_p=adjusted[at],
            discordance=discordances[at],
            method=found.method,
        )
        for at, ((a, b), found) in enumerate(zip(pairs, intervals, strict=True))
    )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """
    Exact two-sided p of "a and b are right equally often", from the cells where just one of them is right.

    Twice the smaller binomial tail at 1/2, at most 1; 1 when they never differ. Source: McNemar (1947), Psychometrika
    12:153-157; exact form in Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91.
    """
    differing = only_a + only_b
    return 1.0 if differing == 0 else min(1.0, 2.0 * binomial_cdf(min(only_a, only_b), differing, 0.5))


def tango(
    only_a: npt.ArrayLike, only_b: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """
    Score interval of share(a) - share(b) for paired 0/1 scores, elementwise.

    Source: Tango (1998), Statistics in Medicine 17:891-908: all differences that a score test with the restricted
    maximum-likelihood nuisance does not refute. At difference 0 that test is McNemar's without continuity correction;
    the exact one is more careful. So where exact McNemar is below 0.05 the 95 % interval leaves out 0; the other way
    round it need not, and the p value decides.

    Args:
        only_a: Cells where a alone is right.
        only_b: Cells where b alone is right.
        n: Cells both have, at least 1.
        confidence: Between 0 and 1.
    """
    gain, loss, cells = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (only_a, only_b, n)))
    z = normal_quantile((1 + confidence) / 2)

    def refuted_above(gain: Floats, loss: Floats) -> Floats:
        """The least difference above the one seen that the test refutes, by halving; the statistic falls in it."""
        low, high = (gain - loss) / cells, np.ones_like(cells)
        for _ in range(60):
            middle = (low + high) / 2
            linear = (2 * cells - gain + loss) * middle - gain - loss
            root = np.sqrt(np.maximum(linear**2 + 8 * cells * loss * middle * (1 - middle), 0.0))
            nuisance = (root - linear) / (4 * cells)
            variance = cells * (2 * nuisance + middle * (1 - middle))
            kept = cells * middle - (gain - loss) <= z * np.sqrt(np.maximum(variance, 0.0))
            low, high = np.where(kept, middle, low), np.where(kept, high, middle)
        found: Floats = (low + high) / 2
        return found

    return -refuted_above(loss, gain), refuted_above(gain, loss)


def _drawn(
    values: Floats,
    mask: npt.NDArray[np.bool_],
    pairs: Sequence[tuple[int, int]],
    unit: npt.NDArray[np.int64],
    confidence: float,
    seed: int,
    *,
    grouped: bool,
) -> tuple[list[Interval], list[float]]:
    """Intervals and p values of all pairs by drawing again; pairs with equally many units go in one pass."""
    alike: dict[int, list[int]] = defaultdict(list)
    columns: list[tuple[Floats, Floats]] = []
    units = int(unit.max()) + 1
    for at, (a, b) in enumerate(pairs):
        both = mask[a] & mask[b]
        counts = np.bincount(unit[both], minlength=units).astype(np.float64)
        gains = np.bincount(unit[both], weights=(values[a] - values[b])[both], minlength=units).astype(np.float64)
        held = counts > 0
        columns.append((gains[held], counts[held]))
        alike[int(held.sum())].append(at)
    draws = max(FEWEST_FLIPS, 80 * len(pairs) - 1)
    intervals: list[Interval] = [Interval(0.0, 0.0, 0.0, "")] * len(pairs)
    p = [1.0] * len(pairs)
    for members in alike.values():
        sums: Floats = np.column_stack([columns[at][0] for at in members])
        sizes = np.column_stack([columns[at][1] for at in members])
        flip = _facing(sums, sizes)
        found = mean_intervals(
            sums * np.where(flip == 0, 1.0, flip),
            sizes,
            floor=-1.0,
            ceiling=1.0,
            confidence=confidence,
            seed=seed,
            grouped=grouped,
        )
        chances = mean_difference_p(sums, sizes, draws, seed)
        for place, at in enumerate(members):
            mean, low, high, method = found[place]
            if flip[place] == 0:
                # Its own mirror image: so is its interval, whatever the draws say of either side.
                half = (high - low) / 2
                low, high = -half, half
            intervals[at] = (
                Interval(-mean, -high, -low, method) if flip[place] < 0 else Interval(mean, low, high, method)
            )
            p[at] = float(chances[place])
    return intervals, p


def _facing(sums: Floats, sizes: Floats) -> Floats:
    """
    1 or -1 per column: the side it is drawn from, so that swapping a and b mirrors the interval exactly.

    The side with the larger sum; where the sum is 0, the side whose sorted sums come later in the dictionary; 0 where
    both sides are alike.
    """
    flip: Floats = np.sign(np.round(sums.sum(axis=0), 9))
    for column in np.flatnonzero(flip == 0):
        ahead = sorted(zip(sums[:, column].tolist(), sizes[:, column].tolist(), strict=True))
        back = sorted(zip((-sums[:, column]).tolist(), sizes[:, column].tolist(), strict=True))
        flip[column] = float(ahead > back) - float(ahead < back)
    return flip
