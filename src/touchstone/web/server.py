"""
The process that serves the pages: where it may listen, what it prints, and how it stops (R4).

Connections are the gateway's: deadlines for head, body and silence, caps on sizes and numbers, and no tolerance for
what can be read in two ways (R26, A5 to A7).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.config import Config
from uvicorn.server import ServerState

from touchstone.config import Settings, keep_keys_in
from touchstone.deployment.gateway.arrivals import Arrivals
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.protocol import StrictProtocol
from touchstone.deployment.gateway.server import hosts_for, listen, told_by_signals
from touchstone.errors import SettingsError
from touchstone.web.bind import check_bind
from touchstone.web.compress import Compressed
from touchstone.web.dispatch import Pages
from touchstone.web.oidc import load_issuer
from touchstone.web.routes import table
from touchstone.web.sessions import Sessions
from touchstone.web.site import Site
from touchstone.workspace.projects import projects

_STOP_S = 3
LIMITS = DoorLimits(connections=1024, connections_per_address=512, body_bytes=1 << 20)
"""Browsers keep six connections each; whoever needs more than this is no browser. Routes with files take more."""


@dataclass(frozen=True)
class SiteOptions:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8321
    """0 takes a free one."""
    allowed_hosts: tuple[str, ...] = ()
    language: str = "en"


@dataclass(frozen=True)
class Listening:
    """What is told once requests are taken."""

    address: str
    link: str | None
    """Opens one session, once; None where people sign in."""
    is_local: bool
    """Whether only this machine reaches it."""


def serve_pages(settings: Settings, options: SiteOptions, *, listening: Callable[[Listening], None]) -> None:
    """
    Serve the pages until a signal says stop. Work that was begun goes on in its own processes.

    Args:
        listening: Told the address, and the single-use link, once requests are taken.

    Raises:
        SettingsError: it may not listen where it was asked to.
    """
    sessions = Sessions(settings.workspace)
    try:
        issuer = load_issuer(settings.workspace)
        governed = any(person.governs for person in sessions.people.all())
        address, sessions.local = check_bind(
            options.host, options.allowed_hosts, has_people=governed or issuer is not None
        )
        listener = listen(address, options.port)
    except SettingsError:
        sessions.close()
        raise
    keep_keys_in(settings.workspace)
    site = Site(settings, sessions)
    site.issuer = issuer
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
        limits: How much, how long and how many.

    Attributes:
        address: `http://…`, as this machine calls it.
    """

    def __init__(
        self, site: Site, listener: socket.socket, *, allowed_hosts: Sequence[str] = (), limits: DoorLimits = LIMITS
    ) -> None:
        host, port = listener.getsockname()[:2]
        self.site = site
        self.address = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
        issuer = site.issuer
        site.address = issuer.address if issuer is not None and issuer.address else self.address
        self.pages = Pages(
            site,
            table(),
            hosts_for(host, port, allowed_hosts, local=site.sessions.local),
            cookie=f"touchstone_{port}",
            secure=site.address.startswith("https:"),
        )
        self.arrivals = Arrivals(limits)
        arrivals = self.arrivals

        class Connection(StrictProtocol):
            """uvicorn makes these; all of a site are counted together."""

            def __init__(self, config: Config, server_state: ServerState, **_more: Any) -> None:
                super().__init__(config, server_state, arrivals)

        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                Compressed(self.pages), http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
                proxy_headers=False, server_header=False, timeout_graceful_shutdown=_STOP_S,
                timeout_keep_alive=int(limits.keep_alive_s),
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
        errors.propagate = False
        self.running = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self.running.done():
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self.running is not None
        self.pages.stopping.set()
        self.arrivals.stopping = True
        self._server.should_exit = True
        await self.running


async def _serve(
    site: Site, options: SiteOptions, listener: socket.socket, listening: Callable[[Listening], None]
) -> None:
    async with SiteServer(site, listener, allowed_hosts=options.allowed_hosts) as server:
        for project in projects(site.settings.workspace):
            site.jobs(project).go_on_with_interrupted(language=options.language)
        with told_by_signals() as stop:
            people = site.sessions.people.all()
            link = server.new_link() if site.sessions.local and not people else None
            listening(Listening(site.address if link is None else server.address, link, site.sessions.local))
            waiting = asyncio.create_task(stop.wait())
            assert server.running is not None
            await asyncio.wait({server.running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
