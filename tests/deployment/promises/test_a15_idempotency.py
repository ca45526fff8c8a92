"""A15, the store: one carrying out for one idempotency key, whatever dies between, for 24 hours."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from tests.deployment.govern.books import Books, open_store

from touchstone.deployment.govern.idempotency import KEEP_S, Idempotency, Replay, request_digest
from touchstone.deployment.govern.recovery import recover
from touchstone.deployment.govern.refusals import OtherBody, StillRunning

SAME, OTHER = request_digest("/v1/chat/completions", b"{}"), request_digest("/v1/chat/completions", b"[]")


def test_it_is_kept_for_a_day() -> None:
    """24 hours."""
    assert KEEP_S == 24 * 3600


async def test_the_four_answers(books: Books) -> None:
    """First: carry out. Same body while it runs: 409. Other body: 422. Same body afterwards: the stored reply."""
    kept = Idempotency(books.engine, books.writer, owner="me", clock=books.clock)
    assert await kept.begin(1, "word", SAME, "req-1") is None
    with pytest.raises(StillRunning) as running:
        await kept.begin(1, "word", SAME, "req-2")
    with pytest.raises(OtherBody) as other:
        await kept.begin(1, "word", OTHER, "req-3")
    await kept.finish(1, "word", status=200, content_type="application/json", body=b"{}")

    assert (running.value.status, other.value.status) == (409, 422)
    assert await kept.begin(1, "word", SAME, "req-4") == Replay("req-1", 200, "application/json", b"{}")


async def test_two_gateways_that_ask_at_once_carry_it_out_once(books: Books) -> None:
    """Who is first is decided in the store."""
    first = Idempotency(books.engine, books.writer, owner="one", clock=books.clock)
    second = Idempotency(books.engine, books.writer, owner="two", clock=books.clock)
    asked = [which.begin(1, "word", SAME, f"req-{number}") for number in range(10) for which in (first, second)]
    found = await asyncio.gather(*asked, return_exceptions=True)

    assert found.count(None) == 1


def die_between(folder: Path) -> None:
    """Finish one request, begin another, and be killed."""

    async def serve() -> None:
        books = Books(open_store(folder))
        kept = Idempotency(books.engine, books.writer, owner="dead")
        await kept.begin(1, "finished", SAME, "req-1")
        await kept.finish(1, "finished", status=200, content_type="application/json", body=b"paid for")
        await kept.begin(1, "cut-off", SAME, "req-2")
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(serve())


async def test_a_reply_outlives_the_gateway_that_gave_it(tmp_path: Path) -> None:
    """What was finished is answered from the store; what was cut off may be carried out anew, not refused for a day."""
    process = multiprocessing.get_context("fork").Process(target=die_between, args=(tmp_path,))
    process.start()
    process.join(60)
    books = Books(open_store(tmp_path))
    kept = Idempotency(books.engine, books.writer, owner="alive")
    with pytest.raises(StillRunning):
        await kept.begin(1, "cut-off", SAME, "req-3")
    recover(books.engine, "alive")

    assert await kept.begin(1, "cut-off", SAME, "req-4") is None
    assert await kept.begin(1, "finished", SAME, "req-5") == Replay("req-1", 200, "application/json", b"paid for")
    await books.writer.close()
    books.engine.dispose()
