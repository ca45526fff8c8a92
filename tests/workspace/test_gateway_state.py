"""The gateway as others see it: that it runs, where, for whom, and what becomes of it when its machine ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from touchstone.config import Settings
from touchstone.deployment.gateway.lock import GatewayLock, gateway_runs
from touchstone.errors import SettingsError
from touchstone.workspace.gateway_state import check_port, gateway_job, gateway_state, suggested_port, told_of
from touchstone.workspace.job_child import birth
from touchstone.workspace.jobs import Jobs
from touchstone.workspace.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(Settings(workspace=tmp_path, workspace_from="test")) as place:
        yield place


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_where_nothing_runs(workspace: Workspace, tmp_path: Path) -> None:
    """Nothing is said, and looking makes nothing that a gateway would trip over."""
    assert gateway_state(workspace).is_running is False
    assert gateway_job(workspace, Jobs(tmp_path)) is None


def test_it_says_where_it_listens_while_it_does(workspace: Workspace, tmp_path: Path) -> None:
    """The lock says that it runs, the file where; one that is left from an earlier process says nothing."""
    with GatewayLock(workspace.ledger.engine):
        assert gateway_runs(workspace.ledger.engine)
        state = gateway_state(workspace)
        assert (state.is_running, state.address, state.base_url) == (True, None, None)
        with told_of(workspace, "http://127.0.0.1:8123"):
            state = gateway_state(workspace)
            assert (state.base_url, state.in_flight) == ("http://127.0.0.1:8123/v1", 0)
            left = orjson.loads((tmp_path / "gateway.json").read_bytes())
            # The system gives numbers of processes again; this one began at another moment.
            (tmp_path / "gateway.json").write_bytes(orjson.dumps({**left, "process_birth": 1}))
            assert gateway_state(workspace).address is None
        assert not (tmp_path / "gateway.json").exists()
    assert gateway_state(workspace).is_running is False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells what has ended from what runs")
def test_one_that_was_killed_says_nothing_though_nobody_has_looked_after_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Until its parent asks how it ended it keeps number and birth; its successor listens nowhere yet."""
    with (
        GatewayLock(workspace.ledger.engine),
        told_of(workspace, "http://127.0.0.1:8123"),
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other,
    ):
        left = orjson.loads((tmp_path / "gateway.json").read_bytes())
        born = birth(other.pid)
        said = {**left, "process": other.pid, "process_birth": born}
        (tmp_path / "gateway.json").write_bytes(orjson.dumps(said))
        assert gateway_state(workspace).address == "http://127.0.0.1:8123"
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert birth(other.pid) == born
        assert gateway_state(workspace).address is None


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"process": "x"}', b'{"process": 1e400}', b"null"])
def test_a_file_that_says_nothing_sensible(workspace: Workspace, tmp_path: Path, left: bytes) -> None:
    """Is as good as none."""
    (tmp_path / "gateway.json").write_bytes(left)
    with GatewayLock(workspace.ledger.engine):
        assert gateway_state(workspace).address is None
    assert gateway_job(workspace, Jobs(tmp_path)) is None


def test_ports(tmp_path: Path) -> None:
    """One that is taken is told; the last one that was chosen is chosen again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port}"):
            check_port(port)
    check_port(port)
    assert 8080 <= suggested_port(Jobs(tmp_path)) < 8100


def test_it_comes_back_with_the_site(workspace: Workspace, tmp_path: Path) -> None:
    """Killed, and begun long ago: a site that starts begins it again. One that was stopped stays so."""
    jobs = Jobs(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = jobs.start("serve", "--host=127.0.0.1", f"--port={port}", title="gateway", who="ada").id
    until(lambda: gateway_state(workspace).address is not None)
    view = gateway_job(workspace, jobs)
    assert view is not None
    assert (view.job.id, view.is_live) == (job, True)
    assert suggested_port(jobs) == port
    known = orjson.loads((tmp_path / "jobs" / job / "process.json").read_bytes())
    os.killpg(int(known["group"]), signal.SIGKILL)
    until(lambda: jobs.view(job).state == "interrupted")
    month_ago = time.time() - 30 * 86_400
    os.utime(tmp_path / "jobs" / job / "begun", (month_ago, month_ago))
    (tmp_path / "jobs" / job / "again").write_text("3")
    assert [one.id for one in jobs.go_on_with_interrupted()] == [job]
    until(lambda: gateway_state(workspace).address is not None)
    jobs.stop(job)
    until(lambda: not jobs.view(job).is_live)
    assert jobs.view(job).state == "done"
    assert jobs.go_on_with_interrupted() == ()
    assert gateway_state(workspace).is_running is False
