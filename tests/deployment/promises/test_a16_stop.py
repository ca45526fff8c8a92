"""A16, with a real process: told to stop while streams run, it cuts them with an error, books them and ends with 0."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import orjson
from tests.deployment.api.house import question
from tests.deployment.api.process import Place, serving
from tests.deployment.promises.api import LONG

from touchstone.deployment.base import Budget
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

STREAMS = 20


def test_it_stops_with_everything_booked(tmp_path: Path) -> None:
    """Nothing is left in doubt: the next start finds no row that runs, and no money is held."""
    place = Place(tmp_path / "place")
    with serve_in_thread(FakeServer(FakeModel("parrot", reply=LONG), token_s=0.2)) as server:
        place.deploy("helpdesk", server.base_url)
        secret = place.key("ann", budget=Budget(usd=1))
        with serving(place) as gateway:

            async def stop() -> list[bytes]:
                headers = {"authorization": f"Bearer {secret}"}
                connector = aiohttp.TCPConnector(limit=0)
                async with aiohttp.ClientSession(connector=connector) as session:

                    async def begin(number: int) -> aiohttp.ClientResponse:
                        body = question("helpdesk", f"question {number}", stream=True)
                        response = await session.post(gateway.url + "/chat/completions", json=body, headers=headers)
                        await response.content.readuntil(b"\n\n")
                        return response

                    responses = await asyncio.gather(*(begin(number) for number in range(STREAMS)))
                    gateway.process.send_signal(signal.SIGTERM)
                    return list(await asyncio.gather(*(response.read() for response in responses)))

            replies = asyncio.run(stop())
            assert gateway.process.wait(60) == 0
        for reply in replies:
            last = reply.strip().split(b"\n\n")[-1]
            assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "shutting_down"
            assert b"[DONE]" not in reply
        rows = place.rows()
        assert Counter((row["status"], row["error"]) for row in rows) == {("cut", "shutting_down"): STREAMS}
        assert all(row["estimated"] and row["output_tokens"] > 0 for row in rows)
