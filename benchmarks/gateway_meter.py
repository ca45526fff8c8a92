"""
What the meter of the gateway takes of the processor: `python -m benchmarks.gateway_meter`, some seconds.

Prints microseconds of processor time (user and system, all threads) for a request that is opened and settled, by how
many there are at once, with a key that has a budget and one that has none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from touchstone.deployment.base import Budget, Key, Usage
from touchstone.deployment.govern.meter import Ending, Intent, Meter
from touchstone.deployment.govern.state import prepare_store, stamp
from touchstone.deployment.govern.writer import Writer
from touchstone.storage.database import open_database
from touchstone.workspace.session import event_loop

ENDING = Ending("done", Usage(812, 143, 0, 0), usd=0.0002, seconds=0.8, first_token_s=0.2, model="small-2026-10-01")


async def one(meter: Meter, key: Key, request: str) -> None:
    """A request: its money held, its end booked and awaited."""
    hold = await meter.open(Intent(request, key, "helpdesk", 1, "small", "chat", 0.01))
    await meter.settle(hold, ENDING)


async def measure(folder: Path, *, requests: int, at_once: int, keys: int, budget: bool) -> float:
    """Microseconds of processor time per request."""
    engine = open_database(folder / f"{at_once}-{keys}-{budget}.sqlite")
    prepare_store(engine)
    writer = Writer(engine)
    meter = Meter(engine, writer)
    cap = Budget(usd=1e6) if budget else None
    people = [Key(id=n, name=f"k{n}", shown="ts-", created_at=stamp(0), budget=cap) for n in range(1, keys + 1)]
    numbers = iter(range(requests))

    async def ask() -> None:
        for number in numbers:
            await one(meter, people[number % keys], f"req-{number:032x}")

    started = time.process_time()
    await asyncio.gather(*(ask() for _ in range(at_once)))
    await meter.drain()
    taken = time.process_time() - started
    await writer.close()
    engine.dispose()
    return 1e6 * taken / requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    requests = parser.parse_args().requests
    with TemporaryDirectory() as folder:
        for at_once in (1, 32, 128):
            for keys, budget in ((1, True), (50, True), (50, False)):
                number = requests if at_once > 1 else requests // 10
                with asyncio.Runner(loop_factory=event_loop) as runner:
                    taken = runner.run(
                        measure(Path(folder), requests=number, at_once=at_once, keys=keys, budget=budget)
                    )
                said = {"at_once": at_once, "keys": keys, "budget": budget, "cpu_us_per_request": round(taken, 1)}
                print(json.dumps(said))


if __name__ == "__main__":
    main()
