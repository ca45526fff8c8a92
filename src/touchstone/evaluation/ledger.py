"""
The ledger: cases, intents, raw replies, money and outcomes in one database.

Order of the durable steps of a paid call: hold and intent, send, raw reply, read, score. A committed reply is never
bought again, because its key is the digest of the endpoint, the canonical request and the draw.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.errors import StoreError
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.budget import Balance, Books, Hold, Settle
from touchstone.evaluation.crash_points import crash_point
from touchstone.evaluation.datasets import Datasets
from touchstone.evaluation.group_commit import GroupCommit
from touchstone.evaluation.migrations import SCHEMA
from touchstone.evaluation.noun_json import safe_text
from touchstone.evaluation.statements import Row, Statement, Statements, outcome_row
from touchstone.evaluation.store_errors import store_errors
from touchstone.models.base import ChatRequest, Reply
from touchstone.storage.database import begin_write, ensure_schema, open_database
from touchstone.storage.lock import check_fence

_BLOCK = 1_000
_LONGEST_BACKLOG = 2_000
_RECEIVED_LIMIT_BYTES = 1 << 20
"""Of what was no answer, this much is kept."""


def canonical(request: ChatRequest) -> bytes:
    """The request as the ledger keeps it: JSON with sorted keys; the same request is always the same bytes."""
    plain = request.model_dump(exclude_none=True)
    try:
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, which only escapes can write down
        return json.dumps(plain, sort_keys=True).encode()


def key_of(endpoint: str, body: bytes) -> str:
    """The key of a request that is written down already; see `canonical`."""
    return hashlib.sha256(endpoint.encode() + b"\0" + body).hexdigest()


@lru_cache(maxsize=1)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def now() -> str:
    """The wall clock as a label; nothing is ever computed from it."""
    second, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(second)}.{milliseconds:03d}+00:00"


@dataclass(frozen=True, slots=True)
class Write:
    """One row for one statement."""

    statement: Statement
    row: Row


class Served(NamedTuple):
    """What the provider said of who answered; None where it said nothing."""

    model: str | None
    system_fingerprint: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply that was bought before."""

    reply: Reply
    attempt: int | None
    """Which attempt brought it; None where an older version did not note it."""
    run: str | None
    """The run that bought it."""


