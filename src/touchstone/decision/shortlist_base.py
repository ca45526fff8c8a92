"""What a shortlist is asked and what it says: needs, limits, who qualifies, who does not and by how much."""

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.memory import MemoryNeed, Precision
from touchstone.catalog.model import Modality, ModelId, PartialDate
from touchstone.catalog.offers import Offer
from touchstone.catalog.sellers import Seller
from touchstone.catalog.taxonomy import Lab, Licence
from touchstone.decision.base import Reason
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

LimitName = Literal[
    "task",
    "any-task",
    "output",
    "input",
    "language",
    "ability",
    "context",
    "retirement",
    "released",
    "licence",
    "openness",
    "lab-country",
    "self-hosting",
    "benchmark",
    "ours",
    "provider",
    "callable",
    "seller-country",
    "region",
    "input-usd",
    "output-usd",
    "usd-per-month",
    "deprecated",
]
LIMITS: tuple[LimitName, ...] = (
    "task",
    "any-task",
    "output",
    "input",
    "language",
    "ability",
    "context",
    "retirement",
    "released",
    "licence",
    "openness",
    "lab-country",
    "self-hosting",
    "benchmark",
    "ours",
    "provider",
    "callable",
    "seller-country",
    "region",
    "input-usd",
    "output-usd",
    "usd-per-month",
    "deprecated",
)
"""
The fixed order: what the model is, then what one may do with it, then who sells it, where and for how much. Of
a model that misses several limits the first is told.
"""

Priority = Literal["quality", "cost", "speed", "openness"]
Verdict = Literal["met", "not-met", "unknown"]
"""`unknown`: nobody states the fact. It does not meet the limit."""

OPENNESS = ("open-licence", "open-weights", "proprietary")
"""The most open first."""


class Figure(Noun):
    """A number about the calls, with where it is from."""

    value: float = Field(ge=0, allow_inf_nan=False)
    basis: Literal["measured", "estimated", "assumed", "given"]
    """By stored trials of this task; from the texts of the cases; a guess by the kind of answer; by the user."""
    at_least: bool = False
    """Whether something is not counted in it: the images and recordings of the cases."""


class Floor(Noun):
    """A published or own result that is asked for."""

    benchmark: Benchmark
    value: float = Field(allow_inf_nan=False)
    """At least this, in the benchmark's unit; at most, where lower is better."""
    condition: tuple[str, ...] | None = None
    """The `Claim.condition` that counts; None takes a result under any."""


class Needs(Noun):
    """What a model must be. What is left out asks nothing."""

    tasks: tuple[str, ...] = ()
    """Taxonomy ids; it does all of them."""
    one_task_of: tuple[str, ...] = ()
    """Taxonomy ids; it does at least one of them."""
    outputs: tuple[str, ...] = ()
    """Taxonomy ids; it writes all of them."""
    inputs: tuple[Modality, ...] = ()
    """It reads all of them."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; its maker names all of them."""
    unnamed_languages_pass: bool = False
    """Whether a model whose maker names no language at all meets `languages`: for languages that were found in the
    cases and that nobody asked for by name."""
    abilities: tuple[Literal["tools", "structured-output", "vision", "reasoning"], ...] = ()
    context_tokens: int | None = Field(default=None, ge=1)
    """The longest input of these cases with room for the answer."""
    serve_until: date | None = None
    """It is not retired on this day or before. What nobody has announced to retire meets this."""
    released_after: PartialDate | None = None
    """Released on or after this day."""
    licences: tuple[str, ...] = ()
    """One of these ids, or `open`, or `commercial` (use allowed, conditions included)."""
    openness: Literal["open-licence", "open-weights"] | None = None
    """The least; an open licence meets `open-weights` too."""
    lab_countries: tuple[str, ...] = ()
    """ISO 3166-1 codes; the lab has its seat in one of them."""
    not_lab_countries: tuple[str, ...] = ()
    """Nor in one of these."""
    self_hostable: bool = False
    """Its weights can be downloaded."""
    memory_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Memory of the device that must hold it; asks for weights too."""
    precision: Precision = "16bit"
    fit_context_tokens: int = Field(default=8192, ge=1)
    """Tokens kept in memory when it is held on one's own machine."""
    floor: Floor | None = None
    ours: bool = False
    """Only models of the team's own."""

    providers: tuple[str, ...] = ()
    """One of these sellers."""
    callable: bool = False
    """Touchstone can call the offer by name, or the endpoint is the team's own."""
    seller_countries: tuple[str, ...] = ()
    not_seller_countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    """Codes of `Seller.processed_in`; calls can be kept in one of them."""
    allow_deprecated: bool = False
    """Whether an offer that its seller calls deprecated may count."""
    max_input_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """USD per million input tokens."""
    max_output_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """USD per million output tokens."""
    max_usd_per_month: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    requests_per_month: Figure | None = None
    input_tokens: Figure | None = None
    """Mean of a call."""
    output_tokens: Figure | None = None
    """Mean of a call."""

    @model_validator(mode="after")
    def _can_be_worked_out(self) -> Self:
        if self.max_usd_per_month is not None and self.requests_per_month is None:
            raise InvalidValue("a limit on the month's cost needs a number of requests a month")
        if self.max_usd_per_month is not None and (self.input_tokens is None or self.output_tokens is None):
            raise InvalidValue("a limit on the month's cost needs the tokens of a call, input and output")
        return self


class Background(NamedTuple):
    """What the shipped files say of sellers, labs, licences and benchmarks; handed in, so that nothing is read here."""

    sellers: Mapping[str, Seller]
    labs: Mapping[str, Lab]
    licences: Mapping[str, Licence]
    benchmarks: Mapping[str, Benchmark]
    day: date
    """Whose prices count."""
    can_call: Callable[[Offer], bool]
    """Whether `compare` can ask for an offer by name; the same test as of whoever writes candidates."""


