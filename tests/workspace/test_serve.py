"""`touchstone serve` as a process: it locks, listens, follows the store and ends with 0."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Run
from tests.deployment.api.process import Process
from tests.deployment.gateway.house import Client, request

from touchstone.config import Settings
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.state import prepare_store
from touchstone.workspace.workspace import Workspace


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[tuple[Process, int]]:
    process = Process(folder.parent, "--workspace", str(folder), *more)
    try:
        yield process, int(process.url().rsplit(":", 1)[1].partition("/")[0])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)


def keys_of(folder: Path) -> tuple[Workspace, Keys]:
    place = Workspace(Settings(workspace=folder, workspace_from="test"))
    prepare_store(place.ledger.engine)
    return place, Keys(place.ledger.engine, load_pepper(folder))


def status(port: int, path: str, bearer: str | None = None) -> int:
    with Client(port) as client:
        more = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        client.send(request("GET", path, port=port, key=None, **more))
        return client.reply().status


def test_it_serves_a_workspace_that_changes_under_it(tmp_path: Path) -> None:
    """A key made while it runs is let in, a revoked one is refused within a second, and SIGTERM ends it with 0."""
    folder = tmp_path / "place"
    log = tmp_path / "gateway.log"
    with serving(folder, "--log", str(log)) as (process, port):
        assert status(port, "/healthz") == status(port, "/readyz") == status(port, "/openapi.json") == 200
        place, keys = keys_of(folder)
        with place:
            key, bearer = keys.create("one", who="test")
            assert status(port, "/v1/models", bearer) == 200
            assert status(port, "/metrics", bearer) == 403
            keys.revoke(key.id, who="test")
            time.sleep(1.05)
            assert status(port, "/v1/models", bearer) == 401
            keys.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        said = process.err.read_text()
    assert f"serving on http://127.0.0.1:{port}/v1" in said
    assert bearer.encode() not in log.read_bytes()
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200, 403, 401]
    assert log.stat().st_mode & 0o077 == 0


def test_a_workspace_has_one_gateway(tmp_path: Path, touchstone: Run) -> None:
    """A second one is refused and says what to do; when the first was killed, the next one starts."""
    folder = tmp_path / "place"
    with serving(folder) as (process, port):
        second = touchstone("serve", "--port", "0", "--workspace", folder)
        assert second.returncode == 2
        assert "another gateway serves this workspace" in second.stderr
        assert touchstone("trials", "--workspace", folder).returncode == 0
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with serving(folder) as (_process, port):
        assert status(port, "/healthz") == 200


def test_mistakes_are_one_line(tmp_path: Path, touchstone: Run) -> None:
    """An address that lets others in, a port that is taken and a log that cannot be written say what to write."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for flags, words in (
            (("--host", "0.0.0.0"), "--allow-host"),
            (("--host", "0.0.0.0", "--allow-host", "models.example"), "touchstone keys create"),
            (("--host", "999.1.1.1"), "no address of this machine"),
            (("--port", str(taken.getsockname()[1])), "--port"),
            (("--log", tmp_path / "none" / "x.log"), "--log"),
        ):
            found = touchstone("serve", *flags, "--workspace", tmp_path / "place")
            assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
            assert words in found.stderr
