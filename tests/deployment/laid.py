"""A store with all its tables, made once in a process of tests and copied to where a test begins with an empty one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from touchstone.config import Settings
from touchstone.deployment.govern.state import prepare_store
from touchstone.workspace.workspace import Workspace

_NAME = "touchstone.sqlite"


def lay_store(folder: Path) -> Path:
    """Lay it into a folder, as whoever opens it first would make it; one that lies there stays. Where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _NAME
    if not file.exists():
        file.write_bytes(_made())
    return file


@cache
def _made() -> bytes:
    with TemporaryDirectory() as folder:
        with Workspace(Settings(workspace=Path(folder), workspace_from="test")) as workspace:
            prepare_store(workspace.ledger.engine)
        return Path(folder, _NAME).read_bytes()
