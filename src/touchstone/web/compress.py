"""
Answers made small on their way out: pages and our own files, never a stream of events.

The length of a compressed page tells a listener on the wire whether two parts of it are alike. Whoever can make a
person's browser ask for a page with words of the asker's choice in its address, and sees how long the answer is, could
so read what else stands on the page, letter by letter (BREACH: Gluck, Harris and Prado, 2013): the token of its forms,
or the texts of cases. So a page is only made small where the browser itself says that no other site caused the request
(`Sec-Fetch-Site`, which no script can set). Whoever does not say so gets the page as it is. Our own files hold no
secret and are made small for everybody.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope
    from starlette.types import Send as Reply

KINDS = frozenset(
    {"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}
)
"""What is made small; files that people download are not, nor what has been made small already."""
LEAST_BYTES = 1_024
"""Shorter answers travel in one packet either way."""
OWN_CAUSES = frozenset({b"same-origin", b"none"})
"""Pages of ours, and what somebody typed or opened by hand; `none` cannot be caused by another site."""
_LEVEL = 5
"""Half the time of the usual 9, and pages are a few percent longer."""
_APART_BYTES = 32_768
"""Longer answers are made small beside the loop that serves everybody."""
_KEPT = 64
_KEPT_BYTES = 1 << 20


class Compressed:
    """
    Another application, with answers made small where the browser takes gzip.

    Args:
        app: What answers; an answer in more than one piece is passed on as it comes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        """Our own files, by an address that changes with what is in them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Reply) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] == "HEAD" or not _takes_gzip(scope):
            await self.app(scope, receive, send)
            return
        begun: Message | None = None

        async def small(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and _kind(message) in KINDS:
                begun = message
                return
            if begun is not None:
                head, begun = begun, None
                if not message.get("more_body", False):
                    message = await self._made_small(scope, head, message)
                await send(head)
            await send(message)

        await self.app(scope, receive, small)

    async def _made_small(self, scope: Scope, head: Message, message: Message) -> Message:
        headers: list[tuple[bytes, bytes]] = list(head["headers"])
        said = {name.lower(): value for name, value in headers}
        body: bytes = message.get("body", b"")
        if len(body) < LEAST_BYTES or b"content-encoding" in said:
            return message
        is_own_file = b"immutable" in said.get(b"cache-control", b"") and b"public" in said[b"cache-control"]
        if not is_own_file and _header(scope, b"sec-fetch-site") not in OWN_CAUSES:
            return message
        made = await self._file(scope["path"], body) if is_own_file else await _gzip(body)
        kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"vary")]
        vary = b", ".join(one for one in (said.get(b"vary", b""), b"accept-encoding") if one)
        more = [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(made)), (b"vary", vary)]
        head["headers"] = kept + more
        return {**message, "body": made}

    async def _file(self, path: str, body: bytes) -> bytes:
        made = self._kept.get(path)
        if made is None:
            made = await _gzip(body, level=9)
            if len(made) <= _KEPT_BYTES:
                self._kept[path] = made
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return made


async def _gzip(body: bytes, level: int = _LEVEL) -> bytes:
    # Without a moment in it: the same bytes give the same bytes.
    if len(body) < _APART_BYTES:
        return gzip.compress(body, level, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, level, mtime=0)


def _kind(head: Message) -> str:
    found: list[bytes] = [value for name, value in head["headers"] if name.lower() == b"content-type"]
    return found[0].partition(b";")[0].strip().decode("latin-1").lower() if found else ""


def _header(scope: MutableMapping[str, Any], name: bytes) -> bytes:
    """The one header of this name; empty where there is none, or more than one."""
    found = [value for key, value in scope["headers"] if key.lower() == name]
    return found[0].strip().lower() if len(found) == 1 else b""


def _takes_gzip(scope: MutableMapping[str, Any]) -> bool:
    for part in _header(scope, b"accept-encoding").split(b","):
        coding, _semicolon, weight = part.partition(b";")
        if coding.strip() == b"gzip":
            return weight.replace(b" ", b"").removeprefix(b"q=").strip(b"0.") != b"" or not weight.strip()
    return False
