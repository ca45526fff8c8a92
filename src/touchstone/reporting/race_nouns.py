"""What a race is to its readers: where everybody left it, how it went round by round, what it ended with."""

from __future__ import annotations

from typing import Literal

from touchstone.noun import Noun
from touchstone.reporting.notes import Note


class RaceLane(Noun):
    """How far one candidate was asked in a race, and why no further."""

    candidate: str
    state: Literal["leader", "running", "settled", "infeasible", "unreachable"]
    """
    `leader` won; `running` was not settled when the race ended; `settled` was shown not to be better than the leader by
    more than epsilon; `infeasible` was shown to break a constraint; `unreachable` could not be called.
    """
    cases: int
    """Cases that it has answered."""
    planned: int
    """Cases that a run without a race would have asked."""
    settled_at: int | None = None
    """Cases in common with `against` when it was settled; None when it never was."""
    against: str | None = None
    """Who settled it; None when nobody did, as when a constraint did."""
    round: int | None = None
    """In which round, counted from 1."""
    reason: Note | None = None
    saved_calls: int = 0
    """Calls that a run without a race would have made on top."""
    saved_usd: float | None = None
    """What these would have cost, at this candidate's measured cost per case; None when that is unknown."""


class RaceStep(Noun):
    """Where a race stood after one round."""

    round: int
    """Counted from 1."""
    calls: int
    """Calls of all candidates up to here."""
    leader: str | None
    running: int
    """Candidates that are still called, the leader included."""
    certificate: float | None
    """The leader is at most this far below the best; None while nothing can be said."""


class RaceInfo(Noun):
    """How the run ended, and how its race went."""

    finish: Literal["proven", "quick", "open", "full", "stopped", "budget"] = "full"
    """`open`: who could still win has answered every case, and cells without a score leave the winner open."""
    certificate: float | None = None
    """The chosen candidate is at most this far below the best, at the stated confidence; None without a race."""
    rounds: int = 1
    epsilon: float | None = None
    """How far below the best the winner may be, in points of the score from 0 to 1; None without a race."""
    confidence: float | None = None
    """Of the certificate and of a proven finish; None without a race."""
    batch: int | None = None
    """Cases per round and candidate."""
    quick_at_calls: int | None = None
    """Calls made when the quick line was passed; None when that was not before the end."""
    lanes: tuple[RaceLane, ...] = ()
    """One per candidate, in the order of the task file; empty without a race."""
    steps: tuple[RaceStep, ...] = ()
    """One per round."""
    ties_here: tuple[str, ...] = ()
    """Who was not shown to be worse than the winner on these cases."""
    ties_future: tuple[str, ...] = ()
    """Who was not shown to be worse than the winner on future cases like these."""
    saved_calls: int | None = None
    """Calls that a run without a race would have made on top; None without a race."""
    saved_usd: float | None = None
    """What these would have cost; None when a price is unknown."""
