"""A2, over HTTP: however many ask at once on one key, its cap is never passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa
from tests.deployment.api.house import PRICE, Reply, open_house, question, statuses

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.tables import key_windows
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer


async def test_500_at_once_never_pass_the_cap(tmp_path: Path) -> None:
    """
    Every request may cost up to 816 µUSD of output and has a budget of 8,000: some are answered and the others are told
    when to come again. Spent and held together are at most the cap at every look, and what was answered is what was
    billed.
    """
    cap_usd = 0.008
    seen: list[float] = []
    async with (
        FakeServer(FakeModel("parrot", reply="yes", latency_s=0.02)) as server,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("helpdesk", server, price=PRICE)
        key = house.key(budget=Budget(usd=cap_usd, window="day"))
        done = asyncio.Event()

        async def look() -> None:
            while not done.is_set():
                with house.engine.connect() as connection:
                    rows = connection.execute(sa.select(key_windows.c.spent_usd + key_windows.c.held_usd)).scalars()
                    seen.append(max(rows, default=0.0))
                await asyncio.sleep(0.002)

        async def ask(number: int) -> Reply:
            return await house.ask(question("helpdesk", f"question {number}", max_tokens=100))

        looking = asyncio.create_task(look())
        replies = await asyncio.gather(*(ask(number) for number in range(500)))
        done.set()
        await looking
        answered = [reply for reply in replies if reply.status == 200]
        refused = [reply for reply in replies if reply.status != 200]
        assert 0 < len(answered) < 500
        assert {(reply.status, reply.code) for reply in refused} == {(429, "insufficient_quota")}
        assert all(int(reply.headers["retry-after"]) > 0 for reply in refused)
        assert max(seen) <= cap_usd
        assert max(seen) > cap_usd / 2, "the cap was never near"
        spent, held = house.spent(key)
        rows = await house.rows()
        spent, held = house.spent(key)
        assert held == 0
        assert abs(spent - sum(row["usd"] for row in rows)) < 1e-12
        assert statuses(rows)["done"] == len(answered) == len(server.bill)
