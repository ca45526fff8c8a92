"""What is said to a race and what it says: its rules, whom to ask next, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["race", "bar", "withdrawn", "halving"]
Finished = Literal["proven", "quick", "exact", "budget"]

CONSTRAINTS_SHARE = 0.2
"""Of the allowed error, what constraints spend when there are any: 0.01 of 0.05, and the race 0.04."""

BATCHES = ((100, 10), (500, 25))
LONG_BATCH = 50
"""Up to 100 units in tens, while many run and some need few; up to 500 by 25; then by 50, when two or three run."""


@dataclass(frozen=True)
class Bar:
    """
    A constraint on the mean of one variable in [0, 1]; the caller scales it.

    A latency limit is the indicator "this cell took longer" against 0.05; a cost limit is min(cost / (4 x limit), 1)
    against 1/4, so that single expensive cells are cut at four times the limit.
    """

    name: str
    kind: Literal["at_least", "at_most"]
    level: float

    def __post_init__(self) -> None:
        if self.kind not in ("at_least", "at_most") or not 0 <= self.level <= 1:
            raise ValueError(f"bar {self.name!r}: at_least or at_most a level in [0, 1], not {self.kind} {self.level}")


@dataclass(frozen=True)
class Rules:
    """How a race is run."""

    confidence: float = 0.95
    epsilon: float = 0.01
    """The winner may be this much below the best; the slack when `tolerance` is set."""
    batch: int | None = None
    """Units between two looks; None: 10 up to 100 units answered, 25 up to 500, then 50."""
    finish: Literal["proven", "quick"] = "proven"
    """Proven: the guarantee holds for the whole race. Quick: for each rival alone."""
    tolerance: float | None = None
    """Set: the cheapest within so much of the best, instead of the best."""
    bars: tuple[Bar, ...] = ()
    max_calls: int | None = None
    """Set: spend at most so many cells by successive halving."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is between 0 and 1, not {self.confidence}")
        if not 0 <= self.epsilon < 1:
            raise ValueError(f"epsilon is at least 0 and below 1, not {self.epsilon}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"a batch has at least one unit, not {self.batch}")
        if self.finish not in ("proven", "quick"):
            raise ValueError(f"finish is proven or quick, not {self.finish!r}")
        if self.tolerance is not None and not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance is at least 0 and below 1, not {self.tolerance}")
        if self.max_calls is not None and self.max_calls < 1:
            raise ValueError(f"a budget is at least one call, not {self.max_calls}")
        if self.max_calls is not None and self.tolerance is not None:
            raise ValueError("a fixed budget looks for the best; leave out either max_calls or tolerance")

    @property
    def delta(self) -> float:
        """Probability with which the race itself may err; constraints have the rest."""
        return (1 - self.confidence) * (1 - CONSTRAINTS_SHARE if self.bars else 1)

    @property
    def bar_delta(self) -> float:
        """Probability with which any candidate that meets all constraints may be dropped."""
        return (1 - self.confidence) * CONSTRAINTS_SHARE

    def edges(self, units: int) -> list[int]:
        """Where the batches of a race over `units` units end, from 0 to `units`."""
        found = [0]
        while found[-1] < units:
            batch = self.batch or next((size for until, size in BATCHES if found[-1] < until), LONG_BATCH)
            found.append(min(units, found[-1] + batch))
        return found


@dataclass(frozen=True)
class Ask:
    """`candidate` answers the units from `start` to before `stop` of the shared order now."""

    candidate: int
    start: int
    stop: int


@dataclass(frozen=True)
class Settled:
    """A candidate that is called no more."""

    candidate: int
    against: int | None
    """Whom it lost to; None when nobody was needed for that."""
    units: int
    """How much of the order decided it."""
    cases: int
    round: int
    reason: Reason
    bar: str | None = None


@dataclass(frozen=True)
class QuickLine:
    """Where a race with `finish: quick` over the same answers would have stopped."""

    leader: int
    units: tuple[int, ...]
    """What it would have asked of each candidate."""
    cases: int
    round: int


@dataclass(frozen=True)
class Standing:
    """A race at one moment; it depends on the answers alone, not on when or how often one looked."""

    leader: int | None
    """The best so far, or the cheapest that qualifies; None before the first batch and when nobody is left."""
    running: tuple[int, ...]
    """The leader and everybody not yet settled against it."""
    settled: tuple[Settled, ...]
    finished: Finished | None
    """
    Exact: every candidate that can be asked has answered everything, or those not settled have. Budget: the calls
    are spent, and the certificate says what they bought.
    """
    certificate: float | None
    """
    The leader is at most so much below the best of the candidates which meet the constraints and were not withdrawn,
    at the race's confidence, at any moment and after any stop; None: nothing can be said.
    """
    rounds: int
    answered: tuple[int, ...]
    """Units each has answered without a gap."""
    ties_here: tuple[int, ...]
    """Candidates of which it is not shown that they are worse than the leader on these cases."""
    ties_future: tuple[int, ...]
    """The same for future cases; two-sided, because the leader was chosen by the same answers."""
    means: tuple[float | None, ...]
    """Over `answered`; the middle where scores are unknown."""
    quick_line: QuickLine | None
    """None before it is reached, and where answers are missing that such a race would have needed."""
