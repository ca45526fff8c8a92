"""
What the gateway calls: a request, a reply or a streamed reply through the guard, and a record of every decision.

Whoever is told "block" is given no body, so that nothing can be sent by mistake.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import orjson

from touchstone.deployment.base import SafetyFinding, SafetyPolicy
from touchstone.deployment.govern.refusals import Refused
from touchstone.deployment.safety.base import Guard, Ruling, SafetyRecord, Way
from touchstone.deployment.safety.guard import NOT_CHECKED
from touchstone.deployment.safety.held import HeldStream
from touchstone.deployment.safety.moderation import unavailable
from touchstone.deployment.safety.texts import Texts
from touchstone.errors import InvalidValue, SafetyUnavailable

_LONG_BYTES = 128 * 1024
"""From which on a reply is taken apart and put together beside the event loop: a megabyte of a stream takes 0.5 s."""
_MOST_BYTES = 8 * 1024 * 1024
"""A longer stream is not held: promises.md, F26."""

_T = TypeVar("_T")

Keep = Callable[[SafetyRecord], None]
"""Takes the record of a decision and keeps it."""


class Screened(NamedTuple):
    """What became of a request or a reply."""

    action: Literal["pass", "mask", "block"]
    body: Any
    """What may go on, of the kind that was given; None where it was blocked."""
    findings: tuple[SafetyFinding, ...] = ()
    not_checked: tuple[str, ...] = ()
    """Places of what nobody looked into."""


class _Read(Protocol):
    @property
    def texts(self) -> tuple[str, ...]: ...
    @property
    def places(self) -> tuple[str, ...]: ...
    @property
    def not_checked(self) -> list[str]: ...


class Screen:
    """
    The guard of one endpoint, for all its routes.

    Args:
        guard: Looks at texts.
        policy: The endpoint's policy; the guard was made of it.
        endpoint: Its name, for records.
        keep: Takes every record; called before the request or reply goes on.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        guard: Guard,
        policy: SafetyPolicy,
        endpoint: str,
        keep: Keep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.guard = guard
        self.policy = policy
        self.endpoint = endpoint
        self.keep = keep
        self._clock = clock

    def looks(self, way: Way) -> bool:
        """Whether anything is looked for on this way."""
        return self.policy.checks and way in self.policy.ways

    async def request(self, body: Mapping[str, Any], request: str) -> Screened:
        """
        A request of any kind, parsed.

        Raises:
            SafetyUnavailable: nobody can tell.
            InvalidValue: it holds what cannot be looked at, such as token numbers; the client must send something else.
        """
        if not self.looks("in"):
            return Screened("pass", body)
        read = Texts(body)
        ruling = await self._rule(read, "in", request)
        return Screened(ruling.action, self._passed(ruling, lambda: read.put(ruling.texts)), *self._said(ruling, read))

    async def passages(self, texts: Sequence[str], request: str) -> Screened:
        """
        Passages that a recipe found for the model to read: no client sent them, and whoever wrote the document may have
        written orders into it. Looked at where the policy looks for injection.

        Raises:
            SafetyUnavailable: nobody can tell.
        """
        if not texts or self.policy.injection == "off" or not self.looks("in"):
            return Screened("pass", tuple(texts))
        started = self._clock()
        try:
            ruling = await asyncio.to_thread(self.guard.orders, texts)
        except Exception as error:
            # Fail closed: an error nobody thought of must not let a passage pass.
            self._keep("unavailable", "in", request, started, texts=len(texts), reason="failed")
            raise unavailable("failed") from error
        places = [f"passages[{number}]" for number in range(len(texts))]
        findings = tuple(_placed(finding, places) for finding in ruling.findings)
        self._keep("blocked" if ruling.action == "block" else "passed", "in", request, started, findings, len(texts))
        return Screened(ruling.action, None if ruling.action == "block" else ruling.texts, findings)

    async def reply(self, body: bytes, content_type: str, request: str) -> Screened:
        """
        A whole reply of any kind, as bytes. What passes is written anew, so that it is what was read.

        Raises:
            SafetyUnavailable: nobody can tell, also where it cannot be read.
        """
        if not self.looks("out"):
            return Screened("pass", body)
        kind = content_type.partition(";")[0].strip().lower()
        started = self._clock()
        try:
            read, write = await _beside(len(body), lambda: _reading(body, kind))
        except (UnicodeDecodeError, orjson.JSONDecodeError, InvalidValue) as error:
            raise self._unreadable("out", request, started) from error
        ruling = await self._rule(read, "out", request)
        passed = await _beside(len(body), lambda: self._passed(ruling, lambda: write(ruling.texts)))
        return Screened(ruling.action, passed, *self._said(ruling, read))

    async def stream(self, pieces: AsyncIterator[bytes], request: str, most_bytes: int = _MOST_BYTES) -> Screened:
        """
        A streamed reply: read to its end, looked at as a whole reply is, then given on event by event.

        Raises:
            SafetyUnavailable: nobody can tell, also where it cannot be read or is longer than `most_bytes`.
            ModelError: the stream broke off; nothing of it is given on.
        """
        started = self._clock()
        held: list[bytes] = []
        size = 0
        async for piece in pieces:
            held.append(piece)
            size += len(piece)
            if self.looks("out") and size > most_bytes:
                raise self._unreadable("out", request, started, "too_long")
        if not self.looks("out"):
            return Screened("pass", held)
        try:
            read = await _beside(size, lambda: HeldStream(b"".join(held)))
        except (UnicodeDecodeError, InvalidValue) as error:
            raise self._unreadable("out", request, started) from error
        ruling = await self._rule(read, "out", request)
        passed = await _beside(size, lambda: self._passed(ruling, lambda: list(read.put(ruling.texts))))
        return Screened(ruling.action, passed, *self._said(ruling, read))

    # How a ruling comes about -----------------------------------------------------------------------------------------

    async def _rule(self, read: _Read, way: Way, request: str) -> Ruling:
        started = self._clock()
        try:
            ruling = await self.guard.check(read.texts, way)
        except SafetyUnavailable as error:
            self._keep("unavailable", way, request, started, texts=len(read.texts), reason=error.reason)
            raise
        except Refused as error:
            self._keep("unavailable", way, request, started, texts=len(read.texts), reason=error.code)
            raise
        if ruling.action != "block" and read.not_checked and self.policy.media == "block":
            found = [SafetyFinding(rule="media", way=way, place=place) for place in read.not_checked]
            ruling = Ruling("block", (), (*ruling.findings, *found))
        findings = [_placed(finding, read.places) for finding in ruling.findings]
        ruling = ruling._replace(findings=tuple(findings))
        unseen = bool(read.not_checked) or any(finding.rule == NOT_CHECKED for finding in findings)
        status: dict[str, Any] = {"pass": "not_checked" if unseen else "passed", "mask": "masked", "block": "blocked"}
        self._keep(
            status[ruling.action], way, request, started, findings, len(read.texts), not_checked=read.not_checked
        )
        return ruling

    def _passed(self, ruling: Ruling, write: Callable[[], Any]) -> Any:
        return None if ruling.action == "block" else write()

    def _said(self, ruling: Ruling, read: _Read) -> tuple[tuple[SafetyFinding, ...], tuple[str, ...]]:
        return ruling.findings, tuple(read.not_checked)

    def _unreadable(self, way: Way, request: str, started: float, reason: str = "unreadable") -> SafetyUnavailable:
        self._keep("unavailable", way, request, started, reason=reason)
        return unavailable(reason)

    def _keep(
        self,
        status: Any,
        way: Way,
        request: str,
        started: float,
        findings: Iterable[SafetyFinding] = (),
        texts: int = 0,
        reason: str | None = None,
        not_checked: Iterable[str] = (),
    ) -> None:
        self.keep(
            SafetyRecord(
                request=request,
                endpoint=self.endpoint,
                way=way,
                status=status,
                findings=tuple(findings),
                not_checked=tuple(not_checked),
                reason=reason,
                texts=texts,
                seconds=self._clock() - started,
                at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
        )


async def _beside(size: int, work: Callable[[], _T]) -> _T:
    """What a piece of work gives, done in a thread where it is long, so that other requests do not wait for it."""
    return await asyncio.to_thread(work) if size > _LONG_BYTES else work()


def _placed(finding: SafetyFinding, places: Sequence[str]) -> SafetyFinding:
    if finding.text is None or finding.text >= len(places):
        return finding
    return finding.model_copy(update={"place": places[finding.text]})


def _reading(body: bytes, kind: str) -> tuple[Texts, Callable[[Sequence[str]], bytes]]:
    """The texts of a reply by its content type, and how it is written with others."""
    if kind == "application/json" or kind.endswith("+json"):
        read = Texts(orjson.loads(body), reply=True)
        return read, lambda texts: orjson.dumps(read.put(texts))
    if kind.startswith(("image/", "audio/", "video/")) or kind == "application/octet-stream":
        media = Texts({"data": body}, reply=True)
        return media, lambda _: body
    # Everything else is shown as it is: subtitles, plain text, and what claims to be something that nobody knows.
    plain = Texts({"text": body.decode()}, reply=True)
    return plain, lambda texts: str(plain.put(texts)["text"]).encode()
