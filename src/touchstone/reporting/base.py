"""
What a finished comparison is to its readers: `Comparison` for machines, `ReportData` for people.

Both are plain values. This room never opens the store, the clock or the network: whoever asks for a report gathers
these nouns first, and the same nouns give the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from touchstone.data.base import Problem
from touchstone.decision.base import CaseChanges, PassedOverKind, Projection, RejectionKind, Verdict
from touchstone.evaluation.base import (
    BuildCost,
    Cost,
    Estimate,
    Latency,
    OutcomeCounts,
    OutcomeKind,
    PairResult,
    RepeatStats,
    RetrievalScores,
    UsageTotal,
)
from touchstone.noun import Noun
from touchstone.reporting.notes import Note as Note
from touchstone.reporting.race_nouns import RaceInfo as RaceInfo
from touchstone.reporting.race_nouns import RaceLane as RaceLane
from touchstone.reporting.race_nouns import RaceStep as RaceStep
from touchstone.scoring.base import AnswerSpec

State = Literal["leader", "finished", "eliminated", "disqualified"]


class TaskInfo(Noun):
    """Which task was measured, on how many cases."""

    name: str
    cases: int
    fingerprint: str


class CandidateFinding(Noun):
    """What was found while a candidate was made."""

    kind: str
    """Stable short name, such as `leak`."""
    text: Note
    blocks: bool = False
    """Whether nobody may claim, while it stands, that this candidate is better than another."""


class CandidateResult(Noun):
    """One candidate in numbers, as the JSON result shows it."""

    name: str
    model: str
    strategy: str
    state: State
    estimate: Estimate | None
    """Strict convention: refused, filtered, truncated, empty and unparsed count 0. None when nothing has a score."""
    outcomes: OutcomeCounts
    usage: UsageTotal
    cost: Cost
    latency_s: Latency
    answered_only: Estimate | None = None
    bounds: tuple[float, float] | None = None
    """Worst and best mean over all cells that were asked; set when some of them have no score."""
    scorers: Mapping[str, Estimate] = Field(default_factory=dict)
    """Further scorers, shown and not decided on."""
    coverage: float = 0.0
    """Share of the cells that were asked that have a score by the strict convention, from 0 to 1."""
    licence: str | None = None
    self_hostable: bool | None = None
    recipe_fingerprint: str | None = None
    repeats: RepeatStats | None = None
    """What asking the same cases again showed; None when every case was asked once."""
    rank: tuple[int, int] | None = None
    """Best and worst place that the pairs leave open, 1 is first; all hold together at the comparison's confidence.
    None when nothing has a score."""
    build: BuildCost | None = None
    """What making it took; None when nobody knows, as of recorded answers."""
    findings: tuple[CandidateFinding, ...] = ()
    """What was found while it was made."""
    retrieval: RetrievalScores | None = None
    """How well it finds passages; None where it reads none, or no case says which are right."""


class Calls(Noun):
    """How many calls it took, against calling everybody on everything."""

    made: int = 0
    from_cache: int = 0
    full: int = 0
    """Calls of a run without a race: candidates x cases x repeats."""
    share: float | None = None
    """(made + from_cache) / full; None when nothing was to be called."""
    retries: int = 0


class RejectedCandidate(Noun):
    """A candidate that may not be chosen, and why."""

    candidate: str
    reason: Note
    kind: RejectionKind = "constraint"
    further: tuple[Note, ...] = ()
    """Other constraints that it breaks as well."""


class PassedOverCandidate(Noun):
    """A candidate that may be chosen and was not, and why."""

    candidate: str
    reason: Note
    kind: PassedOverKind


class DecisionResult(Noun):
    """The decision as the JSON result shows it."""

    verdict: Verdict
    chosen: str | None = None
    indistinguishable: tuple[str, ...] = ()
    """In a tie everybody in it, the leader first; else empty."""
    rejected: tuple[RejectedCandidate, ...] = ()
    front: tuple[str, ...] = ()
    """Pareto front of quality, cost and latency, best quality first."""
    caveats: tuple[Note, ...] = ()
    changes: CaseChanges | None = None
    """What people changed about the cases after they were measured; null when nothing was."""
    cases_needed: int | None = None
    """In a tie, cases that would separate it; when nobody qualifies, cases after which somebody would."""
    leader: str | None = None
    """Best mean among those that qualify; in a tie the chosen one may be another."""
    why: Note | None = None
    """What the verdict rests on, one sentence."""
    qualifying: tuple[str, ...] = ()
    """Everybody who meets all constraints, best mean first."""
    within: tuple[str, ...] = ()
    """For `cheapest-within`: everybody shown to be within the tolerance, best mean first."""
    passed_over: tuple[PassedOverCandidate, ...] = ()
    projections: tuple[Projection, ...] = ()
    """Every measured candidate at the user's volume; empty when the volume is unknown."""
    expires: str | None = None
    """When to measure again, ISO 8601."""


