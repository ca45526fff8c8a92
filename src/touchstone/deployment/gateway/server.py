"""
The process that listens: where it may bind, what it says while it runs, and how it stops (R4, A16).

Stopping is one sequence: no new connections, no new requests, what runs may end (`stop_s`), then streams are cut with
an error event and handlers are interrupted, so that everything is written down (`settle_s`), then connections close.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate

from uvicorn.config import Config
from uvicorn.server import ServerState

from touchstone.deployment.gateway.arrivals import Arrivals
from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.entrance import Hosts
from touchstone.deployment.gateway.protocol import StrictProtocol
from touchstone.errors import SettingsError, StoreError

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_BACKLOG = 2048
_LOOK_S = 0.05
"""How often a gateway that stops looks whether it is done."""
_KEYS_S = 0.25
"""How often keys are looked at whose end cuts what runs for them: a second is promised from end to cut."""
_FILES = 16_384
"""Files and sockets that a process may hold, where the system lets us ask for so many."""


def check_bind(host: str, allowed_hosts: Sequence[str], *, has_keys: bool) -> tuple[str, bool]:
    """
    The address to listen on, and whether only this machine can reach it.

    Another machine may only reach a gateway that has keys, and that knows by which names it is called (R4).

    Args:
        host: An address or a name of this machine.
        allowed_hosts: Names by which requests may address it.
        has_keys: Whether there is a key that is valid.

    Raises:
        SettingsError: it may not listen there, or there is no such address here.
    """
    address, is_local = where_to_listen(host)
    if is_local:
        return address, True
    if not allowed_hosts:
        raise SettingsError(
            "--host {host} lets other machines in; say by which names they may call the gateway, "
            "with --allow-host NAME for each, or leave --host out",
            host=host,
        )
    if "*" in "".join(allowed_hosts):
        raise SettingsError("--allow-host {names} has a *; name each host in full", names=", ".join(allowed_hosts))
    if not has_keys:
        raise SettingsError(
            "--host {host} lets other machines in, and there is no key yet; make one with: touchstone keys create",
            host=host,
        )
    return address, False


def where_to_listen(host: str) -> tuple[str, bool]:
    """
    The address that a host has on this machine, and whether only this machine can reach it.

    Raises:
        SettingsError: there is no such address here.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise SettingsError(
            "--host {host!r} is no address of this machine; leave it out for 127.0.0.1", host=host
        ) from None
    addresses = sorted({str(entry[4][0]) for entry in found}, key=lambda address: (":" in address, address))
    is_local = all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)
    return addresses[0], is_local


def listen(address: str, port: int) -> socket.socket:
    """
    A socket that listens; port 0 takes a free one.

    Raises:
        SettingsError: the port is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two processes have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(
            "the gateway cannot listen on {address} port {port}: {reason}; name another with --port",
            address=address,
            port=port,
            reason=getattr(error, "strerror", None) or str(error),
        ) from error
    listener.setblocking(False)
    return listener


def hosts_for(address: str, port: int, allowed_hosts: Sequence[str], *, local: bool) -> Hosts:
    """By which names requests may address a gateway that listens there."""
    written = f"[{address}]" if ":" in address else address
    names = [*allowed_hosts, *(dict.fromkeys((*_LOOPBACK_NAMES, written)) if local else ())]
    # A name without a port belongs to the default ports of the two schemes, which a proxy before it may have.
    return Hosts(names, (port,))


class Gateway:
    """
    Listens while the block lasts: `async with Gateway(door, listener) as gateway`.

    Args:
        door: The application.
        listener: A socket that listens.
        allowed_hosts: Further names by which it may be called.
        local: Whether only this machine can reach it.

    Attributes:
        address: `http://…`, as this machine calls it.
    """

    def __init__(
        self, door: Door, listener: socket.socket, *, allowed_hosts: Sequence[str] = (), local: bool = True
    ) -> None:
        self.door = door
        self.limits = door.limits
        host, port = listener.getsockname()[:2]
        self.address = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
        door.hosts = hosts_for(host, port, allowed_hosts, local=local)
        self._listener = listener
        self.arrivals = Arrivals(door.limits, door.observer.refused_unread)
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._beside: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Gateway:
        config = Config(
            self.door,
            http=StrictProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self.limits.keep_alive_s,  # type: ignore[arg-type]  # only ever given to the loop's timer
        )
        config.load()
        # uvicorn would write whole exceptions there; whatever reaches it was logged at the door, without its text.
        # Its other logger stays without a handler: with one it would make a line for each request.
        errors = logging.getLogger("uvicorn.error")
        if not errors.handlers:
            errors.addHandler(logging.NullHandler())
        errors.propagate = False
        more_files()
        self._tick()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: StrictProtocol(config, self._state, self.arrivals), sock=self._listener, backlog=_BACKLOG
        )
        self._beside = [asyncio.create_task(work()) for work in (self._tick_on, self._end_with_keys)]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode("ascii"))]

    async def _tick_on(self) -> None:
        seconds = 0
        while True:
            await asyncio.sleep(1)
            self._tick()
            seconds += 1
            if seconds % 300 == 0:
                self.door.admission.forget_idle()

    async def _end_with_keys(self) -> None:
        while True:
            await asyncio.sleep(_KEYS_S)
            # A store that does not answer ends no reply; it is asked again.
            with contextlib.suppress(StoreError):
                await self.door.end_with_keys()

    async def stop(self) -> None:
        """Stop as the module says; may be called twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self.door.stop()
        self.arrivals.stopping = True
        server.close()
        self._close_idle()
        await self._until(lambda: self.door.in_flight == 0, self.limits.stop_s)
        if self.door.in_flight:
            self.door.cut()
            await self._until(lambda: self.door.in_flight == 0, self.limits.settle_s)
        self._close_idle()
        await self._until(lambda: not self._state.connections, 1.5)
        for connection in tuple(self._state.connections):
            connection.transport.abort()
        for task in tuple(self._state.tasks):
            task.cancel()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        # One turn of the loop, in which connections that were aborted say so.
        await asyncio.sleep(0)
        await server.wait_closed()

    def _close_idle(self) -> None:
        for connection in tuple(self._state.connections):
            connection.shutdown()

    async def _until(self, done: Callable[[], bool], limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while not done() and loop.time() < deadline:
            await asyncio.sleep(min(_LOOK_S, limit_s))


def more_files() -> None:
    """Ask the system for as many files as thousands of connections take; as many as it gives must do."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def told_by_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM or Ctrl-C set; a second signal changes nothing, because stopping has its own end."""
    event = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    installed: list[signal.Signals] = []
    before = {}
    for number in numbers:
        try:
            loop.add_signal_handler(number, event.set)
            installed.append(number)
        except NotImplementedError:  # Windows
            before[number] = signal.signal(number, lambda *_: loop.call_soon_threadsafe(event.set))
    try:
        yield event
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
        for number, handler in before.items():
            signal.signal(number, handler)
