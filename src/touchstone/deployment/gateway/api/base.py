"""What a route of the API says of itself, so that one pipeline serves them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from touchstone.deployment.base import Answered, Endpoint, Kind, Version
from touchstone.deployment.gateway.base import GatewayError, Incoming
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.meter import Meter
from touchstone.deployment.govern.reply_cache import ReplyCache
from touchstone.models.chat_serve import STREAM_END

_SAID_BACK = 200
"""Characters of a request that an error says back at most."""


def unusable(reason: str, param: str | None = None) -> GatewayError:
    """A request that cannot be asked, in words of ours; a name that a client made up is said back in part only."""
    return GatewayError(
        "invalid_value", param=None if param is None else param[:_SAID_BACK], reason=reason[:_SAID_BACK]
    )


def unknown_field(name: str) -> GatewayError:
    """A field that nobody here knows; see `endpoints/fields.py` for why it is not passed over."""
    return unusable(f"the field {name[:_SAID_BACK]!r} is not known here", name)


class Events(Protocol):
    """Writes a stream of chat completion chunks as another route's events."""

    def piece(self, block: bytes) -> bytes:
        """Whole events as the upstream sent them, written anew; may be empty."""
        ...

    def end(self) -> bytes:
        """What stands after the last event of a complete reply, the end mark included."""
        ...


class Form:
    """
    One route's shape of requests and replies. As it stands here it changes nothing: what a client sends is asked, and
    what comes back is the reply.

    Attributes:
        kind: What a charge calls it.
        asks: What an upstream is asked for; another kind where the route translates.
        path: By which requests of one idempotency key are told apart.
    """

    kind: Kind
    asks: Kind
    path: str

    def read(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields that the upstream is asked with. Raises `GatewayError`."""
        return body

    def write(self, answered: Answered, body: Mapping[str, Any], request: str) -> Answered:
        """A whole reply as this route writes it."""
        return answered

    def events(self, body: Mapping[str, Any], request: str) -> Events | None:
        """Writes a stream's events anew; None where they pass as they come, and then `[DONE]` ends them."""
        return None


class Books(NamedTuple):
    """Where the pipeline writes down what happens."""

    meter: Meter
    idempotency: Idempotency
    cache: ReplyCache
    takes_requests: Callable[[], bool] = lambda: True
    """Whether the disk has room for rows; what cannot be metered is not served (A21)."""


class Promise:
    """
    What an idempotency key was promised: the reply of its request, or that it is free again. Kept once.

    Args:
        idempotency: Where replies are kept.
        key: Id of the API key.
        name: The idempotency key.
    """

    def __init__(self, idempotency: Idempotency, key: int, name: str) -> None:
        self._idempotency = idempotency
        self._place = key, name
        self._open = True

    def keep(self, body: bytes, content_type: str) -> None:
        """A whole reply, for whoever asks again."""
        if self._open:
            self._open = False
            self._idempotency.finish(*self._place, status=200, content_type=content_type, body=body)

    def drop(self) -> None:
        """Nothing that is worth keeping came of it; does nothing where it was kept."""
        if self._open:
            self._open = False
            self._idempotency.drop(*self._place)


class Request(NamedTuple):
    """One request on its way through the pipeline."""

    incoming: Incoming
    form: Form
    body: Mapping[str, Any]
    """As the client sent it."""
    wanted: Mapping[str, Any]
    """As upstreams are asked, before masks."""
    stream: bool
    promise: Promise | None


class Chosen(NamedTuple):
    """Who is asked."""

    endpoint: Endpoint
    version: Version
    attempt: int
    """0 for the one that was named, 1 for the one that it failed over to."""


END = STREAM_END
"""After a complete stream, and after no other."""
