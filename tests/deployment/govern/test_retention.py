"""What is taken out again: by age, by size, and never what still counts."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import DAY_S, NOON_S, Books, a_key

from touchstone.deployment.base import Answered, Usage
from touchstone.deployment.govern import tables
from touchstone.deployment.govern.content import LONGEST_BYTES, ContentLog, kept_content
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.idempotency import KEEP_S, Idempotency
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.recovery import recover
from touchstone.deployment.govern.refusals import ReplyNotKept
from touchstone.deployment.govern.reply_cache import ReplyCache
from touchstone.deployment.govern.retention import Retention, sweep
from touchstone.deployment.govern.windows import window_at


def count(books: Books, table: sa.Table) -> int:
    with books.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


async def keep(books: Books, log: ContentLog, number: int, size: int = 10, keep_days: int = 30) -> None:
    kept = log.keep(
        number, request=f"req-{number}", project="web", endpoint="helpdesk", asked=b"q" * size, answered=b"a" * size,
        keep_days=keep_days,
    )  # fmt: skip
    assert kept is not None
    await kept


async def test_rows_of_requests_have_their_days(books: Books) -> None:
    """Old ones go, however many; what is under way or in doubt stays, and so does the window that is open."""
    key = a_key(cap_usd=1e6, window="day")
    for _ in range(3):
        await books.ask(key, 0.1, 0.1)
    await books.open(key, 0.1)
    recover(books.engine, "next")
    await books.open(key, 0.1)
    books.clock.at_s += 40 * DAY_S
    await books.ask(key, 0.1, 0.1)

    gone = sweep(books.engine, Retention(charges_days=32), now_s=books.clock.at_s)
    assert gone["charge"] == 3
    assert [row.status for row in books.rows()] == ["in_doubt", "running", "done"]
    assert sweep(books.engine, Retention(charges_days=None), now_s=1e11)["charge"] == 0


async def test_windows_that_ended_long_ago_go(books: Books) -> None:
    """But never the newest, which is what keeps a clock that went back from opening an older one."""
    key = a_key(cap_usd=1.0, window="hour")
    await books.ask(key, 0.1, 0.1)
    await books.ask(a_key(2, cap_usd=1.0, window="hour"), 0.1, 0.1)
    books.clock.at_s += 1_001 * 3600
    await books.ask(key, 0.1, 0.1)

    assert sweep(books.engine, Retention(), now_s=books.clock.at_s)["key_window"] == 1
    assert list(books.windows(1)) == [window_at("hour", books.clock.at_s)]
    assert list(books.windows(2)) == [window_at("hour", NOON_S)]


async def test_content_goes_after_its_days_and_beyond_its_size(books: Books) -> None:
    """The oldest first; what nobody may read longer is not there."""
    log = ContentLog(books.engine, books.writer, clock=books.clock)
    for number in range(10):
        books.clock.at_s += 60
        await keep(books, log, number, size=50)
    await keep(books, log, 99, keep_days=1)

    assert sweep(books.engine, Retention(), now_s=books.clock.at_s + DAY_S)["content"] == 1
    assert sweep(books.engine, Retention(content_bytes=350), now_s=books.clock.at_s)["content"] == 7
    with books.engine.connect() as connection:
        assert list(connection.execute(sa.select(tables.content.c.id)).scalars()) == [7, 8, 9]


async def test_content_belongs_to_a_project(books: Books) -> None:
    """Another project finds nothing under the same request (R9); long texts are cut."""
    log = ContentLog(books.engine, books.writer, clock=books.clock)
    await keep(books, log, 1, size=LONGEST_BYTES + 5)

    [kept] = kept_content(books.engine, "req-1", project="web")
    assert (len(kept.asked), len(kept.answered)) == (LONGEST_BYTES, LONGEST_BYTES)
    assert list(kept_content(books.engine, "req-1", project="app")) == []


async def test_promises_and_kept_replies_go_when_they_have_ended(books: Books) -> None:
    """An idempotency key after its day, a kept reply after its time and beyond the size of all."""
    promises = Idempotency(books.engine, books.writer, owner="me", clock=books.clock)
    await promises.begin(1, "a", "digest", "req-1")
    cache = ReplyCache(books.engine, books.writer, clock=books.clock)
    for number in range(4):
        kept = cache.keep(
            str(number), Answered(bytes(100), Usage(), "m"), project="web", endpoint="e", version=1,
            keep_s=60 + number,
        )  # fmt: skip
        assert kept is not None
        await kept

    assert sweep(books.engine, Retention(replies_bytes=900), now_s=books.clock.at_s)["cached_reply"] == 1
    gone = sweep(books.engine, Retention(), now_s=books.clock.at_s + KEEP_S)
    assert (gone["idempotent"], gone["cached_reply"]) == (1, 3)


async def test_replies_for_idempotency_keys_have_a_size_together(books: Books) -> None:
    """The oldest go first; their keys stay, so that nothing is carried out and paid twice."""
    promises = Idempotency(books.engine, books.writer, owner="me", clock=books.clock)
    for number in range(4):
        books.clock.at_s += 1
        await promises.begin(1, f"k{number}", "digest", f"req-{number}")
        await promises.finish(1, f"k{number}", status=200, content_type="application/json", body=bytes(100))
    sweep(books.engine, Retention(replies_bytes=900), now_s=books.clock.at_s)
    with pytest.raises(ReplyNotKept):
        await promises.begin(1, "k0", "digest", "again")
    for number in range(1, 4):
        found = await promises.begin(1, f"k{number}", "digest", "again")
        assert found is not None
        assert found.body == bytes(100)


async def test_keys_and_the_audit_log_stay(books: Books) -> None:
    """However old they are."""
    keys = Keys(books.engine, bytes(32), clock=books.clock)
    key, _secret = keys.create("shop", who="me")
    keys.revoke(key.id, who="me")
    sweep(books.engine, Retention(), now_s=1e11)

    assert count(books, tables.api_keys) == 1
    assert count(books, tables.audit) == 2


async def test_many_rows_go_in_small_transactions(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests come between them."""
    monkeypatch.setattr("touchstone.deployment.govern.retention._BLOCK", 10)
    for _ in range(35):
        books.meter.note(books.intent(a_key()), Ending("cached", usd=0.0))
    await books.meter.drain()

    assert sweep(books.engine, Retention(charges_days=32), now_s=books.clock.at_s + 33 * DAY_S)["charge"] == 35


def test_a_disk_that_cannot_be_looked_at_stops_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nor does a store on a server, whose room is its own affair."""
    assert Watermark(tmp_path_factory.mktemp("gone") / "missing").room == "enough"
    assert Watermark(None, room=lambda _folder: 0).room == "enough"
