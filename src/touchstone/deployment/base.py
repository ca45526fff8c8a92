"""
Endpoints, their versions, keys and charges; and what an upstream promises.

Nouns are what is stored and shown. What lives for one request is a plain tuple, because every request makes some.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import Field

from touchstone.catalog.base import Price
from touchstone.evaluation.base import Recipe
from touchstone.noun import Noun

EndpointName = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$")]
"""What a request names as its model: small letters, digits, dots, dashes and underscores, at most 64."""

Kind = Literal[
    "chat", "completion", "embedding", "response", "image", "transcription", "moderation", "rerank"
]  # fmt: skip
"""What a request asks for, whichever route it came by."""

Scope = Literal["infer", "files", "metrics", "admin"]
"""What a key may do: ask endpoints, keep files and batches, read the metrics, administer."""

MOST = 1_000_000_000
"""Of whatever is counted: larger numbers are mistakes, and neither JSON nor a store takes them all."""

Window = Literal["hour", "day", "week", "month", "ever"]
"""How long a budget lasts. Windows begin at midnight UTC, weeks on Monday, months on the first."""


class Evidence(Noun):
    """The trial that speaks for a version."""

    comparison: str
    """Id of the stored comparison."""
    candidate: str
    """Its name there."""
    task: str
    scorer: str
    """Name of the scorer that decided."""
    score: float
    low: float
    high: float
    """Ends of the score's interval."""
    cases: int
    """How many the score rests on."""
    measured_on: date
    expires_on: date | None = None
    """From when it speaks for nothing any more; None where the decision named no such day."""
    overruled: str | None = None
    """Why it is served although the decision chose another or nobody, in the words of whoever deployed it."""

    def expired(self, today: date) -> bool:
        """Whether it speaks for nothing any more."""
        return self.expires_on is not None and self.expires_on <= today


class ComputeSettings(Noun):
    """How weights are run here."""

    kind: str
    """A plug-in of `touchstone.computes`: starter, transformers, llama-cpp, vllm, ollama."""
    weights: str | None = None
    """The folder or file below the version's own folder; None where the kind keeps its models itself."""
    adapter: str | None = None
    """A LoRA adapter beside them."""
    replicas: int = Field(default=1, ge=1, le=64)
    memory_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """A process that takes more is ended and started again; None lets the kind reckon it."""
    idle_stop_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """After so long without a request its processes end; the next request starts one. None keeps them."""
    options: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    """Further settings that the kind itself declares and checks; never passed to a loader."""


class Version(Noun):
    """One recipe as it is served. It never changes; another recipe is another version."""

    number: int = Field(ge=1)
    recipe: Recipe
    recipe_digest: str
    """Fingerprint of the candidate that was measured, settings included; looked at before anything is served."""
    folder: str
    """Below the workspace: the task file cut to this candidate, and everything that it reads."""
    evidence: Evidence | None = None
    """None where it was deployed without a trial."""
    compute: ComputeSettings | None = None
    """None where a provider is asked and paid as one goes."""
    price: Price | None = None
    """What a request is charged; None means unknown, and then no key with a budget may ask it."""
    created_at: str
    """ISO 8601, UTC."""
    created_by: str


