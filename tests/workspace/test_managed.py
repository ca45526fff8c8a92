"""Versions that are computed here: their processes follow what is desired, heal, and answer as they were measured."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from tests.deployment.api.house import House, open_house

from touchstone.deployment.base import ComputeSettings, Endpoint, Version
from touchstone.deployment.compute.states import ProcessState
from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import endpoint_states
from touchstone.errors import SettingsError
from touchstone.evaluation.base import Recipe
from touchstone.storage.database import open_database
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.managed import Managed

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
    for _ in range(600):
        reply = await house.chat("there", ASKED)
        if reply.status == 200:
            break
        await asyncio.sleep(0.1)
    assert reply.text == plain.text
    again = await state(house, "there", "ready")
    assert (again["restarts"], again["pid"] != ready["pid"]) == (1, True)
    house.registry.set_state("there", "stopped")
    for _ in range(600):
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


class Asked:
    """A supervisor that starts nothing, and notes what it is asked."""

    def __init__(self) -> None:
        self.started: list[Path] = []

    async def start(self, _name: str, _version: int, _settings: ComputeSettings, folder: Path) -> None:
        if folder.name == "bad":
            raise SettingsError("there is nothing to run")
        self.started.append(folder)

    async def stop(self, _name: str, _version: int) -> None:
        """Nothing runs."""

    def states(self) -> tuple[ProcessState, ...]:
        return ()

    async def close(self) -> None:
        """Nothing runs."""


def made(folder: str, **parts: Any) -> dict[str, Endpoint]:
    """An endpoint whose one version lies in a folder."""
    version = Version(
        number=1, recipe=Recipe(model="starter/s", strategy="prompt"), recipe_digest="d", folder=folder,
        compute=ComputeSettings(kind="starter"), created_at="2026-11-27T10:00:00.000+00:00", created_by="anna",
    )  # fmt: skip
    endpoint = Endpoint(name="there", versions=(version,), split={1: 100}, created_at=version.created_at, **parts)
    return {"there": endpoint}


async def test_an_endpoint_that_was_made_anew_gets_its_own_processes(tmp_path: Path) -> None:
    """Its first version counts from 1 as the one before did, but lies in another folder."""
    engine = open_database(tmp_path / "store.sqlite")
    prepare_store(engine)
    supervisor = Asked()
    managed = Managed(engine, tmp_path, supervisor)  # type: ignore[arg-type]  # as much of one as is asked here
    for folder in ("first", "first", "second"):
        await managed.reconcile(made(folder))
    assert supervisor.started == [tmp_path / "first", tmp_path / "second"]
    await managed.close()
    engine.dispose()


async def test_what_failed_is_no_more_shown_once_it_is_not_wanted(tmp_path: Path) -> None:
    """The row of a version that could not run goes with its endpoint."""
    engine = open_database(tmp_path / "store.sqlite")
    prepare_store(engine)
    managed = Managed(engine, tmp_path, Asked())  # type: ignore[arg-type]  # as much of one as is asked here
    await managed.reconcile(made("bad"))
    assert managed._failed
    await managed.reconcile(made("bad", state="stopped"))
    assert not managed._failed
    await managed.close()
    engine.dispose()
