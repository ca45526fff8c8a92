"""What the numbers of a comparison say about two candidates, or about one that has gaps."""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.bounds import coverage, missing_bounds
from touchstone.evaluation.distributions import normal_quantile
from touchstone.evaluation.power import cases_needed


class Contest:
    """The pairs of a comparison, seen from either side, at one confidence."""

    def __init__(self, pairs: Iterable[PairResult], confidence: float) -> None:
        self.alpha = 1 - confidence
        self._pairs: dict[tuple[str, str], PairResult] = {}
        self.count = 0
        for pair in pairs:
            turned = {
                "a": pair.b,
                "b": pair.a,
                "difference": -pair.difference,
                "low": -pair.high,
                "high": -pair.low,
            }
            self._pairs[pair.a, pair.b] = pair
            self._pairs[pair.b, pair.a] = pair.model_copy(update=turned)
            self.count += 1

    def pair(self, a: str, b: str) -> PairResult | None:
        """The difference a minus b; None when the two share no cell."""
        return self._pairs.get((a, b))

    def beats(self, a: str, b: str) -> bool:
        """Whether a is better than b at this confidence, after Holm; a pair that was not compared shows nothing."""
        pair = self.pair(a, b)
        return pair is not None and pair.difference > 0 and pair.adjusted_p <= self.alpha

    def would_beat(self, a: str, b: str) -> bool:
        """Whether a would be better than b if theirs were the only pair that was tested."""
        pair = self.pair(a, b)
        return pair is not None and pair.difference > 0 and pair.p <= self.alpha

    def cases_to_separate(self, a: str, b: str) -> int | None:
        """
        Cases after which the difference seen would come out at this confidence with 80 % power, all pairs tested.

        The spread of a case is read off the interval, so groups and graded scores are in it. None when the difference
        is 0 or the two were not compared.
        """
        pair = self.pair(a, b)
        if pair is None or pair.difference == 0:
            return None
        error = (pair.high - pair.low) / (2 * normal_quantile(1 - self.alpha / 2))
        squared = pair.n * error * error + pair.difference**2
        return cases_needed(pair.difference, squared, alpha=self.alpha, comparisons=max(1, self.count))


def covered(trial: TrialSummary) -> float:
    """Share of the cells asked of a candidate that have a score, 0 when none was asked; what is open was not asked."""
    asked = trial.outcomes.asked
    return coverage(trial.outcomes.strict_n, asked) if asked else 0.0


def possible_means(trial: TrialSummary) -> tuple[float, float]:
    """Worst and best mean of a measured candidate over the cells asked of it; both its mean when none is missing."""
    assert trial.estimate is not None
    known, asked = trial.outcomes.strict_n, trial.outcomes.asked
    if asked <= known:
        return trial.estimate.mean, trial.estimate.mean
    return missing_bounds(trial.estimate.mean * known, known, asked)


def has_gaps(trial: TrialSummary) -> bool:
    """Whether a cell that was asked has no score."""
    return trial.outcomes.asked > trial.outcomes.strict_n
