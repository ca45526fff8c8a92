"""
Batches: many requests in a file, answered in the background.

A row says how far one is; what was answered lies in a file of its own until the batch ends (`FileBytes.work`), so
that a gateway that was killed goes on where it was. Every query of a client names project and owner (R9).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field

from touchstone.deployment.base import Key
from touchstone.deployment.govern.files import ENDED, Files, StoredFile, Tenant
from touchstone.deployment.govern.refusals import Refused
from touchstone.deployment.govern.state import writing
from touchstone.deployment.govern.tables import batches
from touchstone.evaluation.noun_json import from_json, to_json
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

State = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]  # fmt: skip
"""As OpenAI names them."""

_DAY_S = 86_400


class BatchLimits(Noun):
    """How many batches there may be, and how much of the gateway they take."""

    lines: int = Field(default=50_000, ge=1)
    """Requests of one batch; as many as OpenAI takes."""
    unfinished: int = Field(default=50, ge=1)
    """Batches of a project that have not ended."""
    at_once: int = Field(default=8, ge=1)
    """Batches that are worked on at the same time; the others wait, those of a project with fewer running go first."""
    lines_at_once: int = Field(default=16, ge=1)
    """Requests of all batches that are under way at the same time."""
    live_share: float = Field(default=0.5, gt=0, le=1)
    """While live requests fill more than this share of what may be in flight, batches begin nothing."""
    window_s: int = Field(default=_DAY_S, ge=1)
    """After so long a batch expires."""
    keep_days: int = Field(default=90, ge=1)
    """For so long a batch that has ended can be looked at; its files may go before."""


class BatchError(Noun):
    """What is wrong with the input of a batch."""

    code: str
    message: str
    line: int | None = None
    """From 1; None where it is about the whole."""
    param: str | None = None


class Batch(Noun):
    """One batch. Times are seconds since 1970."""

    id: str
    key: int
    """Whose money is spent; a key that replaced it goes on with both."""
    project: str
    owner: str | None = None
    endpoint: str
    """The path that its requests are for."""
    input_file: str
    digest: str
    """Of the input's bytes."""
    completion_window: str = "24h"
    state: State = "validating"
    errors: tuple[BatchError, ...] = ()
    output_file: str | None = None
    error_file: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    metadata: Mapping[str, str] | None = None
    created_s: int
    expires_s: int
    in_progress_s: int | None = None
    finalizing_s: int | None = None
    completed_s: int | None = None
    failed_s: int | None = None
    expired_s: int | None = None
    cancelling_s: int | None = None
    cancelled_s: int | None = None

    @property
    def work(self) -> str:
        """Names the file of what was answered so far."""
        return hashlib.sha256(self.id.encode()).hexdigest()

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in ENDED


class NoSuchBatch(Refused):
    """There is none of this id that belongs to whoever asks."""

    code = "batch_not_found"
    status = 404


class TooManyBatches(Refused):
    """A project has as many unfinished batches as it may."""

    code = "batch_limit_exceeded"
    status = 429


class BatchEnded(Refused):
    """A batch that has ended cannot be cancelled."""

    code = "batch_ended"
    status = 409


Change = Callable[[Batch], Batch | None]
"""What becomes of a batch; None leaves it as it is."""


