"""A gateway as a process of its own, over a workspace that a test prepared."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests import warm
from tests.deployment.laid import lay_store
from tests.faults.child import environment

from touchstone.catalog.base import Price
from touchstone.config import Settings
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.tables import charges
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.workspace import Workspace

PRICE = Price(input_usd=2.0, output_usd=8.0)


@dataclass
class Place:
    """A workspace, and keys that were made in it."""

    folder: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self) -> Iterator[Workspace]:
        """The workspace, for a moment."""
        lay_store(self.folder)
        with Workspace(Settings(workspace=self.folder, workspace_from="test")) as place:
            yield place

    def deploy(self, name: str, base_url: str) -> None:
        """A provider's model as an endpoint."""
        with self.opened() as place:
            parameters = {"base_url": base_url, "served_name": "parrot"}
            deploy_model(place, "openai-compatible", Order(name=name, price=PRICE), who="test", parameters=parameters)

    def key(self, name: str, **more: Any) -> str:
        """The secret of a new key."""
        with self.opened() as place:
            keys = Keys(place.ledger.engine, load_pepper(self.folder))
            _key, self.secrets[name] = keys.create(name, who="test", **more)
            keys.close()
        return self.secrets[name]

    def rows(self) -> list[dict[str, Any]]:
        """All rows of requests."""
        with self.opened() as place, place.ledger.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(charges)).mappings()]


class Process:
    """
    `touchstone serve` in a process of its own (`warm.py`), with what a test does to it.

    Args:
        folder: Where its words are kept, in `serve-1.out`, `serve-1.err` and so on.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        number = 1 + sum(1 for _ in folder.glob("serve-*.out"))
        self.out, self.err = (folder / f"serve-{number}.{end}" for end in ("out", "err"))
        told = ("serve", "--port", "0", "--json", "--stop-seconds", "1", *arguments)
        self._process = warm.start(told, folder=folder, environment=environment(folder), out=self.out, err=self.err)

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Tell it something, where it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        """How it ended, if it did within so many seconds."""
        self._process.join(seconds)
        return self.returncode

    def url(self) -> str:
        """Where it listens, up to `/v1`, once it does."""
        while not (line := self.out.read_text() if self.out.exists() else "").endswith("\n"):
            assert self.returncode is None, self.err.read_text()
            time.sleep(0.005)
        return str(json.loads(line)["url"])


@dataclass
class Running:
    """A gateway that runs."""

    process: Process
    url: str
    """Up to `/v1`."""


@contextmanager
def serving(place: Place, *more: str) -> Iterator[Running]:
    """`touchstone serve` on a free port, ended at the end of the block."""
    process = Process(place.folder.parent, "--workspace", str(place.folder), *more)
    try:
        yield Running(process, process.url())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) is not None
