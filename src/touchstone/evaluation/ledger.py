"""
The ledger: cases, intents, raw replies, outcomes and comparisons in one database.

Order of the durable steps of a paid call: intent, send, raw reply, read, score. A committed reply is never bought
again, because its key is the digest of the endpoint, the canonical request and the draw.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import orjson
import sqlalchemy as sa

from touchstone.data.base import Case, CaseSummary
from touchstone.errors import StoreError
from touchstone.evaluation import statements, tables
from touchstone.evaluation.base import Outcome, Recipe
from touchstone.evaluation.group_commit import GroupCommit, Row
from touchstone.evaluation.noun_json import from_json, safe_text, to_json
from touchstone.models.base import ChatRequest, Reply
from touchstone.storage.database import ensure_schema, open_database

_BLOCK = 1_000
_LONGEST_BACKLOG = 2_000
_RECEIVED_LIMIT_BYTES = 1 << 20
"""Of what was no answer, this much is kept."""


def request_key(endpoint: str, request: ChatRequest) -> str:
    """SHA-256 hex digest under which the reply to this request of this endpoint is stored."""
    plain = request.model_dump(exclude_none=True)
    try:
        body = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, which only escapes can write down
        body = json.dumps(plain, sort_keys=True).encode()
    return hashlib.sha256(endpoint.encode() + b"\0" + body).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def store_errors() -> Iterator[None]:
    """Whatever fails in the database inside becomes a `StoreError` that holds nothing of what was being stored."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        # The driver's own words: SQLAlchemy's repeat the statement with its values, which is the user's text.
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        raise StoreError(
            "the store cannot be read or written: {reason}; make room for it, end what else is using it, and run again",
            reason=str(reason),
        ) from None


