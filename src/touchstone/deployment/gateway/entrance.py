"""
What is looked at before anybody reads a body: host, origin, the one credential, the content type (R5, R7, A8, A9).

Pure: bytes of headers in, a refusal or facts out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from touchstone.deployment.gateway.base import READABLE, GatewayError, Route

Headers = Iterable[tuple[bytes, bytes]]

_KEY_IN_QUERY = re.compile(rb"(?:^|&)(?:api[_-]?key|key|access[_-]?token|token)=", re.IGNORECASE)
_BEARER = re.compile(rb"[Bb]earer +([!-~]{1,256})")

_LOOKED_AT = {
    name.encode("ascii"): name
    for name in (
        *READABLE, "host", "origin", "sec-fetch-site", "authorization", "api-key", "x-api-key", "content-length",
        "content-encoding",
    )
}  # fmt: skip


class Hosts:
    """
    The names by which the gateway may be addressed; exact, none is guessed (R7).

    Args:
        names: Host names or addresses. One without a port goes with the ports below and with none.
        ports: The ports that it is reached at.
    """

    def __init__(self, names: Iterable[str], ports: Iterable[int]) -> None:
        self.names = tuple(names)
        self._allowed: set[str] = set()
        ports = tuple(ports)
        for name in self.names:
            written = name.lower()
            has_port = re.search(r"(?:^[^:]+|\]):[0-9]+$", written) is not None
            self._allowed.add(written)
            if not has_port:
                self._allowed.update(f"{written}:{port}" for port in ports)

    def allows(self, host: str) -> bool:
        """Whether a `Host` header names one of them."""
        return host in self._allowed or host.lower() in self._allowed

    def allows_origin(self, origin: str) -> bool:
        """Whether an `Origin` header is a page of ours."""
        scheme, separator, host = origin.partition("://")
        return bool(separator) and scheme in ("http", "https") and self.allows(host)


@dataclass(slots=True)
class Head:
    """What of a request's headers is looked at; everything else is not kept."""

    found: dict[str, str]

    def get(self, name: str) -> str | None:
        """A header by its small name."""
        return self.found.get(name)


def read_head(headers: Headers) -> Head:
    """
    The headers that anybody here looks at.

    Raises:
        GatewayError: one of them stands twice and says two things.
    """
    found: dict[str, str] = {}
    for raw, value in headers:
        name = _LOOKED_AT.get(raw)
        if name is not None:
            text = value.decode("latin-1")
            if found.setdefault(name, text) != text:
                raise GatewayError("two_credentials" if name == "authorization" else "duplicate_header")
    return Head(found)


def check_origin(head: Head, hosts: Hosts, *, safe: bool) -> None:
    """
    The host is ours, and a request that changes something comes from no page of another site.

    Raises:
        GatewayError: it is not so.
    """
    if not hosts.allows(head.found.get("host", "")):
        raise GatewayError("host_not_allowed")
    if safe:
        return
    if head.found.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise GatewayError("cross_site")
    origin = head.found.get("origin")
    if origin is not None and not hosts.allows_origin(origin):
        raise GatewayError("cross_site")


def find_secret(head: Head, query: bytes) -> str:
    """
    The one credential of a request: `Authorization: Bearer KEY`, nowhere else.

    Raises:
        GatewayError: there is none, or there are two, or one stands in the address.
    """
    if query and _KEY_IN_QUERY.search(query):
        raise GatewayError("key_in_query")
    match = _BEARER.fullmatch(head.found.get("authorization", "").encode("latin-1"))
    secret = match[1].decode("ascii") if match else None
    for name in ("api-key", "x-api-key"):
        other = head.found.get(name)
        if other is not None and secret is not None and other != secret:
            raise GatewayError("two_credentials")
    if secret is None:
        raise GatewayError("missing_api_key")
    return secret


def check_body(head: Head, route: Route, limit: int) -> int | None:
    """
    How long the body says it is, None where it comes in chunks.

    Raises:
        GatewayError: it is declared too large, is encoded, or is of another type than the route reads.
    """
    declared = head.found.get("content-length")
    length = None if declared is None else int(declared)
    if route.media is None:
        return length
    wanted = "application/json" if route.media == "json" else "multipart/form-data"
    given = head.found.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted or head.found.get("content-encoding", "identity").lower() != "identity":
        raise GatewayError("unsupported_media_type", media=wanted)
    if length is not None and length > limit:
        # What a client has begun to send is read and thrown away, so that it gets to read why; not so if it is a lot.
        raise GatewayError("body_too_large", limit=limit, close=length > 8 * limit)
    return length
