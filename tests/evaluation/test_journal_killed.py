"""What survives a killed process: real processes, real sockets, and a provider that keeps its own bill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

CASES = 60
IN_FLIGHT = 8

RUN = """
import asyncio, sys
from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.evaluation.engine import answer_cell
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import Measurement
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.purse import Purse
from touchstone.evaluation.recovery import recover
from touchstone.evaluation.scorecard import Scorecard
from touchstone.models.base import ChatRequest, Message
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.scoring.base import Reading, Score

class Asking:
    name = "m"
    def __init__(self, caller):
        self.caller = caller
    async def answer(self, case, *, draw=0):
        return await self.caller.complete(
            ChatRequest(messages=(Message(role="user", content=case.text),), max_tokens=50, draw=draw)
        )

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
    recover(ledger)
    purse = Purse(ledger, "run")
    purse.open()
    model = OpenAICompatible("m", url, price=Price(input_usd=1, output_usd=2))
    candidate = Asking(Journal(model, purse))
    card = Scorecard(CaseOrder.draw(int(count), 1), 1)
    run = Measurement(
        card,
        purse,
        lambda cell: answer_cell(candidate, cell.case, Whole(), [Same()]),
        lambda ordinals: [Case(id=str(at), input=f"question {at}") for at in ordinals],
        1,
        concurrency=int(in_flight),
    )
    kinds = [answered.outcome.kind async for answered in run.run()]
    await ledger.drain()
    await model.close()
    ledger.close()
    print(*kinds)

asyncio.run(main(*sys.argv[1:]))
"""


def start(store: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(store), url, str(CASES), str(IN_FLIGHT)], stdout=subprocess.PIPE, text=True
    )


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
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.communicate(timeout=60)[0] == ""
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
        kinds = again.communicate(timeout=120)[0].split()
        assert again.returncode == 0
        assert kinds == ["scored"] * CASES
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
        third = start(store, server.base_url)
        assert third.communicate(timeout=120)[0].split() == ["scored"] * CASES
        assert server.requests == asked
