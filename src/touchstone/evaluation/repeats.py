"""What several independent answers to the same cases say: pass@1, pass^k, stability, and where the variance lies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from touchstone.evaluation.base import Estimate, RepeatStats

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from touchstone.evaluation.resampling import Floats

RIGHT_FROM = 0.5
"""A graded score counts as right from here on; a 0/1 score is right when it is 1."""
_EQUAL = 1e-12


def repeat_stats(
    scores: Floats | Sequence[Sequence[float]],
    groups: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> RepeatStats | None:
    """
    What independent answers to the same cases show; None when no case has two of them.

    pass^k: with c of a case's n answers right, C(c, k) / C(n, k) is an unbiased estimate of the chance that k
    independent answers are all right; it is averaged over the cases with k answers or more (Yao et al. 2024,
    "tau-bench", arXiv 2406.12045; its twin for "any right" is pass@k of Chen et al. 2021, arXiv 2107.03374).

    Variances: one-way random effects, answers within cases, by analysis of variance with unequal numbers of answers
    (Searle, Casella and McCulloch 1992, Variance Components, section 3.6):
    within = SSW / (N - a), between = (SSB / (a - 1) - within) / n0 with n0 = (N - sum n_i^2 / N) / (a - 1), for a cases
    with n_i answers, N in all. Both are unbiased before a negative `between` is set to 0, which is said.

    Args:
        scores: Shape (cases, repeats), each in [0, 1]; NaN where an answer has no score.
        groups: One per case, of cases that are not independent; None for a case that belongs to nobody else.
        confidence: Of all intervals, between 0 and 1.
        seed: Same seed, same intervals.

    Raises:
        ValueError: not two dimensions, or a score outside [0, 1].
    """
    import numpy as np

    from touchstone.evaluation.intervals import estimate

    values, known = _checked(scores)
    kept = known.sum(axis=1) > 0
    values, known = values[kept], known[kept]
    answers = known.sum(axis=1)
    if not (answers >= 2).any():
        return None
    own = None if groups is None else [group for group, keep in zip(groups, kept.tolist(), strict=True) if keep]
    right = (known & (values >= RIGHT_FROM)).sum(axis=1)

    def over(cases: npt.NDArray[np.bool_], found: Floats) -> Estimate:
        members = None if own is None else [own[place] for place in np.flatnonzero(cases)]
        return estimate(found[cases], members, confidence, seed)

    most = int(answers.max())
    chances = np.ones(len(answers))
    all_right = []
    for k in range(1, most + 1):
        # C(c, k) / C(n, k) is the product of (c - i) / (n - i) for i < k; no binomial number ever overflows.
        chances = chances * np.maximum(right - k + 1, 0) / np.maximum(answers - k + 1, 1)
        all_right.append(over(answers >= k, chances))
    highest = np.where(known, values, -np.inf).max(axis=1)
    lowest = np.where(known, values, np.inf).min(axis=1)
    unstable = (highest - lowest > _EQUAL).astype(np.float64)
    between, within = _variances(values, known)
    shown = None if between is None else max(between, 0.0)
    total = within if shown is None else within + shown
    return RepeatStats(
        repeats=most,
        cases=len(answers),
        pass_at_1=all_right[0],
        pass_hat_k=tuple(all_right),
        unstable_share=over(answers >= 2, unstable),
        variance_between=shown,
        variance_within=within,
        between_clipped=between is not None and between < -_EQUAL,
        within_share=None if shown is None or total <= _EQUAL else within / total,
    )


def stability(scores: Floats | Sequence[Sequence[float]]) -> tuple[tuple[int, int], ...]:
    """
    Per case (right, of): how many of its answers that have a score are right.

    Args:
        scores: As for `repeat_stats`; a case without any score is (0, 0).
    """
    values, known = _checked(scores)
    right = (known & (values >= RIGHT_FROM)).sum(axis=1)
    return tuple(zip(right.tolist(), known.sum(axis=1).tolist(), strict=True))


def _checked(scores: Floats | Sequence[Sequence[float]]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The scores with 0 where there is none, and where there is one; both of shape (cases, repeats)."""
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"scores have the shape (cases, repeats), not {values.shape}")
    known = ~np.isnan(values)
    values = np.where(known, values, 0.0)
    if values.size and (values.min() < 0.0 or values.max() > 1.0):
        raise ValueError(f"scores lie in [0, 1]; found {values.min():g} to {values.max():g}")
    return values, known


def _variances(values: Floats, known: npt.NDArray[np.bool_]) -> tuple[float | None, float]:
    """(between, within) of the cases with a score; between is None for a single case and may be negative."""
    answers = known.sum(axis=1)
    cases, cells = len(answers), int(answers.sum())
    means = values.sum(axis=1) / answers
    residuals = (values - means[:, None])[known]
    within = float((residuals**2).sum()) / (cells - cases)
    if cases < 2:
        return None, within
    grand = float(values.sum()) / cells
    mean_square = float((answers * (means - grand) ** 2).sum()) / (cases - 1)
    usual = (cells - float((answers**2).sum()) / cells) / (cases - 1)
    return (mean_square - within) / usual, within