# What is said of each model. Named tuples: a long list makes many thousands, and none comes in from outside.


class Check(NamedTuple):
    """One limit held against one model."""

    limit: LimitName
    verdict: Verdict
    reason: Reason
    among: Reason | None = None
    """Of a limit on offers: which offers were looked at."""
    actual: str | float | None = None
    required: str | float | None = None
    gap: float | None = None
    """How far off, in the unit of the limit's name; None where it is met, unknown or no number."""
    nearest: str | float | None = None
    """The limit at which this model would meet it; None where it would have to be dropped."""


class Supply(NamedTuple):
    """One offer and what it costs these needs."""

    offer: Offer
    usd_per_month: float | None = None
    usd_per_call: float | None = None
    input_usd: float | None = None
    """Per million tokens, in the dearest hour of the day."""
    output_usd: float | None = None
    compared_usd: float | None = None
    """What puts it in order by cost: that of a call, where its tokens are known, else of a million tokens each of input
    and output; None where that is unknown."""
    input_only: bool = False
    """Whether `compared_usd` is of input alone, because the model writes nothing that is billed by the token."""
    leaves: tuple[str, ...] = ()
    """Places outside the wanted region where a call may run unless a setting or an address of its own keeps it; the
    same codes as in `Needs.regions`."""


class Standing(NamedTuple):
    """A model's place on the board of own results."""

    claim: Claim
    """The best placed of its results there."""
    rank: int
    best_rank: int
    worst_rank: int
    """The ranks that the error leaves; both are `rank` where the error is unknown."""
    of: int
    """Rows of the board."""


class Evidence(NamedTuple):
    """What one published test says of a model."""

    benchmark: str
    """Name of the benchmark."""
    claim: Claim
    """Its result."""
    place: int
    of: int
    """Models on the test."""
    told_apart: int
    """From how many of them it is told apart."""
    rival: Claim
    """Who comes next there; of the last, who is before it."""
    level: bool = False
    """Whether the two have the same value, or their error does not tell them apart."""


class Published(NamedTuple):
    """How a model stands by all published tests of the scenario together."""

    strength: float
    """Log-odds of being ahead of a rival of middle strength, zero."""
    at_least: float
    """What it is with five chances in six: a standard error below. The order goes by this."""
    low: float
    high: float
    """Ends of the 95 % interval of the strength."""
    place: int
    best_place: int
    worst_place: int
    """Among all models that were measured; those that 95 % of each difference leave."""
    of: int
    tests: int
    """On how many it stands."""
    pairs: int
    """How many rivals it was held against there, one by one."""
    evidence: tuple[Evidence, ...]
    """The tests that say most."""

    @property
    def ahead(self) -> tuple[float, float, float]:
        """In what share of comparisons it is expected to be ahead of a model of middle strength, with its interval."""
        share, low, high = (1 / (1 + math.exp(-one)) for one in (self.strength, self.low, self.high))
        return share, low, high


class PublishedTests(NamedTuple):
    """What published quality was worked out from."""

    scenarios: tuple[str, ...]
    """Ids of those whose benchmarks were looked at."""
    tests: int
    pairs: int
    models: int
    """Measured on any of the tests, whether they qualify or not."""
    known: int
    """Of those that qualify, how many have a place."""


class Qualified(NamedTuple):
    """A model that meets every limit."""

    model: ModelId
    name: str
    reason: Reason
    """Why it stands where it stands."""
    openness: str | None = None
    licence: str | None = None
    supplies: tuple[Supply, ...] = ()
    """Every offer that meets all limits together, the cheapest first; empty where nobody is known to sell it."""
    memory: MemoryNeed | None = None
    """At the precision and context that were asked about; None for closed weights or an unknown size."""
    standing: Standing | None = None
    """By own results; None where there is none."""
    published: Published | None = None
    """None where too few published results compare it with those that qualify."""
    seconds: float | None = None
    """Measured median of an answer; None where nobody measured it here."""
    thinks: bool | None = None
    """Whether it can think before it answers, which is billed as output."""

    @property
    def supply(self) -> Supply | None:
        """The cheapest offer."""
        return self.supplies[0] if self.supplies else None


class Excluded(NamedTuple):
    """A model that misses a limit."""

    model: ModelId
    name: str
    check: Check
    """The only limit it misses, else the first of the fixed order."""
    further: int | None = 0
    """How many others it misses; None where it was not looked at further."""


class Relaxed(NamedTuple):
    """What giving up one limit alone brings back."""

    limit: LimitName
    models: tuple[ModelId, ...]
    """Those that miss nothing else, the closest first."""
    unknown: int = 0
    """How many of them miss it only because nobody states the fact."""
    nearest: str | float | None = None
    """The limit at which the first of them comes back; None where it would have to be dropped."""
    first: ModelId | None = None
    """Who comes back at `nearest`."""


class Shortlist(NamedTuple):
    """Who fits, in which order and why; who does not, and by how much."""

    day: date
    """Whose prices count."""
    needs: Needs
    priorities: tuple[Priority, ...]
    asked: Mapping[LimitName, Reason]
    """Every limit that was asked, in words, in the fixed order."""
    qualified: tuple[Qualified, ...]
    excluded: tuple[Excluded, ...]
    """By limit, then the closest first."""
    relaxed: tuple[Relaxed, ...]
    """One for each limit that was asked."""
    yardstick: Benchmark | None = None
    """The benchmark of own results, which come before published ones; None where there are none."""
    condition: tuple[str, ...] | None = None
    """How its results were measured; only these are compared."""
    published: PublishedTests | None = None
    """None where published tests put nobody in order."""
