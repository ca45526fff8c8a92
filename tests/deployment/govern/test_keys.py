"""Keys: made once, shown once, found by their secret, replaced and ended."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import DAY_S, NOON_S, Clock

from touchstone.deployment.base import Budget, Limits
from touchstone.deployment.govern.audit import acts
from touchstone.deployment.govern.keys import FRESH_S, Keys, purse_of
from touchstone.deployment.govern.state import revision, stamp
from touchstone.deployment.govern.tables import api_keys
from touchstone.errors import SettingsError, StoreError, UnknownName

PEPPER = bytes(range(32))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aged() -> Clock:
    """The clock by which the cache ages."""
    return Clock(0.0)


@pytest.fixture
def keys(engine: sa.Engine, clock: Clock, aged: Clock) -> Keys:
    return Keys(engine, PEPPER, clock=clock, monotonic=aged)


def test_a_secret_has_256_bits_and_is_found(keys: Keys) -> None:
    """`ts-` and 43 characters that need no escape anywhere; the key comes back as it was made."""
    key, secret = keys.create("shop", who="me", limits=Limits(in_flight=3), budget=Budget(usd=5))

    assert re.fullmatch(r"ts-[A-Za-z0-9_-]{43}", secret)
    assert keys.find(secret) == key
    assert (key.shown, key.limits.in_flight, key.budget) == (secret[:8], 3, Budget(usd=5))


def test_what_is_stored_is_no_secret(engine: sa.Engine, keys: Keys) -> None:
    """Neither the secret nor a plain digest of it stands in any row; eight characters do."""
    _key, secret = keys.create("shop", who="me")
    with engine.connect() as connection:
        text = " ".join(str(tuple(row)) for row in connection.execute(sa.select(api_keys)))

    assert secret not in text
    assert secret[8:] not in text
    assert hashlib.sha256(secret.encode()).hexdigest() not in text
    assert secret[:8] in text


@pytest.mark.parametrize("guess", ["", "ts-", "ts-" + "A" * 43, "sk-other", "ts-\udcff", "x" * 10_000])
def test_guesses_find_nothing(keys: Keys, guess: str) -> None:
    """Whatever shape a guess has."""
    keys.create("shop", who="me")

    assert keys.find(guess) is None


def test_a_revoked_key_is_refused_when_the_cache_is_stale(engine: sa.Engine, keys: Keys, aged: Clock) -> None:
    """Another process revokes it; this one believes what it knows for at most a second."""
    key, secret = keys.create("shop", who="me")
    assert keys.find(secret) is not None
    Keys(engine, PEPPER).revoke(key.id, who="me")

    aged.at_s += FRESH_S - 0.01
    assert keys.find(secret) is not None
    aged.at_s += 0.01
    assert keys.find(secret) is None


def test_a_key_that_is_revoked_here_is_refused_at_once(keys: Keys) -> None:
    """Whoever changes a key forgets what it knew."""
    key, secret = keys.create("shop", who="me")
    keys.find(secret)
    keys.revoke(key.id, who="me")

    assert keys.find(secret) is None


def test_an_expired_key_is_refused_to_the_second(keys: Keys, clock: Clock) -> None:
    """Also where it was just found: that it ends is known beforehand."""
    _key, secret = keys.create("shop", who="me", expires_at=stamp(NOON_S + 10))
    assert keys.find(secret) is not None
    clock.at_s = NOON_S + 10

    assert keys.find(secret) is None


def test_a_rotation_lets_the_old_key_work_a_while(keys: Keys, clock: Clock) -> None:
    """Both work during the grace, then the new one alone; what it may do is the same."""
    old, old_secret = keys.create("shop", who="me", project="web", budget=Budget(usd=5))
    new, new_secret = keys.rotate(old.id, grace_s=3600, who="me")

    assert (new.name, new.project, new.budget, new.replaces) == ("shop", "web", old.budget, old.id)
    assert keys.find(old_secret) is not None
    clock.at_s += 3600
    assert keys.find(old_secret) is None
    assert keys.find(new_secret) == new


def test_a_rotation_is_no_way_to_a_second_budget(engine: sa.Engine, keys: Keys) -> None:
    """However often a key is replaced, all spend from the first one's budget."""
    key, _secret = keys.create("shop", who="me", budget=Budget(usd=5))
    newer, _secret = keys.rotate(key.id, grace_s=0, who="me")
    with engine.connect() as connection:
        assert purse_of(connection, newer.id) == key.id == purse_of(connection, key.id)


