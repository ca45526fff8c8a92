"""Idempotency keys: one carrying out, one reply, and a clear word for everything else."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import Books

from touchstone.deployment.govern.idempotency import KEEP_S, LONGEST_BYTES, Idempotency, Replay, request_digest
from touchstone.deployment.govern.refusals import MeterDown, OtherBody, Refused, ReplyNotKept, StillRunning
from touchstone.deployment.govern.tables import idempotent

DIGEST = request_digest("/v1/chat/completions", b'{"model":"helpdesk"}')


@pytest.fixture
def kept(books: Books) -> Idempotency:
    return Idempotency(books.engine, books.writer, owner="me", clock=books.clock)


async def finish(kept: Idempotency, key: int = 1, name: str = "a", body: bytes = b"{}") -> None:
    await kept.finish(key, name, status=200, content_type="application/json", body=body)


async def test_the_first_is_carried_out_the_next_gets_its_reply(kept: Idempotency) -> None:
    """Byte for byte, with the id under which it was answered."""
    assert await kept.begin(1, "a", DIGEST, "req-1") is None
    await finish(kept, body=b'{"id": 1}\n')

    assert await kept.begin(1, "a", DIGEST, "req-2") == Replay("req-1", 200, "application/json", b'{"id": 1}\n')


async def test_another_request_under_the_same_key_is_refused(kept: Idempotency) -> None:
    """422, whether the first one still runs or not; another route is another request."""
    await kept.begin(1, "a", DIGEST, "req-1")
    with pytest.raises(OtherBody) as refused:
        await kept.begin(1, "a", request_digest("/v1/chat/completions", b"{}"), "req-2")
    await finish(kept)
    with pytest.raises(OtherBody):
        await kept.begin(1, "a", request_digest("/v1/completions", b'{"model":"helpdesk"}'), "req-3")

    assert refused.value.status == 422


async def test_what_still_runs_is_told_so(kept: Idempotency) -> None:
    """409, and of many who ask at once exactly one is carried out."""
    found = await asyncio.gather(
        *(kept.begin(1, "a", DIGEST, f"req-{number}") for number in range(20)), return_exceptions=True
    )

    assert found.count(None) == 1
    assert sum(isinstance(one, StillRunning) and one.status == 409 for one in found) == 19


async def test_another_api_key_has_its_own(kept: Idempotency) -> None:
    """Nobody gets a reply of somebody else by using the same word."""
    await kept.begin(1, "a", DIGEST, "req-1")
    await finish(kept)

    assert await kept.begin(2, "a", DIGEST, "req-2") is None


async def test_after_a_day_it_is_free_again(books: Books, kept: Idempotency) -> None:
    """And not a second earlier."""
    await kept.begin(1, "a", DIGEST, "req-1")
    await finish(kept)
    books.clock.at_s += KEEP_S - 1
    assert isinstance(await kept.begin(1, "a", DIGEST, "req-2"), Replay)
    books.clock.at_s += 1

    assert await kept.begin(1, "a", DIGEST, "req-3") is None


async def test_what_failed_may_be_repeated(kept: Idempotency) -> None:
    """Its key is free again."""
    await kept.begin(1, "a", DIGEST, "req-1")
    await kept.drop(1, "a")

    assert await kept.begin(1, "a", DIGEST, "req-2") is None


async def test_a_reply_that_was_too_large_is_not_carried_out_again(kept: Idempotency) -> None:
    """Nobody pays twice because we did not keep it; the client is told why there is no reply."""
    await kept.begin(1, "a", DIGEST, "req-1")
    await finish(kept, body=bytes(LONGEST_BYTES + 1))

    with pytest.raises(ReplyNotKept):
        await kept.begin(1, "a", DIGEST, "req-2")


async def test_a_disk_that_is_short_keeps_no_replies(books: Books) -> None:
    """The word is kept, the reply is not."""
    kept = Idempotency(books.engine, books.writer, owner="me", may_keep=lambda: False, clock=books.clock)
    await kept.begin(1, "a", DIGEST, "req-1")
    await finish(kept)

    with pytest.raises(ReplyNotKept):
        await kept.begin(1, "a", DIGEST, "req-2")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "ä", "x" * 256])
async def test_a_word_of_another_shape_is_refused(kept: Idempotency, name: str) -> None:
    """1 to 255 visible ASCII characters."""
    with pytest.raises(Refused, match="255 visible"):
        await kept.begin(1, name, DIGEST, "req-1")


async def test_who_leaves_while_asking_blocks_nobody(books: Books, kept: Idempotency) -> None:
    """A key that was given to somebody who has left is free again."""
    for turns in range(5):
        asking = asyncio.create_task(kept.begin(1, "a", DIGEST, "req-1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        results = await asyncio.gather(asking, return_exceptions=True)
        if results == [None]:
            kept.drop(1, "a")
        await books.writer.drain()

    with books.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(idempotent)).scalar() == 0


async def test_a_store_that_fails_carries_nothing_out(books: Books, kept: Idempotency) -> None:
    """A promise that cannot be written down is not given."""
    driver = books.writer._own().connection.dbapi_connection
    assert driver is not None
    driver.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]  # sqlite3's own
    with pytest.raises(MeterDown):
        await kept.begin(1, "a", DIGEST, "req-1")
    driver.execute("PRAGMA query_only=OFF")  # type: ignore[attr-defined]