class StatisticsInfo(Noun):
    """What this number of cases can show."""

    minimum_detectable_difference: float | None = None
    """Smallest true difference that 80 % of such comparisons would find; in points of the score, from 0 to 1."""
    cases_needed: int | None = None
    """Cases needed for the difference the user asks about."""
    confidence: float = 0.95


class GateCheck(Noun):
    """One threshold of the task's `gate:` and what was measured against it."""

    name: str
    """Stable short name, such as `min_score` or `non_inferior`."""
    passed: bool
    text: Note
    """What was asked and what was measured, one sentence."""
    candidate: str | None = None
    measured: float | None = None
    required: float | None = None


class GateResult(Noun):
    """All checks of the gate; passed when every one of them passed."""

    passed: bool
    checks: tuple[GateCheck, ...] = ()


class Comparison(Noun):
    """What `compare --json` returns: stable, versioned; fields may be added, never renamed."""

    version: Literal["touchstone.comparison/1"] = Field(default="touchstone.comparison/1", alias="schema")
    task: TaskInfo
    candidates: tuple[CandidateResult, ...]
    pairs: tuple[PairResult, ...] = ()
    calls: Calls = Calls()
    spent_usd: float | None = None
    """All that was paid in this run, judges included; None when a price was unknown."""
    race: RaceInfo = RaceInfo()
    decision: DecisionResult
    created: str
    """Date of the run, ISO 8601."""
    comparison_id: str
    statistics: StatisticsInfo = StatisticsInfo()
    gate: GateResult | None = None
    warnings: tuple[Note, ...] = ()
    report: str | None = None
    """Path of the HTML report; None when none was written."""


class ScorerInfo(Noun):
    """A scorer of the task."""

    name: str
    description: str = ""
    """First line of the scorer's own documentation."""
    decides: bool = False
    """True for the first one: its score is what candidates are compared by."""


class CasesInfo(Noun):
    """Where the cases came from and how they were understood."""

    files: tuple[str, ...] = ()
    """As the task file names them."""
    described: str = ""
    """Dialect, encoding and columns, one line."""
    counts: Mapping[str, int] = Field(default_factory=dict)
    """Cases per split."""
    digest: str = ""
    groups: int = 0
    """Number of clusters of cases that are not independent; 0 when there are none."""
    problems: tuple[Problem, ...] = ()


class Slice(Noun):
    """A candidate's score on the cases with one tag."""

    tag: str
    candidate: str
    estimate: Estimate | None
    """None when the candidate has no score on these cases."""


class ExampleAnswer(Noun):
    """What one candidate made of one case."""

    candidate: str
    kind: OutcomeKind
    output: str = ""
    """Text of the output, cut by whoever gathered it."""
    cut_characters: int = 0
    """How many characters of the output were left out."""
    answer: str | None = None
    """What was read out of the output; None when nothing was found."""
    how: str = ""
    """Which step found it."""
    score: float | None = None
    """From 0 to 1; None when the cell has none."""
    reason: str = ""
    """Why the scorer said so, or the error of a failed call."""
    latency_s: float | None = None
    cost_usd: float | None = None
    right: int | None = None
    """How many of its answers to this case were right; None when the case was asked once."""
    of: int | None = None
    """How many of its answers to this case have a score."""


