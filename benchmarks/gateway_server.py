"""
A server that is measured: `python -m benchmarks.gateway_server bare|door` prints its port and serves until stdin ends.

Both read a JSON body and answer with one of 600 bytes, or with a stream of 100 events. `bare` is the smallest ASGI
application on uvicorn with httptools; `door` is the gateway's door, with keys, limits, metrics and a log, and the
same handlers behind it. `GET /healthz` of either says how much processor time the process has used.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Collection
from typing import Any

import orjson
import uvloop

REPLY = orjson.dumps({"id": "x", "choices": [{"message": {"role": "assistant", "content": "a" * 500}}]})
EVENT = b'data: {"choices":[{"delta":{"content":"token "}}]}\n\n'
PIECES = 100
SECRET = "ts-" + "k" * 43


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The smallest application that does the same work."""
    if scope["path"] == "/healthz":
        body = orjson.dumps({"cpu_s": time.process_time()})
    else:
        pieces = []
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        asked = orjson.loads(b"".join(pieces))
        body = REPLY
        if asked.get("stream"):
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for _ in range(PIECES):
                await send({"type": "http.response.body", "body": EVENT, "more_body": True})
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b""})
            return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve_bare() -> None:
    """Uvicorn as it comes."""
    from uvicorn import Config, Server

    config = Config(
        bare, port=0, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await _until_stdin_ends()
    server.should_exit = True
    await serving


async def serve_door() -> None:
    """The door with keys, limits, metrics and a log to nowhere."""
    from touchstone.deployment.base import Key, Limits
    from touchstone.deployment.gateway.base import EVENTS, Incoming, Outgoing, Route
    from touchstone.deployment.gateway.door import Door
    from touchstone.deployment.gateway.json_log import JsonLog
    from touchstone.deployment.gateway.limits import DoorLimits
    from touchstone.deployment.gateway.observe import Observer
    from touchstone.deployment.gateway.server import Gateway, listen

    key = Key(
        id=1, name="k", shown=SECRET[:8], created_at="2026-01-01",
        limits=Limits(requests_per_minute=10_000_000, tokens_per_minute=1_000_000_000),
    )  # fmt: skip

    class Keys:
        async def found(self, secret: str) -> Key | None:
            return key if secret == SECRET else None

        async def ended(self, numbers: Collection[int]) -> Collection[int]:
            return set(numbers) - {key.id}

    async def healthz(_incoming: Incoming) -> Outgoing:
        return Outgoing(200, orjson.dumps({"cpu_s": time.process_time()}))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield EVENT
            await asyncio.sleep(0)

    async def chat(incoming: Incoming) -> Outgoing:
        asked = await incoming.json()
        assert incoming.visit is not None
        incoming.visit.take_tokens(300)
        incoming.visit.settle_tokens(200)
        incoming.facts.endpoint, incoming.facts.kind = "model", "chat"
        incoming.facts.input_tokens, incoming.facts.output_tokens = 100, 100
        if asked.get("stream"):
            return Outgoing(200, pieces(), content_type=EVENTS)
        return Outgoing(200, REPLY)

    routes = (
        Route("GET", "/healthz", "open", healthz, "Time used."),
        Route("POST", "/v1/chat/completions", "infer", chat, "Ask.", media="json"),
    )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    observer = Observer(JsonLog(lambda block: os.write(nowhere, block)))
    door = Door(routes, Keys(), limits=DoorLimits(), observer=observer)
    async with Gateway(door, listen("127.0.0.1", 0)) as gateway:
        print(gateway.address.rsplit(":", 1)[1], flush=True)
        await _until_stdin_ends()
    observer.close()


async def _until_stdin_ends() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_door() if sys.argv[1] == "door" else serve_bare())
