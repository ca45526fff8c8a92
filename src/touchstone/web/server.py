"""The process that serves the pages: where it may listen, what it prints, and how it stops (R4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvicorn

from touchstone.config import Settings
from touchstone.deployment.gateway.server import hosts_for, listen, told_by_signals
from touchstone.errors import SettingsError
from touchstone.web.dispatch import Pages
from touchstone.web.routes import table
from touchstone.web.sessions import Sessions
from touchstone.web.site import Site

_LOCAL = ("127.0.0.1", "::1", "localhost")
_STOP_S = 3
_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True)
class SiteOptions:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8321
    """0 takes a free one."""
    allowed_hosts: tuple[str, ...] = ()
    language: str = "en"


def serve_pages(settings: Settings, options: SiteOptions, *, listening: Callable[[str, str], None]) -> None:
    """
    Serve the pages until a signal says stop. Work that was begun goes on in its own processes.

    Args:
        listening: Told the address and the single-use link once requests are taken.

    Raises:
        SettingsError: it may not listen where it was asked to.
    """
    if options.host not in _LOCAL:
        raise SettingsError(
            "--host {host} lets other machines in, and nobody has an account yet; leave --host out", host=options.host
        )
    listener = listen("127.0.0.1" if options.host == "localhost" else options.host, options.port)
    site = Site(settings, Sessions(settings.workspace))
    try:
        asyncio.run(_serve(site, options, listener, listening))
    finally:
        site.close()


class SiteServer:
    """
    Serves while the block lasts: `async with SiteServer(site, listener) as server`.

    Args:
        listener: A socket that listens.
        allowed_hosts: Further names by which browsers may call it.
        local: Whether only this machine can reach it.

    Attributes:
        address: `http://…`, as this machine calls it.
    """

    def __init__(
        self, site: Site, listener: socket.socket, *, allowed_hosts: Sequence[str] = (), local: bool = True
    ) -> None:
        host, port = listener.getsockname()[:2]
        self.site = site
        self.address = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
        self.pages = Pages(
            site, table(), hosts_for(host, port, allowed_hosts, local=local), cookie=f"touchstone_{port}"
        )
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.pages, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
                proxy_headers=False, server_header=False, timeout_graceful_shutdown=_STOP_S,
                h11_max_incomplete_event_size=_HEAD_BYTES,
            )
        )  # fmt: skip
        # Whoever started this has its own words for stopping.
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self.running: asyncio.Task[None] | None = None

    def new_link(self) -> str:
        """An address that opens one session, once."""
        return f"{self.address}/enter/{self.site.sessions.new_link()}"

    async def __aenter__(self) -> SiteServer:
        errors = logging.getLogger("uvicorn.error")
        if not errors.handlers:
            errors.addHandler(logging.NullHandler())
        self.running = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self.running.done():
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self.running is not None
        self.pages.stopping.set()
        self._server.should_exit = True
        await self.running


async def _serve(
    site: Site, options: SiteOptions, listener: socket.socket, listening: Callable[[str, str], None]
) -> None:
    async with SiteServer(site, listener, allowed_hosts=options.allowed_hosts) as server:
        site.jobs("default").go_on_with_interrupted(language=options.language)
        with told_by_signals() as stop:
            listening(server.address, server.new_link())
            waiting = asyncio.create_task(stop.wait())
            assert server.running is not None
            await asyncio.wait({server.running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
