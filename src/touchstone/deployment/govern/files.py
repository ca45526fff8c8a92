"""
Files that keys keep here: rows with an owner, bytes named by their digest.

Every query names project and owner, so that an id is no capability (R9): what belongs to others is as absent as what
never was.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import Field

from touchstone.deployment.base import Key
from touchstone.deployment.govern.file_bytes import FileBytes, Kept
from touchstone.deployment.govern.refusals import Refused
from touchstone.deployment.govern.state import writing
from touchstone.deployment.govern.tables import batches, stored_files
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

_DAY_S = 86_400
_BLOCK = 500
ENDED = ("completed", "failed", "expired", "cancelled")
"""States of a batch in which it reads its input no more."""


class FileLimits(Noun):
    """How large, how many and how old stored files may be."""

    file_bytes: int = Field(default=200 << 20, ge=1)
    """Of one file; OpenAI takes 200 MB as the input of a batch."""
    project_bytes: int = Field(default=4 << 30, ge=1)
    """Of all files of a project together."""
    project_files: int = Field(default=2_000, ge=1)
    """How many a project may have."""
    keep_days: int = Field(default=30, ge=1)
    """After so long a file goes, where its owner named no earlier time."""


class Tenant(NamedTuple):
    """To whom things belong: an owner within a project; keys that name no owner share what they keep."""

    project: str
    owner: str | None

    @classmethod
    def of(cls, key: Key) -> Tenant:
        """The tenant that a key stands for."""
        return cls(key.project, key.owner)

    def owns(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The condition that every query of such rows has."""
        return sa.and_(table.c.project == self.project, table.c.owner.is_not_distinct_from(self.owner))


class StoredFile(NamedTuple):
    """One file as its row says."""

    id: str
    key: int
    project: str
    owner: str | None
    purpose: str
    filename: str
    digest: str
    size_bytes: int
    created_s: int
    expires_s: int | None


class NoSuchFile(Refused):
    """There is none of this id that belongs to whoever asks."""

    code = "file_not_found"
    status = 404


class FilesFull(Refused):
    """A project has as many files, or as many bytes, as it may."""

    code = "file_quota_exceeded"
    status = 403


class FileInUse(Refused):
    """A batch still reads it."""

    code = "file_in_use"
    status = 409


class NoRoom(Refused):
    """The disk has no room for files."""

    code = "storage_full"
    status = 503


_COLUMNS = tuple(stored_files.c[name] for name in StoredFile._fields)


