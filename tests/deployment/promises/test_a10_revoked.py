"""A10: a revoked key is refused within a second, and what runs for it is cut or finishes, as the policy says."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
import sqlalchemy as sa
from tests.deployment.api.house import open_house, question, statuses
from tests.deployment.api.process import Place, serving
from tests.deployment.promises.api import LONG, leave_after, slow_server

from touchstone.deployment.base import Budget, Policy, SafetyPolicy
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.govern.keys import FRESH_S, Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.state import revision
from touchstone.deployment.govern.tables import key_windows
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread


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


# What is being answered then ------------------------------------------------------------------------------------------


def test_running_streams_are_cut_or_finish_by_policy(tmp_path: Path) -> None:
    """A real gateway, a key that is revoked by another process: one endpoint says `cut`, the other nothing."""
    place = Place(tmp_path / "place")
    with serve_in_thread(FakeServer(FakeModel("parrot", reply=LONG), token_s=0.03)) as server:
        for name in ("strict", "patient"):
            place.deploy(name, server.base_url)
        with place.opened() as workspace:
            Registry(workspace.ledger.engine, "test").change_policy("strict", Policy(on_key_end="cut"))
        secret = place.key("ann", budget=Budget(usd=1))
        with serving(place) as gateway:
            cut, cut_s, whole, whole_s, refused = asyncio.run(_revoked_while_it_streams(place, gateway.url, secret))

    assert cut_s <= FRESH_S
    last = orjson.loads(cut.strip().split(b"\n\n")[-1].removeprefix(b"data: "))
    assert last == {"error": {
        "message": "The key was revoked or has expired meanwhile, so the reply ends here.",
        "type": "authentication_error", "param": None, "code": "key_ended",
    }}  # fmt: skip
    assert b"[DONE]" not in cut
    assert whole.endswith(b"data: [DONE]\n\n")
    assert whole_s > FRESH_S, "it went on for longer than the cut may take"
    assert refused == 401

    rows = {row["endpoint"]: row for row in place.rows()}
    assert (rows["strict"]["status"], rows["strict"]["error"], rows["strict"]["estimated"]) == (
        "cut",
        "key_ended",
        True,
    )
    assert 0 < rows["strict"]["output_tokens"] < rows["patient"]["output_tokens"]
    assert 0 < rows["strict"]["usd"] < rows["strict"]["hold_usd"]
    assert (rows["patient"]["status"], rows["patient"]["error"]) == ("done", None)
    with place.opened() as workspace, workspace.ledger.engine.connect() as connection:
        [window] = connection.execute(sa.select(key_windows)).mappings()
    assert window["held_usd"] == pytest.approx(0)
    assert window["spent_usd"] == pytest.approx(sum(row["usd"] for row in rows.values()))


async def _revoked_while_it_streams(place: Place, url: str, secret: str) -> tuple[bytes, float, bytes, float, int]:
    """Both replies with the seconds from revocation to their ends, and the status of a request after that."""
    headers = {"authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        responses = [
            await session.post(url + "/chat/completions", json=question(name, stream=True))
            for name in ("strict", "patient")
        ]
        for response in responses:
            await response.content.readuntil(b"\n\n")
        with place.opened() as workspace:
            keys = Keys(workspace.ledger.engine, load_pepper(place.folder))
            keys.revoke(keys.named("ann").id, who="test")
            revoked = time.monotonic()
            keys.close()

        async def rest(response: aiohttp.ClientResponse) -> tuple[bytes, float]:
            return await response.read(), time.monotonic() - revoked

        (cut, cut_s), (whole, whole_s) = await asyncio.gather(*(rest(response) for response in responses))
        async with session.post(url + "/chat/completions", json=question("patient")) as after:
            return cut, cut_s, whole, whole_s, after.status


def _soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("policy", ["cut", "finish"])
async def test_a_key_that_expires_ends_like_one_that_is_revoked(tmp_path: Path, policy: str) -> None:
    """Nobody acts at that moment: the clock alone ends it."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_key_end=policy)
        house.key(expires_at=_soon(0.5))
        reply = await house.chat("helpdesk", stream=True)
        [row] = await house.rows()
    if policy == "cut":
        assert reply.events[-1]["error"]["code"] == row["error"] == "key_ended"
    else:
        assert (reply.events[-1], row["status"]) == ("[DONE]", "done")


