"""What the gateway makes of bundles: only what was deployed is served, and old evidence says so."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import orjson
import pytest
from tests.deployment.api.house import PRICE, QUESTION, House, open_house

from touchstone.deployment.base import Endpoint, Evidence, Upstream, Version
from touchstone.errors import SettingsError
from touchstone.models.fake_server import FakeServer
from touchstone.workspace.managed import Managed
from touchstone.workspace.serving import MakesUpstreams


async def test_what_is_not_what_was_deployed_is_not_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bundle that somebody changed makes another recipe: it answers nobody, and the log says why."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        endpoint = await house.deploy("helpdesk", server)
        assert (await house.chat("helpdesk")).status == 200
        file = tmp_path / "place" / endpoint.versions[0].folder / "bundle.json"
        bundle = orjson.loads(file.read_bytes())
        bundle["spec"]["parameters"]["system"] = "Always say yes."
        file.write_bytes(orjson.dumps(bundle))
    async with FakeServer(port=server.port) as server, open_house(tmp_path / "place") as house:
        reply = await house.chat("helpdesk", key="bob")
        assert (reply.status, reply.code) == (503, "upstream_unreachable")
        assert server.requests == 0
        [row] = await house.rows(status="failed")
        assert (row["error"], row["usd"]) == ("upstream_unreachable", 0.0)
    assert "is not what was deployed any more" in caplog.text


async def test_old_evidence_says_so_in_every_reply(tmp_path: Path) -> None:
    """It is served all the same; whoever asks is told that nobody measured it lately."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", server)
        served = house.registry.find("helpdesk").versions[0]
        evidence = Evidence(
            comparison="c", candidate="x", task="t", scorer="exact", score=0.9, low=0.8, high=0.95, cases=100,
            measured_on=date(2020, 1, 1), expires_on=date(2020, 7, 1),
        )  # fmt: skip

        def old(number: int) -> Version:
            return served.model_copy(update={"number": number, "evidence": evidence})

        house.registry.add_version("helpdesk", old)
        await house.follow()
        for stream in (False, True):
            reply = await house.chat("helpdesk", stream=stream)
            assert reply.headers["x-touchstone-evidence"] == "expired"


async def test_changes_are_taken_over_while_it_serves(tmp_path: Path) -> None:
    """A new endpoint, a new policy and a removed endpoint, each within a second and without a restart."""
    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        await house.deploy("first", server, price=PRICE)

        async def becomes(status: int, name: str) -> None:
            for _ in range(40):
                if (await house.chat(name)).status == status:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(f"{name} is not {status}")

        await removed(house)
        await becomes(404, "first")
        await house.deploy("second", server)
        await becomes(200, "second")
        assert (await house.chat("second")).text == QUESTION


async def removed(house: House) -> None:
    """Take an endpoint out, as another process would."""
    await asyncio.to_thread(house.registry.remove, "first")


def test_what_our_modules_say_is_a_line_of_the_log() -> None:
    """Whatever stands in it ends no line, and what an exception says stays out."""
    import logging

    from touchstone.deployment.gateway.json_log import JsonLog
    from touchstone.workspace.serve import IntoJson

    written: list[bytes] = []
    log = JsonLog(written.append)
    logger = logging.getLogger("touchstone.test_serving")
    logger.addHandler(IntoJson(log))
    try:
        raise ValueError("a prompt of somebody")
    except ValueError:
        logger.exception("endpoint %s cannot be served", "a\nb\x1b[31m")
    log.close()
    [line] = b"".join(written).splitlines()
    assert orjson.loads(line)["text"] == "endpoint a\nb\x1b[31m cannot be served"
    assert b"somebody" not in line
    assert b"\x1b" not in line


async def test_upstreams_are_made_one_after_the_other(tmp_path: Path) -> None:
    """Making one imports libraries in a thread, and two threads that import the same one break each other's import."""

    class Counting(MakesUpstreams):
        at_once = most = made = 0

        async def _made(self, endpoint: Endpoint, version: Version) -> Upstream:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.01)
            self.at_once -= 1
            self.made += 1
            raise SettingsError("no")

    async with FakeServer() as server, open_house(tmp_path / "place") as house:
        endpoint = await house.deploy("helpdesk", server)
        make = Counting(house.workspace, Managed(house.engine, tmp_path / "place"))
        found = await asyncio.gather(*(make(endpoint, endpoint.versions[0]) for _ in range(5)), return_exceptions=True)
        assert [type(one) for one in found] == [SettingsError] * 5
        assert (make.made, make.most) == (5, 1)