class Ledger:
    """
    What a run writes and what a report reads.

    Writes that belong to a run are coroutines of one event loop; everything else is plain and blocking.
    """

    def __init__(self, place: Path | str) -> None:
        self.engine = open_database(place)
        try:
            with store_errors():
                ensure_schema(self.engine, tables.SCHEMA)
        except StoreError:
            self.engine.dispose()
            raise
        self._commits = GroupCommit(self.engine)

    def close(self) -> None:
        """Release the database; may be called twice."""
        self.engine.dispose()

    # Cases

    def add_dataset(self, summary: CaseSummary, cases: Iterable[Case]) -> None:
        """Keep the cases under their digest; does nothing when they are already there."""
        if self._has_dataset(summary.digest):
            return
        with store_errors():
            try:
                self._insert_dataset(summary, cases)
            except sa.exc.IntegrityError:
                # Another process kept the same cases meanwhile; the digest says that they are the same.
                if not self._has_dataset(summary.digest):
                    raise

    def _has_dataset(self, digest: str) -> bool:
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

    def case_at(self, dataset: str, split: str, ordinal: int) -> Case:
        """One case by its place in its split."""
        return next(case for _, case in self.cases(dataset, split, start=ordinal, stop=ordinal + 1))

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

    def case_count(self, dataset: str, split: str) -> int:
        """How many cases a split has."""
        query = sa.select(sa.func.count()).where(tables.cases.c.dataset == dataset, tables.cases.c.split == split)
        with store_errors(), self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    # Calls

    async def _write(self, statement: sa.Executable, row: Row) -> None:
        with store_errors():
            await self._commits.write(statement, row)

    async def intend(
        self, key: str, endpoint: str, purpose: str, request: ChatRequest, hold_usd: float | None = None
    ) -> str:
        """Record that a request is about to be sent; returns the attempt's id once that is on disk."""
        attempt = uuid4().hex
        await self._write(
            statements.INSERT_ATTEMPT,
            {
                "id": attempt,
                "key": key,
                "endpoint": endpoint,
                "purpose": purpose,
                "request": to_json(request, exclude_defaults=True),
                "hold_usd": hold_usd,
                "state": "intent",
                "cost_usd": None,
                "error": None,
                "sent_at": _now(),
            },
        )
        return attempt

    async def settle(
        self,
        attempt: str,
        *,
        state: str,
        cost_usd: float | None = None,
        error: str | None = None,
        received: bytes = b"",
    ) -> None:
        """
        Record how an attempt ended: `replied`, `failed` (nothing billed) or `in_doubt`.

        Args:
            received: What came and was no answer; its first MiB is kept for people to look at.
        """
        await self._write(
            statements.SETTLE_ATTEMPT,
            {
                "b_id": attempt,
                "b_state": state,
                "b_cost": cost_usd,
                "b_error": error and safe_text(error),
                "b_received": received[:_RECEIVED_LIMIT_BYTES] or None,
            },
        )

    async def keep_reply(self, key: str, reply: Reply) -> None:
        """Store a raw reply; returns once it is on disk."""
        await self._write(
            statements.INSERT_REPLY,
            {
                "key": key,
                "body": reply.body,
                "digest": hashlib.sha256(reply.body).hexdigest(),
                "meta": reply.model_dump_json(exclude={"body"}).encode(),
                "stored_at": _now(),
            },
        )

    def reply(self, key: str) -> Reply | None:
        """The stored reply under a key, None when there is none or its bytes no longer match their digest."""
        with store_errors(), self.engine.connect() as connection:
            row = connection.execute(statements.FIND_REPLY, {"b_key": key}).one_or_none()
        if row is None or hashlib.sha256(row.body).hexdigest() != row.digest:
            return None
        return Reply(body=row.body, **orjson.loads(row.meta))

    async def keep_unread(self, key: str, body: bytes) -> None:
        """Keep what turned out to be no answer with the attempt that brought it, before it is dropped."""
        await self._write(statements.KEEP_UNREAD, {"b_key": key, "b_received": body[:_RECEIVED_LIMIT_BYTES]})

    async def drop_reply(self, key: str) -> None:
        """Forget a reply that turned out to be no answer, so that a later run asks again."""
        await self._write(statements.DELETE_REPLY, {"b_key": key})

    # Comparisons

    def start_comparison(self, *, task: str, fingerprint: str, dataset: str, spec: Mapping[str, Any]) -> str:
        """Open a comparison; returns its id."""
        identity = uuid4().hex[:12]
        with store_errors(), self.engine.begin() as connection:
            connection.execute(
                tables.comparisons.insert().values(
                    id=identity,
                    created=_now(),
                    task=task,
                    fingerprint=fingerprint,
                    dataset=dataset,
                    spec=orjson.dumps(spec),
                    state="running",
                )
            )
        return identity

    def add_trial(self, comparison: str, position: int, name: str, recipe: Recipe, settings: Mapping[str, Any]) -> int:
        """Open the trial of one candidate; returns its number."""
        with store_errors(), self.engine.begin() as connection:
            result = connection.execute(
                tables.trials.insert().values(
                    comparison=comparison,
                    position=position,
                    name=name,
                    recipe=recipe.model_dump_json().encode(),
                    settings=orjson.dumps(settings),
                )
            )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    async def keep_outcome(self, trial: int, ordinal: int, outcome: Outcome) -> None:
        """Queue one cell for writing; `drain` waits for all of them. Waits itself when the disk is far behind."""
        self._commits.enqueue(statements.INSERT_OUTCOME, statements.outcome_row(trial, ordinal, outcome))
        if self._commits.backlog > _LONGEST_BACKLOG:
            await self.drain()

    async def drain(self) -> None:
        """Returns when every queued write is on disk. Raises `StoreError` when one failed."""
        with store_errors():
            await self._commits.drain()

    def finish_comparison(
        self, comparison: str, *, state: str, calls: Mapping[str, Any], judge: Mapping[str, Any] | None
    ) -> None:
        """Close a comparison: whether it ran to its end, what its calls amounted to, what is known of its judge."""
        with store_errors(), self.engine.begin() as connection:
            connection.execute(
                tables.comparisons.update()
                .where(tables.comparisons.c.id == comparison)
                .values(
                    state=state,
                    calls=orjson.dumps(calls),
                    judge=None if judge is None else orjson.dumps(judge),
                )
            )

    def keep_verdict(self, comparison: str, verdict: str, chosen: str | None) -> None:
        """Note what was decided under the task's own demands, for lists; the decision itself is worked out anew."""
        with store_errors(), self.engine.begin() as connection:
            connection.execute(
                tables.comparisons.update()
                .where(tables.comparisons.c.id == comparison)
                .values(verdict=verdict, chosen=chosen)
            )

    def comparison(self, identity: str) -> sa.RowMapping | None:
        """The row of one comparison; `latest` is the newest finished one."""
        query = sa.select(tables.comparisons)
        if identity == "latest":
            query = (
                query.where(tables.comparisons.c.state != "running")
                .order_by(tables.comparisons.c.created.desc())
                .limit(1)
            )
        else:
            query = query.where(tables.comparisons.c.id == identity)
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).mappings().one_or_none()

    def comparisons(self) -> Sequence[sa.RowMapping]:
        """Every comparison, newest first."""
        query = sa.select(tables.comparisons).order_by(tables.comparisons.c.created.desc())
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def trials(self, comparison: str) -> Sequence[sa.RowMapping]:
        """The trials of a comparison in the order of the task file."""
        query = (
            sa.select(tables.trials).where(tables.trials.c.comparison == comparison).order_by(tables.trials.c.position)
        )
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def cell_columns(self, trial: int, columns: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Columns of a trial's cells as arrays, ordered by case and repeat."""
        table = tables.outcomes
        query = (
            sa.select(*(table.c[column] for column in columns))
            .where(table.c.trial == trial)
            .order_by(table.c.ordinal, table.c.repeat)
        )
        with store_errors(), self.engine.connect() as connection:
            rows = connection.execute(query).all()
        found: dict[str, np.ndarray[Any, Any]] = {}
        for position, column in enumerate(columns):
            values = [row[position] for row in rows]
            numeric = isinstance(table.c[column].type, sa.Float | sa.Integer | sa.Boolean)
            # Missing numbers are NaN here and nowhere else: they leave this room as None or not at all.
            found[column] = np.array(values, dtype=float if numeric else object)
        return found

    def cell(self, trial: int, ordinal: int, repeat: int = 0) -> sa.RowMapping | None:
        """One stored cell."""
        table = tables.outcomes
        query = sa.select(table).where(table.c.trial == trial, table.c.ordinal == ordinal, table.c.repeat == repeat)
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(query).mappings().one_or_none()