class Ledger:
    """
    What a run writes and what a report reads.

    Writes that belong to a run are coroutines of one event loop; everything else is plain and blocking.
    """

    def __init__(self, place: Path | str, *, read_only: bool = False, allow_network: bool = False) -> None:
        """
        Args:
            place: Path of the SQLite file, or a SQLAlchemy URL.
            read_only: Only to look; works while an engine measures into it.
            allow_network: Also on a network file system.
        """
        self.engine = open_database(place, read_only=read_only, allow_network=allow_network)
        self.fence: int | None = None
        """Number of the engine that writes through this ledger; None without one, as in `init` or in a test."""
        try:
            with store_errors():
                ensure_schema(self.engine, SCHEMA)
        except StoreError:
            self.engine.dispose()
            raise
        self.datasets = Datasets(self.engine, self.writing)
        self.statements = Statements(self.engine.dialect)
        self._commits: GroupCommit[Hold | Settle | Write] = GroupCommit(self.engine, self._apply)
        self._reading: sa.Connection | None = None
        # Random, then a sequence: no two ledgers give the same number, and within a sitting a row's place is its time.
        self._numbers = count(int.from_bytes(os.urandom(4), "big") >> 1 << 32)

    def close(self) -> None:
        """Release the database; may be called twice."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """
        A transaction that writes: the one writer from its first statement on, and still the engine that may write.

        Raises:
            StoreError: another engine has taken over; nothing is written.
        """
        with self.engine.begin() as connection:
            begin_write(connection)
            self._check_fence(connection)
            yield connection

    def _check_fence(self, connection: sa.Connection) -> None:
        if self.fence is not None:
            check_fence(connection, self.fence)

    # Calls

    def _apply(self, connection: sa.Connection, items: Sequence[Hold | Settle | Write]) -> Sequence[Any]:
        """One transaction: holds are granted in their order, rows of one statement go in together."""
        self._check_fence(connection)
        books = Books(connection, self.statements)
        groups: dict[Statement, list[Row]] = {}
        results: list[Any] = []
        for item in items:
            if isinstance(item, Write):
                groups.setdefault(item.statement, []).append(item.row)
                results.append(None)
            elif isinstance(item, Settle):
                books.settle(item)
                groups.setdefault(self.statements.settle_attempt, []).append(item.row)
                results.append(books.balance(item.run))
            else:
                granted = books.hold(item)
                if granted:
                    groups.setdefault(self.statements.put_attempt, []).append(item.row)
                results.append((granted, books.balance(item.run)))
        for statement, rows in groups.items():
            statement.run(connection, rows)
        books.write()
        crash_point("mid-commit")
        return results

    async def _write(self, item: Hold | Settle | Write) -> Any:
        with store_errors():
            return await self._commits.write(item)

    async def intend(
        self,
        run: str,
        key: str,
        endpoint: str,
        purpose: str,
        request: bytes,
        hold_usd: float | None = None,
        *,
        retry: bool = False,
    ) -> tuple[int | None, Balance]:
        """
        Record that a request is about to be sent, and hold its money.

        Returns:
            The attempt's number once that is on disk, or None when the cap does not cover it; and how the run stands.
        """
        attempt = next(self._numbers)
        row = (attempt, run, key, endpoint, purpose, retry, request, hold_usd, "intent", None, None, None, now())
        future = self._commits.enqueue(Hold(run, hold_usd or 0.0, retry, (*row, None, None, None)))
        with store_errors():
            try:
                granted, balance = await asyncio.shield(future)
            except asyncio.CancelledError:
                # Nothing will be sent; what the commit may have held must come free all the same.
                future.add_done_callback(lambda done: self._release(done, run, attempt, hold_usd or 0.0, retry))
                raise
        return (attempt if granted else None), balance

    def _release(self, done: asyncio.Future[Any], run: str, attempt: int, hold_usd: float, retry: bool) -> None:
        if done.cancelled() or done.exception() is not None or not done.result()[0]:
            return
        row = ("failed", None, "not sent", None, None, None, None, attempt)
        self._commits.enqueue(
            Settle(run, hold_usd, 0.0, in_doubt=False, unpriced=False, row=row, sent=False, retry=retry)
        )

    def settle(
        self,
        attempt: int,
        run: str,
        *,
        state: str,
        released_usd: float = 0.0,
        cost_usd: float | None = None,
        correction_usd: float | None = None,
        unpriced: bool = False,
        error: str | None = None,
        received: bytes = b"",
        served: Served | None = None,
    ) -> asyncio.Future[Balance]:
        """
        Record how an attempt ended: `replied`, `unread`, `failed` or `in_doubt`; a future of how the run stands.

        Args:
            released_usd: What was held for it.
            cost_usd: What is booked; None books nothing.
            correction_usd: What had been booked for it before, and is taken back.
            unpriced: Whether it cost something that nobody knows.
            received: What came and was no answer; its first MiB is kept for people to look at.
        """
        row = (
            state,
            cost_usd,
            error and safe_text(error),
            received[:_RECEIVED_LIMIT_BYTES] or None,
            *(safe_text(said) if said else None for said in served or (None, None, None)),
            attempt,
        )
        booked_usd = (cost_usd or 0.0) - (correction_usd or 0.0)
        return self._commits.enqueue(
            Settle(run, released_usd, booked_usd, in_doubt=state == "in_doubt", unpriced=unpriced, row=row)
        )

    async def keep_reply(self, key: str, reply: Reply, attempt: int, run: str) -> None:
        """Store a raw reply; returns once it is on disk."""
        meta = reply.model_dump_json(exclude={"body"}).encode()
        digest = hashlib.sha256(reply.body).hexdigest()
        await self._write(Write(self.statements.put_reply, (key, attempt, run, reply.body, digest, meta, now())))

    def reply(self, key: str) -> StoredReply | None:
        """The stored reply under a key, None when there is none or its bytes no longer match their digest."""
        with store_errors():
            row = self.find_one(self.statements.find_reply, (key,))
        if row is None:
            return None
        attempt, run, body, digest, meta = row
        if hashlib.sha256(body).hexdigest() != digest:
            return None
        return StoredReply(Reply(body=bytes(body), **orjson.loads(bytes(meta))), attempt, run)

    def find_one(self, statement: Statement, row: Row) -> Any:
        """What a query for one row finds, None when nothing; for look-ups that are made once per call or cell."""
        return statement.find_one(self._reader(), row)

    def _reader(self) -> sa.Connection:
        if self._reading is None:
            # Held open: taking a connection from the pool costs more than the look-up.
            self._reading = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._reading

    def keep_pages(self, megabytes: int) -> None:
        """Keep so much of the store in memory for look-ups in random order of what is dear to read again (SQLite)."""
        if self.engine.dialect.name == "sqlite":
            with store_errors():
                self._reader().exec_driver_sql(f"PRAGMA cache_size=-{1000 * megabytes}")

    async def keep_unread(self, attempt: int, body: bytes) -> None:
        """Keep what turned out to be no answer with the attempt that brought it, before it is dropped."""
        await self._write(Write(self.statements.keep_unread, (body[:_RECEIVED_LIMIT_BYTES], attempt)))

    async def drop_reply(self, key: str) -> None:
        """Forget a reply that turned out to be no answer, so that a later run asks again."""
        await self._write(Write(self.statements.drop_reply, (key,)))

    # Cells

    async def keep_outcome(self, trial: int, ordinal: int, outcome: Outcome, run: str | None = None) -> None:
        """Queue one cell for writing; `drain` waits for all of them. Waits itself when the disk is far behind."""
        self._commits.enqueue(Write(self.statements.put_outcome, outcome_row(trial, ordinal, outcome, run)))
        if self._commits.backlog > _LONGEST_BACKLOG:
            await self.drain()

    async def drain(self) -> None:
        """Returns when every queued write is on disk. Raises `StoreError` when one failed."""
        with store_errors():
            await self._commits.drain()
