"""
A client that asks again because it did not hear the answer gets the answer, and pays once (A15).

Under one idempotency key of one API key: the same request gets the stored reply, another one is refused (422), and one
whose first asking still runs is told so (409). Kept for 24 hours. What a request was is told by a digest of its route
and body.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from touchstone.deployment.govern.refusals import MeterDown, OtherBody, Refused, ReplyNotKept, StillRunning
from touchstone.deployment.govern.sql import Row, Sql, put
from touchstone.deployment.govern.tables import idempotent
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import StoreError

KEEP_S = 24 * 3600
LONGEST_BYTES = 4 << 20
"""A larger reply is not kept."""
_SHAPE = re.compile(r"[\x21-\x7e]{1,255}")


class Replay(NamedTuple):
    """The stored reply of a request that is asked again."""

    request: str
    """Id under which it was answered the first time."""
    status: int
    content_type: str
    body: bytes


class _Begin(NamedTuple):
    row: Row
    now_s: int


class _End(NamedTuple):
    row: Row


class _Drop(NamedTuple):
    row: Row


def request_digest(route: str, body: bytes) -> str:
    """By what two requests are told to be the same: route and exact body."""
    return hashlib.sha256(route.encode() + b"\0" + body).hexdigest()


class Idempotency:
    """
    What was promised to idempotency keys.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
        owner: Name of the meter beside it, so that a later gateway knows what will not be answered any more.
        may_keep: Whether the disk has room for replies; see `disk.Watermark`.
        clock: Wall clock, seconds since 1970.
    """

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        *,
        owner: str,
        may_keep: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        bind, table, dialect = sa.bindparam, idempotent, engine.dialect
        self._writer = writer
        self._owner = owner
        self._may_keep = may_keep
        self._clock = clock
        names = ("body_digest", "state", "request", "status", "content_type", "reply", "expires_s")
        mine = (table.c.key == bind("b_key"), table.c.idempotency_key == bind("b_ikey"))
        self._find = Sql(sa.select(*(table.c[name] for name in names)).where(*mine), ["b_key", "b_ikey"], dialect)
        self._put = put(table, dialect, absent=True)
        self._drop = Sql(table.delete().where(*mine), ["b_key", "b_ikey"], dialect)
        changed = ("state", "status", "content_type", "reply")
        self._end = Sql(
            table.update()
            .where(*mine, table.c.owner == bind("b_owner"))
            .values({name: bind(f"b_{name}") for name in changed}),
            [*(f"b_{name}" for name in changed), "b_key", "b_ikey", "b_owner"],
            dialect,
        )

    async def begin(self, key: int, idempotency_key: str, digest: str, request: str) -> Replay | None:
        """
        Ask for an idempotency key; None where this request is the first to use it and must be carried out.

        Args:
            key: Id of the API key that asks. The same idempotency key of another one is another.
            idempotency_key: As the client wrote it: 1 to 255 visible ASCII characters.
            digest: See `request_digest`.
            request: Id of this request.

        Raises:
            OtherBody, StillRunning, ReplyNotKept: see there.
            Refused: the idempotency key has another shape.
            MeterDown: the store takes no rows.
        """
        if not _SHAPE.fullmatch(idempotency_key):
            raise Refused("an Idempotency-Key has 1 to 255 visible ASCII characters")
        now_s = int(self._clock())
        row = (
            key, idempotency_key, digest, "running", self._owner, request, None, None, None, now_s + KEEP_S,
        )  # fmt: skip
        future = self._writer.enqueue(self, _Begin(row, now_s))
        try:
            found = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None and future.result() is None:
                self.drop(key, idempotency_key)
            raise
        except StoreError as error:
            raise MeterDown("the request cannot be written down, so it is not sent: {reason}", reason=error) from error
        return None if found is None else _replayed(found, digest)

    def finish(
        self, key: int, idempotency_key: str, *, status: int, content_type: str, body: bytes
    ) -> asyncio.Future[Any]:
        """Keep the reply of a request, whole, for whoever asks again. Not for one that may succeed when repeated."""
        keep = len(body) <= LONGEST_BYTES and self._may_keep()
        row = (
            "kept" if keep else "not_kept", status, content_type, body if keep else None, key, idempotency_key,
            self._owner,
        )  # fmt: skip
        return self._writer.enqueue(self, _End(row), must=True)

    def drop(self, key: int, idempotency_key: str) -> asyncio.Future[Any]:
        """Free an idempotency key: its request failed in a way that is worth a real repetition."""
        return self._writer.enqueue(self, _Drop((key, idempotency_key)), must=True)

    def apply(self, connection: sa.Connection, items: Sequence[Any]) -> Sequence[Any]:
        """In their order; see `Work`."""
        results: list[Any] = []
        for item in items:
            if isinstance(item, _Begin):
                results.append(self._begin(connection, item))
            elif isinstance(item, _End):
                results.append(self._end.run(connection, item.row))
            else:
                results.append(self._drop.run(connection, item.row))
        return results

    def _begin(self, connection: sa.Connection, item: _Begin) -> Any:
        place = item.row[:2]
        if self._put.run(connection, item.row) == 1:
            return None
        found = self._find.find(connection, place)
        if found is not None and found[-1] > item.now_s:
            return found
        self._drop.run(connection, place)
        self._put.run(connection, item.row)
        return None

    def committed(self) -> None:
        """Nothing follows; see `Work`."""

    def unheard(self, item: Any, result: Any) -> None:
        """The request of a key that was given to somebody who has left is not carried out; see `Work`."""
        if isinstance(item, _Begin) and result is None:
            self.drop(*item.row[:2])


def _replayed(found: Any, digest: str) -> Replay:
    body_digest, state, request, status, content_type, reply, _expires_s = found
    if body_digest != digest:
        raise OtherBody("this Idempotency-Key was used for another request; use a new one for each request")
    if state == "running":
        raise StillRunning("the request of this Idempotency-Key still runs; ask again in a moment", retry_after_s=1)
    if state != "kept":
        raise ReplyNotKept("the request of this Idempotency-Key was carried out, but its reply is not kept")
    return Replay(request, status, content_type, bytes(reply))
