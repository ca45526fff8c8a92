"""
The least that a gateway of this kind can be: uvicorn, httptools and aiohttp, no key, no check, no row.

`python -m benchmarks.gateway_bare BASE_URL` prints its port and passes every request on. What the real gateway takes is
told in multiples of this one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Bare:
    """The ASGI application."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            return
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        url = self.base_url + scope["path"].removeprefix("/v1")
        async with self.session.post(url, data=body, headers={"content-type": "application/json"}) as response:
            kind = response.headers["content-type"].encode("latin-1")
            headers = [(b"content-type", kind)]
            streamed = kind.startswith(b"text/event-stream")
            if not streamed:
                whole = await response.read()
                headers.append((b"content-length", b"%d" % len(whole)))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            if not streamed:
                await send({"type": "http.response.body", "body": whole})
                return
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def serve(base_url: str) -> None:
    """Listen on a free port of the loopback, print it, and go on until standard input is closed."""
    config = uvicorn.Config(
        Bare(base_url), port=0, http="httptools", ws="none", lifespan="off", log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), lambda: setattr(server, "should_exit", True))
    await serving


if __name__ == "__main__":
    from touchstone.workspace.session import event_loop

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve(sys.argv[1]))
