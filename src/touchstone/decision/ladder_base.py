"""Nouns of the ladder: what a way of improving took to make, what it brings, and what it costs over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from touchstone.decision.base import Reason
from touchstone.evaluation.base import Estimate
from touchstone.noun import Noun

Renewal = Literal["by-itself", "again"]
"""
What a change of the facts asks for: nothing, because they are looked up or never learned; or that the candidate is made
again, because old right answers are in its weights or stand in its examples.
"""

DAYS_PER_MONTH = 365.25 / 12

FEWEST_COMMON = 30
"""
Common cases below which a gain is not known, as fewer rank nobody. After a race they are few because the first of them
looked bad for one of the two: the difference over just those is larger than it is over all, and its interval wide.
"""


class Making(Noun):
    """What it took to make a candidate before it could be asked; None where nobody knows."""

    usd: float | None = None
    """Replies that were bought for it and hours of machines, at their prices."""
    seconds: float | None = None
    """Of models that were asked and of training, added up."""
    labelled_cases: int = Field(default=0, ge=0)
    """Cases with a right answer that it learned from, tuned itself on, or chooses its examples from."""
    renewal: Renewal = "by-itself"


class Stretch(Noun):
    """For how long, how much and how restlessly a candidate will be used."""

    months: float = Field(default=12.0, gt=0, le=600)
    requests_per_month: float | None = Field(default=None, gt=0)
    """None where nobody said; then nothing over time is worked out."""
    facts_change_days: float | None = Field(default=None, gt=0)
    """Days between two changes of the facts that answers rest on; None: they do not change, or nobody said."""
    price_factor: float = Field(default=1.0, ge=0)
    """Times the price of a request, for what changes when prices do."""

    @property
    def renewals(self) -> int:
        """How often the facts change in this time."""
        if self.facts_change_days is None:
            return 0
        return int(self.months * DAYS_PER_MONTH / self.facts_change_days)


class Gain(Noun):
    """A candidate against the baseline on the cases both answered."""

    mean: float
    low: float
    high: float
    n: int
    shown: bool
    """Whether it is shown to be better, after Holm over all pairs of the comparison, and its interval agrees."""
    shown_worse: bool = False
    """Likewise, to be worse."""


class Amount(Noun):
    """The mean of an amount with its interval."""

    mean: float
    low: float
    high: float | None
    """None where it is not known, as of a single answer."""

    def times(self, factor: float) -> Amount:
        """So many times of it; `factor` is not negative."""
        high = None if self.high is None else self.high * factor
        return Amount(mean=self.mean * factor, low=self.low * factor, high=high)


class Total(Noun):
    """USD over the whole stretch, making included."""

    usd: float
    low: float
    high: float | None
    """By the intervals of a request's price and of its time on a machine; None where one is not known."""


BreakEven = Literal["baseline", "cheaper", "dearer", "from", "until", "level", "unknown"]
"""
The baseline itself; cheaper or dearer than it at every volume; cheaper from a number of requests on, because making it
costs more and asking it less; cheaper up to a number of requests, the other way round; a request of both takes about
the same time on a machine, so no number can be told; a number is not known.
"""


class Rung(Noun):
    """One candidate of the ladder."""

    candidate: str
    model: str
    way: str
    """Name of its strategy, `few_shot+rag` and the like."""
    score: Estimate | None
    no_answer: Mapping[str, float] = Field(default_factory=dict)
    """
    How answers failed (`unparsed`, `refused`, `filtered`, `truncated`, `empty`, `error`, `judge_unparsed`, `in_doubt`)
    to the share of what was asked; what never happened is not there. The most frequent first.
    """
    gain: Gain | None = None
    """None for the baseline, and where the two share fewer than 30 cases."""
    common_cases: int | None = None
    """Cases that it and the baseline both have a score of; None for the baseline."""
    making: Making
    usd_per_request: float | None = None
    machine_usd_per_request: Amount | None = None
    """What of it is time on a machine of one's own: measured, and so known within an interval only."""
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    total: Total | None = None
    """None where the volume or a price is not known."""
    break_even: BreakEven = "unknown"
    break_even_requests: float | None = None
    """For `from` and `until`: requests over the whole stretch, with what is made again in it."""
    usd_per_further_right: float | None = None
    """
    Further USD per further right answer, against the baseline; None where it brings none, costs less, is scored by
    degrees, or a number is missing.
    """
    on_front: bool = False
    """Whether nobody is at least as good for less over the whole stretch."""
    blocked: tuple[Reason, ...] = ()
    """Why its gain must not be claimed, such as test cases among what it learned from."""


class Ladder(Noun):
    """Every way that was tried, cheapest first, and which one pays."""

    baseline: str
    rungs: tuple[Rung, ...]
    stretch: Stretch
    pays: str | None
    """
    The cheapest of those that nothing shows to be worse than the best; None where nobody qualifies, or the evidence is
    not enough to rank by.
    """
    level: tuple[str, ...] = ()
    """Who is as good and costs about the same as who pays: their difference in cost may be noise of the clock."""
    why: Reason
    best: str | None = None
    """Highest mean of those that qualify."""

    def rung(self, candidate: str) -> Rung:
        """The rung of a candidate. Raises `KeyError`."""
        for one in self.rungs:
            if one.candidate == candidate:
                return one
        raise KeyError(candidate)
