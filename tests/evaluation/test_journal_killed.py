"""What survives a killed process: real processes, real sockets, and a provider that keeps its own bill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

CASES = 60
IN_FLIGHT = 8

RUN = """
import asyncio, sys
from touchstone.data.base import Case
from touchstone.evaluation.engine import outcomes
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ChatRequest, Message
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.scoring.base import Reading, Score

class Asking:
    name = "m"
    def __init__(self, caller):
        self.caller = caller
    async def answer(self, case, *, draw=0):
        return await self.caller.complete(ChatRequest(messages=(Message(role="user", content=case.text),), draw=draw))
    async def close(self):
        await self.caller.close()

class Whole:
    name = "whole"
    def read(self, text, case):
        return Reading(answer=text, how="whole")

class Same:
    name, reads_answer, needs_target = "same", True, True
    async def score(self, case, completion, reading):
        return Score(scorer="same", value=float(reading.answer == case.input))

async def main(place, url, count, in_flight):
    ledger = Ledger(place)
    candidate = Asking(Journal(OpenAICompatible("m", url), ledger))
    cases = ((at, Case(id=str(at), input=f"question {at}")) for at in range(int(count)))
    kinds = [o.kind async for _, _, o in outcomes([candidate], cases, Whole(), [Same()], concurrency=int(in_flight))]
    await candidate.close()
    ledger.close()
    print(*kinds)

asyncio.run(main(*sys.argv[1:]))
"""


def start(store: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(store), url, str(CASES), str(IN_FLIGHT)], stdout=subprocess.PIPE, text=True
    )


def one(store: Path, query: str) -> int:
    connection = sqlite3.connect(store)
    try:
        [found] = connection.execute(query).fetchone()
    finally:
        connection.close()
    return int(found)


def test_a_killed_run_loses_no_committed_reply_and_buys_none_again(tmp_path: Path) -> None:
    """
    SIGKILL in the middle of a run.

    Every reply that was committed is there; calls in doubt are at most those in flight; the next run, without any flag,
    buys exactly the replies that are missing; a third one buys nothing.
    """
    store = tmp_path / "store.db"
    with serve_in_thread(FakeServer(FakeModel(latency_s=0.03))) as server:
        killed = start(store, server.base_url)
        deadline = time.monotonic() + 30
        while len(server.bill) < CASES // 3 and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.communicate(timeout=30)[0] == ""
        assert killed.returncode == -signal.SIGKILL
        time.sleep(0.2)  # what was in flight is billed to the end

        asked = server.requests
        committed = one(store, "SELECT count(*) FROM reply")
        sold = len(server.bill)
        in_doubt = one(store, "SELECT count(*) FROM attempt WHERE key NOT IN (SELECT key FROM reply)")
        assert 0 < committed < CASES
        assert sold - committed <= IN_FLIGHT
        assert in_doubt <= IN_FLIGHT
        assert asked <= one(store, "SELECT count(*) FROM attempt")

        again = start(store, server.base_url)
        kinds = again.communicate(timeout=60)[0].split()
        assert again.returncode == 0
        assert kinds == ["scored"] * CASES
        assert server.requests - asked == CASES - committed

        asked = server.requests
        third = start(store, server.base_url)
        assert third.communicate(timeout=60)[0].split() == ["scored"] * CASES
        assert server.requests == asked
