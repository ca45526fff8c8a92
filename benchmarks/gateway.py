"""
What the gateway takes: `python -m benchmarks.gateway`, some ten minutes; `--requests 5000 --memory-requests 0` for one.

The gateway is `touchstone serve` over a workspace of its own, with a key that has a budget, so that each request is
authenticated, held for, metered and settled. It is set beside the least that a gateway can be (`gateway_bare`) and the
provider asked directly (`gateway_provider`), each a process of its own on the same cores. Processor time is what the
system says of the process, user and system, all threads. Targets stand in docs/experiments.md, with what was measured
last: 1.5 times the bare one a request at 128 in flight and 1.7 times a stream. Where others use the machine, only such
ratios of one run say anything, and latencies say nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from benchmarks.gateway_load import latencies, load, request_of
from benchmarks.gateway_provider import PACED
from touchstone.catalog.base import Price
from touchstone.config import Settings
from touchstone.deployment.base import Budget
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.state import prepare_store
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.session import event_loop
from touchstone.workspace.workspace import Workspace


@dataclass(frozen=True)
class Process:
    """A server that is measured."""

    pid: int
    port: int

    @property
    def cpu_s(self) -> float:
        """Processor time so far, user and system."""
        # The clock of another process (MAKE_PROCESS_CPUCLOCK in Linux's posix-timers.h): nanoseconds, where /proc says
        # hundredths of a second, in which a short round is nothing at all.
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        line = next(one for one in Path(f"/proc/{self.pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def started(command: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[Process]:
    """A server that prints its port, or a JSON object with its URL."""
    child = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline().decode()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        port = int(json.loads(line)["url"].rsplit(":", 1)[1].partition("/")[0]) if "{" in line else int(line)
        yield Process(child.pid, port)
    finally:
        child.terminate()
        child.wait(40)
        child.communicate()


def prepare(folder: Path, port: int) -> str:
    """A workspace with one endpoint before the provider, and a key with a budget; its secret."""
    with Workspace(Settings(workspace=folder, workspace_from="benchmark")) as place:
        prepare_store(place.ledger.engine)
        given = {"base_url": f"http://127.0.0.1:{port}/v1", "served_name": "bench"}
        price = Price(input_usd=0.1, output_usd=0.4)
        deploy_model(place, "openai-compatible", Order(name="bench", price=price), who="benchmark", parameters=given)
        keys = Keys(place.ledger.engine, load_pepper(folder))
        _key, secret = keys.create("bench", who="benchmark", budget=Budget(usd=1e6))
        keys.close()
    return secret


Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the loop that the gateway uses too."""
    with asyncio.Runner(loop_factory=event_loop) as runner:
        return runner.run(coroutine)


def say(**figures: object) -> None:
    """One figure as a line of JSON."""
    print(json.dumps(figures), flush=True)


def taken(process: Process, request: bytes, *, requests: int, at_once: int) -> tuple[float, float]:
    """(milliseconds of processor time per request, requests per second)."""
    run(load(process.port, request, requests=max(at_once, requests // 10), at_once=at_once))
    before = process.cpu_s
    seconds = run(load(process.port, request, requests=requests, at_once=at_once))
    assert isinstance(seconds, float)
    return 1000 * (process.cpu_s - before) / requests, requests / seconds


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """(p50, p99) in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return 1000 * statistics.median(values), 1000 * cuts[98]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="per figure of processor time")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--slow-requests", type=int, default=300, help="for latencies, at 20 a second")
    parser.add_argument("--memory-requests", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="each figure is the median of so many")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        provider = stack.enter_context(started(["-m", "benchmarks.gateway_provider"]))
        bare = stack.enter_context(started(["-m", "benchmarks.gateway_bare", f"http://127.0.0.1:{provider.port}/v1"]))
        secret = prepare(folder / "place", provider.port)
        serve = ["-m", "touchstone", "serve", "--port", "0", "--json", "--workspace", str(folder / "place")]
        ours = stack.enter_context(started([*serve, "--log", str(folder / "gateway.log")], dict(os.environ)))
        places = {"bare": bare, "touchstone": ours}
        for at_once in (1, 32, 128):
            count = arguments.requests if at_once > 1 else max(200, arguments.requests // 5)
            compare(places, secret, count, at_once, stream=False, rounds=arguments.rounds)
        for paced in (False, True):
            compare(places, secret, arguments.streams, 32, stream=True, paced=paced, rounds=arguments.rounds)
        if arguments.slow_requests:
            slowly({"direct": provider, **places}, secret, arguments.slow_requests)
        if arguments.memory_requests:
            remember(ours, secret, arguments.memory_requests)


def compare(
    places: dict[str, Process], secret: str, count: int, at_once: int, *, stream: bool, rounds: int, paced: bool = False
) -> None:
    """Processor time and requests per second, one round of each place after the other."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, process in places.items():
            limit = PACED if paced else 64
            request = request_of(process.port, secret, stream=stream, max_tokens=limit)
            found[name].append(taken(process, request, requests=count, at_once=at_once))
    cpu = {name: statistics.median(one[0] for one in values) for name, values in found.items()}
    for name, values in found.items():
        what = f"stream of 100 chunks{', one every 5 ms' if paced else ''}" if stream else "request"
        say(
            gateway=name,
            what=what,
            at_once=at_once,
            cpu_ms=round(cpu[name], 3),
            per_second=round(statistics.median(one[1] for one in values)),
            times_bare=round(cpu[name] / cpu["bare"], 2),
        )


def slowly(places: dict[str, Process], secret: str, count: int) -> None:
    """What a gateway adds to the latency of a request when there is little to do."""
    ports = {name: (one.port, request_of(one.port, secret, stream=False)) for name, one in places.items()}
    found = run(latencies(ports, requests=count, per_second=20.0))
    assert isinstance(found, dict)
    direct = quantiles(found["direct"])
    for name, values in found.items():
        p50, p99 = quantiles(values)
        say(
            gateway=name,
            what="latency at 20 requests/s",
            p50_ms=round(p50, 2),
            p99_ms=round(p99, 2),
            added_p50_ms=round(p50 - direct[0], 2),
            added_p99_ms=round(p99 - direct[1], 2),
        )


def remember(process: Process, secret: str, count: int) -> None:
    """Memory while many requests go through; the first tenth warms up."""
    request = request_of(process.port, secret, stream=False)
    sizes = []
    for _ in range(10):
        run(load(process.port, request, requests=count // 10, at_once=32))
        sizes.append(process.resident_mib)
    say(
        gateway="touchstone",
        what="memory",
        requests=count,
        after_a_tenth_mib=round(sizes[0], 1),
        at_the_end_mib=round(sizes[-1], 1),
        growth_percent=round(100 * (sizes[-1] / sizes[0] - 1), 1),
    )


if __name__ == "__main__":
    main()