def test_a_rotation_lengthens_no_life(keys: Keys) -> None:
    """A grace that goes beyond the key's own end ends there; the new key ends when the old one would have."""
    old, _secret = keys.create("shop", who="me", expires_at=stamp(NOON_S + DAY_S))
    new, _secret = keys.rotate(old.id, grace_s=9 * DAY_S, who="me")

    assert keys.get(old.id).expires_at == new.expires_at == stamp(NOON_S + DAY_S)


def test_what_has_ended_is_not_replaced_or_revived(keys: Keys) -> None:
    """A revoked key is revoked for good."""
    key, _secret = keys.create("shop", who="me")
    keys.revoke(key.id, who="me")

    with pytest.raises(SettingsError, match="cannot be replaced"):
        keys.rotate(key.id, grace_s=0, who="me")
    with pytest.raises(SettingsError, match="for good"):
        keys.expire(key.id, stamp(NOON_S + 1), who="me")


def test_names_tell_live_keys_apart(keys: Keys) -> None:
    """Two live keys of a project have two names; an ended one's name is free."""
    key, _secret = keys.create("shop", who="me")
    with pytest.raises(SettingsError, match="touchstone keys rotate 1"):
        keys.create("shop", who="me")
    keys.create("shop", who="me", project="other")
    keys.revoke(key.id, who="me")
    keys.create("shop", who="me")

    with pytest.raises(SettingsError, match="no number"):
        keys.create("12", who="me")


def test_keys_are_named_by_number_or_name(keys: Keys) -> None:
    """The live one of a name before the ended ones; what nobody knows is told with what is near."""
    first, _secret = keys.create("shop", who="me")
    keys.revoke(first.id, who="me")
    second, _secret = keys.create("shop", who="me")

    assert keys.named("shop") == second
    assert keys.named("1").revoked_at is not None
    with pytest.raises(UnknownName, match="shop"):
        keys.named("shopp")


def test_a_key_of_another_project_is_none(keys: Keys) -> None:
    """Who may look into one project finds nothing of another (R9)."""
    key, _secret = keys.create("shop", who="me", project="web")

    assert [found.id for found in keys.list(project="web")] == [key.id]
    assert not keys.list(project="other")
    with pytest.raises(UnknownName):
        keys.get(key.id, project="other")


def test_every_act_is_audited_and_counted(engine: sa.Engine, keys: Keys) -> None:
    """Who did what, without the secret; and the gateway is told to look again."""
    key, secret = keys.create("shop", who="user ada")
    _new, other = keys.rotate(key.id, grace_s=5, who="user bob")
    keys.expire(key.id, stamp(NOON_S + 1), who="user bob")
    keys.revoke(key.id, who="user bob")

    found = acts(engine)
    assert [(act.what, act.who) for act in reversed(found)] == [
        ("key.create", "user ada"),
        ("key.rotate", "user bob"),
        ("key.create", "user bob"),
        ("key.expire", "user bob"),
        ("key.revoke", "user bob"),
    ]
    assert secret not in str(found)
    assert other not in str(found)
    assert revision(engine) >= 4


def test_another_pepper_is_noticed(engine: sa.Engine, keys: Keys) -> None:
    """A store whose keys were made under another pepper is refused, instead of refusing every key."""
    keys.create("shop", who="me")

    with pytest.raises(StoreError, match="another pepper"):
        Keys(engine, bytes(32))


def test_guesses_do_not_fill_the_memory(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many digests are remembered, guesses among them."""
    monkeypatch.setattr("touchstone.deployment.govern.keys._CACHED", 50)
    for number in range(200):
        keys.find(f"ts-{number}")

    assert len(keys._cache) == 50


async def test_an_event_loop_can_ask(keys: Keys, tmp_path: Path) -> None:
    """The same answers, awaited."""
    key, secret = keys.create("shop", who="me")

    assert await keys.found(secret) == key
    assert await keys.found("ts-no") is None
    keys.close()
    keys.close()