class Files:
    """
    Stored files. Its calls block: run them in a thread.

    Args:
        engine: The store.
        place: Where their bytes lie.
        limits: How much there may be.
        may_keep: Whether the disk has room; see `disk.Watermark`.
        clock: Wall clock, seconds since 1970.
    """

    def __init__(
        self,
        engine: sa.Engine,
        place: FileBytes,
        limits: FileLimits | None = None,
        *,
        may_keep: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.place = place
        self.limits = limits or FileLimits()
        self.clock = clock
        self._may_keep = may_keep

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for what is kept beside rows of requests."""
        return self._may_keep()

    def check_room(self, tenant: Tenant, coming_bytes: int = 0) -> None:
        """
        Look whether there is room for another file, before it is read and while it comes.

        Args:
            coming_bytes: Of all files of the project that have no row yet.

        Raises:
            FilesFull, NoRoom: see there.
        """
        if not self.has_room:
            raise NoRoom("the gateway's disk is short of room, so no files are taken; try again later")
        with store_errors(), self.engine.connect() as connection:
            self._check_quota(connection, tenant, coming_bytes)

    def add(
        self,
        key: Key,
        kept: Kept,
        *,
        purpose: str,
        filename: str,
        expires_after_s: int | None = None,
    ) -> StoredFile:
        """
        A row for bytes that lie there already.

        Raises:
            FilesFull: the project has as much as it may; the bytes are let go of.
        """
        row = self.row(
            key.id, Tenant.of(key), kept, purpose=purpose, filename=filename, expires_after_s=expires_after_s
        )
        try:
            with writing(self.engine) as connection:
                self._check_quota(connection, Tenant.of(key), kept.size_bytes)
                # Between the bytes' arrival and this row somebody may have let go of the same ones.
                self.place.read(kept.digest).close()
                self.put(connection, row)
        except BaseException:
            self.let_go(kept.digest)
            raise
        return row

    def row(
        self,
        key: int,
        tenant: Tenant,
        kept: Kept,
        *,
        purpose: str,
        filename: str,
        expires_after_s: int | None = None,
    ) -> StoredFile:
        """A file with an id of its own, not yet in the store."""
        now_s = int(self.clock())
        most_s = self.limits.keep_days * _DAY_S
        return StoredFile(
            "file-" + secrets.token_hex(16),
            key,
            tenant.project,
            tenant.owner,
            purpose,
            filename,
            kept.digest,
            kept.size_bytes,
            now_s,
            now_s + min(most_s, expires_after_s or most_s),
        )

    def put(self, connection: sa.Connection, row: StoredFile) -> None:
        """Write a row within a transaction; paid results are kept whatever the quota says."""
        connection.execute(stored_files.insert().values(**row._asdict()))

    def find(self, tenant: Tenant, name: str) -> StoredFile:
        """One of the tenant's files. Raises `NoSuchFile`."""
        with store_errors(), self.engine.connect() as connection:
            return self._found(connection, tenant, name)

    def list(
        self, tenant: Tenant, *, purpose: str | None = None, after: str | None = None, limit: int, newest_first: bool
    ) -> tuple[Sequence[StoredFile], bool]:
        """
        The tenant's files by age, and whether there are more.

        Args:
            after: Id of the last one that was seen.

        Raises:
            NoSuchFile: `after` is none of the tenant's files.
        """
        table = stored_files
        query = sa.select(*_COLUMNS).where(tenant.owns(table), table.c.expires_s > int(self.clock()))
        if purpose is not None:
            query = query.where(table.c.purpose == purpose)
        order = (table.c.created_s, table.c.id)
        with store_errors(), self.engine.connect() as connection:
            if after is not None:
                seen = self._found(connection, tenant, after)
                place, at = sa.tuple_(*order), sa.tuple_(sa.literal(seen.created_s), sa.literal(seen.id))
                query = query.where(place < at if newest_first else place > at)
            query = query.order_by(*(one.desc() if newest_first else one.asc() for one in order)).limit(limit + 1)
            rows = [StoredFile(*row) for row in connection.execute(query)]
        return rows[:limit], len(rows) > limit

    def remove(self, tenant: Tenant, name: str) -> None:
        """
        Take one of the tenant's files away, and its bytes where nobody else has the same.

        Raises:
            NoSuchFile: there is none.
            FileInUse: a batch still reads it.
        """
        with writing(self.engine) as connection:
            found = self._found(connection, tenant, name)
            if connection.execute(_reading(name)).first() is not None:
                raise FileInUse("a batch that has not ended reads this file; cancel it first")
            connection.execute(stored_files.delete().where(stored_files.c.id == name, tenant.owns(stored_files)))
        self.let_go(found.digest)

    def let_go(self, digest: str) -> None:
        """Remove bytes that no row names any more."""
        with writing(self.engine) as connection:  # nobody adds a row for them meanwhile
            if connection.execute(sa.select(stored_files.c.id).where(stored_files.c.digest == digest)).first() is None:
                self.place.remove(digest)

    def sweep(self) -> int:
        """Take away files whose time is over; how many. Those that a batch reads stay until it has ended."""
        table = stored_files
        old = sa.select(table.c.id, table.c.digest).where(
            table.c.expires_s <= int(self.clock()),
            ~sa.exists().where(batches.c.input_file == table.c.id, batches.c.state.not_in(ENDED)),
        )
        gone = 0
        while True:
            with store_errors(), self.engine.connect() as connection:
                rows = connection.execute(old.limit(_BLOCK)).all()
            for name, digest in rows:
                with writing(self.engine) as connection:
                    connection.execute(table.delete().where(table.c.id == name))
                self.let_go(digest)
            gone += len(rows)
            if len(rows) < _BLOCK:
                return gone

    def digests(self) -> Sequence[str]:
        """Of all bytes that a row names."""
        with store_errors(), self.engine.connect() as connection:
            return connection.execute(sa.select(stored_files.c.digest).distinct()).scalars().all()

    def _found(self, connection: sa.Connection, tenant: Tenant, name: str) -> StoredFile:
        query = sa.select(*_COLUMNS).where(
            stored_files.c.id == name, tenant.owns(stored_files), stored_files.c.expires_s > int(self.clock())
        )
        row = connection.execute(query).first()
        if row is None:
            raise NoSuchFile("there is no such file for this key")
        return StoredFile(*row)

    def _check_quota(self, connection: sa.Connection, tenant: Tenant, more_bytes: int) -> None:
        table, limits = stored_files, self.limits
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(table.c.size_bytes), 0))
        count, size = connection.execute(query.where(table.c.project == tenant.project)).one()
        if count >= limits.project_files:
            raise FilesFull("the project has as many files as it may, {limit}; delete some", limit=limits.project_files)
        if size + more_bytes > limits.project_bytes:
            raise FilesFull(
                "the project's files may have {limit} bytes together; delete some", limit=limits.project_bytes
            )


def _reading(name: str) -> sa.Select[Any]:
    return sa.select(batches.c.id).where(batches.c.input_file == name, batches.c.state.not_in(ENDED)).limit(1)


def shown(row: StoredFile) -> Mapping[str, Any]:
    """A file as OpenAI's API shows it."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size_bytes,
        "created_at": row.created_s,
        "expires_at": row.expires_s,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
    }
