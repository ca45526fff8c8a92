"""
How to call one model: request, reply, completion, and what a chat model promises.

A call has two halves so that the raw reply can be stored before anything is read out of it: `send` goes online and
returns a `Reply` (bytes and clocks), `read` is pure and turns a `Reply` into a `Completion`, today or from the store.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from touchstone.catalog.base import Price
from touchstone.noun import Noun


class _PartNoun(Noun):
    """A part says its type wherever it is written, also where defaults are left out: nobody could read it back."""

    @model_serializer(mode="wrap")
    def _with_type(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"type": getattr(self, "type"), **write(self)}  # noqa: B009 - each part declares its own


class TextPart(_PartNoun):
    """A piece of text."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(_PartNoun):
    """An image, as a `data:` URL or a file path that the caller resolves before sending."""

    type: Literal["image"] = "image"
    url: str


class AudioPart(_PartNoun):
    """A piece of audio, as base64 text."""

    type: Literal["audio"] = "audio"
    data: str
    format: str = "wav"


Part = Annotated[TextPart | ImagePart | AudioPart, Field(discriminator="type")]


class Message(Noun):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[Part, ...]


class ChatRequest(Noun):
    """What is asked of a chat model; the served model's name is the model's own."""

    messages: tuple[Message, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Limit on output tokens; None leaves it to the provider, and a money cap then bounds only what is in flight."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_format: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields of the body, passed on as they are."""
    draw: int = 0
    """Which independent draw of this request; part of its identity, never sent."""


class Usage(Noun):
    """Tokens of one call; None where nobody knows."""

    input_tokens: int | None = None
    """All input tokens, cached ones included."""
    output_tokens: int | None = None
    """All output tokens, reasoning included."""
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    """True when the provider did not say and we counted ourselves."""
    shrank: bool = False
    """True when a stream counted less later than it had before; the larger count holds, and somebody should look."""


Finish = Literal["stop", "length", "refusal", "filter", "tool", "other"]


class Completion(Noun):
    """What a model answered, with what it took."""

    parts: tuple[Part, ...]
    usage: Usage = Usage()
    cost_usd: float | None = None
    """At the price snapshot frozen for the run; None when the price or the usage is unknown."""
    latency_s: float | None = None
    """Request sent to last byte received; our own queueing and retries excluded."""
    first_token_s: float | None = None
    """Request sent to first content token; None when the reply was not streamed."""
    first_thought_s: float | None = None
    """Request sent to first reasoning token of a stream, where the provider shows them."""
    finish: Finish | None = None
    served_model: str | None = None
    """The model name that the provider echoed."""
    system_fingerprint: str | None = None
    """The provider's mark of the build that answered; a change means another model under the same name."""
    served_region: str | None = None
    """Where it was answered, as a header of the provider said."""
    reasoning: str | None = None
    """Reasoning text apart from the answer, where the provider shows it."""
    raw_digest: str | None = None
    """SHA-256 of the stored raw reply."""
    passages: tuple[str, ...] | None = Field(default=None, exclude=True, repr=False)
    """
    What the model was given to read, in the order of its numbers, for scorers that look at it; None where it was given
    nothing to read or nobody knows. Found again whenever the answer is, and never stored with it.
    """

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Reply(Noun):
    """The raw reply to one request: bytes and clocks, nothing interpreted."""

    body: bytes
    """As received; of a stream, the whole event stream."""
    streamed: bool = False
    latency_s: float
    chunk_times_s: tuple[tuple[int, float], ...] = ()
    """(bytes received so far, seconds since the request was sent) of a stream, so that clocks can be read again."""
    headers: Mapping[str, str] = Field(default_factory=dict)
    """The few response headers that are kept (request id, region); never a credential."""
    status: int = 200
    """HTTP status; other than 200 only where the provider's filter blocked the request, which is an outcome."""
    request_bytes: int | None = None
    """Bytes of text that were sent, so that input tokens can be estimated when the provider does not say."""
    capped: bool = False
    """Whether we closed the connection because the reply exceeded our limit of bytes."""


@runtime_checkable
class ChatModel(Protocol):
    """
    One served model that answers conversations.

    Constructors take parameters and store them untouched; nothing goes online before `send`. A model is used within
    one event loop and may be asked many times at once.
    """

    name: str
    """What people call it, `provider/model` where that makes sense."""
    endpoint: str
    """Identity for the ledger: adapter and its version, address, served name; never a credential."""
    paid: bool
    """Whether a call may cost money or reach another machine, so that it must be journalled before it is sent."""
    price: Price | None

    async def send(self, request: ChatRequest) -> Reply:
        """Ask once, without retrying. Raises a `ModelError` subclass."""
        ...

    def read(self, reply: Reply) -> Completion:
        """What the reply says; pure and repeatable. Raises a `ModelError` subclass when it is no answer."""
        ...

    async def close(self) -> None:
        """Release connections; may be called twice."""
        ...


def account_of(model: ChatModel) -> str:
    """
    Whose limits and whose money a model's calls use: models of one account are paced and stopped together.

    A model says so with an attribute `account`; without one it has an account of its own.
    """
    return str(getattr(model, "account", None) or model.endpoint)


@runtime_checkable
class Checkable(Protocol):
    """A model that can tell beforehand whether it could be asked; optional for any `ChatModel`."""

    def check(self) -> None:
        """Raise a `UserError` where the first send would fail for want of a setting; nothing goes online."""
        ...
