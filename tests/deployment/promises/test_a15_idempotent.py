"""A15, over HTTP: a client that asks again because it did not hear the answer gets it, and pays once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.deployment.api.house import QUESTION, open_house, statuses
from tests.deployment.promises.api import LONG, broken, give_up_after, leave_after, slow_server

from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer

ONCE = {"idempotency_key": "order-7"}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_request_gets_the_same_reply(tmp_path: Path, stream: bool) -> None:
    """Byte for byte, streamed or not; the provider is asked once, and the second row costs nothing."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        first = await house.chat("helpdesk", stream=stream, headers=ONCE)
        again = await house.chat("helpdesk", stream=stream, headers=ONCE)
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-touchstone-replayed"] == first.headers["x-request-id"]
        assert server.requests == 1
        done, cached = await house.rows()
        assert (done["status"], cached["status"], cached["usd"], cached["output_tokens"]) == ("done", "cached", 0.0, 0)


async def test_another_request_under_the_same_key_is_refused(tmp_path: Path) -> None:
    """422: whoever reuses a key for something else has made a mistake."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        await house.chat("helpdesk", headers=ONCE)
        other = await house.chat("helpdesk", "something else", headers=ONCE)
        assert (other.status, other.code) == (422, "idempotency_key_reused")
        assert (await house.chat("helpdesk", "something else", key="bob", headers=ONCE)).status == 200
        assert server.requests == 2


async def test_one_that_still_runs_says_so(tmp_path: Path) -> None:
    """409 with `Retry-After`; the provider is asked once."""
    async with FakeServer(FakeModel("parrot", latency_s=0.4)) as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        first = asyncio.create_task(house.chat("helpdesk", headers=ONCE))
        await asyncio.sleep(0.15)
        again = await house.chat("helpdesk", headers=ONCE)
        assert (again.status, again.code, again.headers["retry-after"]) == (409, "idempotent_request_running", "1")
        assert (await first).text == QUESTION
        assert server.requests == 1


async def test_a_failure_is_worth_a_real_repetition(tmp_path: Path) -> None:
    """What failed, broke off or was refused is not kept: the second asking is a request of its own."""
    async with FakeServer(faults=broken("status")) as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        assert (await house.chat("helpdesk", headers=ONCE)).status == 502
        server.faults = broken("cut")
        reply = await house.chat("helpdesk", stream=True, headers={"idempotency_key": "order-8"})
        assert "[DONE]" not in reply.events
        server.faults = ()
        assert (await house.chat("helpdesk", headers=ONCE)).text == QUESTION
        reply = await house.chat("helpdesk", stream=True, headers={"idempotency_key": "order-8"})
        assert reply.events[-1] == "[DONE]"
        assert server.requests == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_was_cut_off_finds_its_reply(tmp_path: Path, stream: bool) -> None:
    """With an idempotency key the reply is read to its end although nobody listens, for the one who asks again."""
    server = slow_server() if stream else FakeServer(FakeModel("parrot", reply=LONG, latency_s=0.5))
    async with server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        if stream:
            await leave_after(house, "helpdesk", 1, headers=ONCE)
        else:
            await give_up_after(house, "helpdesk", 0.2, headers=ONCE)
        assert statuses(await house.rows()) == {"client_closed": 1}
        fields = {"stream": True} if stream else {}
        again = await house.chat("helpdesk", headers=ONCE, **fields)
        assert (again.streamed_text if stream else again.text) == LONG
        assert server.requests == 1


async def test_a_key_of_another_shape_is_refused(tmp_path: Path) -> None:
    """Before anything is spent."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        assert (await house.chat("helpdesk", headers={"idempotency_key": "x" * 300})).status == 400
        assert server.requests == 0