class Batches:
    """
    The rows of batches. Its calls block: run them in a thread.

    Args:
        files: Where their input lies and their results go.
        limits: How many there may be.
    """

    def __init__(self, files: Files, limits: BatchLimits | None = None) -> None:
        self.files = files
        self.limits = limits or BatchLimits()
        self._engine = files.engine
        self.clock = files.clock

    def create(
        self, key: Key, *, endpoint: str, input_file: str, window: str, metadata: Mapping[str, str] | None
    ) -> Batch:
        """
        A new batch, which waits to be validated.

        Raises:
            NoSuchFile: its input is none of the tenant's files, or none for a batch.
            TooManyBatches: there are as many as there may be.
        """
        tenant = Tenant.of(key)
        source = self.files.find(tenant, input_file)
        if source.purpose != "batch":
            raise Refused("the input file of a batch needs the purpose batch")
        now_s = int(self.clock())
        batch = Batch(
            id="batch_" + secrets.token_hex(16),
            key=key.id,
            project=tenant.project,
            owner=tenant.owner,
            endpoint=endpoint,
            input_file=input_file,
            digest=source.digest,
            completion_window=window,
            metadata=metadata,
            created_s=now_s,
            expires_s=now_s + self.limits.window_s,
        )
        unfinished = sa.select(sa.func.count()).where(
            batches.c.project == tenant.project, batches.c.state.not_in(ENDED)
        )
        with writing(self._engine) as connection:
            if connection.execute(unfinished).scalar_one() >= self.limits.unfinished:
                raise TooManyBatches(
                    "the project has as many unfinished batches as it may, {limit}; wait, or cancel one",
                    limit=self.limits.unfinished,
                )
            connection.execute(
                batches.insert().values(
                    id=batch.id, key=batch.key, project=batch.project, owner=batch.owner, **_columns(batch)
                )
            )
        return batch

    def find(self, tenant: Tenant, name: str) -> Batch:
        """One of the tenant's batches. Raises `NoSuchBatch`."""
        with store_errors(), self._engine.connect() as connection:
            return self._found(connection, tenant, name)

    def list(self, tenant: Tenant, *, after: str | None, limit: int) -> tuple[Sequence[Batch], bool]:
        """The tenant's batches, newest first, and whether there are more. Raises `NoSuchBatch` for `after`."""
        order = (batches.c.created_s, batches.c.id)
        query = sa.select(batches.c.document).where(tenant.owns(batches))
        with store_errors(), self._engine.connect() as connection:
            if after is not None:
                seen = self._found(connection, tenant, after)
                at = sa.tuple_(sa.literal(seen.created_s), sa.literal(seen.id))
                query = query.where(sa.tuple_(*order) < at)
            query = query.order_by(*(one.desc() for one in order)).limit(limit + 1)
            rows = [from_json(Batch, bytes(row)) for row in connection.execute(query).scalars()]
        return rows[:limit], len(rows) > limit

    def cancel(self, tenant: Tenant, name: str) -> Batch:
        """
        Let nothing further of it be asked.

        Raises:
            NoSuchBatch: it is none of the tenant's.
            BatchEnded: there is nothing to cancel any more.
        """
        with writing(self._engine) as connection:
            batch = self._found(connection, tenant, name)
            if batch.ended or batch.state == "finalizing":
                raise BatchEnded("a batch that is {state} cannot be cancelled", state=batch.state)
            if batch.state != "cancelling":
                batch = batch.model_copy(update={"state": "cancelling", "cancelling_s": int(self.clock())})
                self._put(connection, batch)
        return batch

    # For the one that works on them -----------------------------------------------------------------------------------

    def unfinished(self) -> Sequence[Batch]:
        """All that have not ended, oldest first."""
        query = sa.select(batches.c.document).where(batches.c.state.not_in(ENDED))
        with store_errors(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(batches.c.created_s, batches.c.id)).scalars().all()
        return [from_json(Batch, bytes(row)) for row in rows]

    def change(self, name: str, change: Change, files: Sequence[StoredFile] = ()) -> Batch:
        """
        Change a batch in one transaction with the files that it leaves; the batch as it is then.

        Raises:
            NoSuchBatch: it is gone.
        """
        with writing(self._engine) as connection:
            batch = self._found(connection, None, name)
            after = change(batch)
            if after is None:
                return batch
            self._put(connection, after)
            for row in files:
                self.files.put(connection, row)
        return after

    def sweep(self) -> int:
        """Forget batches that ended long ago; how many."""
        before_s = int(self.clock()) - self.limits.keep_days * _DAY_S
        with writing(self._engine) as connection:
            gone = batches.delete().where(batches.c.state.in_(ENDED), batches.c.created_s < before_s)
            return connection.execute(gone).rowcount

    def _put(self, connection: sa.Connection, batch: Batch) -> None:
        connection.execute(batches.update().where(batches.c.id == batch.id).values(**_columns(batch)))

    def _found(self, connection: sa.Connection, tenant: Tenant | None, name: str) -> Batch:
        query = sa.select(batches.c.document).where(batches.c.id == name)
        if tenant is not None:
            query = query.where(tenant.owns(batches))
        document = connection.execute(query).scalar()
        if document is None:
            raise NoSuchBatch("there is no such batch for this key")
        return from_json(Batch, bytes(document))


def _columns(batch: Batch) -> dict[str, Any]:
    return {
        "state": batch.state,
        "input_file": batch.input_file,
        "output_file": batch.output_file,
        "error_file": batch.error_file,
        "created_s": batch.created_s,
        "document": to_json(batch),
    }


def shown_batch(batch: Batch) -> Mapping[str, Any]:
    """A batch as OpenAI's API shows it."""
    errors = [error.model_dump() for error in batch.errors]
    times = {
        f"{name}_at": getattr(batch, f"{name}_s")
        for name in (
            "created", "in_progress", "expires", "finalizing", "completed", "failed", "expired", "cancelling",
            "cancelled",
        )
    }  # fmt: skip
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input_file,
        "completion_window": batch.completion_window,
        "status": batch.state,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        **times,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }
