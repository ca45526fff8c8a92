"""
The gateway of a workspace as others see it: whether one runs, where, since when, and how much is under way.

That it runs is what its lock says. Where it listens it writes beside the store (`gateway.json`) while it listens; what
an earlier process left there is known by the process that it names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.config import progress_file
from touchstone.deployment.gateway.lock import gateway_runs
from touchstone.deployment.gateway.server import listen
from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import charges, unsettled
from touchstone.errors import SettingsError
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun
from touchstone.workspace.job_child import birth, lives
from touchstone.workspace.jobs import Jobs, JobView
from touchstone.workspace.workspace import Workspace

_FILE = "gateway.json"
PORT = 8080
"""Where `touchstone serve` listens when nobody says otherwise."""
ABOUT = "/endpoints"
"""What jobs that serve are about."""
_LOOKED_AT = 50
"""The newest jobs among which one that serves, or could not, is looked for."""


class GatewayState(Noun):
    """How the gateway of a workspace stands."""

    is_running: bool
    address: str | None = None
    """`http://…:8080`, as this machine calls it; None while it starts or stops, and where it does not run."""
    since: str | None = None
    """A moment in UTC."""
    in_flight: int = 0
    """Requests under way."""

    @property
    def base_url(self) -> str | None:
        """What clients of OpenAI's protocol are given."""
        return None if self.address is None else f"{self.address}/v1"


@contextmanager
def told_of(workspace: Workspace, address: str) -> Iterator[None]:
    """Say where the gateway listens while the block lasts. A folder that cannot be written costs no request."""
    place = workspace.settings.workspace / _FILE
    said = {
        "address": address,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "process": os.getpid(),
        "process_birth": birth(os.getpid()),
        "job": _job_here(workspace.settings.workspace),
    }
    beside = place.with_name(f".{_FILE}.{os.getpid()}")
    with suppress(OSError):
        beside.write_bytes(orjson.dumps(said))
        beside.replace(place)
    try:
        yield
    finally:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _job_here(workspace: Path) -> str | None:
    """The job that this process is; None for one that somebody began in a shell."""
    progress = progress_file()
    if progress is None or progress.parent.parent.resolve() != (workspace / "jobs").resolve():
        return None
    return progress.parent.name


def gateway_state(workspace: Workspace) -> GatewayState:
    """How the gateway stands now. Raises `StoreError`."""
    engine = workspace.ledger.engine
    if not gateway_runs(engine):
        return GatewayState(is_running=False)
    said = _said(workspace.settings.workspace)
    prepare_store(engine)
    running = sa.select(sa.func.count()).select_from(charges).where(unsettled).where(charges.c.status == "running")
    with store_errors(), engine.connect() as connection:
        in_flight = int(connection.execute(running).scalar_one())
    if said is None:
        return GatewayState(is_running=True, in_flight=in_flight)
    return GatewayState(is_running=True, address=said["address"], since=said["since"], in_flight=in_flight)


def gateway_job(workspace: Workspace, jobs: Jobs) -> JobView | None:
    """
    The job that serves, or else the newest that was to: by it a page stops the gateway, or tells why none runs.

    None where nobody began one from a page, and where one that was begun in a shell serves.
    """
    said = _said(workspace.settings.workspace)
    if said is not None:
        return None if said["job"] is None else jobs.view(said["job"])
    return next((view for view in jobs.all(_LOOKED_AT) if view.job.verb == "serve"), None)


def check_port(port: int) -> None:
    """Whether a gateway could listen on this port of this machine now. Raises `SettingsError`."""
    listen("127.0.0.1", port).close()


def _said(workspace: Path) -> dict[str, Any] | None:
    """What a gateway that lives has written down."""
    try:
        said: dict[str, Any] = orjson.loads((workspace / _FILE).read_bytes())
        return said if lives(int(said["process"]), said["process_birth"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def suggested_port(jobs: Jobs) -> int:
    """Where a gateway could listen: where the last one did, else the first port from `PORT` on that is free."""
    for view in jobs.all(_LOOKED_AT):
        said = next((word for word in view.job.arguments if word.startswith("--port=")), None)
        if view.job.verb == "serve" and said is not None:
            return int(said.partition("=")[2])
    for port in range(PORT, PORT + 20):
        with suppress(SettingsError):
            check_port(port)
            return port
    return PORT
