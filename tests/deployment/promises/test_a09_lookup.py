"""A9, the look-up: whatever is wrong with a key, the same work is done and the same nothing comes out."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import NOON_S, Clock

from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.state import stamp


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(engine: sa.Engine, clock: Clock) -> Keys:
    return Keys(engine, bytes(32), clock=clock)


@pytest.fixture
def bad(keys: Keys, clock: Clock) -> dict[str, str]:
    """A secret that nobody has, one that was revoked, one that has expired."""
    revoked, revoked_secret = keys.create("revoked", who="me")
    keys.revoke(revoked.id, who="me")
    _expired, expired_secret = keys.create("expired", who="me", expires_at=stamp(NOON_S + 1))
    clock.at_s += 2
    return {"unknown": "ts-" + "A" * 43, "revoked": revoked_secret, "expired": expired_secret}


def test_all_of_them_are_none(keys: Keys, bad: dict[str, str]) -> None:
    """Not one of them says more than the other."""
    assert [keys.find(secret) for secret in bad.values()] == [None, None, None]


def test_each_takes_one_query_by_the_digest(engine: sa.Engine, keys: Keys, bad: dict[str, str]) -> None:
    """The same statement for all, once each, and answered from an index."""
    seen: list[tuple[str, Any]] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _note(*call: Any) -> None:
        seen.append((call[2], call[3]))

    for secret in bad.values():
        keys.find(secret)
    assert len(seen) == 3
    assert len({statement for statement, _given in seen}) == 1
    statement, given = seen[0]
    with engine.connect() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given))
    assert "SEARCH api_key USING INDEX" in plan
    assert not any(secret in str(given) for secret in bad.values() for _statement, given in seen)


def test_each_takes_the_same_time(keys: Keys, bad: dict[str, str]) -> None:
    """Asked in turn some hundred times, no kind is quicker than another by more than a fifth."""
    taken: dict[str, list[int]] = {name: [] for name in bad}
    for _ in range(300):
        for name, secret in bad.items():
            keys.forget()
            started = time.thread_time_ns()
            keys.find(secret)
            taken[name].append(time.thread_time_ns() - started)

    middle = {name: statistics.median(times) for name, times in taken.items()}
    assert max(middle.values()) < 1.2 * min(middle.values()), middle


def test_a_digest_that_is_near_is_another_key(keys: Keys) -> None:
    """The whole secret counts: one that differs in its last character is unknown, also right after the good one."""
    _key, secret = keys.create("shop", who="me")
    other = secret[:-1] + ("A" if secret[-1] != "A" else "B")

    assert keys.find(secret) is not None
    assert keys.find(other) is None
    assert keys.find(secret[:-1]) is None
    assert keys.find(secret + "A") is None
