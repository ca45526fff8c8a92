"""R11: 256 random bits, a pepper, a digest at rest, shown once."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import open_store

from touchstone.deployment.govern.audit import acts
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.tables import api_keys


def test_no_file_of_the_workspace_holds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After keys were made, used, guessed, replaced and ended: not in the store, its log, the audit log or our logs."""
    engine = open_store(tmp_path)
    keys = Keys(engine, load_pepper(tmp_path))
    with caplog.at_level(logging.DEBUG):
        key, secret = keys.create("shop", who="me")
        keys.find(secret)
        new, other = keys.rotate(key.id, grace_s=0, who="me")
        keys.find(other)
        keys.revoke(new.id, who="me")
        told = str(acts(engine)) + repr(keys.list()) + caplog.text
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    engine.dispose()

    for canary in (secret, other):
        # The first eight are shown on purpose.
        assert canary[8:] not in told
        assert not [name for name, body in files.items() if canary[8:].encode() in body]


def test_what_is_at_rest_is_an_hmac_under_the_pepper(tmp_path: Path) -> None:
    """A copy of the store alone tests no guess."""
    engine = open_store(tmp_path)
    pepper = load_pepper(tmp_path)
    _key, secret = Keys(engine, pepper).create("shop", who="me")
    with engine.connect() as connection:
        stored = connection.execute(sa.select(api_keys.c.digest)).scalar_one()
    engine.dispose()

    assert stored == hmac.new(pepper, secret.encode(), hashlib.sha256).hexdigest()


def test_secrets_are_random(engine: sa.Engine) -> None:
    """32 bytes each, no two alike, no two with a common beginning but by chance."""
    keys = Keys(engine, bytes(32))
    secrets = [keys.create(f"key {number}", who="me")[1] for number in range(50)]

    assert {len(secret) for secret in secrets} == {46}
    assert len({secret[3:9] for secret in secrets}) == 50
