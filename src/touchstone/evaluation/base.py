"""What a measurement is made of: recipes, candidates, outcomes, estimates, trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import Field

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.noun import Noun
from touchstone.scoring.base import Reading, Score

OutcomeKind = Literal[
    "scored",
    "unparsed",
    "refused",
    "filtered",
    "truncated",
    "empty",
    "error",
    "judge_unparsed",
    "skipped_race",
    "skipped_budget",
    "skipped_cancel",
    "in_doubt",
    "planned",
]
"""What became of one cell; exactly one holds (`promises.md`, words)."""

STRICT_ZEROS: frozenset[str] = frozenset({"unparsed", "refused", "filtered", "truncated", "empty"})
"""Kinds that count as 0 by the strict convention and not at all by answered-only."""


NOT_ASKED: frozenset[str] = frozenset({"skipped_race", "skipped_budget", "skipped_cancel", "planned"})
"""Kinds of cells that nobody answered; their order was random, so they are unseen and not lost."""


class Recipe(Noun):
    """How a candidate is made: everything that, changed, would make it another candidate."""

    model: str
    strategy: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    seed: int = 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of the recipe."""
        import hashlib

        import orjson

        body = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(body).hexdigest()


class Candidate(Protocol):
    """One way of answering the cases; what a strategy returns and what an endpoint serves."""

    name: str
    recipe: Recipe

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        """
        The answer to one case.

        Args:
            draw: Which independent draw is asked for; candidates without chance ignore it.

        Raises:
            ModelError: the call failed; a failure is an outcome, never a score.
        """
        ...

    async def close(self) -> None:
        """Release what the candidate holds; may be called twice."""
        ...


class Outcome(Noun):
    """One cell: a case answered by a candidate, or what became of it instead."""

    case: str
    candidate: str
    repeat: int = 0
    kind: OutcomeKind
    completion: Completion | None = None
    reading: Reading | None = None
    scores: tuple[Score, ...] = ()
    error: str | None = None
    retries: int = 0
    retry_usd: float | None = 0.0
    """Booked beyond the completion's own cost: sends that brought no answer; None when their price is unknown."""
    queue_s: float | None = None
    """Waited in our own limiter before sending; no part of the latency. None where nothing was sent."""
    from_cache: bool = False


class Estimate(Noun):
    """A mean with its interval; there is no mean without its n."""

    mean: float
    low: float
    high: float
    n: int
    method: str
    """How the interval was made, such as `Wilson 95 %`."""


class OutcomeCounts(Noun):
    """How many cells of a candidate ended how; the kinds add up to `planned`."""

    planned: int = 0
    scored: int = 0
    unparsed: int = 0
    refused: int = 0
    filtered: int = 0
    truncated: int = 0
    empty: int = 0
    error: int = 0
    judge_unparsed: int = 0
    skipped_race: int = 0
    skipped_budget: int = 0
    skipped_cancel: int = 0
    in_doubt: int = 0
    unasked: int = 0
    """Not asked yet: the account could not be asked, or the run goes on."""

    @property
    def asked(self) -> int:
        """Cells that were asked, with whatever result."""
        return self.planned - self.skipped_race - self.skipped_budget - self.skipped_cancel - self.unasked

    @property
    def strict_n(self) -> int:
        """Cells with a score by the strict convention."""
        return self.scored + self.unparsed + self.refused + self.filtered + self.truncated + self.empty

    @property
    def coverage(self) -> float:
        """Share of the cells that were asked with a score by the strict convention; 0 when nobody was asked."""
        return self.strict_n / self.asked if self.asked else 0.0


class MachineTime(Noun):
    """A machine of the user's own that answers: seconds of it for a case, and what its hour costs."""

    usd_per_hour: float | None = None
    """None where nobody said: then what its time costs is unknown, not nothing."""
    seconds: float | None = None
    """Mean of a case, one after another; None where it was not measured, or its hour has no price."""
    seconds_low: float | None = None
    seconds_high: float | None = None
    """Ends of the interval of that mean."""


class Cost(Noun):
    """What a candidate cost; None where a price or the usage is unknown."""

    run_usd: float | None = None
    """Answers, paid retries and calls in doubt at their worst case: what was bought, and no time of an own machine."""
    per_case_usd: float | None = None
    """What is bought for a case, as in `run_usd`."""
    per_case_low_usd: float | None = None
    per_case_high_usd: float | None = None
    """Ends of the interval of the mean cost per case."""
    per_correct_usd: float | None = None
    """Total cost / sum of scores; None when nothing was right."""
    per_month_usd: float | None = None
    """At the user's volume, time of an own machine included; None when the volume or a price is unknown."""
    machine: MachineTime | None = None
    """The user's own machine where that answers; None where somebody else's does."""
    judge_usd: float | None = None
    """What judging this candidate cost; never part of `run_usd`."""
    price_source: str | None = None


