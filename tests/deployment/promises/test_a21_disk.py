"""A21: many tiny requests fill no disk: content is given up first, metering last, and unmetered nobody is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deployment.govern.books import DAY_S, Books, Clock, a_key

from touchstone.deployment.base import Answered, Usage
from touchstone.deployment.govern.content import ContentLog
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import OverBudget
from touchstone.deployment.govern.reply_cache import ReplyCache
from touchstone.deployment.govern.retention import Retention, sweep


class Disk:
    """A disk whose room is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.left = 10 << 30
        self.looks = 0
        self.clock = Clock(0.0)
        self.watermark = Watermark(folder, room=self._room, monotonic=self.clock)

    def _room(self, _folder: Path) -> int:
        self.looks += 1
        return self.left

    def fills_to(self, left: int) -> None:
        self.left = left
        self.clock.at_s += 1


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_what_is_given_up_first(disk: Disk) -> None:
    """Content, then kept replies, then the taking of requests; all come back with the room."""
    steps = []
    for left in (2 << 30, (1 << 30) - 1, (512 << 20) - 1, (64 << 20) - 1, 2 << 30):
        disk.fills_to(left)
        found = disk.watermark
        steps.append((found.takes_content, found.takes_extras, found.takes_requests))

    assert steps == [
        (True, True, True),
        (False, True, True),
        (False, False, True),
        (False, False, False),
        (True, True, True),
    ]


def test_the_disk_is_not_asked_for_every_request(disk: Disk) -> None:
    """Once a second is enough."""
    for _ in range(1000):
        assert disk.watermark.takes_requests

    assert disk.looks == 1


async def test_metering_goes_on_when_content_has_stopped(books: Books, disk: Disk) -> None:
    """No prompt and no reply is kept any more; the row and its money are."""
    log = ContentLog(books.engine, books.writer, may_keep=lambda: disk.watermark.takes_content)
    cache = ReplyCache(books.engine, books.writer, may_keep=lambda: disk.watermark.takes_extras)
    promises = Idempotency(
        books.engine, books.writer, owner="me", may_keep=lambda: disk.watermark.takes_extras, clock=books.clock
    )
    disk.fills_to(100 << 20)
    hold = await books.open(a_key())
    kept = log.keep(hold.id, request="r", project="p", endpoint="e", asked=b"q", answered=b"a", keep_days=1)
    answered = Answered(b"{}", Usage(1, 1), "small")
    await promises.begin(1, "word", "digest", "r")
    await promises.finish(1, "word", status=200, content_type="application/json", body=b"{}")

    assert kept is None
    assert cache.keep("key", answered, project="p", endpoint="e", version=1, keep_s=60) is None
    assert await books.meter.settle(hold, Ending("done", Usage(1, 1), 0.001))
    assert [row.status for row in books.rows()] == ["done"]


async def test_a_client_in_a_loop_writes_no_more_than_a_row_a_second(books: Books) -> None:
    """Refusals are written down, but not each."""
    key = a_key(cap_usd=0.001)
    for _ in range(300):
        with pytest.raises(OverBudget):
            await books.open(key, 0.01)
    await books.meter.drain()

    assert len(books.rows()) == 1


async def test_the_store_is_kept_small(books: Books) -> None:
    """By age and by size, and the rows of money last."""
    log = ContentLog(books.engine, books.writer, clock=books.clock)
    for number in range(20):
        hold = await books.open(a_key())
        await books.meter.settle(hold, Ending("done", usd=0.0))
        kept = log.keep(
            hold.id, request=f"r{number}", project="p", endpoint="e", asked=bytes(100), answered=b"", keep_days=90
        )
        assert kept is not None
        await kept
    gone = sweep(books.engine, Retention(content_bytes=500), now_s=books.clock.at_s + 60 * DAY_S)

    assert (gone["content"], gone["charge"]) == (15, 0)
    assert sweep(books.engine, Retention(), now_s=books.clock.at_s + 401 * DAY_S)["charge"] == 20
