"""A24: the rows of usage are the provider's bill, to the token, whatever became of the requests."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.deployment.api.house import House, open_house, sold, statuses, tokens
from tests.deployment.promises.api import LONG, leave_after

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer

# Long enough that the count, which comes last, is past it; the end of the transfer is missing.
AFTER_THE_COUNT = Fault(kind="close", after_bytes=60_000)


def by_text(_number: int, asked: ChatRequest) -> Fault | None:
    """What goes wrong is written in the question."""
    text = str(asked.messages[-1].content)
    return {
        "fail": Fault(kind="status", status=503),
        "limit": Fault(kind="status", status=429),
        "cut": AFTER_THE_COUNT,
        "last": Fault(kind="no_done"),
    }.get(text.partition(" ")[0])


async def test_a_mixed_run_adds_up(tmp_path: Path) -> None:
    """
    Three hundred requests, plain and streamed, answered, failed, limited, cut after the count, answered from the cache,
    asked again under an idempotency key, failed over, with tools and several choices, by four keys at the same time:
    the sum of all rows is the sum of both bills.
    """
    rng = random.Random(24)
    reply = FakeModel("parrot", reply=lambda asked: f"You said {asked.messages[-1].content}, did you?")
    async with (
        FakeServer(reply, faults=by_text) as first,
        FakeServer(FakeModel("spare", reply="from the spare")) as second,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("spare", second)
        await house.deploy("plain", first)
        await house.deploy("kept", first, cache_s=600)
        await house.deploy("safe", first, fail_over=("spare",), on_disconnect="drain")
        for name in ("ann", "bob", "cid", "dan"):
            house.key(name)

        async def one(number: int) -> None:
            model = rng.choice(["plain", "kept", "safe"])
            word = rng.choice(["say", "say", "say", "fail", "limit", "cut", "last"])
            # Few different questions, so that some come again and are found in the cache.
            text = f"{word} {number % 40}"
            fields = {"stream": True} if word in ("cut", "last") or rng.random() < 0.5 else {}
            headers = {"idempotency_key": f"k{number % 25}"} if rng.random() < 0.3 else {}
            key = rng.choice(["ann", "bob", "cid", "dan"])
            await house.chat(model, text, key=key, headers=headers, **fields)

        gate = asyncio.Semaphore(24)

        async def in_turn(number: int) -> None:
            async with gate:
                await one(number)

        await asyncio.gather(*(in_turn(number) for number in range(300)))
        await drained(house, first, "safe")
        rows = await house.rows()
        assert not [row for row in rows if row["estimated"]]
        assert {"done", "failed", "cached", "cut", "client_closed"} <= set(statuses(rows)), statuses(rows)
        assert [row for row in rows if row["attempt"] == 1]
        assert tokens(rows) == sold(first, second)


async def drained(house: House, server: FakeServer, model: str) -> None:
    """Some clients that go away from a reply that is read to its end all the same."""
    before = len(server.bill)
    server.token_s = 0.005
    await asyncio.gather(
        *(leave_after(house, model, 1, messages=[{"role": "user", "content": LONG}]) for _ in range(5))
    )
    while len(server.bill) < before + 5:
        await asyncio.sleep(0.02)
    server.token_s = 0.0


async def test_what_the_provider_does_not_say_is_estimated_and_flagged(tmp_path: Path) -> None:
    """Cut before the count, or none given at all: what came is counted by us, never more than was sold."""
    async with (
        FakeServer(FakeModel("parrot", reply=LONG), faults=[Fault(kind="cut"), Fault(kind="no_usage")]) as server,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("helpdesk", server)
        for _ in range(2):
            await house.chat("helpdesk", stream=True)
        cut, silent = await house.rows()
        assert (cut["status"], cut["estimated"]) == ("cut", True)
        assert (silent["status"], silent["estimated"]) == ("done", True)
        assert 0 < cut["output_tokens"] < server.bill[0].output_tokens
        assert silent["output_tokens"] == server.bill[1].output_tokens
