"""The process that writes, as its server asks it."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from touchstone.deployment.compute.weights_process import WeightsProcess
from touchstone.errors import NoReply, ProviderFailed, RateLimited
from touchstone.models.starter.folder import SHIPPED

ASKED: dict[str, Any] = {
    "turns": [("user", "Where is my parcel?")],
    "max_tokens": 400,
    "temperature": 3.0,
    "top_p": 1.0,
    "seed": 1,
    "stop": [],
    "json": False,
    "stream": False,
}


async def one(process: WeightsProcess, **changes: object) -> dict[str, Any]:
    """The first thing that is told."""
    told = process.ask({**ASKED, **changes})
    async with aclosing(told):  # type: ignore[type-var]
        return await anext(told)


async def test_one_that_is_silent_is_ended() -> None:
    """A template that never ends holds up nobody for ever; whoever watches is told."""
    process = WeightsProcess(["starter", str(SHIPPED / "s")], threads=1, deadline_s=0.01)
    try:
        await process.load()
        with pytest.raises(NoReply):
            await one(process)
        assert process.gone.is_set()
        assert process.reason == "silent for 0 s"
    finally:
        await process.close()


async def test_who_leaves_stops_the_writing() -> None:
    """The next one waits for a token at most, not for the rest of an answer to nobody."""
    process = WeightsProcess(["starter", str(SHIPPED / "l")], threads=1)
    try:
        await process.load()
        began, pieces = time.monotonic(), 0
        async for said in process.ask({**ASKED, "stream": True}):
            pieces += "piece" in said
        whole_s = time.monotonic() - began
        assert pieces > 50
        began = time.monotonic()
        assert "piece" in await one(process, stream=True)
        await one(process, max_tokens=1)
        assert time.monotonic() - began < whole_s / 3
    finally:
        await process.close()


async def test_not_everybody_may_wait() -> None:
    """One is answered, one waits, and the third is told when to come again."""
    process = WeightsProcess(["starter", str(SHIPPED / "s")], threads=1, most_waiting=1)
    try:
        await process.load()
        assert process.context == 768
        answers = [asyncio.create_task(one(process, max_tokens=60)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(RateLimited) as found:
            await one(process)
        assert found.value.retry_after_s == 1
        first, second = await asyncio.gather(*answers)
        assert first["done"]["text"] == second["done"]["text"]
    finally:
        await process.close()


async def test_weights_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    """With the reason, before anybody asks."""
    folder = tmp_path / "odd"
    shutil.copytree(SHIPPED / "s", folder)
    shutil.copy(SHIPPED / "tokenizer.json", folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    process = WeightsProcess(["starter", str(folder)])
    try:
        with pytest.raises(ProviderFailed, match="no safetensors file"):
            await process.load()
        assert process.gone.is_set()
    finally:
        await process.close()
