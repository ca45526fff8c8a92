"""
What one cap promises to many: eight processes of sixteen tasks share a store, a run and its cap, and the cap holds.

The provider stands outside and keeps its own bill; those who ask are forked (`warm.py`). One repetition belongs
to every run of the tests; `TOUCHSTONE_CAP_REPETITIONS=50` asks for as many.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.evaluation.capped import ask
from tests.faults import bill as bills
from tests.faults.provider import in_own_process

PROCESSES = 8
TASKS = 16
CAP_USD = 0.01
REPETITIONS = int(os.environ.get("TOUCHSTONE_CAP_REPETITIONS", "1"))


@dataclass(frozen=True)
class Found:
    """What one repetition left behind, in both ledgers."""

    bill_usd: float
    """What the provider charges."""
    requests: int
    answered: tuple[int, ...]
    """By each process."""
    spent_usd: float
    held_usd: float
    made: int
    most_usd: float
    """The most that was spent and held at any moment somebody looked."""
    looks: int


def budget(store: Path) -> tuple[float, float, int]:
    """(spent, held, made) of the run, as another process sees it."""
    with closing(sqlite3.connect(store, timeout=30)) as connection:
        row = connection.execute("SELECT spent_usd, held_usd, made FROM budget WHERE run = 'run'").fetchone()
    return row or (0.0, 0.0, 0)


@contextmanager
def watched(store: Path) -> Iterator[list[float]]:
    """Looks again and again at what is spent and held together."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            spent, held, _ = budget(store)
            seen.append(spent + held)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def heard(line: Connection) -> Any:
    """The next word of a process."""
    assert line.poll(300), "a process says nothing"
    return line.recv()


def repetition(folder: Path) -> Found:
    """Let all of them ask until the cap stops them."""
    store, bill = folder / "store.db", folder / "bill.jsonl"
    with in_own_process(bill, "--latency", "0.02") as url, ExitStack() as stack:
        lines: list[Connection] = []
        processes: list[BaseProcess] = []
        try:
            for number in range(PROCESSES):
                ours, theirs = (stack.enter_context(end) for end in Pipe())
                lines.append(ours)
                processes.append(warm.begin(ask, theirs, str(store), url, number, TASKS, CAP_USD))
            assert [heard(line) for line in lines] == ["ready"] * PROCESSES
            with watched(store) as seen:
                for line in lines:
                    line.send("go")
                answered = tuple(heard(line) for line in lines)
            for process in processes:
                process.join(60)
        finally:
            for process in processes:
                process.kill()
        assert [process.exitcode for process in processes] == [0] * PROCESSES
        bills.wait_until_quiet(bill)
    spent_usd, held_usd, made = budget(store)
    return Found(
        bill_usd=bills.spent_usd(bill),
        requests=bills.requests(bill),
        answered=answered,
        spent_usd=spent_usd,
        held_usd=held_usd,
        made=made,
        most_usd=max(seen),
        looks=len(seen),
    )


@pytest.mark.parametrize("number", range(REPETITIONS))
def test_a_cap_holds_against_eight_processes_of_sixteen_tasks(tmp_path: Path, number: int) -> None:
    """The provider's bill never passes the cap, nine tenths of it are used, and both ledgers tell the same."""
    found = repetition(tmp_path)

    assert found.bill_usd <= CAP_USD
    assert found.bill_usd >= 0.9 * CAP_USD
    assert found.most_usd <= CAP_USD + 1e-12  # a sum of floats in another order
    assert found.held_usd == 0.0
    assert found.spent_usd == pytest.approx(found.bill_usd, abs=1e-12)
    assert found.made == found.requests == sum(found.answered)
    assert sum(answered > 0 for answered in found.answered) > 1, "nobody had to share"