class SafetyPolicy(Noun):
    """What is looked for in what goes in and what comes out."""

    pii: Literal["off", "mask", "block"] = "off"
    pii_kinds: tuple[str, ...] = ()
    """Kinds of personal data to look for; none means all that are known."""
    presidio: bool = False
    """Whether the pattern recognisers of the extra `pii` look too; it takes milliseconds a text."""
    blocked: tuple[str, ...] = ()
    """Words and phrases that end a request; a term between slashes is a linear-time regular expression."""
    allowed: tuple[str, ...] = ()
    """Texts that are no finding although a rule says so."""
    injection: Literal["off", "flag", "block"] = "off"
    """What becomes of a text that tries to give orders to the model."""
    moderation: EndpointName | None = None
    """An endpoint that is asked whether a text may pass."""
    media: Literal["pass", "block"] = "pass"
    """What becomes of images, audio and files, which nobody here looks into; one that passes is recorded so."""
    ways: tuple[Literal["in", "out"], ...] = ("in", "out")
    when_down: Literal["closed", "open"] = "closed"
    """What happens to a request while the moderation endpoint does not answer."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)

    @property
    def checks(self) -> bool:
        """Whether there is anything to look for."""
        rules = self.pii != "off" or bool(self.blocked) or self.injection != "off"
        return rules or self.moderation is not None or self.media == "block"


class Policy(Noun):
    """How an endpoint behaves beside its recipe."""

    fail_over: tuple[EndpointName, ...] = ()
    """Endpoints that are asked, in order, when this one fails before its first byte; one of them is tried."""
    sampling: Literal["measured", "client"] = "measured"
    """Whether temperature and the like of a request replace those that were measured."""
    max_output_tokens: int = Field(default=1024, ge=1, le=MOST)
    """Written into a request that names no limit, and held for it."""
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    """Whether a reply is still read to its end when the client is gone."""
    drain_s: float = Field(default=30.0, gt=0, le=600)
    on_key_end: Literal["finish", "cut"] = "finish"
    """Whether what is being answered goes on when its key is revoked or expires, or is ended within a second."""
    cache_s: int | None = Field(default=None, ge=1, le=MOST)
    """For how long the same request is answered from the store; None keeps no answers."""
    keep_content_days: int | None = Field(default=None, ge=1, le=36_500)
    """For how long prompts and answers are kept; None writes them down for a shadow version only."""
    image_hosts: tuple[str, ...] = ()
    """Hosts whose images may be named by URL; without one only `data:` images are taken."""
    idle_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    first_byte_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    safety: SafetyPolicy = SafetyPolicy()


class Endpoint(Noun):
    """A name under which versions of recipes are served."""

    name: EndpointName
    versions: tuple[Version, ...]
    split: Mapping[int, int]
    """Version number to its percentage of the requests; together 100."""
    before: Mapping[int, int] | None = None
    """The split before this one, for a roll-back."""
    shadow: int | None = None
    """A version that is asked too and answers nobody; its answers are kept to be scored."""
    shadow_percent: int = Field(default=100, ge=1, le=100)
    project: str | None = None
    """Whose keys may ask it; None means those of every project."""
    state: Literal["running", "stopped"] = "running"
    restarts: int = 0
    """How often new processes were asked for."""
    policy: Policy = Policy()
    created_at: str

    def version(self, number: int) -> Version:
        """One of its versions. Raises `KeyError`."""
        for one in self.versions:
            if one.number == number:
                return one
        raise KeyError(number)


class Limits(Noun):
    """How fast a key may ask; None means without limit."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=MOST)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MOST)
    in_flight: int | None = Field(default=None, ge=1, le=MOST)


class Budget(Noun):
    """How much a key may spend."""

    usd: float = Field(gt=0, allow_inf_nan=False)
    window: Window = "month"


class Key(Noun):
    """A key as it is stored: everything but the key."""

    id: int
    name: str
    shown: str
    """Its first characters, by which people tell keys apart."""
    scopes: tuple[Scope, ...] = ("infer", "files")
    endpoints: tuple[EndpointName, ...] | None = None
    """Whom it may ask; None means every endpoint of its project."""
    project: str = "default"
    owner: str | None = None
    limits: Limits = Limits()
    budget: Budget | None = None
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    replaces: int | None = None
    """The key that it was made for in a rotation."""


Status = Literal[
    "running", "done", "client_closed", "failed", "cut", "blocked", "refused", "cached", "in_doubt", "released"
]  # fmt: skip
"""
What became of a request. `refused` reached nobody; `blocked` was ended by a guard; `cut` broke off upstream, or was
ended by the gateway, as its error says (`key_ended`, `shutting_down`); `in_doubt` was under way when the gateway ended,
so that its hold counts as spent until an admin releases it.
"""


