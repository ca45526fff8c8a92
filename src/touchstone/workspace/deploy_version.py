"""The last step of every deployment: a name that requests can use, and a version in the store, or nothing at all."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from touchstone.deployment.base import Endpoint, Version
from touchstone.deployment.endpoints.registry import Registry
from touchstone.errors import SettingsError, TouchstoneError
from touchstone.workspace.workspace import Workspace


def endpoint_name(text: str) -> str:
    """A name for an endpoint out of any text: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:64].strip("-._") or "endpoint"


def wanted_name(given: str | None, otherwise: str) -> str:
    """
    The name of an endpoint, looked at before a folder is made that is called so.

    Args:
        given: As somebody wrote it; None makes one of the other text.
        otherwise: Any text.

    Raises:
        SettingsError: no request could name it so.
    """
    if given is not None and given != endpoint_name(given):
        raise SettingsError(
            "{field} is {value!r}; use small letters, digits, dots and dashes, such as {example}",
            field="--name",
            value=given,
            example=endpoint_name(given),
        )
    return given or endpoint_name(otherwise)


def put_version(
    workspace: Workspace,
    name: str,
    place: Path,
    make: Callable[[int], Version],
    *,
    percent: int,
    project: str | None,
    who: str,
) -> Endpoint:
    """
    Give an endpoint a version whose files lie in `place`, which goes where the endpoint cannot have it.

    Raises:
        SettingsError: see `Registry.add_version`.
        StoreError: the store takes no rows.
    """
    try:
        return Registry(workspace.ledger.engine, who).add_version(name, make, percent=percent, project=project)
    except TouchstoneError:
        shutil.rmtree(place, ignore_errors=True)
        raise