class BuildCost(Noun):
    """What making a candidate took, apart from what asking it takes; None where nobody knows."""

    usd: float | None = None
    """Of replies that were bought for it and machines that were hired, at the price they had then."""
    took_s: float | None = None
    """
    Seconds of work: of this machine, by the clock; of models that were asked, their answers' seconds added up. Told of
    what was made or answered earlier as well, so that whoever finds it ready knows what it takes.
    """
    calls: int = 0
    """Requests whose replies it took."""
    forecast: bool = False
    """Whether it is what building will take, because only a plan was made and it is not built yet."""

    def __add__(self, other: BuildCost) -> BuildCost:
        """Both together; what is unknown of one is unknown of both."""
        return BuildCost(
            usd=None if self.usd is None or other.usd is None else self.usd + other.usd,
            took_s=None if self.took_s is None or other.took_s is None else self.took_s + other.took_s,
            calls=self.calls + other.calls,
            forecast=self.forecast or other.forecast,
        )


NOTHING_BUILT = BuildCost(usd=0.0, took_s=0.0)
"""Of what is asked as it is."""


class Finding(Noun):
    """What was found while a candidate was made, and bears on what may be said of it."""

    kind: str
    """Stable short name, such as `leak`."""
    template: str
    """A sentence for people, a message id: what was found, in which rows, and the next step."""
    values: Mapping[str, Any] = Field(default_factory=dict)
    """For the template: numbers and texts."""
    blocks: bool = False
    """Whether nobody may claim, while it stands, that this candidate is better than another."""


class Latency(Noun):
    """Client-side seconds; None where nothing was measured."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None
    """Ends of the interval of the 95th percentile."""
    first_token_p50: float | None = None
    tokens_per_s_p50: float | None = None
    """Output tokens per second after the first, median over streamed cells."""
    queue_p50: float | None = None
    """Waited in our own limiter before sending, the median; no part of the other clocks."""
    n: int = 0
    concurrency: int | None = None
    """Requests in flight at most while this was measured."""


class UsageTotal(Noun):
    """Tokens of all cells of a candidate."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    estimated_share: float = 0.0
    """Share of the cells whose usage we counted ourselves, from 0 to 1."""


class RepeatStats(Noun):
    """
    One candidate's answers to the same cases, asked several times, in numbers.

    Every case weighs the same, however many of its answers are there; so every mean here has cases as its n.
    """

    repeats: int
    """The most answers that one case has."""
    cases: int
    """Cases with at least one score."""
    pass_at_1: Estimate
    """Chance that one answer is right; of 0/1 scores the mean score. A graded score is right from 0.5 on."""
    pass_hat_k: tuple[Estimate, ...]
    """Chance that k independent answers to a case are all right, for k = 1, 2, …; over the cases with k answers."""
    unstable_share: Estimate
    """Share of the cases with two answers or more whose answers differ in score."""
    variance_between: float | None
    """Variance of the cases' own mean scores; never negative. None when one case has all the answers."""
    variance_within: float
    """Variance of the answers to one case around that case's mean: what asking again changes."""
    between_clipped: bool = False
    """Whether the estimate of `variance_between` was negative and is shown as 0: the cases differ less than chance."""
    within_share: float | None = None
    """variance_within / (variance_within + variance_between); None when both are 0 or one is unknown."""


class RetrievalScores(Noun):
    """How well a candidate finds what its model should read, apart from what the model makes of it."""

    k: int
    """Passages that a case is shown; the cut-off of recall and nDCG."""
    recall: Estimate
    """Share of the right passages among the first k, the mean over the cases that name some."""
    mrr: Estimate
    """1 / rank of the first right passage among the first k, 0 where there is none; the mean is the MRR."""
    ndcg: Estimate
    """Discounted gain of the first k over the largest that an order could have."""


class TrialSummary(Noun):
    """All outcomes of one candidate, in numbers: what a decision looks at."""

    name: str
    model: str
    strategy: str
    state: Literal["leader", "finished", "eliminated", "disqualified"] = "finished"
    estimate: Estimate | None
    """Strict convention; None when no cell has a score."""
    answered_only: Estimate | None = None
    """Over the cells with an answer; None when there is none."""
    refused: Estimate | None = None
    """Share that the model declined of the cells with a strict score; None when there is none."""
    bounds: tuple[float, float] | None = None
    """Worst and best mean over all cells that were asked; set when some of them have no score."""
    outcomes: OutcomeCounts
    usage: UsageTotal = UsageTotal()
    cost: Cost = Cost()
    latency: Latency = Latency()
    scorers: Mapping[str, Estimate] = Field(default_factory=dict)
    """Further scorers, shown and not decided on."""
    licence: str | None = None
    """`open`, `open_weights`, `proprietary`, or None when unknown."""
    self_hostable: bool | None = None
    recipe_fingerprint: str | None = None
    served_models: tuple[str, ...] = ()
    """Names of the models that answered, as the provider echoed them; two are two models under one name."""
    repeats: RepeatStats | None = None
    """What asking the same cases again showed; None when every case was asked once."""
    build: BuildCost | None = None
    """What making it took; None when nobody knows, as of recorded answers."""
    findings: tuple[Finding, ...] = ()
    """What was found while it was made."""
    retrieval: RetrievalScores | None = None
    """How well it finds passages; None where it reads none, or no case says which are right."""


class PairResult(Noun):
    """The difference of two candidates, a minus b, on the cells both have."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    n: int
    p: float
    adjusted_p: float
    """After Holm over all pairs of the comparison."""
    discordance: float | None = None
    """Of 0/1 scores, the share of cells where the two differ."""
    method: str = ""
