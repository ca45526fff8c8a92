"""What commands and pages ask about keys, money and usage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from touchstone.deployment.govern.audit import Act, acts
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import endpoints
from touchstone.errors import SettingsError
from touchstone.evaluation.store_errors import store_errors
from touchstone.workspace.workspace import Workspace


class Govern:
    """
    Keys, usage and the audit log of a workspace; its tables are made when they are first needed.

    Args:
        workspace: Stays open as long as this is used.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def engine(self) -> sa.Engine:
        """The store, with the tables of this room. Raises `StoreError`."""
        engine = self._workspace.ledger.engine
        prepare_store(engine)
        return engine

    @cached_property
    def keys(self) -> Keys:
        """The keys. Raises `StoreError` where the pepper cannot be read or is another one."""
        return Keys(self.engine, load_pepper(self._workspace.settings.workspace))

    def acts(self, **wanted: str | int | None) -> Sequence[Act]:
        """The audit log, newest first; see `govern/audit.py`."""
        return acts(self.engine, **wanted)  # type: ignore[arg-type]  # handed on by name

    def unknown_endpoints(self, names: Sequence[str]) -> Sequence[str]:
        """Those of the names under which nothing is served yet."""
        query = sa.select(endpoints.c.name).where(endpoints.c.name.in_(names))
        with store_errors(), self.engine.connect() as connection:
            known = set(connection.execute(query).scalars())
        return [name for name in names if name not in known]


def write_text(flag: str, file: Path, text: str) -> None:
    """Write a file that a flag names, as UTF-8. Raises `SettingsError`."""
    try:
        # No translation of line ends: CSV has its own.
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsError(
            "{flag} {path} cannot be written: {reason}",
            flag=flag,
            path=str(file),
            reason=error.strerror or type(error).__name__,
        ) from None


def user_name() -> str:
    """Who runs this process, for the audit log: what the system calls the user, never what a variable says."""
    import os
    import sys

    if sys.platform == "win32":
        return f"user {os.getlogin()}"
    import pwd

    try:
        return f"user {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user {os.getuid()}"  # a container may have users without a name
