"""
One engine per store: a lock that the operating system keeps, and a number that fences out whoever lost it.

The lock alone is not enough: its file can be deleted, a connection to a server can break, and a network file system
may grant it twice. So every engine gets a number, higher than all before, and each of its transactions looks whether
that number still holds. Wall-clock times are kept for people to read; nothing is decided by them.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from touchstone.errors import StoreBusy, StoreError, StoreFull
from touchstone.storage.database import Schema, begin_write, ensure_schema, is_read_only, lock_of, open_database
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.server_lock import ServerLock

_metadata = sa.MetaData()

_engines = sa.Table(
    "engine",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("ended_at", sa.String),  # null while it works, and for ever when it was cut off
    sa.Column("replaced_by", sa.Integer),  # number of the engine that found it not ended
)

_SCHEMA = Schema(name="engine", version=1, metadata=_metadata)

_holding = sa.and_(_engines.c.ended_at.is_(None), _engines.c.replaced_by.is_(None))

# On a server, others write while a transaction goes on: holding the row makes a successor wait for its end.
_FENCE = (
    sa.select(_engines.c.number)
    .where(_engines.c.number == sa.bindparam("b_number"), _holding)
    .with_for_update(read=True)
)


class EngineLock:
    """
    The right to work in a store: `with EngineLock(place) as lock:`, and `lock.number` in every transaction.

    Args:
        place: A database that was opened, or what `open_database` takes.

    Raises:
        StoreBusy: on entering, another engine works there, in this process or another; it is named.
        StoreError: on entering, the store cannot be opened or locked.
    """

    def __init__(self, place: sa.Engine | Path | str) -> None:
        self._place = place
        self._engine: sa.Engine | None = None
        self._lock: ProcessLock | ServerLock | None = None
        self._number: int | None = None

    @property
    def number(self) -> int:
        """Of this engine, from 1; higher than that of every engine before."""
        assert self._number is not None, "the lock is not held"
        return self._number

    def __enter__(self) -> Self:
        self._engine = self._place if isinstance(self._place, sa.Engine) else open_database(self._place)
        self._lock = lock_of(self._engine)
        try:
            assert not is_read_only(self._engine), "an engine writes"
            if not self._lock.take():
                raise _busy(self._engine)
            ensure_schema(self._engine, _SCHEMA)
            self._number = _next_number(self._engine)
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._engine is not None
        # A store that failed its engine is looked through at the next opening, like one whose engine was cut off; so
        # is one that cannot even take down this line. A full disk harms nothing.
        if isinstance(error, StoreFull) or not isinstance(error, StoreError | sa.exc.SQLAlchemyError):
            with suppress(sa.exc.SQLAlchemyError), self._engine.begin() as connection:
                connection.execute(
                    _engines.update().where(_engines.c.number == self.number, _holding).values(ended_at=_now())
                )
        self._let_go()

    def _let_go(self) -> None:
        self._number = None
        if self._lock is not None:
            self._lock.release()
        if self._engine is not None and self._engine is not self._place:
            self._engine.dispose()
        self._lock = self._engine = None


def fence_holds(connection: sa.Connection, number: int) -> bool:
    """Whether the engine of this number still is the one that may write; see `check_fence`."""
    begin_write(connection)
    return connection.execute(_FENCE, {"b_number": number}).scalar() is not None


def check_fence(connection: sa.Connection, number: int) -> None:
    """
    Make sure, inside a transaction, that no other engine can have taken over before it ends.

    One look by primary key. It makes the transaction a writing one, so give it no transaction that only reads.

    Raises:
        StoreError: another engine has taken over, or this one has ended; roll the transaction back and stop.
    """
    if not fence_holds(connection, number):
        raise StoreError(
            "another engine has taken over this store, and engine {number} stopped; what it had committed is kept",
            number=number,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _next_number(engine: sa.Engine) -> int:
    with engine.begin() as connection:
        begin_write(connection)
        number = (connection.execute(sa.select(sa.func.max(_engines.c.number))).scalar() or 0) + 1
        connection.execute(_engines.update().where(_holding).values(replaced_by=number))
        connection.execute(
            _engines.insert().values(number=number, pid=os.getpid(), host=socket.gethostname(), started_at=_now())
        )
    return number


def _busy(engine: sa.Engine) -> StoreBusy:
    query = sa.select(_engines).where(_holding).order_by(_engines.c.number.desc()).limit(1)
    row = None
    with suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:  # its table may not be there yet
        row = connection.execute(query).one_or_none()
    if row is None:
        return StoreBusy(
            "another engine is just starting in this workspace; wait until it has ended, or name another with "
            "--workspace; `decide`, `report` and `trials` can be used meanwhile"
        )
    return StoreBusy(
        "another engine works in this workspace: process {pid} on {host}, since {since}; wait until it has ended, end "
        "it, or name another with --workspace; `decide`, `report` and `trials` can be used meanwhile",
        pid=row.pid,
        host=row.host,
        since=row.started_at,
    )
