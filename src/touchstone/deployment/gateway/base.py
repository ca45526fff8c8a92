"""
What the door and its handlers say to each other: routes, requests, replies and refusals.

A `Route` is declared once; what finds handlers, the OpenAPI document and the tests all walk the one table of routes.
Requests and replies are plain objects, because every request makes some.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl

from touchstone.deployment.base import Key, Kind, Scope
from touchstone.deployment.gateway.disconnected import Disconnected
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.noun import Noun

Method = Literal["GET", "POST", "DELETE"]
"""All that a route may be; HEAD is answered by the route for GET, everything else is refused."""

Access = Scope | Literal["open", "any"]
"""Whom a route lets in: keys with a scope, everybody without a key, or any key that is valid."""

Media = Literal["json", "multipart"]
"""What a request's body is; a route without one reads no body."""

READABLE = frozenset(
    {"accept", "accept-language", "content-type", "idempotency-key", "openai-beta", "traceparent", "user-agent"}
)
"""
The headers that a handler can read. Every other one ends at the door: credentials, `Cookie`, `OpenAI-Organization`,
`X-Forwarded-*`, hop-by-hop headers (A8).
"""

_SEGMENT = re.compile(r"\{([a-z_]+)\}")
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
"""What may stand in a path where a route names a value; nothing that is percent-encoded."""


class GatewayError(Exception):
    """
    A request that is refused, with the code that says why; `failures.py` knows its status and its words.

    Args:
        code: One of `failures.FAILURES`.
        param: The field of the request that is wrong.
        retry_after_s: After how long it may be tried again; None where waiting does not help.
        close: Whether the connection ends with the reply.
        values: What the words of the code leave open: limits and names of ours, never the text of an exception.
    """

    def __init__(
        self,
        code: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        close: bool = False,
        **values: object,
    ) -> None:
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.headers = tuple(headers)
        self.close = close
        self.values = values
        super().__init__(code)


class ClientGone(Exception):
    """The client has closed its connection, so there is nobody to answer."""


class Connection(Protocol):
    """What the door may ask of the connection that a request came by."""

    on_lost: Callable[[], object] | None
    """Called once when the client is gone."""

    def allow_body(self, body_bytes: int, body_s: float) -> None:
        """Let the request that is being received have a larger or a slower body than others."""
        ...


class Visit(Protocol):
    """A request's place among those that are in flight; see `admission.py`."""

    def take_tokens(self, tokens: int) -> None:
        """
        Take tokens out of what the key may use in a minute: those of the input and the most that may come out.

        Raises:
            GatewayError: there are not so many left; after `retry_after_s` there are.
        """
        ...

    def settle_tokens(self, used: int) -> None:
        """Give back what was taken and not used, or take what was used beyond it."""
        ...


