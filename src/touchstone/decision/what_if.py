"""What changes when: the same ladder at another volume, at other prices, and after the facts have changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

from touchstone.decision.base import Reason
from touchstone.decision.ladder_base import Ladder, Stretch
from touchstone.evaluation.base import Estimate, PairResult
from touchstone.evaluation.distributions import normal_cdf, normal_quantile
from touchstone.evaluation.holm import holm
from touchstone.language import N_
from touchstone.noun import Noun

Change = Literal["volume-up", "volume-down", "prices-down", "prices-up", "facts"]

VOLUME_FACTOR = 10.0
PRICE_FACTOR = 0.5
"""What a new generation of models has often cost against the one before it."""


class Changed(Noun):
    """Who pays under a change."""

    change: Change
    what: Reason
    """What is different, in words."""
    pays: str | None
    before: str | None
    """Who pays without the change."""
    usd: float | None = None
    """Total of who pays then, over the stretch; None where it is not known."""
    scores: Mapping[str, Estimate] = {}
    """For `facts`: every candidate's score on the cases of the new facts, as it was made for the old ones."""
    stale: tuple[str, ...] = ()
    """For `facts`: who is shown to have become worse, all of them being looked at."""

    @property
    def turns(self) -> bool:
        """Whether another candidate pays then."""
        return self.pays != self.before


Remake = Callable[[Stretch], Ladder]
"""The same trials on a ladder for another stretch."""


def what_changes(ladder: Ladder, remake: Remake) -> tuple[Changed, ...]:
    """
    The ladder at ten times and a tenth of the volume, and at half and twice the prices of a request.

    Scores stay: they do not depend on how many ask. What does is how what making costs is shared out.
    """
    stretch = ladder.stretch
    found = []
    if stretch.requests_per_month is not None:
        for change, factor, template in (
            ("volume-up", VOLUME_FACTOR, N_("{requests:,.0f} requests a month, ten times as many")),
            ("volume-down", 1 / VOLUME_FACTOR, N_("{requests:,.0f} requests a month, a tenth")),
        ):
            requests = stretch.requests_per_month * factor
            other = remake(stretch.model_copy(update={"requests_per_month": requests}))
            found.append(_changed(change, Reason(template=template, values={"requests": requests}), ladder, other))
    for change, factor, template in (
        ("prices-down", PRICE_FACTOR, N_("a request costs half")),
        ("prices-up", 1 / PRICE_FACTOR, N_("a request costs twice as much")),
    ):
        other = remake(stretch.model_copy(update={"price_factor": stretch.price_factor * factor}))
        found.append(_changed(change, Reason(template=template), ladder, other))
    return tuple(found)


def _changed(change: str, what: Reason, ladder: Ladder, other: Ladder) -> Changed:
    total = None if other.pays is None else other.rung(other.pays).total
    return Changed.model_validate(
        {
            "change": change,
            "what": what,
            "pays": other.pays,
            "before": ladder.pays,
            "usd": None if total is None else total.usd,
        }
    )


def after_the_facts_changed(
    before: Ladder, after: Ladder, changes: Mapping[str, PairResult] | None = None, confidence: float = 0.95
) -> Changed:
    """
    Two measurements: on the cases of the old facts, and on those of the new ones with nothing made again.

    A candidate is stale where it is shown to be worse after than before, after Holm over all of them.

    Args:
        before: On the cases of the old facts.
        after: On those of the new ones.
        changes: Candidate to (after - before) on the questions that both have; who is missing is judged by its two
            means (`fall_p`), which shows less.
        confidence: Of the intervals of the scores, and of what is shown.
    """
    scores = {rung.candidate: rung.score for rung in after.rungs if rung.score is not None}
    earlier = {rung.candidate: rung.score for rung in before.rungs if rung.score is not None}
    both = sorted(scores.keys() & earlier.keys())
    pairs = changes or {}
    adjusted = holm(
        [_fall_of(pairs[name]) if name in pairs else fall_p(scores[name], earlier[name], confidence) for name in both]
    )
    stale = [name for name, p in zip(both, adjusted, strict=True) if p <= 1 - confidence]
    total = None if after.pays is None else after.rung(after.pays).total
    return Changed(
        change="facts",
        what=Reason(template=N_("the facts changed; documents are read again, nothing is trained again")),
        pays=after.pays,
        before=before.pays,
        usd=None if total is None else total.usd,
        scores=scores,
        stale=tuple(stale),
    )


def _fall_of(change: PairResult) -> float:
    return change.p if change.difference < 0 else 1.0


def fall_p(after: Estimate, before: Estimate, confidence: float = 0.95) -> float:
    """
    Two-sided p value of a fall from one mean to another; 1 where there is none.

    The upper side of `difference_of` is read as so many standard errors as the confidence asks for. At that confidence
    this says just what the interval says, and it can be adjusted for several candidates being looked at.
    """
    fall = before.mean - after.mean
    if fall <= 0:
        return 1.0
    side = difference_of(after, before)[1] + fall
    if side == 0:
        return 0.0
    errors = fall / side * normal_quantile(1 - (1 - confidence) / 2)
    return 2 * normal_cdf(-errors)


def difference_of(one: Estimate, other: Estimate) -> tuple[float, float]:
    """
    Interval of one mean minus another of other cases, out of their own intervals.

    Newcombe's square-and-add (Statistics in Medicine 17, 1998, method 10). Cases that were only rewritten are alike, so
    the true interval is narrower, and this one errs to the careful side.
    """
    middle = one.mean - other.mean
    low = middle - math.hypot(one.mean - one.low, other.high - other.mean)
    high = middle + math.hypot(one.high - one.mean, other.mean - other.low)
    return low, high
