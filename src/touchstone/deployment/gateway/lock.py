"""
One gateway per store. A lock of its own: a comparison may run beside it, another gateway may not.

As with engines (`storage/lock.py`) the operating system, or the server, takes it back when the process ends.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import sqlalchemy as sa

from touchstone.errors import StoreBusy, StoreError
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.database import store_file
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.sqlite_file import beside

_KEY = 0x746F7567
"""Ours among the advisory locks of a PostgreSQL database; the other half is the name of the schema."""


class _Lock(Protocol):
    def take(self) -> bool: ...

    def release(self) -> None: ...


class _AdvisoryLock:
    """A lock that one connection to a PostgreSQL server has."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        """Whether it is held from now on."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        key = (sa.literal(_KEY, sa.Integer), sa.func.hashtext(sa.func.current_schema()))
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(*key))).scalar():
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        """Let the next one have it."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class GatewayLock:
    """
    The right to be the gateway of a store: `with GatewayLock(engine):`.

    Args:
        engine: The store.

    Raises:
        StoreBusy: on entering, another gateway runs on it.
        StoreError: on entering, it cannot be locked.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._lock = _lock_of(engine)

    def __enter__(self) -> Self:
        if not self._lock.take():
            raise StoreBusy(
                "another gateway serves this workspace; what it serves follows `touchstone deploy`, `endpoints` and "
                "`keys` without a new start; end it first, or name another workspace with --workspace"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def gateway_runs(engine: sa.Engine) -> bool:
    """Whether a gateway serves from this store now. Looking takes nothing from anybody. Raises `StoreError`."""
    file = store_file(engine)
    if file is not None:
        return ProcessLock(beside(file, ".gateway.lock")).held
    if engine.dialect.name != "postgresql":
        return False
    # As the server shows a lock of two numbers; it writes the second as one without a sign.
    query = sa.text(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = :key "
        "AND objid::bigint = hashtext(current_schema())::bigint & 4294967295 AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with store_errors(), engine.connect() as connection:
        return connection.execute(query, {"key": _KEY}).first() is not None


def _lock_of(engine: sa.Engine) -> _Lock:
    file = store_file(engine)
    if file is not None:
        return ProcessLock(beside(file, ".gateway.lock"))
    if engine.dialect.name != "postgresql":
        raise StoreError(
            "no gateway can serve from a store at {dialect}; use a folder of this machine, or PostgreSQL",
            dialect=engine.dialect.name,
        )
    return _AdvisoryLock(engine)