class Usage(NamedTuple):
    """Tokens of one request; None where nobody knows."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False


class Charge(Noun):
    """One metered request: a row for each that was sent, blocked, answered from the store or refused for its money."""

    request: str
    """Id of the request, as the client was told."""
    attempt: int = 0
    """0 for the first upstream that was asked, 1 for the one that it failed over to."""
    key: int
    project: str
    endpoint: EndpointName
    version: int
    model: str
    """Whose reply it is, as the upstream named itself where it did."""
    kind: Kind
    status: Status
    streamed: bool = False
    hold_usd: float | None = None
    usd: float | None = None
    """None while it runs, and where no price is known."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    """Whether tokens were counted by us, because the upstream did not say."""
    started_at: str
    seconds: float | None = None
    first_token_s: float | None = None
    error: str | None = None
    """A code, never a text of an exception."""
    shadow: bool = False
    """Whether it is no request of a client's: a copy that answered nobody, or a question of a guard's."""


# What serves ----------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A request as an upstream is asked, whatever route it came by."""

    kind: Kind
    body: Mapping[str, Any]
    """The fields of the request that may pass, parsed; never what names the upstream, its address or a credential."""
    stream: bool
    request: str
    """Id of the request."""


class Ready(NamedTuple):
    """A request that was understood, and what it takes at most; nobody was asked yet but the finder of passages."""

    asked: Asked
    sent: Any
    """What the upstream will send, in a form of its own."""
    input_tokens: int
    """At most: exact, or one token a byte of everything that is sent."""
    output_tokens: int
    """At most: the limit that is sent along, for every answer that is asked for."""
    ignored: tuple[str, ...] = ()
    """Fields of the request that do not count, because the recipe was measured with values of its own."""
    passages: tuple[str, ...] = ()
    """What the recipe found for the model to read, which no client sent."""


class Answered(NamedTuple):
    """A whole reply in OpenAI's shape."""

    body: bytes
    usage: Usage
    model: str
    """The name that answered."""
    content_type: str = "application/json"
    finish: tuple[str, ...] = ()
    """Why each of its answers ended, in the provider's words (`stop`, `length`, …); empty where its kind has none."""


class Flow(Protocol):
    """A reply that comes piece by piece. It is left by `close`, however it ended."""

    @property
    def model(self) -> str:
        """The name that answers."""

    @property
    def first_token_s(self) -> float | None:
        """Seconds from sending to the first content; None while there is none."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Whole events of the stream, without the end mark `[DONE]`. Raises `ModelError` where it breaks off."""

    @property
    def usage(self) -> Usage:
        """What is known so far; estimated from what came where the upstream has not said it."""

    @property
    def finish(self) -> tuple[str, ...]:
        """Why each of its answers ended, as far as they have; see `Answered`."""

    async def close(self) -> None:
        """End the request upstream, if it still runs; may be called twice."""


class Upstream(Protocol):
    """Answers for one version: a measured recipe in front of whatever runs its model."""

    model: str
    """Whom it asks, as charges name it."""
    price: Price | None
    kinds: frozenset[Kind]
    """What it can be asked for."""

    async def prepare(self, asked: Asked) -> Ready:
        """
        Understand a request, find what its recipe reads, and say how much it takes at most, before money is held.

        Raises:
            RequestRejected: it cannot be asked.
            ModelError: what the recipe reads cannot be found now.
        """

    async def answer(self, ready: Ready) -> Answered:
        """The whole reply. Raises `ModelError`."""

    async def open(self, ready: Ready) -> Flow:
        """The reply as it comes, from its first byte on. Raises `ModelError` before that."""

    async def close(self) -> None:
        """Release connections and processes of its own; may be called twice."""


# Safety ---------------------------------------------------------------------------------------------------------------


class SafetyFinding(Noun):
    """What a guard found in a text."""

    rule: str
    """Which rule, such as `pii.email`, `blocked`, `injection.override`, `moderation`."""
    way: Literal["in", "out"]
    start: int | None = None
    end: int | None = None
    """Where in the text, in characters; None where it is about the whole."""
    score: float | None = None
    text: int | None = None
    """Which of the texts that were given, from 0; None where it is about all of them."""
    place: str | None = None
    """Where in the request or reply that text stands, such as `messages[0].content`; None where nobody knows."""
