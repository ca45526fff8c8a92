"""`touchstone serve`: the gateway of a workspace, from its lock to its last line of the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.json_log import JsonLog, RotatingFile, to_stderr
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.lock import GatewayLock
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.own_routes import own_routes
from touchstone.deployment.gateway.server import Gateway, check_bind, listen, told_by_signals
from touchstone.deployment.govern.batches import BatchLimits
from touchstone.deployment.govern.files import FileLimits
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.retention import Retention
from touchstone.deployment.govern.state import prepare_store
from touchstone.workspace.gateway_state import told_of
from touchstone.workspace.serving import open_api
from touchstone.workspace.session import event_loop, rare_collection
from touchstone.workspace.workspace import Workspace


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    allowed_hosts: tuple[str, ...] = ()
    log: Path | None = None
    """Where lines of the log go; None writes them to standard error."""
    spans: bool = False
    """Whether OpenTelemetry spans are sent."""
    limits: DoorLimits = field(default_factory=DoorLimits)
    webhook: str | None = None
    """Sent a message when a budget is half spent, nearly spent, spent."""
    retention: Retention = field(default_factory=Retention)
    files: FileLimits = field(default_factory=FileLimits)
    batches: BatchLimits = field(default_factory=BatchLimits)


def serve(workspace: Workspace, options: ServeOptions, *, listening: Callable[[str], None]) -> None:
    """
    Serve until a signal says stop; returns when everything that ran has ended and is written down.

    Args:
        listening: Told the address once requests are taken.

    Raises:
        SettingsError: it may not listen where it was asked to, or the webhook's address cannot be used.
        StoreBusy: another gateway serves this workspace.
        ExtraMissing: spans were asked for and their library is not installed.
    """
    engine = workspace.ledger.engine
    with GatewayLock(engine):
        prepare_store(engine)
        keys = Keys(engine, load_pepper(workspace.settings.workspace))
        try:
            has_keys = any(keys.state(key) == "live" for key in keys.list())
            address, local = check_bind(options.host, options.allowed_hosts, has_keys=has_keys)
            with (
                _observer(options) as observer,
                contextlib.closing(listen(address, options.port)) as listener,
                rare_collection(),
                asyncio.Runner(loop_factory=event_loop) as runner,
            ):
                runner.run(_serve(workspace, keys, observer, listener, options, local=local, listening=listening))
        finally:
            keys.close()


class IntoJson(logging.Handler):
    """
    What our modules say of themselves, as records of the gateway's own log: a line each, escaped (A11).

    Args:
        log: Takes the records.
    """

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Note one record; what an exception says beside it stays out, for it may quote a request."""
        self._log.note(record.name, {"level": record.levelname.lower(), "text": record.getMessage()})


@contextmanager
def _observer(options: ServeOptions) -> Iterator[Observer]:
    log = JsonLog(to_stderr if options.log is None else RotatingFile(options.log).write)
    observer = Observer(log)
    logger, handler = logging.getLogger("touchstone"), IntoJson(log)
    logger.addHandler(handler)
    try:
        if options.spans:
            from touchstone.deployment.gateway.spans import GenAiSpans

            observer.spans = GenAiSpans()
        yield observer
    finally:
        logger.removeHandler(handler)
        observer.close()


async def _serve(
    workspace: Workspace,
    keys: Keys,
    observer: Observer,
    listener: socket.socket,
    options: ServeOptions,
    *,
    local: bool,
    listening: Callable[[str], None],
) -> None:
    with told_by_signals() as stop:
        async with open_api(
            workspace,
            keys,
            webhook=options.webhook,
            retention=options.retention,
            limits=options.limits,
            observer=observer,
            files=options.files,
            batches=options.batches,
        ) as api:
            if api.recovered and observer.log is not None:
                observer.log.note("in_doubt", {"requests": api.recovered})
            routes = own_routes(
                observer=observer,
                models=api.models,
                ready=lambda: api.ready and not stop.is_set(),
                others=api.routes,
            )
            door = Door(routes, keys, limits=options.limits, observer=observer)
            async with (
                api.background.working(door.admission),
                Gateway(door, listener, allowed_hosts=options.allowed_hosts, local=local) as gateway,
            ):
                with told_of(workspace, gateway.address):
                    listening(gateway.address)
                    await stop.wait()
                api.background.runner.halt()
