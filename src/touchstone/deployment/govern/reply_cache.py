"""
Replies kept to be given again (opt-in): the same request to the same version within one project.

The key is a digest of everything that shapes a reply. Another project never finds it, nor does another version: a new
recipe begins with an empty cache. Only whole replies are kept, as they would be sent in one piece.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.deployment.base import Answered, Asked, Usage
from touchstone.deployment.govern.rows import Rows
from touchstone.deployment.govern.sql import Row, Sql
from touchstone.deployment.govern.tables import cached_replies
from touchstone.deployment.govern.writer import Writer
from touchstone.evaluation.store_errors import store_errors

LONGEST_BYTES = 1 << 20
"""A larger reply is not kept."""
_HOW_SENT = frozenset({"stream", "stream_options"})
"""Fields of a request that say how a reply travels, not what it is."""


def cache_key(project: str, endpoint: str, version: int, recipe_digest: str, asked: Asked) -> str:
    """
    Where the reply of a request is kept.

    Args:
        project: Of the key that asks; a reply never leaves it.
        endpoint: Its name.
        version: The version that answers.
        recipe_digest: Its recipe's: a version number that was used again must not find older replies.
        asked: What is asked. Fields in another order are the same request; streamed or not is the same request.
    """
    shape = [project, endpoint, version, recipe_digest, asked.kind, _shaping(asked.body)]
    return hashlib.sha256(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _shaping(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _HOW_SENT}


class ReplyCache:
    """
    Kept replies.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
        may_keep: Whether the disk has room for replies; see `disk.Watermark`.
        clock: Wall clock, seconds since 1970.
    """

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        *,
        may_keep: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._may_keep = may_keep
        self._clock = clock
        self._rows = Rows(cached_replies, engine.dialect, replace=True)
        table = cached_replies.c
        query = sa.select(table.body, table.digest, table.document).where(
            table.key == sa.bindparam("b_key"), table.expires_s > sa.bindparam("b_now")
        )
        self._find = Sql(query, ["b_key", "b_now"], engine.dialect)
        self._reading: sa.Connection | None = None

    def close(self) -> None:
        """Release its connection; may be called twice."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    async def get(self, key: str) -> Answered | None:
        """The reply kept under a key (`cache_key`); None where there is none that is still good and whole."""
        if self._engine.dialect.name == "sqlite":
            return self._found(key)
        return await asyncio.to_thread(self._found, key)

    def keep(
        self, key: str, answered: Answered, *, project: str, endpoint: str, version: int, keep_s: int
    ) -> asyncio.Future[Any] | None:
        """
        Keep a whole reply for so many seconds; None where it is too large or the disk is short of room.

        Args:
            key: See `cache_key`.
            answered: Whole and good: never one that was cut, blocked or refused.
        """
        if len(answered.body) > LONGEST_BYTES or not self._may_keep():
            return None
        document = orjson.dumps(
            {
                "usage": answered.usage._asdict(),
                "model": answered.model,
                "content_type": answered.content_type,
                "finish": answered.finish,
            }
        )
        digest = hashlib.sha256(answered.body).hexdigest()
        row = (
            key, project, endpoint, version, answered.body, digest, document, int(self._clock()) + keep_s,
        )  # fmt: skip
        return self._writer.enqueue(self._rows, row)

    def _found(self, key: str) -> Answered | None:
        with store_errors():
            row = self._looked_up((key, int(self._clock())))
        if row is None:
            return None
        body, digest, document = bytes(row[0]), row[1], orjson.loads(bytes(row[2]))
        if hashlib.sha256(body).hexdigest() != digest:
            return None
        return Answered(
            body,
            Usage(**document["usage"]),
            document["model"],
            document["content_type"],
            tuple(document.get("finish", ())),  # replies that an earlier version kept do not say it
        )

    def _looked_up(self, row: Row) -> Any:
        if self._engine.dialect.name != "sqlite":
            with self._engine.connect() as connection:
                return self._find.find(connection, row)
        if self._reading is None:
            self._reading = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._find.find(self._reading, row)
