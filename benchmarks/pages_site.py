"""The pages of a workspace on loopback, and what a request to them takes."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


class PagesSite:
    """The pages of a workspace on loopback, and somebody who is signed in."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> tuple[str, str]:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        while not self._ready.wait(0.1):
            assert self._thread.is_alive(), "the site did not start"
        place = urlsplit(self._server.new_link())
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        connection.request("GET", place.path + (f"?{place.query}" if place.query else ""))
        answer = connection.getresponse()
        answer.read()
        cookies = [one.partition(";")[0] for one in answer.headers.get_all("set-cookie") or ()]
        connection.close()
        return self._server.address, "; ".join(cookies)

    def __exit__(self, *_error: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _run(self) -> None:
        from touchstone.config import Settings
        from touchstone.deployment.gateway.server import listen
        from touchstone.web.server import SiteServer
        from touchstone.web.sessions import Sessions
        from touchstone.web.site import Site

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        site = Site(Settings(workspace=self._place, workspace_from="benchmark"), Sessions(self._place))
        async with SiteServer(site, listen("127.0.0.1", 0)) as self._server:
            self._ready.set()
            await self._stop.wait()
        site.close()


def get(address: str, cookie: str, path: str) -> tuple[float, float]:
    """Milliseconds of a request: by the clock, and of processor time, the asking included."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
    began, used = time.perf_counter(), time.process_time()
    connection.request("GET", path, headers={"Cookie": cookie, "Accept-Language": "en"})
    answer = connection.getresponse()
    body = answer.read()
    took = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)
    connection.close()
    assert answer.status == 200, (answer.status, path, body[-600:])
    return took
