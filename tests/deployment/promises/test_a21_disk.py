"""A21: many tiny requests fill no disk: content is given up first, metering last, and unmetered nobody is served."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.deployment.api.house import open_house
from tests.deployment.api.process import Place, serving
from tests.deployment.govern.books import DAY_S, Books, Clock, a_key

from touchstone.deployment.base import Answered, Usage
from touchstone.deployment.govern.content import ContentLog
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import OverBudget
from touchstone.deployment.govern.reply_cache import ReplyCache
from touchstone.deployment.govern.retention import Retention, sweep
from touchstone.deployment.govern.state import stamp, writing
from touchstone.deployment.govern.tables import safety_records
from touchstone.workspace import serving as gateway


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


def decided(engine: sa.Engine, *days_ago: float) -> None:
    """What guards decided so many days ago."""
    with writing(engine) as connection:
        for days in days_ago:
            row = {"request": f"r{days}", "endpoint": "helpdesk", "way": "in", "action": "passed", "findings": b"{}"}
            number, at = int(days * 1000), stamp(time.time() - days * DAY_S)
            connection.execute(safety_records.insert().values(id=number, at=at, **row))


def left(engine: sa.Engine) -> set[str]:
    """Of which of these there is still a record."""
    with engine.connect() as connection:
        return set(connection.execute(sa.select(safety_records.c.request)).scalars())


def test_what_has_had_its_time_goes_soon_after_the_start(tmp_path: Path) -> None:
    """A real gateway takes it out while it answers already: one that is started anew every day would never do it."""
    place = Place(tmp_path / "place")
    with place.opened() as workspace:
        decided(workspace.ledger.engine, 91, 400, 89)
    with serving(place) as running, place.opened() as workspace:
        began = time.monotonic()
        with urllib.request.urlopen(running.url.removesuffix("/v1") + "/readyz") as ready:
            assert ready.status == 200
        while left(workspace.ledger.engine) != {"r89"}:
            assert time.monotonic() < began + 30
            time.sleep(0.05)


async def test_it_goes_on_as_long_as_the_gateway_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has its time later is taken out later."""
    assert gateway._SWEEP_S == 3600
    monkeypatch.setattr(gateway, "_FIRST_SWEEP_S", 0.0)
    monkeypatch.setattr(gateway, "_SWEEP_S", 0.2)
    async with open_house(tmp_path / "place") as house:
        for _ in range(2):
            await asyncio.to_thread(decided, house.engine, 91)
            async with asyncio.timeout(30):
                while left(house.engine):
                    await asyncio.sleep(0.02)


async def test_a_gateway_that_stops_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to take out."""
    ended = threading.Event()
    begun = time.monotonic()

    def long(*_given: object, goes_on: Callable[[], bool]) -> None:
        while goes_on() and time.monotonic() < begun + 20:
            time.sleep(0.01)
        ended.set()

    monkeypatch.setattr(gateway, "_FIRST_SWEEP_S", 0.0)
    monkeypatch.setattr(gateway, "sweep", long)
    async with open_house(tmp_path / "place"):
        await asyncio.sleep(0.2)
        assert not ended.is_set()
    assert await asyncio.to_thread(ended.wait, 5)
    assert time.monotonic() < begun + 20


def test_whoever_stops_does_not_wait_for_all_of_it(books: Books) -> None:
    """A block more, and the rest is taken out after the next start."""
    decided(books.engine, *(100 + number / 1000 for number in range(1_200)))
    asked = itertools.count()
    gone = sweep(books.engine, Retention(), goes_on=lambda: len(left(books.engine)) == 1_200 and next(asked) < 100)
    assert gone["safety_record"] == 500
    assert sweep(books.engine, Retention())["safety_record"] == 700
