"""What survives a killed process: real processes, real sockets, and a provider that keeps its own bill."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests import warm
from tests.evaluation.journal_run import measure

from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

CASES = 60
IN_FLIGHT = 8


def start(store: Path, url: str) -> ForkServerProcess:
    return warm.begin(measure, str(store), url, CASES, IN_FLIGHT, str(said(store)))


def said(store: Path) -> Path:
    return store.with_name("said.txt")


def run_on(store: Path, url: str) -> list[str]:
    """Run to the end; what came of each cell."""
    process = start(store, url)
    process.join(120)
    assert process.exitcode == 0
    return said(store).read_text().split()


def one(store: Path, query: str) -> int:
    with closing(sqlite3.connect(store)) as connection:
        [found] = connection.execute(query).fetchone()
    return int(found)


def usd(store: Path, query: str) -> float:
    with closing(sqlite3.connect(store)) as connection:
        [found] = connection.execute(query).fetchone()
    return float(found)


def test_a_killed_run_loses_no_committed_reply_and_buys_none_again(tmp_path: Path) -> None:
    """
    SIGKILL in the middle of a run.

    Every reply that was committed is there; calls in doubt are at most those in flight; the next run, without any flag,
    buys exactly the replies that are missing, and books what the provider charges and what may have been lost; a third
    one buys nothing.
    """
    store = tmp_path / "store.db"
    with serve_in_thread(FakeServer(FakeModel(latency_s=0.03))) as server:
        killed = start(store, server.base_url)
        deadline = time.monotonic() + 60
        while len(server.bill) < CASES // 3 and time.monotonic() < deadline:
            time.sleep(0.002)
        killed.kill()
        killed.join(60)
        assert killed.exitcode == -signal.SIGKILL
        assert not said(store).exists()
        time.sleep(0.2)  # what was in flight is billed to the end

        asked = server.requests
        committed = one(store, "SELECT count(*) FROM reply")
        sold = len(server.bill)
        in_doubt = one(store, "SELECT count(*) FROM attempt WHERE key NOT IN (SELECT key FROM reply)")
        assert 0 < committed < CASES
        assert sold - committed <= IN_FLIGHT
        assert in_doubt <= IN_FLIGHT
        assert asked <= one(store, "SELECT count(*) FROM attempt")

        assert run_on(store, server.base_url) == ["scored"] * CASES
        assert server.requests - asked == CASES - committed
        assert one(store, "SELECT count(*) FROM attempt WHERE state IN ('intent', 'unread')") == 0
        assert one(store, "SELECT count(*) FROM attempt WHERE state = 'in_doubt'") == in_doubt
        assert one(store, "SELECT in_doubt FROM budget") == in_doubt
        charged = sum(sale.input_tokens + 2 * sale.output_tokens for sale in server.bill) / 1e6
        lost = usd(store, "SELECT coalesce(sum(hold_usd), 0.0) FROM attempt WHERE state = 'in_doubt'")
        booked = usd(store, "SELECT spent_usd FROM budget")
        answered = usd(store, "SELECT sum(cost_usd) FROM attempt WHERE state = 'replied'")
        assert abs(booked - lost - answered) < 1e-12
        assert answered - 1e-12 <= charged <= booked + 1e-12
        assert usd(store, "SELECT held_usd FROM budget") == 0.0

        asked = server.requests
        assert run_on(store, server.base_url) == ["scored"] * CASES
        assert server.requests == asked
