"""
How long the gateway's books take to open over a million requests: `python -m benchmarks.gateway_start`, about a minute.

Prints how long it took to make the tables sure, to book what was under way when the last gateway ended, and to open and
settle the first request (A17: less than 2 s in all).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from touchstone.deployment.base import Budget, Key, Usage
from touchstone.deployment.govern.meter import Ending, Intent, Meter
from touchstone.deployment.govern.recovery import recover
from touchstone.deployment.govern.sql import put
from touchstone.deployment.govern.state import prepare_store, stamp, writing
from touchstone.deployment.govern.tables import charges
from touchstone.deployment.govern.writer import Writer
from touchstone.storage.database import open_database

UNDER_WAY = 1_000
_BLOCK = 50_000


def rows(number: int) -> Iterator[tuple[Any, ...]]:
    """Rows of requests of a year, the last ones under way."""
    for place in range(number):
        running = place >= number - UNDER_WAY
        yield (
            place, f"req-{place:032x}", 0, place % 50 + 1, "default", "helpdesk", 1, "small", "chat",
            "running" if running else "done", False, 0.01, None if running else 0.002, 812, 143, 0, 0, False,
            stamp(1_770_000_000 + 31 * place), 0.8, None, None, False, place % 50 + 1, 20_000, "earlier",
        )  # fmt: skip


def fill(engine: sa.Engine, number: int) -> None:
    """Write so many rows."""
    statement, left = put(charges, engine.dialect), rows(number)
    while block := list(islice(left, _BLOCK)):
        with writing(engine) as connection:
            statement.run_all(connection, block)


async def start(file: Path) -> dict[str, float]:
    """Seconds of each step of a start."""
    began = time.perf_counter()
    engine = open_database(file)
    prepare_store(engine)
    opened = time.perf_counter()
    writer = Writer(engine)
    meter = Meter(engine, writer)
    found = recover(engine, meter.owner)
    recovered = time.perf_counter()
    key = Key(id=1, name="k", shown="ts-", created_at=stamp(0), budget=Budget(usd=10))
    hold = await meter.open(Intent("req-first", key, "helpdesk", 1, "small", "chat", 0.01))
    await meter.settle(hold, Ending("done", Usage(1, 1), 0.001))
    served = time.perf_counter()
    await writer.close()
    engine.dispose()
    assert found == UNDER_WAY
    steps = {"open_s": opened - began, "recover_s": recovered - opened, "first_request_s": served - recovered}
    return {**steps, "all_s": served - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    number = parser.parse_args().rows
    with TemporaryDirectory() as folder:
        file = Path(folder, "touchstone.sqlite")
        engine = open_database(file)
        prepare_store(engine)
        fill(engine, number)
        engine.dispose()
        took = asyncio.run(start(file))
        said = {"rows": number, "mb": round(file.stat().st_size / 2**20), **{k: round(v, 3) for k, v in took.items()}}
        print(json.dumps(said))


if __name__ == "__main__":
    main()
