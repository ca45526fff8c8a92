"""What is kept of replies: the cache, copies to a shadow version, content; and what is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from tests.deployment.api.house import QUESTION, House, open_house, statuses

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.tables import cached_replies, charges, content
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer
from touchstone.storage.database import open_database


async def test_the_same_request_is_answered_from_the_cache(house: House) -> None:
    """Streamed or not is the same request; nobody is asked, nothing is charged, and the header says so."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, cache_s=60)
        first = await house.chat("helpdesk")
        again, streamed = await house.chat("helpdesk"), await house.chat("helpdesk", stream=True)
        assert again.json == first.json
        assert "x-touchstone-cached" not in first.headers
        assert again.headers["x-touchstone-cached"] == streamed.headers["x-touchstone-cached"] == "1"
        assert (streamed.streamed_text, streamed.events[-1]) == (QUESTION, "[DONE]")
        assert server.requests == 1
        rows = await house.rows()
        assert [(row["status"], row["usd"], row["output_tokens"]) for row in rows[1:]] == [("cached", 0.0, 0)] * 2


async def test_a_streamed_reply_is_kept_as_a_whole_one(house: House) -> None:
    """And answers both kinds of requests."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, cache_s=60)
        await house.chat("helpdesk", stream=True, stream_options={"include_usage": True})
        whole = await house.chat("helpdesk")
        assert whole.text == QUESTION
        assert whole.json["choices"][0]["finish_reason"] == "stop"
        assert whole.json["usage"]["completion_tokens"] == 9
        assert server.requests == 1


async def test_another_project_another_question_or_another_version_is_asked(house: House) -> None:
    """A reply never leaves its project, and a new version begins with an empty cache."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, cache_s=60)
        house.key("shop", project="shop")
        house.key("bank", project="bank")
        for key, text in (("shop", QUESTION), ("bank", QUESTION), ("shop", "other"), ("shop", QUESTION)):
            await house.chat("helpdesk", text, key=key)
        assert server.requests == 3
        await house.deploy("helpdesk", server)
        await house.chat("helpdesk", key="shop")
        assert server.requests == 4


async def test_nothing_is_kept_that_is_not_whole(house: House) -> None:
    """A cut or failed reply is not given again; without the policy none is."""
    async with FakeServer(faults=[Fault(kind="cut"), Fault(kind="status")]) as server:
        await house.deploy("helpdesk", server, cache_s=60)
        await house.deploy("plain", server)
        await house.chat("helpdesk", stream=True)
        await house.chat("helpdesk")
        await house.chat("plain")
        await house.rows()
        assert house.table(cached_replies) == []
        assert house.table(content) == []


