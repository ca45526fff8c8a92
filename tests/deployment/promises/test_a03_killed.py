"""A3 and F21, with a real process: SIGKILL while streams run leaves a row for each, and the next start books them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from tests.deployment.api.house import question
from tests.deployment.api.process import Place, serving
from tests.deployment.promises.api import LONG

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.recovery import release
from touchstone.deployment.govern.tables import key_windows
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

STREAMS = 50


async def open_streams(url: str, secret: str, pid: int) -> None:
    """Fifty streams that have begun; then the gateway is killed under them."""
    headers = {"authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def begin(number: int) -> aiohttp.ClientResponse:
            body = question("helpdesk", f"question {number}", stream=True, max_tokens=200)
            response = await session.post(url + "/chat/completions", json=body, headers=headers)
            assert response.status == 200
            await response.content.readuntil(b"\n\n")
            return response

        responses = await asyncio.gather(*(begin(number) for number in range(STREAMS)))
        os.kill(pid, signal.SIGKILL)
        for response in responses:
            response.close()


def test_fifty_streams_leave_fifty_rows(tmp_path: Path) -> None:
    """
    Each is in doubt after the next start, at what was held for it, and an admin can give it back; requests go on at
    once, and the first one after it is answered and booked.
    """
    place = Place(tmp_path / "place")
    with serve_in_thread(FakeServer(FakeModel("parrot", reply=LONG), token_s=0.2)) as server:
        place.deploy("helpdesk", server.base_url)
        secret = place.key("ann", budget=Budget(usd=1))
        with serving(place) as gateway:
            asyncio.run(open_streams(gateway.url, secret, gateway.process.pid))
            gateway.process.wait(60)
        rows = place.rows()
        assert [row["status"] for row in rows] == ["running"] * STREAMS
        with serving(place) as gateway:
            rows = place.rows()
            assert [row["status"] for row in rows] == ["in_doubt"] * STREAMS
            assert all(row["usd"] == row["hold_usd"] > 0 for row in rows)
            held = sum(row["hold_usd"] for row in rows)
            assert spent(place) == (pytest.approx(held), 0)
            server.token_s = 0.0
            assert asyncio.run(ask(gateway.url, secret)) == 200
        with place.opened() as workspace:
            back = release(workspace.ledger.engine, rows[0]["request"], who="test")
        assert back == rows[0]["usd"]
        assert len(place.rows()) == STREAMS + 1


async def ask(url: str, secret: str) -> int:
    """One question; its status."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url + "/chat/completions", json=question("helpdesk"), headers={"authorization": f"Bearer {secret}"}
        ) as response,
    ):
        await response.read()
        return response.status


def spent(place: Place) -> tuple[float, float]:
    """What was spent and what is held, USD."""
    with place.opened() as workspace, workspace.ledger.engine.connect() as connection:
        sums = sa.select(sa.func.sum(key_windows.c.spent_usd), sa.func.sum(key_windows.c.held_usd))
        found = connection.execute(sums).one()
    return float(found[0]), float(found[1])
