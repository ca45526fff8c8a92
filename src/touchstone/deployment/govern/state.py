"""The number of the desired state: whoever changes it counts up, and the gateway looks whether it has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

import sqlalchemy as sa

from touchstone.deployment.govern.tables import SCHEMA, revisions
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.database import begin_write, ensure_schema

_NAME = "deployment"


def prepare_store(engine: sa.Engine) -> None:
    """Make the tables of this room where they are absent. Raises `StoreError`."""
    with store_errors():
        ensure_schema(engine, SCHEMA)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that is the one writer from its first statement on. Raises `StoreError`."""
    with store_errors(), engine.begin() as connection:
        begin_write(connection)
        yield connection


def revision(engine: sa.Engine) -> int:
    """How often the desired state was changed so far. One look by primary key."""
    with store_errors(), engine.connect() as connection:
        return connection.execute(sa.select(revisions.c.number).where(revisions.c.name == _NAME)).scalar() or 0


def count_up(connection: sa.Connection) -> int:
    """Note within a transaction that the desired state changes; the new number."""
    changed = connection.execute(
        revisions.update().where(revisions.c.name == _NAME).values(number=revisions.c.number + 1)
    )
    if changed.rowcount == 0:
        connection.execute(revisions.insert().values(name=_NAME, number=1))
    return int(connection.execute(sa.select(revisions.c.number).where(revisions.c.name == _NAME)).scalar_one())


@lru_cache(maxsize=4)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stamp(at_s: float | None = None) -> str:
    """A moment as rows keep it, ISO 8601 in UTC to the millisecond, so that texts sort as time does; now by default."""
    milliseconds = int((time.time() if at_s is None else at_s) * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}+00:00"


def seconds_of(moment: str) -> float:
    """Seconds since 1970 of an ISO 8601 moment; one without a zone is taken for UTC. Raises `ValueError`."""
    found = datetime.fromisoformat(moment)
    return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp()