class Facts:
    """
    What a handler finds out about its request, for the log, the metrics and the spans. None where it is not known.

    Never texts of a request or a reply.
    """

    __slots__ = (
        "attempts", "cached", "endpoint", "error", "finish", "first_token_s", "input_tokens", "kind", "model",
        "output_tokens", "replied_by", "usd", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.endpoint: str | None = None
        """Only the name of an endpoint that exists: names that clients make up would become series of metrics."""
        self.version: int | None = None
        self.model: str | None = None
        """Whom the upstream asked."""
        self.replied_by: str | None = None
        """As whom the reply signed itself."""
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.usd: float | None = None
        self.first_token_s: float | None = None
        self.finish: tuple[str, ...] = ()
        """Why each answer ended: the reply's word, `content_filter` of a guard, `error` of what was cut or failed."""
        self.cached: bool | None = None
        self.attempts: int | None = None
        self.error: str | None = None
        """A code."""


class Reader(Protocol):
    """Reads a request's body; see `body.py`."""

    async def read(self) -> bytes:
        """The whole body. Raises `GatewayError`, `ClientGone`."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `GatewayError`, `ClientGone`."""
        ...


def _never() -> bool:
    return False


class Incoming:
    """
    A request that was let in.

    Attributes:
        method: GET, HEAD, POST or DELETE.
        path: As it arrived; it is not percent-encoded, or it would have met no route.
        values: What stands where the route's path names a value.
        key: Whose request it is; None on open routes.
        request: Its id, which the client is told.
        address: Where it comes from, without a port.
        received_at: When its headers were complete, on the event loop's clock.
        facts: For the handler to fill in.
        cut: The code that says why the gateway ends it before its end; None while it does not.
        ends_with_key: Whether it is to be ended when its key has; a handler that asks a policy puts its own here.
        visit: Where tokens a minute are counted; None on open routes.
    """

    __slots__ = (
        "_body", "_headers", "_limits", "_query", "_reader", "address", "cut", "disconnected", "ends_with_key", "facts",
        "key", "method", "path", "received_at", "request", "values", "visit",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        *,
        values: Mapping[str, str],
        query: bytes,
        headers: Mapping[str, str],
        request: str,
        address: str,
        received_at: float,
        reader: Reader,
        limits: DoorLimits,
        key: Key | None = None,
        visit: Visit | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.values = values
        self.request = request
        self.address = address
        self.received_at = received_at
        self.key = key
        self.visit = visit
        self.disconnected = Disconnected()
        self.facts = Facts()
        self.cut: str | None = None
        self.ends_with_key: Callable[[], bool] = _never
        self._query = query
        self._headers = headers
        self._reader = reader
        self._limits = limits
        self._body: bytes | None = None

    def header(self, name: str) -> str | None:
        """A header that handlers may read (`READABLE`), by its small name; None where it is absent."""
        assert name in READABLE, f"{name} ends at the door"
        return self._headers.get(name)

    @property
    def query(self) -> dict[str, str]:
        """
        What stands behind the `?`, decoded.

        Raises:
            GatewayError: it cannot be decoded, is too much, or names something twice.
        """
        if not self._query:
            return {}
        try:
            pairs = parse_qsl(
                self._query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
                max_num_fields=32,
            )  # fmt: skip
        except ValueError:
            raise GatewayError("invalid_query") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise GatewayError("invalid_query")
        return found

    async def body(self) -> bytes:
        """
        The whole body, which is read once.

        Raises:
            GatewayError: it is larger than the route allows.
            ClientGone: it did not arrive.
        """
        if self._body is None:
            self._body = await self._reader.read()
        return self._body

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, for routes that keep large ones; instead of `body`. Raises as `body` does."""
        return self._reader.pieces()

    async def json(self) -> Any:
        """
        The body as JSON, looked at for its depth before it is parsed.

        Raises:
            GatewayError: it is no JSON, is nested too deeply, or is too large.
            ClientGone: it did not arrive.
        """
        from touchstone.deployment.gateway.json_body import parse_json

        return parse_json(await self.body(), self._limits)


class Outgoing:
    """
    A reply.

    Args:
        status: HTTP status.
        body: Bytes; or an iterator of them, which is then sent as it comes and closed however it ends. When the client
            goes or the gateway stops, waiting for its next piece is interrupted, wherever it waits: what it must wait
            for at its end, such as a row of the meter, belongs into its `aclose`, which is not interrupted. (A
            generator's `finally` can be.)
        content_type: `Content-Type`.
        headers: Further ones, names in small letters.
        drain_s: For how long the iterator is still read when the client has gone; None closes it at once.
    """

    __slots__ = ("body", "content_type", "drain_s", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        content_type: bytes = b"application/json",
        headers: Sequence[tuple[bytes, bytes]] = (),
        drain_s: float | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.drain_s = drain_s


EVENTS = b"text/event-stream; charset=utf-8"
"""The content type of a stream of events, which ends with an error event where it breaks off."""

Handler = Callable[[Incoming], Awaitable[Outgoing]]


@dataclass(frozen=True)
class Route:
    """One line of the route table."""

    method: Method
    path: str
    """Exact, or with `{name}` as a whole segment."""
    access: Access
    """Whom it lets in."""
    handler: Handler
    summary: str
    """One sentence for the OpenAPI document."""
    request: type[Noun] | None = None
    """The noun that describes its body."""
    reply: type[Noun] | None = None
    """The noun that describes its reply; None where that is no JSON, or is described elsewhere."""
    media: Media | None = None
    """What its body is. A route without one reads none."""
    streams: bool = False
    """Whether it may answer with a stream of events."""
    statuses: tuple[int, ...] = (200,)
    """Statuses of its replies that are no refusals."""
    content_type: str = "application/json"
    """Of its reply."""
    query: tuple[str, ...] = ()
    """What may stand behind the `?`; anything else is refused."""
    body_bytes: int | None = None
    """How large its body may be; None is what all may have."""
    body_s: float | None = None
    """How long its body may take; None is what all may have."""
    tag: str = "gateway"

    @property
    def asks(self) -> bool:
        """Whether its requests are for a model, and take the places that a key has for those."""
        return self.access == "infer" and self.method == "POST"

    @property
    def names(self) -> tuple[str, ...]:
        """The values that its path names."""
        return tuple(_SEGMENT.findall(self.path))

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """What a raw path must be as a whole."""
        written = re.escape(self.path)
        for name in self.names:
            written = written.replace(re.escape("{" + name + "}"), f"(?P<{name}>{ID_PATTERN})")
        return re.compile(written.encode("ascii"))


class FindsKeys(Protocol):
    """Knows keys by their secrets: `govern/keys.py`."""

    async def found(self, secret: str) -> Key | None:
        """
        The key of a secret; None when it is unknown, revoked or expired, after the same work.

        Raises:
            StoreError: nobody can tell.
        """
        ...

    async def ended(self, numbers: Collection[int]) -> Collection[int]:
        """Those of these keys, by their ids, that are revoked, expired or gone. Raises `StoreError`."""
        ...


class ModelEntry(NamedTuple):
    """One line of `/v1/models`."""

    id: str
    created: int
    """Seconds since 1970."""
    owned_by: str = "touchstone"


ListsModels = Callable[[Key], Iterable[ModelEntry]]
"""The endpoints that a key may ask, as `/v1/models` names them."""
