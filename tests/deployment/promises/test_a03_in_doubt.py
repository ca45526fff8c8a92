"""A3, the books: a meter that is killed leaves no hold that nobody owns; each is in doubt, visible, can be released."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from tests.deployment.govern.books import Books, a_key, open_store

from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.recovery import doubts, recover, release
from touchstone.deployment.govern.usage_report import usage

UNDER_WAY, ENDED = 50, 30


def serve_until_killed(folder: Path) -> None:
    """Open requests, end some of them, and die with the rest under way."""

    async def serve() -> None:
        books = Books(open_store(folder))
        holds = await asyncio.gather(*(books.open(a_key(cap_usd=10.0), 0.01) for _ in range(UNDER_WAY + ENDED)))
        await asyncio.gather(*(books.meter.settle(hold, Ending("done", usd=0.004)) for hold in holds[:ENDED]))
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(serve())


def test_a_killed_meter_loses_no_row(tmp_path: Path) -> None:
    """What was under way counts at its hold, nothing stays held, and an admin gives one back."""
    open_store(tmp_path).dispose()
    process = multiprocessing.get_context("fork").Process(target=serve_until_killed, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL

    engine = open_store(tmp_path)
    assert recover(engine, "the next gateway") == UNDER_WAY
    [(spent_usd, held_usd)] = Books(engine).windows().values()
    assert (spent_usd, held_usd) == (pytest.approx(ENDED * 0.004 + UNDER_WAY * 0.01), 0.0)
    [row] = usage(engine)
    assert (row.requests, row.in_doubt, row.running) == (UNDER_WAY + ENDED, UNDER_WAY, 0)
    assert row.usd == pytest.approx(spent_usd)

    found = doubts(engine)
    assert len(found) == UNDER_WAY
    release(engine, found[0].request, who="user ada")
    [(after_usd, _held)] = Books(engine).windows().values()
    assert after_usd == pytest.approx(spent_usd - 0.01)
    engine.dispose()
