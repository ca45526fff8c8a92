"""What a decision is asked and what it says: goal, constraints, volume, reasons, verdict."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal

from pydantic import Field

from touchstone.noun import Noun

Verdict = Literal["winner", "tie", "none_qualifies", "insufficient"]
"""
`winner`: separated from everybody else who qualifies (or cheapest within the tolerance). `tie`: somebody who
qualifies cannot be told apart from the best. `none_qualifies`: every candidate breaks a constraint. `insufficient`:
the numbers do not carry a ranking; nobody is chosen.
"""

JudgeState = Literal["none", "validated", "unvalidated", "unfit"]
"""Who scored: no judge, one that agreed with people, one nobody checked, one that failed its control rows."""

RejectionKind = Literal["constraint", "unknown", "unmeasured", "blocked"]
"""
A limit was not met; a constrained fact is not known; nothing has a score; its score means nothing, as where it learned
from the test cases.
"""

PassedOverKind = Literal["worse", "not_shown_within", "dearer", "unpriced"]


class Constraints(Noun):
    """What the chosen one must meet; each acts on the conservative end of its interval. None asks nothing."""

    min_score: float | None = Field(default=None, ge=0, le=1)
    """Minimum of the lower end of the score's interval."""
    max_usd_per_month: float | None = Field(default=None, ge=0)
    """Maximum of the upper end of the cost at the user's volume."""
    max_usd_per_case: float | None = Field(default=None, ge=0)
    """Maximum of the upper end of the mean cost of a case."""
    max_p95_latency_s: float | None = Field(default=None, gt=0)
    """Maximum of the upper end of the 95th percentile of the latency."""
    max_refused_share: float | None = Field(default=None, ge=0, le=1)
    """Maximum of the upper end of the share of cases that the model declines to answer."""
    licence: Literal["open", "open_weights"] | None = None
    """`open_weights` is met by an open licence too."""
    self_hostable: bool | None = None
    """True asks for what can run on one's own machines; False and None ask nothing."""


class Goal(Noun):
    """What is looked for among those that qualify."""

    name: Literal["best", "cheapest-within"] = "best"
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    """For `cheapest-within`: how far below the best the chosen one may be, as a score from 0 to 1."""


class Volume(Noun):
    """How much the chosen one will be used."""

    requests_per_month: float | None = Field(default=None, gt=0)


class RaceEvidence(Noun):
    """What a race says of the candidates: some were asked less than others, because the answers had settled it."""

    leader: str | None
    """The best, or the cheapest good enough; None when nobody is left."""
    finished: bool
    """Whether the race reached its finish; else the leader is who was ahead when it stopped."""
    eliminated: tuple[str, ...] = ()
    """Candidates that were asked no more because they were settled against the leader."""
    proven: bool = False
    """Whether there are such, and all of them were settled by proof and none by halving the field."""
    cases: int
    """Cases that there are to ask."""
    certificates: Mapping[str, float | None] = Field(default_factory=dict)
    """Candidate to how far below the best of these cases it is at most; None where nothing can be said."""
    epsilon: float
    """How far below the best the winner may be."""

    @property
    def certificate(self) -> float | None:
        """That of the leader."""
        return None if self.leader is None else self.certificates.get(self.leader)


class Reason(Noun):
    """One sentence, kept as template and values so that it can be said in either language."""

    template: str
    """English message id with format fields."""
    values: Mapping[str, str | int | float] = Field(default_factory=dict)

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The sentence in the reader's language."""
        return translate(self.template).format(**{name: unsigned_zero(value) for name, value in self.values.items()})


class _Said(float):
    """A number that is written without a sign where all its written digits are 0."""

    def __format__(self, spec: str) -> str:
        text = super().__format__(spec)
        return text.lstrip("-") if text.startswith("-") and not any(sign in "123456789" for sign in text) else text


def unsigned_zero(value: Any) -> Any:
    """A value for a sentence: a number that rounds to 0 there is written without a sign."""
    return _Said(value) if isinstance(value, float) else value


class Rejection(Noun):
    """A candidate that may not be chosen, and why."""

    candidate: str
    kind: RejectionKind
    reason: Reason
    further: tuple[Reason, ...] = ()
    """Other constraints that it breaks as well."""


class PassedOver(Noun):
    """A candidate that qualifies and is not chosen, and why."""

    candidate: str
    kind: PassedOverKind
    reason: Reason


class CaseChanges(Noun):
    """What people changed about the cases after these had been measured, the same for every candidate."""

    cases: int
    """Cases that were measured, those left out among them."""
    excluded: int = 0
    """Cases that are left out of every number."""
    excluded_seen: int = 0
    """How many of these were left out when there were answers to be seen."""
    reasons: tuple[str, ...] = ()
    """Why cases were left out, the commonest reason first; at most three, each cut to a line."""
    corrected: int = 0
    """Cases whose right answer is another than when they were measured."""
    corrected_seen: int = 0
    """How many of these were corrected when there were answers to be seen."""
    kept_verdicts: int = 0
    """Corrected cases whose deciding score stays what it was: a judge's verdict, or a text that nobody kept."""
    verdict_before: Verdict | None = None
    """The verdict on the cases as they were measured; None where nobody worked it out."""
    chosen_before: str | None = None


class Projection(Noun):
    """A candidate at the user's volume, a month of it; None where a number is unknown."""

    candidate: str
    requests_per_month: float
    usd: float | None = None
    usd_low: float | None = None
    usd_high: float | None = None
    """Ends of the interval of the mean cost, at this volume; traffic like the cases is assumed."""
    correct: float | None = None
    """Sum of scores to be expected; of 0/1 scores the number of right answers."""
    correct_low: float | None = None
    correct_high: float | None = None


class Decision(Noun):
    """Which recipe to take, for whom it holds, and what stands against it."""

    goal: Goal
    constraints: Constraints
    volume: Volume
    confidence: float
    verdict: Verdict
    chosen: str | None = None
    """None when nobody qualifies or the evidence does not carry a choice."""
    leader: str | None = None
    """Best mean among those that qualify; in a tie the chosen one may be another."""
    why: Reason
    """What the verdict rests on, one sentence."""
    indistinguishable: tuple[str, ...] = ()
    """In a tie everybody in it, the leader first, then by mean; else empty."""
    qualifying: tuple[str, ...] = ()
    """Everybody who meets all constraints, best mean first."""
    within: tuple[str, ...] = ()
    """For `cheapest-within`: everybody shown to be within the tolerance, best mean first."""
    rejected: tuple[Rejection, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    """Who qualifies, is not in the tie and was not chosen."""
    front: tuple[str, ...] = ()
    """Pareto front of quality, cost and latency over all measured candidates, best quality first."""
    projections: tuple[Projection, ...] = ()
    """Every measured candidate at the user's volume; empty when the volume is unknown."""
    caveats: tuple[Reason, ...] = ()
    changes: CaseChanges | None = None
    """What was changed about the cases afterwards; None when nothing was."""
    cases_needed: int | None = None
    """
    In a tie: cases that would separate the leader from its nearest rival at the difference seen. When nobody qualifies:
    cases after which the first one would. None when more cases would not help or nobody can say.
    """
    expires: date | None = None
    """When to measure again; None when whoever asked did not say."""


class GateOutcome(Noun):
    """One threshold of a gate and what was measured against it."""

    name: Literal["min_score", "non_inferior"]
    passed: bool
    reason: Reason
    candidate: str | None = None
    measured: float | None = None
    required: float | None = None
