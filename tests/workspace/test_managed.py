"""Versions that are computed here: their processes follow what is desired, heal, and answer as they were measured."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.deployment.api.house import House, open_house

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.govern.tables import endpoint_states
from touchstone.workspace.deploy import Order, deploy_model

ASKED = "Passages:\n[1] The office opens at nine.\n\nQuestion: When does the office open?"


async def deploy(house: House, name: str, compute: ComputeSettings | None) -> None:
    """The smallest of the models that ship with the package."""
    await asyncio.to_thread(deploy_model, house.workspace, "starter/s", Order(name=name, compute=compute), who="test")


async def state(house: House, name: str, wanted: str) -> dict[str, object]:
    """What the store says of the one process, once it is as wanted."""
    for _ in range(600):
        rows = [row for row in house.table(endpoint_states) if row["name"] == name]
        if rows and rows[0]["state"] == wanted:
            return rows[0]
        await asyncio.sleep(0.05)
    raise AssertionError(rows)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway over an empty workspace."""
    async with open_house(tmp_path / "place") as found:
        yield found


async def test_a_process_answers_heals_and_ends(house: House) -> None:
    """
    The same answer as without a process, plain and streamed; one that is killed comes again; a stopped endpoint has
    none, and what is observed stands in the store all the while.
    """
    await deploy(house, "here", None)
    await deploy(house, "there", ComputeSettings(kind="starter"))
    ready = await state(house, "there", "ready")
    plain, streamed = await house.chat("there", ASKED), await house.chat("there", ASKED, stream=True)
    assert plain.text == streamed.streamed_text == (await house.chat("here", ASKED)).text
    assert plain.headers["x-touchstone-version"] == "1"
    assert isinstance(ready["pid"], int)
    os.kill(ready["pid"], signal.SIGKILL)
    assert (await house.chat("there", ASKED)).status in (200, 502, 503, 504)
    for _ in range(100):
        reply = await house.chat("there", ASKED)
        if reply.status == 200:
            break
        await asyncio.sleep(0.1)
    assert reply.text == plain.text
    again = await state(house, "there", "ready")
    assert (again["restarts"], again["pid"] != ready["pid"]) == (1, True)
    house.registry.set_state("there", "stopped")
    for _ in range(100):
        if not house.table(endpoint_states):
            break
        await asyncio.sleep(0.05)
    assert house.table(endpoint_states) == []
    assert (await house.chat("there", ASKED)).code == "endpoint_stopped"


async def test_what_cannot_run_says_so_and_harms_nobody(house: House) -> None:
    """The reason stands in the store for whoever deployed it; a client is told that it cannot be reached."""
    await deploy(house, "here", None)
    served = house.registry.find("here").versions[0]
    lost = served.model_copy(update={"compute": ComputeSettings(kind="starter", weights="nowhere")})
    house.registry.add_version("there", lambda number: lost.model_copy(update={"number": number}))
    failed = await state(house, "there", "failed")
    assert "nowhere" in str(failed["note"])
    reply = await house.chat("there", ASKED)
    assert (reply.status, reply.code) == (503, "upstream_unreachable")
    assert b"nowhere" not in reply.body
    assert (await house.chat("here", ASKED)).status == 200
