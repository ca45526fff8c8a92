"""
What the gateway serves now: endpoints as the store has them, and an upstream for every version that is asked.

Upstreams are made when they are first needed and closed when their version is gone and nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from touchstone.deployment.base import Endpoint, Key, Upstream, Version
from touchstone.deployment.endpoints.registry import WHOLE, read_all
from touchstone.deployment.govern.state import revision
from touchstone.errors import TouchstoneError, Unreachable

MakeUpstream = Callable[[Endpoint, Version], Awaitable[Upstream]]

_AGAIN_S = 10.0
"""After an upstream could not be made, so long nobody tries again."""

_log = logging.getLogger("touchstone.endpoints")


class Target(NamedTuple):
    """Whom a request goes to."""

    endpoint: Endpoint
    version: Version


@dataclass
class _Kept:
    upstream: asyncio.Future[Upstream]
    made_of: str
    """What it was made of, see `_made_of`."""
    users: int = 0
    gone: bool = False
    failed_at: float | None = None


class Lease:
    """
    Keeps what answers for a version open: `async with serving.upstream(target) as upstream`, once.

    A class of its own instead of a generator, because every request to a model has one.
    """

    __slots__ = ("_kept", "_serving", "_target")

    def __init__(self, serving: Serving, target: Target) -> None:
        self._serving = serving
        self._target = target
        self._kept: _Kept | None = None

    async def __aenter__(self) -> Upstream:
        """What answers. Raises `Unreachable`."""
        self._kept = kept = self._serving._take(self._target)
        try:
            return kept.upstream.result() if kept.upstream.done() else await asyncio.shield(kept.upstream)
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._serving._give_back(kept)


class Serving:
    """
    Endpoints and their upstreams.

    Args:
        engine: The store.
        make_upstream: Makes what answers for a version.
        today: For whoever asks whether evidence has expired.
    """

    def __init__(self, engine: sa.Engine, make_upstream: MakeUpstream, *, today: Callable[[], date]) -> None:
        self._engine = engine
        self._make = make_upstream
        self._today = today
        self._revision = -1
        self._endpoints: Mapping[str, Endpoint] = {}
        self._kept: dict[tuple[str, int], _Kept] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """By name, as they were at the last look."""
        return self._endpoints

    async def refresh(self) -> bool:
        """Look whether the desired state has changed, and take it over; returns whether it had. Raises `StoreError`."""
        found = await asyncio.to_thread(revision, self._engine)
        if found == self._revision:
            return False
        endpoints = {one.name: one for one in await asyncio.to_thread(read_all, self._engine)}
        self._revision, self._endpoints = found, endpoints
        served = {
            (endpoint.name, version.number): _made_of(endpoint, version)
            for endpoint in endpoints.values()
            for version in endpoint.versions
        }
        for place, kept in list(self._kept.items()):
            if served.get(place) != kept.made_of:
                self._let_go(place)
        return True

    def find(self, name: str) -> Endpoint | None:
        """A running endpoint; None where there is none of this name, or it is stopped."""
        found = self._endpoints.get(name)
        return found if found is not None and found.state == "running" else None

    def targets(self) -> tuple[Target, ...]:
        """Every version that answers somebody now, be it as a shadow."""
        return tuple(
            Target(endpoint, version)
            for endpoint in self._endpoints.values()
            if endpoint.state == "running"
            for version in endpoint.versions
            if endpoint.split.get(version.number) or version.number == endpoint.shadow
        )

    def pick(self, endpoint: Endpoint, request: str) -> Version:
        """The version that answers a request: the split, decided by the request's id, so that it can be told later."""
        if len(endpoint.split) == 1:
            return endpoint.version(next(iter(endpoint.split)))
        at = int.from_bytes(hashlib.blake2b(request.encode(), digest_size=8).digest()) % WHOLE
        for number, percent in sorted(endpoint.split.items()):
            if at < percent:
                return endpoint.version(number)
            at -= percent
        raise AssertionError("the split of an endpoint is 100 together")

    def shadow_of(self, endpoint: Endpoint, request: str) -> Version | None:
        """The version that is asked too, without answering anybody; None where there is none for this request."""
        if endpoint.shadow is None:
            return None
        at = int.from_bytes(hashlib.blake2b(b"shadow" + request.encode(), digest_size=8).digest()) % WHOLE
        return endpoint.version(endpoint.shadow) if at < endpoint.shadow_percent else None

    def expired(self, version: Version) -> bool:
        """Whether the evidence of a version is older than its decision allows."""
        return version.evidence is not None and version.evidence.expired(self._today())

    def upstream(self, target: Target) -> Lease:
        """
        What answers for a version, kept open while the block lasts.

        Raises:
            Unreachable: it could not be made; the reason is in the log and in `endpoints show`, not in a reply.
        """
        return Lease(self, target)

    def _take(self, target: Target) -> _Kept:
        """What answers for a version, made where it is not there, with one user more."""
        place = target.endpoint.name, target.version.number
        kept = self._kept.get(place)
        loop = asyncio.get_running_loop()
        if kept is not None and kept.failed_at is not None and loop.time() - kept.failed_at > _AGAIN_S:
            kept = None
        if kept is None:
            kept = self._kept[place] = _Kept(loop.create_future(), _made_of(*target))
            kept.upstream.add_done_callback(lambda found: found.cancelled() or found.exception())
            task = asyncio.create_task(self._fill(kept, target))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        kept.users += 1
        return kept

    def _give_back(self, kept: _Kept) -> None:
        kept.users -= 1
        if kept.gone and not kept.users:
            self._close(kept)

    async def _fill(self, kept: _Kept, target: Target) -> None:
        try:
            made = await self._make(target.endpoint, target.version)
        except (TouchstoneError, OSError) as error:
            _log.error(
                "endpoint %s version %d cannot be served: %s", target.endpoint.name, target.version.number, error
            )
            kept.failed_at = asyncio.get_running_loop().time()
            if not kept.upstream.done():
                kept.upstream.set_exception(
                    Unreachable("{endpoint} cannot be served at the moment", endpoint=target.endpoint.name)
                )
            return
        if kept.upstream.done():
            await made.close()
        else:
            kept.upstream.set_result(made)

    def _let_go(self, place: tuple[str, int]) -> None:
        kept = self._kept.pop(place)
        kept.gone = True
        if not kept.users:
            self._close(kept)

    def _close(self, kept: _Kept) -> None:
        async def close() -> None:
            try:
                upstream = await kept.upstream
            except (TouchstoneError, asyncio.CancelledError):
                return
            await upstream.close()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every upstream; whoever still waits for a reply loses it."""
        for place in list(self._kept):
            kept = self._kept.pop(place)
            kept.gone = True
            self._close(kept)
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)


def may_ask(endpoint: Endpoint, key: Key) -> bool:
    """Whether a key may ask an endpoint: by its list of endpoints, and by the project of both."""
    if endpoint.project is not None and key.project != endpoint.project:
        return False
    return key.endpoints is None or endpoint.name in key.endpoints


def _made_of(endpoint: Endpoint, version: Version) -> str:
    """
    What an upstream was made of: the policy, parts of which it holds, and the version's own folder and price. A number
    is no name of a version: an endpoint that was removed and made anew counts from 1 again.
    """
    price = "" if version.price is None else version.price.model_dump_json()
    return "\n".join((endpoint.policy.model_dump_json(), version.folder, version.recipe_digest, price))
