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
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.data.base import Case, CaseSummary
from touchstone.errors import StoreError, StoreFull
from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.budget import Balance, Books, Hold, Settle
from touchstone.evaluation.crash_points import crash_point
from touchstone.evaluation.group_commit import GroupCommit
from touchstone.evaluation.migrations import SCHEMA
from touchstone.evaluation.noun_json import from_json, safe_text, to_json
from touchstone.evaluation.statements import Row, Statement, Statements, outcome_row
from touchstone.models.base import ChatRequest, Reply
from touchstone.storage.database import ensure_schema, open_database
from touchstone.storage.lock import check_fence
from touchstone.storage.reserve import is_out_of_space

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


def request_key(endpoint: str, request: ChatRequest) -> str:
    """SHA-256 hex digest under which the reply to this request of this endpoint is stored."""
    return key_of(endpoint, canonical(request))


def key_of(endpoint: str, body: bytes) -> str:
    """The key of a request that is written down already; see `canonical`."""
    return hashlib.sha256(endpoint.encode() + b"\0" + body).hexdigest()


def now() -> str:
    """The wall clock as a label; nothing is ever computed from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def store_errors() -> Iterator[None]:
    """Whatever fails in the database inside becomes a `StoreError` that holds nothing of what was being stored."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        # The driver's own words: SQLAlchemy's repeat the statement with its values, which is the user's text.
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        if is_out_of_space(error):
            raise StoreFull(
                "there is no room left for the store ({reason}); nothing further was sent, and everything that was "
                "committed can be read; make room and run the same command again",
                reason=str(reason),
            ) from None
        raise StoreError(
            "the store cannot be read or written: {reason}; make room for it, end what else is using it, and run again",
            reason=str(reason),
        ) from None


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
        self.statements = Statements(self.engine.dialect)
        self._commits: GroupCommit[Hold | Settle | Write] = GroupCommit(self.engine, self._apply)
        self._reading: sa.Connection | None = None
        # Random, then a sequence: no two processes give the same number, and a row's place is its time.
        self._numbers = count(int.from_bytes(os.urandom(4), "big") >> 1 << 32)

    def close(self) -> None:
        """Release the database; may be called twice."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        self.engine.dispose()

    # Cases

    def add_dataset(self, summary: CaseSummary, cases: Iterable[Case]) -> None:
        """Keep the cases under their digest; does nothing when they are already there."""
        if self.has_dataset(summary.digest):
            return
        with store_errors():
            try:
                self._insert_dataset(summary, cases)
            except sa.exc.IntegrityError:
                # Another process kept the same cases meanwhile; the digest says that they are the same.
                if not self.has_dataset(summary.digest):
                    raise

    def checked(self, digest: str) -> CaseSummary | None:
        """What a check of exactly these files found; None when they were not looked at, or their cases are not here."""
        query = sa.select(tables.checks.c.summary).where(tables.checks.c.digest == digest)
        with store_errors(), self.engine.connect() as connection:
            body = connection.execute(query).scalar()
        summary = None if body is None else from_json(CaseSummary, bytes(body))
        return summary if summary is not None and self.has_dataset(summary.digest) else None

    def keep_check(self, digest: str, summary: CaseSummary) -> None:
        """Remember what a check found, so that going on with a run need not look at every case again."""
        table = tables.checks
        with store_errors(), self.engine.begin() as connection:
            connection.execute(table.delete().where(table.c.digest == digest))
            connection.execute(table.insert().values(digest=digest, summary=to_json(summary)))

    def has_dataset(self, digest: str) -> bool:
        """Whether these cases were kept before."""
        query = sa.select(tables.datasets.c.digest).where(tables.datasets.c.digest == digest)
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).scalar() is not None

    def _insert_dataset(self, summary: CaseSummary, cases: Iterable[Case]) -> None:
        with self.engine.begin() as connection:
            ordinals: dict[str, int] = {}
            block: list[dict[str, Any]] = []
            for case in cases:
                ordinal = ordinals.get(case.split, 0)
                ordinals[case.split] = ordinal + 1
                block.append(
                    {
                        "dataset": summary.digest,
                        "split": case.split,
                        "ordinal": ordinal,
                        "case_id": safe_text(case.id),
                        "group_name": None if case.group is None else safe_text(case.group),
                        "tags": safe_text("\n".join(case.tags)),
                        "payload": to_json(case, exclude_defaults=True),
                    }
                )
                if len(block) == _BLOCK:
                    connection.execute(tables.cases.insert(), block)
                    block = []
            if block:
                connection.execute(tables.cases.insert(), block)
            connection.execute(tables.datasets.insert().values(digest=summary.digest))

    def cases(self, dataset: str, split: str, *, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Case]]:
        """(ordinal, case) in order, read in blocks so that memory does not grow with their number."""
        table = tables.cases
        while stop is None or start < stop:
            query = (
                sa.select(table.c.ordinal, table.c.payload)
                .where(table.c.dataset == dataset, table.c.split == split, table.c.ordinal >= start)
                .order_by(table.c.ordinal)
                .limit(_BLOCK if stop is None else min(_BLOCK, stop - start))
            )
            with store_errors(), self.engine.connect() as connection:
                rows = connection.execute(query).all()
            for ordinal, payload in rows:
                yield ordinal, from_json(Case, payload)
            if len(rows) < _BLOCK:
                return
            start = rows[-1][0] + 1

    def cases_at(self, dataset: str, split: str, ordinals: Sequence[int]) -> list[Case]:
        """The cases at these places of a split, in the order asked for."""
        table = tables.cases
        found: dict[int, Case] = {}
        for start in range(0, len(ordinals), _BLOCK):
            wanted = [int(ordinal) for ordinal in ordinals[start : start + _BLOCK]]
            query = sa.select(table.c.ordinal, table.c.payload).where(
                table.c.dataset == dataset, table.c.split == split, table.c.ordinal.in_(wanted)
            )
            with store_errors(), self.engine.connect() as connection:
                for ordinal, payload in connection.execute(query):
                    found[ordinal] = from_json(Case, payload)
        return [found[int(ordinal)] for ordinal in ordinals]

    def case_at(self, dataset: str, split: str, ordinal: int) -> Case:
        """One case by its place in its split."""
        return self.cases_at(dataset, split, [ordinal])[0]

    def case_column(self, dataset: str, split: str, column: str) -> list[Any]:
        """`case_id`, `group_name` or `tags` of every case of a split, in order."""
        table = tables.cases
        query = (
            sa.select(table.c[column])
            .where(table.c.dataset == dataset, table.c.split == split)
            .order_by(table.c.ordinal)
        )
        with store_errors(), self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def has_groups(self, dataset: str, split: str) -> bool:
        """Whether any case of a split belongs to a group."""
        table = tables.cases
        query = (
            sa.select(sa.literal(1))
            .where(table.c.dataset == dataset, table.c.split == split, table.c.group_name.is_not(None))
            .limit(1)
        )
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).scalar() is not None

    def case_count(self, dataset: str, split: str) -> int:
        """How many cases a split has."""
        query = sa.select(sa.func.count()).where(tables.cases.c.dataset == dataset, tables.cases.c.split == split)
        with store_errors(), self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    # Calls

    def _apply(self, connection: sa.Connection, items: Sequence[Hold | Settle | Write]) -> Sequence[Any]:
        """One transaction: holds are granted in their order, rows of one statement go in together."""
        if self.fence is not None:
            check_fence(connection, self.fence)
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
            if self._reading is None:
                # Held open: taking a connection from the pool costs more than the look-up.
                self._reading = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            row = self.statements.find_reply.find_one(self._reading, (key,))
        if row is None:
            return None
        attempt, run, body, digest, meta = row
        if hashlib.sha256(body).hexdigest() != digest:
            return None
        return StoredReply(Reply(body=bytes(body), **orjson.loads(bytes(meta))), attempt, run)

    async def keep_unread(self, attempt: int, body: bytes) -> None:
        """Keep what turned out to be no answer with the attempt that brought it, before it is dropped."""
        await self._write(Write(self.statements.keep_unread, (body[:_RECEIVED_LIMIT_BYTES], attempt)))

    async def drop_reply(self, key: str) -> None:
        """Forget a reply that turned out to be no answer, so that a later run asks again."""
        await self._write(Write(self.statements.drop_reply, (key,)))

    def attempt_hold(self, attempt: int) -> tuple[str, float | None] | None:
        """(state, what was held) of one attempt; None when there is no such attempt."""
        table = tables.attempts
        query = sa.select(table.c.state, table.c.hold_usd).where(table.c.id == attempt)
        with store_errors(), self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row[0], row[1])

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
