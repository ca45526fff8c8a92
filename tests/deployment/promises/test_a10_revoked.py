"""A10, the cache: a revoked key is refused within a second, by the clock that cannot be set."""

from __future__ import annotations

import time

import sqlalchemy as sa

from touchstone.deployment.govern.keys import FRESH_S, Keys
from touchstone.deployment.govern.state import revision


def test_revocation_takes_at_most_a_second(engine: sa.Engine) -> None:
    """Another process revokes a key that is in use all the time."""
    gateway, admin = Keys(engine, bytes(32)), Keys(engine, bytes(32))
    key, secret = admin.create("shop", who="me")
    assert gateway.find(secret) is not None
    admin.revoke(key.id, who="me")
    revoked = time.monotonic()
    asked = revoked
    while gateway.find(secret) is not None:
        assert asked <= revoked + FRESH_S, "whoever asks later than that is refused"
        time.sleep(0.02)
        asked = time.monotonic()

    assert FRESH_S <= 1.0


def test_the_gateway_can_know_sooner(engine: sa.Engine) -> None:
    """Every change counts the state up; whoever sees that forgets what it knew."""
    gateway, admin = Keys(engine, bytes(32)), Keys(engine, bytes(32))
    key, secret = admin.create("shop", who="me")
    gateway.find(secret)
    before = revision(engine)
    admin.revoke(key.id, who="me")

    assert revision(engine) > before
    gateway.forget()
    assert gateway.find(secret) is None


def test_a_new_key_works_at_once(engine: sa.Engine) -> None:
    """Also one that was asked for, in vain, a moment before it was made."""
    keys = Keys(engine, bytes(32))
    keys.find("ts-" + "A" * 43)
    _key, secret = Keys(engine, bytes(32)).create("shop", who="me")

    assert keys.find(secret) is not None
