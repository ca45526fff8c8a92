"""A12: a client that goes away. The row is always written, the money that is left comes back, the provider is told."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.deployment.api.house import PRICE, open_house, sold, statuses, tokens
from tests.deployment.promises.api import LONG, give_up_after, leave_after, slow_server

from touchstone.deployment.base import Budget
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer


async def until_billed(server: FakeServer, count: int) -> None:
    """Wait until the provider has noticed so many ends."""
    for _ in range(1500):
        if len(server.bill) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(server.bill)} of {count} replies have ended")


async def test_a_stream_is_cancelled_upstream(tmp_path: Path) -> None:
    """By default: the provider writes no further, and what was received is counted by us and says so."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        key = house.key(budget=Budget(usd=1))
        await leave_after(house, "helpdesk", 8)
        [row] = await house.rows()
        await until_billed(server, 1)
        assert (row["status"], row["estimated"], row["error"]) == ("client_closed", True, None)
        assert 0 < row["output_tokens"] < server.bill[0].output_tokens
        assert not server.bill[0].complete
        spent, held = house.spent(key)
        assert (spent, held) == (pytest.approx(row["usd"]), 0)
        assert 0 < spent < row["hold_usd"]


async def test_a_stream_is_drained_where_the_policy_says_so(tmp_path: Path) -> None:
    """Then the reply is read to its end for nobody, and the row has the provider's own count."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_disconnect="drain")
        await leave_after(house, "helpdesk", 3)
        await until_billed(server, 1)
        rows = await house.rows()
        assert [(row["status"], row["estimated"]) for row in rows] == [("client_closed", False)]
        assert tokens(rows) == sold(server)
        assert server.bill[0].complete


async def test_draining_has_an_end(tmp_path: Path) -> None:
    """A reply that goes on for longer than `drain_s` is cancelled after all."""
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, on_disconnect="drain", drain_s=0.15)
        await leave_after(house, "helpdesk", 3)
        await until_billed(server, 1)
        assert [(row["status"], row["estimated"]) for row in await house.rows()] == [("client_closed", True)]
        assert not server.bill[0].complete


async def test_a_whole_reply_that_nobody_waits_for_costs_what_was_held(tmp_path: Path) -> None:
    """It was sent and nothing of it was seen, so a budget is charged the most that it may have cost."""
    async with (
        FakeServer(FakeModel("parrot", reply=LONG, latency_s=5)) as server,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("helpdesk", server)
        key = house.key(budget=Budget(usd=1))
        await give_up_after(house, "helpdesk", 0.2)
        [row] = await house.rows()
        assert (row["status"], row["output_tokens"]) == ("client_closed", None)
        assert house.spent(key) == (pytest.approx(row["hold_usd"]), 0)


async def test_a_client_that_leaves_before_the_first_byte(tmp_path: Path) -> None:
    """Of a stream that has not begun: the row is written, and nobody else is asked instead."""
    async with (
        FakeServer(FakeModel("parrot", reply=LONG, latency_s=5)) as server,
        FakeServer() as other,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("spare", other)
        await house.deploy("helpdesk", server, fail_over=("spare",))
        await give_up_after(house, "helpdesk", 0.2, stream=True)
        assert statuses(await house.rows()) == {"client_closed": 1}
        assert other.requests == 0


async def test_random_disconnects_leave_a_row_each(tmp_path: Path) -> None:
    """Sixty streams of which most are left at some piece: sixty rows, no hold left, no seat taken."""
    rng = random.Random(6)
    async with slow_server() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server, price=PRICE)
        key = house.key(budget=Budget(usd=10))

        async def one(pieces: int) -> None:
            if pieces > 50:
                assert (await house.chat("helpdesk", stream=True)).events[-1] == "[DONE]"
            else:
                await leave_after(house, "helpdesk", pieces)

        await asyncio.gather(*(one(rng.randrange(1, 60)) for _ in range(60)))
        await until_billed(server, 60)
        rows = await house.rows()
        assert len(rows) == 60
        assert set(statuses(rows)) == {"done", "client_closed"}
        spent, held = house.spent(key)
        assert held == 0
        assert spent == pytest.approx(sum(row["usd"] for row in rows))
        assert house.gateway.door.in_flight == 0
        assert house.gateway.door.admission.in_flight == 0


async def test_a_shutdown_cuts_with_an_error_and_books_it(tmp_path: Path) -> None:
    """A16: what runs past the time is cut with an error event and no end mark, and its row says why."""
    async with slow_server() as server, open_house(tmp_path / "place", stop_s=0.1) as house:
        await house.deploy("helpdesk", server)
        asking = asyncio.create_task(house.chat("helpdesk", stream=True))
        await asyncio.sleep(0.3)
        await house.gateway.stop()
        reply = await asking
        assert reply.events[-1]["error"]["code"] == "shutting_down"
        [row] = await house.rows()
        assert (row["status"], row["error"], row["estimated"]) == ("cut", "shutting_down", True)
