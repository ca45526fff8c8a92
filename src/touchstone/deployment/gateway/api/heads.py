"""What the headers of a reply say of who answered."""

from __future__ import annotations

import re
from collections.abc import Iterable

from touchstone.deployment.gateway.api.base import Chosen

_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST = 200

Headers = list[tuple[bytes, bytes]]


def heads(chosen: Chosen, model: str, *, ignored: Iterable[str] = (), expired: bool = False) -> Headers:
    """
    Endpoint, version and model of a reply, and what the client should know beside it.

    Args:
        chosen: Who was asked.
        model: Who answered, as the upstream named itself.
        ignored: Fields of the request that did not count.
        expired: Whether its evidence is older than its decision allows.
    """
    found: Headers = [
        (b"x-touchstone-endpoint", chosen.endpoint.name.encode("ascii")),
        (b"x-touchstone-version", b"%d" % chosen.version.number),
        (b"x-touchstone-model", plain(model)),
    ]
    if chosen.attempt:
        found.append((b"x-touchstone-failed-over", b"1"))
    said = ", ".join(ignored)
    if said:
        found.append((b"x-touchstone-ignored", plain(said)))
    if expired:
        found.append((b"x-touchstone-evidence", b"expired"))
    return found


def plain(text: str) -> bytes:
    """A text as the value of a header: an upstream may call itself anything, and end no header with it."""
    return _UNPRINTABLE.sub("?", text[:_LONGEST]).strip().encode("ascii")
