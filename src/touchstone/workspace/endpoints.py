"""What commands and pages ask of endpoints: who they are, what speaks for them, and where they can be reached."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.deployment.base import Endpoint, Version
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.govern.tables import endpoint_states
from touchstone.evaluation.store_errors import store_errors
from touchstone.workspace.workspace import Workspace


class ProcessRow(NamedTuple):
    """One process of an endpoint, as the gateway last noted it."""

    version: int
    replica: int
    state: str
    since: str
    restarts: int
    pid: int | None
    note: str | None


class Standing(NamedTuple):
    """One endpoint as a table shows it."""

    endpoint: Endpoint
    processes: tuple[ProcessRow, ...]
    expired: tuple[int, ...]
    """Versions whose evidence is older than their decision allows."""


def registry(workspace: Workspace, who: str) -> Registry:
    """The endpoints of a workspace, to change them."""
    return Registry(workspace.ledger.engine, who)


def remove_endpoint(workspace: Workspace, name: str, who: str) -> None:
    """
    Take an endpoint out, with the copies of what its versions were made of.

    Raises:
        UnknownName: there is none of this name.
        SettingsError: another one relies on it.
    """
    registry(workspace, who).remove(name)
    shutil.rmtree(workspace.settings.workspace / "endpoints" / name, ignore_errors=True)


def standings(workspace: Workspace, today: date) -> tuple[Standing, ...]:
    """Every endpoint, by name."""
    found = registry(workspace, "").all()
    return tuple(_standing(workspace, one, today) for one in found)


def standing(workspace: Workspace, name: str, today: date) -> Standing:
    """One endpoint. Raises `UnknownName`."""
    return _standing(workspace, registry(workspace, "").find(name), today)


def _standing(workspace: Workspace, endpoint: Endpoint, today: date) -> Standing:
    table = endpoint_states
    query = sa.select(table).where(table.c.name == endpoint.name).order_by(table.c.version, table.c.replica)
    with store_errors(), workspace.ledger.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return Standing(
        endpoint,
        tuple(
            ProcessRow(
                row["version"], row["replica"], row["state"], row["since"], row["restarts"], row["pid"], row["note"]
            )
            for row in rows
        ),
        tuple(one.number for one in endpoint.versions if is_expired(one, today)),
    )


def is_expired(version: Version, today: date) -> bool:
    """Whether the evidence of a version is older than its decision allows."""
    return (
        version.evidence is not None
        and version.evidence.expires_on is not None
        and version.evidence.expires_on <= today
    )


def as_json(found: Sequence[Standing]) -> bytes:
    """Endpoints for programs."""
    return orjson.dumps({"schema": "touchstone.endpoints/1", "endpoints": [_plain(one) for one in found]})


def _plain(found: Standing) -> Mapping[str, Any]:
    return {
        **found.endpoint.model_dump(mode="json"),
        "processes": [process._asdict() for process in found.processes],
        "evidence_expired": list(found.expired),
    }