async def test_only_the_ended_keys_replies_are_cut(tmp_path: Path) -> None:
    """Another key's stream of the same endpoint goes on to its end."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_key_end="cut")
        ann = house.key("ann")
        house.key("bob")

        async def revoke() -> None:
            await asyncio.sleep(0.4)
            house.keys.revoke(ann.id, who="test")

        mine, other, _ = await asyncio.gather(
            house.chat("helpdesk", stream=True), house.chat("helpdesk", stream=True, key="bob"), revoke()
        )
        rows = await house.rows()
    assert (mine.events[-1]["error"]["code"], other.events[-1]) == ("key_ended", "[DONE]")
    assert statuses(rows) == {"cut": 1, "done": 1}


async def test_the_policy_of_the_moment_counts(tmp_path: Path) -> None:
    """Whoever has just lost a key can say `cut` for what runs already."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        ann = house.key("ann")
        asking = asyncio.create_task(house.chat("helpdesk", stream=True))
        await asyncio.sleep(0.3)
        house.keys.revoke(ann.id, who="test")
        house.registry.change_policy("helpdesk", Policy(on_key_end="cut"))
        assert (await asking).events[-1]["error"]["code"] == "key_ended"


async def test_a_whole_reply_is_refused_and_charged_what_was_held(tmp_path: Path) -> None:
    """Nothing of it was seen, so nobody knows what it cost: as with a client that has gone."""
    async with (
        FakeServer(FakeModel("parrot", reply=LONG, latency_s=20)) as server,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("helpdesk", server, on_key_end="cut")
        ann = house.key(budget=Budget(usd=1), expires_at=_soon(0.3))
        reply = await house.chat("helpdesk")
        [row] = await house.rows()
        assert (reply.status, reply.code) == (401, "key_ended")
        assert (row["status"], row["error"], row["output_tokens"]) == ("cut", "key_ended", None)
        assert house.spent(ann) == (pytest.approx(row["hold_usd"]), 0)


async def test_a_stream_that_a_guard_holds_back_is_refused(tmp_path: Path) -> None:
    """Nothing was sent of it yet; what had come is metered."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_key_end="cut", safety=SafetyPolicy(blocked=("zorblax",)))
        house.key(expires_at=_soon(0.5))
        reply = await house.chat("helpdesk", stream=True)
        [row] = await house.rows()
    assert (reply.status, reply.code) == (401, "key_ended")
    assert (row["status"], row["error"]) == ("cut", "key_ended")
    assert row["output_tokens"] > 0


async def test_a_reply_that_is_drained_for_nobody_ends_too(tmp_path: Path) -> None:
    """The client has gone; the row says so, and why it was read no further."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_disconnect="drain", on_key_end="cut")
        house.key(expires_at=_soon(0.6))
        await leave_after(house, "helpdesk", 2)
        [row] = await house.rows()
    assert (row["status"], row["error"], row["estimated"]) == ("client_closed", "key_ended", True)


async def test_which_keys_have_ended_is_asked_of_the_store(engine: sa.Engine) -> None:
    """Revoked, expired and unknown ones; never by what was remembered."""
    now = [1_000_000.0]
    keys = Keys(engine, bytes(32), clock=lambda: now[0])
    live, revoked, expiring = (keys.create(name, who="me")[0] for name in ("live", "revoked", "expiring"))
    keys.expire(expiring.id, "1970-01-12T13:46:50", who="me")
    Keys(engine, bytes(32)).revoke(revoked.id, who="me")
    numbers = (live.id, revoked.id, expiring.id, 999)
    assert await keys.ended(numbers) == {revoked.id, 999}
    now[0] += 20
    assert await keys.ended(numbers) == {revoked.id, expiring.id, 999}
