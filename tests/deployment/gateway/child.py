"""The gateway with a test's routes in a process of its own, as `touchstone serve` runs it (`child.py STOP SETTLE`)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.deployment.gateway.house import ANN, FakeKeys, Handlers

from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.json_log import JsonLog, to_stderr
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.own_routes import own_routes
from touchstone.deployment.gateway.server import Gateway, listen, told_by_signals
from touchstone.workspace.session import event_loop


async def serve(limits: DoorLimits) -> None:
    """Serve until a signal; then say how the streams ended, as the meter's rows would."""
    handlers = Handlers()
    with told_by_signals() as stop, contextlib.closing(Observer(JsonLog(to_stderr))) as observer:
        routes = own_routes(
            observer=observer, models=lambda _key: (), ready=lambda: not stop.is_set(), others=handlers.routes()
        )
        door = Door(routes, FakeKeys(ANN), limits=limits, observer=observer)
        async with Gateway(door, listen("127.0.0.1", 0)) as gateway:
            print(gateway.address.rsplit(":", 1)[1], flush=True)  # noqa: T201 - to the test
            await stop.wait()
    print(" ".join(sorted(handlers.ended)), handlers.held, flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    given = DoorLimits(stop_s=float(sys.argv[1]), settle_s=float(sys.argv[2]))
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve(given))
