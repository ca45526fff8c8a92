"""A gateway as a process of its own, over a workspace that a test prepared."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.faults.child import command, environment

from touchstone.catalog.base import Price
from touchstone.config import Settings
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.state import prepare_store
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
        with Workspace(Settings(workspace=self.folder, workspace_from="test")) as place:
            prepare_store(place.ledger.engine)
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


@dataclass
class Running:
    """A gateway that runs."""

    process: subprocess.Popen[str]
    url: str
    """Up to `/v1`."""


@contextmanager
def serving(place: Place, *more: str) -> Iterator[Running]:
    """`touchstone serve` on a free port, ended at the end of the block; standard error goes into `serve.log`."""
    log = place.folder.parent / "serve.log"
    with log.open("a") as said:
        process = subprocess.Popen(
            command("serve", "--port", "0", "--json", "--workspace", str(place.folder), "--stop-seconds", "1", *more),
            env=environment(place.folder.parent),
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Running(process, json.loads(line)["url"])
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
            process.communicate()
