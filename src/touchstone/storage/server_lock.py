"""
The same lock for a store on a PostgreSQL server: an advisory lock, which the server takes back with its connection.

A connection can be lost while its process lives on; the number that every engine gets (`lock.py`) covers that.
"""

from __future__ import annotations

import sqlalchemy as sa

_KEY = 0x746F7563
"""Ours among the advisory locks of a database; the other half is the name of the schema."""

_held: set[str] = set()
"""Stores whose lock this process holds."""


class ServerLock:
    """
    A lock that one connection to a database has.

    Args:
        engine: Its database; one of its connections is kept as long as the lock is held.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._place = engine.url.render_as_string(hide_password=True)
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        """Whether the lock is held from now on; False when somebody else has it."""
        assert self._connection is None
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(*_key()))).scalar():
            connection.close()
            return False
        self._connection = connection
        _held.add(self._place)
        return True

    def release(self) -> None:
        """Let the next one have it; does nothing when it is not held."""
        if self._connection is None:
            return
        _held.discard(self._place)
        # Not back into the pool: a lost connection cannot unlock, a closed one has unlocked.
        self._connection.invalidate()
        self._connection.close()
        self._connection = None

    @property
    def held_here(self) -> bool:
        """Whether this process holds it, through this object or another."""
        return self._place in _held

    @property
    def held(self) -> bool:
        """Whether anybody holds it now."""
        if self.held_here:
            return True
        other = ServerLock(self._engine)
        taken = other.take()
        other.release()
        return not taken


def _key() -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    return sa.literal(_KEY, sa.Integer), sa.func.hashtext(sa.func.current_schema())