class Example(Noun):
    """One case with everybody's answers side by side."""

    case: str
    row: int | None = None
    """Data row in its file, counted from 1."""
    input: str
    cut_characters: int = 0
    """How many characters of the input were left out."""
    target: str | None = None
    options: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    answers: tuple[ExampleAnswer, ...] = ()


class CandidateSettings(Noun):
    """How a candidate was called; differences between rows are differences that were measured along."""

    candidate: str
    model: str
    endpoint: str | None = None
    """Adapter, address and served name; never a credential."""
    served_model: str | None = None
    """The name the provider echoed."""
    prompt_digest: str | None = None
    """First characters of the SHA-256 of the prompt template as rendered."""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stream: bool | None = None
    input_usd: float | None = None
    """Price per million input tokens; None when unknown."""
    output_usd: float | None = None
    price_source: str | None = None
    price_as_of: str | None = None
    """Date of the price, ISO 8601."""
    note: Note | None = None
    """What else differs, such as `recorded answers` or the shots of a few-shot prompt."""


class JudgeInfo(Noun):
    """How far the judge can be trusted."""

    model: str
    validated: bool = False
    """Whether people's labels were compared with the judge's."""
    agreement: Estimate | None = None
    """Cohen's kappa against people's labels."""
    labels: int = 0
    """How many human labels it was compared with."""
    consistency: float | None = None
    """Share of pairs judged alike in both orders, from 0 to 1."""
    controls_passed: int | None = None
    controls: int | None = None
    """Control rows (empty answer, bare punctuation, injected instruction) whose verdict is known beforehand."""
    controls_unanswered: int | None = None
    """Control rows without a verdict; the others that did not pass were judged too well."""
    fit: bool
    """False when a control row was judged too well or a kind of them has no verdict: no ranking may rest on it."""
    error: str | None = None
    """Why the judge could not be asked for its control rows; None when it could."""
    same_family: tuple[str, ...] = ()
    """Candidates of the judge's own family."""
    cost_usd: float | None = None


class Reproduction(Noun):
    """What it takes to repeat the comparison."""

    command: str
    """Command line, as a person would type it."""
    further: tuple[str, ...] = ()
    """Further commands worth knowing, such as deciding again under other constraints."""
    versions: Mapping[str, str] = Field(default_factory=dict)
    """Touchstone, Python and the libraries that shaped a number."""
    seed: int | None = None
    task_file: str | None = None
    task_digest: str | None = None
    """SHA-256 of the task file's text."""


class Constraint(Noun):
    """One demand of the task and its limit, as text for people."""

    name: str
    """Key of the task file, such as `min_score`."""
    limit: str
    """The value as the task file has it."""


class ReportData(Noun):
    """Everything a report shows; whoever fills it has read the store, this room only writes."""

    comparison: Comparison
    instruction: str = ""
    answer: AnswerSpec = AnswerSpec()
    scorers: tuple[ScorerInfo, ...] = ()
    cases: CasesInfo = CasesInfo()
    goal: str = "best"
    """`best` or `cheapest-within: 0.02`, as the task file has it."""
    constraints: tuple[Constraint, ...] = ()
    requests_per_month: int | None = None
    """The user's volume; None when the task does not say."""
    baseline: str | None = None
    """Name of the candidate that is drawn as a dashed line; None draws none."""
    slices: tuple[Slice, ...] = ()
    worst: tuple[Example, ...] = ()
    """Cases that the most candidates got wrong, hardest first."""
    disagreeing: tuple[Example, ...] = ()
    """Cases on which the candidates differ most."""
    settings: tuple[CandidateSettings, ...] = ()
    judge: JudgeInfo | None = None
    ending: Literal["budget", "cancel", "lanes", "offline", "store"] | None = None
    """Why the run stopped before it was finished; None when it did not."""
    reproduction: Reproduction