async def test_content_is_written_down_where_the_policy_says_so(house: House) -> None:
    """Both sides of a reply, beside its row."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, keep_content_days=2)
        await house.chat("helpdesk", stream=True)
        [row] = await house.rows()
        [kept] = house.table(content)
        assert (kept["id"], kept["request"]) == (row["id"], row["request"])
        assert orjson.loads(kept["asked"])["messages"][0]["content"] == QUESTION
        assert orjson.loads(kept["answered"])["choices"][0]["message"]["content"] == QUESTION


async def test_what_is_kept_is_given_up_before_what_is_metered(tmp_path: Path) -> None:
    """A21: with little room content goes first, then kept replies and shadows; with none requests are refused."""
    room = {"bytes": 0}
    watermark = Watermark(tmp_path, content_bytes=300, extras_bytes=200, metering_bytes=100,
                          room=lambda _folder: room["bytes"], monotonic=iter(range(10**6)).__next__)  # fmt: skip
    async with FakeServer() as server, open_house(tmp_path / "place", watermark=watermark) as house:
        await house.deploy("helpdesk", server, cache_s=60, keep_content_days=1)
        for left, status, kept, written in ((50, 503, 0, 0), (150, 200, 0, 0), (250, 200, 1, 0), (350, 200, 2, 1)):
            room["bytes"] = left
            reply = await house.chat("helpdesk", f"question {left}")
            assert reply.status == status
            assert status == 200 or reply.code == "metering_unavailable"
            await house.rows()
            assert (len(house.table(cached_replies)), len(house.table(content))) == (kept, written)
        assert server.requests == 3


# Shadows --------------------------------------------------------------------------------------------------------------


async def with_shadow(house: House, real: FakeServer, shadow: FakeServer) -> None:
    """An endpoint whose second version answers nobody."""
    await house.deploy("helpdesk", real)
    await house.deploy("helpdesk", shadow, percent=0)
    house.registry.shadow("helpdesk", 2)
    await house.follow()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_shadow_is_asked_and_answers_nobody(house: House, stream: bool) -> None:
    """Both replies are kept; its row says `shadow`, and the budget pays for the real one alone."""
    async with FakeServer() as real, FakeServer(FakeModel("parrot", reply="the shadow's own")) as shadow:
        await with_shadow(house, real, shadow)
        key = house.key(budget=Budget(usd=1))
        reply = await house.chat("helpdesk", stream=stream)
        assert (reply.streamed_text if stream else reply.text) == QUESTION
        rows = await house.rows()
        assert [(row["version"], row["shadow"], row["status"]) for row in rows] == [(1, 0, "done"), (2, 1, "done")]
        assert rows[0]["request"] == rows[1]["request"]
        assert house.spent(key) == (pytest.approx(rows[0]["usd"]), 0)
        [pair] = house.shadowed()
        assert pair["asked"]["messages"][0]["content"] == QUESTION
        assert pair["reply"]["choices"][0]["message"]["content"] == QUESTION
        assert pair["shadow_reply"]["choices"][0]["message"]["content"] == "the shadow's own"
        assert pair["error"] is None


async def test_a_shadow_delays_and_fails_nobody(house: House) -> None:
    """One that is slow is waited for by nobody, one that fails leaves its code; real replies come as ever."""
    async with FakeServer() as real, FakeServer(FakeModel("parrot", latency_s=0.6)) as shadow:
        await with_shadow(house, real, shadow)
        started = asyncio.get_running_loop().time()
        assert (await house.chat("helpdesk")).text == QUESTION
        assert asyncio.get_running_loop().time() - started < 0.5
        await asyncio.sleep(0.2)
        shadow.faults = lambda _number, _asked: Fault(kind="status")
        assert (await house.chat("helpdesk", "another")).text == "another"
        rows = await house.rows(shadow=True)
        assert statuses(rows) == {"done": 1, "failed": 1}
        assert sorted(str(pair["error"]) for pair in house.shadowed()) == ["None", "upstream_failed"]


async def test_too_many_shadows_are_left_out(house: House) -> None:
    """The set of copies is bounded; what does not fit is counted."""
    async with FakeServer() as real, FakeServer(FakeModel("parrot", latency_s=0.5)) as shadow:
        await with_shadow(house, real, shadow)
        await asyncio.gather(*(house.chat("helpdesk", f"question {number}") for number in range(80)))
        assert house.api.shadows.in_flight == 64
        assert house.api.shadows.left_out == 16


async def test_a_failed_reply_has_no_shadow(house: House) -> None:
    """There is nothing to compare it with."""
    async with FakeServer(faults=[Fault(kind="status")]) as real, FakeServer() as shadow:
        await with_shadow(house, real, shadow)
        await house.chat("helpdesk")
        await house.rows()
        assert shadow.requests == 0


async def test_the_end_of_the_gateway_settles_its_shadows(tmp_path: Path) -> None:
    """A copy that is under way when it stops is cut and booked, not left in doubt."""
    place = tmp_path / "place"
    async with (
        FakeServer() as real,
        FakeServer(FakeModel("parrot", latency_s=5)) as shadow,
        open_house(place) as house,
    ):
        await with_shadow(house, real, shadow)
        await house.chat("helpdesk")
        await asyncio.sleep(0.2)
    engine = open_database(place / "touchstone.sqlite")
    with engine.connect() as connection:
        rows = connection.execute(sa.select(charges.c.shadow, charges.c.status).order_by(charges.c.id)).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [(False, "done"), (True, "cut")]
