"""The meter: a row for every request, money held before and booked after, nothing twice and nothing lost."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import pytest
from tests.deployment.govern.books import DAY_S, NOON_S, Books, a_key

from touchstone.deployment.base import Budget, Usage
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import MeterDown, NoPrice, OverBudget
from touchstone.deployment.govern.windows import window_at
from touchstone.storage.database import begin_write

DONE = Ending("done", Usage(812, 143, 7, 20), 0.004, 0.8, 0.2, None, "small-2026-10-01")
MONTH = window_at("month", NOON_S)


async def test_a_request_has_a_row_before_it_is_sent(books: Books) -> None:
    """With what is held for it; the money is gone from what is left."""
    hold = await books.open(a_key(cap_usd=1.0), 0.01, streamed=True)

    [row] = books.rows()
    assert (row.id, row.request, row.status, row.hold_usd, row.usd) == (hold.id, "req-1", "running", 0.01, None)
    assert (row.project, row.endpoint, row.version, row.model, row.kind) == ("default", "helpdesk", 1, "small", "chat")
    assert row.streamed
    assert row.started_at == "2026-11-27T12:00:00.000+00:00"
    assert books.windows() == {MONTH: (0.0, 0.01)}
    assert books.meter.in_flight == 1


async def test_its_end_fills_the_row_and_frees_the_rest(books: Books) -> None:
    """What it cost is spent, what was held beyond that can be held again."""
    key = a_key()
    assert await books.meter.settle(await books.open(key, 0.01), DONE)

    [row] = books.rows()
    assert (row.status, row.usd, row.seconds, row.first_token_s) == ("done", 0.004, 0.8, 0.2)
    assert (row.input_tokens, row.output_tokens, row.cached_input_tokens, row.reasoning_tokens) == (812, 143, 7, 20)
    assert row.model == "small-2026-10-01"
    assert books.windows() == {MONTH: (0.004, 0.0)}
    assert books.meter.in_flight == 0


async def test_an_end_that_is_not_awaited_is_written(books: Books) -> None:
    """`drain` waits for it."""
    books.meter.settle(await books.open(a_key()), DONE)
    await books.meter.drain()

    assert books.rows()[0].status == "done"


async def test_nothing_is_booked_twice(books: Books) -> None:
    """A second end changes nothing and says so."""
    hold = await books.open(a_key())
    assert await books.meter.settle(hold, DONE)

    assert not await books.meter.settle(hold, Ending("failed", usd=9.0))
    assert books.windows() == {MONTH: (0.004, 0.0)}
    assert books.rows()[0].status == "done"


async def test_what_does_not_fit_is_refused(books: Books) -> None:
    """With when to come back; the row says that nobody was asked."""
    key = a_key(cap_usd=0.025, window="day")
    for _ in range(2):
        await books.open(key, 0.01)
    with pytest.raises(OverBudget, match="0\\.025 USD") as refused:
        await books.open(key, 0.01)

    assert refused.value.retry_after_s == 12 * 3600
    await books.meter.drain()
    assert [(row.status, row.usd, row.error) for row in books.rows()][2:] == [("refused", 0.0, "insufficient_quota")]


async def test_a_smaller_request_still_fits(books: Books) -> None:
    """Of those who ask at once, each gets what is left for it, in turn."""
    key = a_key(cap_usd=0.03)
    found = await asyncio.gather(*(books.open(key, usd) for usd in (0.02, 0.02, 0.01, 0.01)), return_exceptions=True)

    assert [isinstance(one, OverBudget) for one in found] == [False, True, False, True]
    assert books.windows()[MONTH][1] == pytest.approx(0.03)


async def test_what_costs_nothing_fits_always(books: Books) -> None:
    """A model that runs here for free is no matter of budgets."""
    key = a_key(cap_usd=0.01)
    await books.ask(key, 0.01, 0.01)

    await books.open(key, 0.0)
    with pytest.raises(OverBudget):
        await books.open(key, 1e-9)


async def test_what_comes_free_can_be_held_in_the_same_transaction(books: Books) -> None:
    """An end that is told before a beginning makes room for it."""
    key = a_key(cap_usd=0.01)
    hold = await books.open(key, 0.01)
    books.meter.settle(hold, Ending("failed", usd=0.0))

    await books.open(key, 0.01)


async def test_without_a_price_a_budget_cannot_hold(books: Books) -> None:
    """A key with a budget may not ask what nobody knows the price of; one without may, and its cost stays unknown."""
    with pytest.raises(NoPrice, match="helpdesk"):
        await books.open(a_key(1), None)
    hold = await books.open(a_key(2, cap_usd=None), None)
    await books.meter.settle(hold, Ending("done", Usage(1, 1)))

    rows = {row.key: row for row in books.rows()}
    assert (rows[1].status, rows[1].error) == ("refused", "price_unknown")
    assert (rows[2].status, rows[2].usd, rows[2].hold_usd) == ("done", None, None)


@pytest.mark.parametrize("usd", [None, math.nan, math.inf, -1.0])
async def test_an_unknown_cost_is_what_was_held(books: Books, usd: float | None) -> None:
    """Unknown is not free, and what is no number never gets into a sum."""
    hold = await books.open(a_key(), 0.01)
    await books.meter.settle(hold, Ending("cut", usd=usd))

    assert books.rows()[0].usd == 0.01
    assert books.windows() == {MONTH: (0.01, 0.0)}


async def test_a_copy_touches_no_budget(books: Books) -> None:
    """What a shadow version costs is the operator's affair; its row is there."""
    key = a_key(cap_usd=0.01)
    hold = await books.open(key, 5.0, shadow=True)
    await books.meter.settle(hold, DONE)

    assert books.windows() == {}
    assert (books.rows()[0].shadow, books.rows()[0].usd) == (True, 0.004)


async def test_a_reply_from_the_cache_has_a_row(books: Books) -> None:
    """Nobody was asked and nothing held, and it can be counted."""
    await books.meter.note(books.intent(a_key()), Ending("cached", Usage(5, 5), 0.0, model="small-1"))

    [row] = books.rows()
    assert (row.status, row.usd, row.model, row.purse) == ("cached", 0.0, "small-1", None)


async def test_refusals_in_a_loop_do_not_fill_the_disk(books: Books) -> None:
    """Of one key at most one a second is written down."""
    key = a_key(cap_usd=0.001)
    for _ in range(50):
        with pytest.raises(OverBudget):
            await books.open(key, 0.01)
    books.aged.at_s += 1
    with pytest.raises(OverBudget):
        await books.open(key, 0.01)
    await books.meter.drain()

    assert len(books.rows()) == 2


async def test_a_rotated_key_goes_on_with_the_same_money(books: Books) -> None:
    """What the old key spent is gone for the new one."""
    keys = Keys(books.engine, bytes(32), clock=books.clock)
    old, _secret = keys.create("shop", who="me", budget=Budget(usd=0.02))
    new, _secret = keys.rotate(old.id, grace_s=60, who="me")
    await books.ask(old, 0.01, 0.01)
    await books.open(new, 0.01)

    with pytest.raises(OverBudget):
        await books.open(new, 0.001)
    assert books.windows(old.id) == {MONTH: (0.01, 0.01)}


async def test_a_request_that_is_cancelled_while_it_opens_leaves_nothing_held(books: Books) -> None:
    """Whenever that happens: before the commit, or when it is committed and nobody has heard of it yet."""
    key = a_key(cap_usd=0.05)
    for turns in range(6):
        opening = asyncio.create_task(books.open(key, 0.05))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with suppress(asyncio.CancelledError):
            books.meter.settle(await opening, Ending("client_closed", usd=0.0))
        await books.meter.drain()

    assert all(held == 0.0 for _spent, held in books.windows().values())
    assert {row.status for row in books.rows()} == {"client_closed"}
    assert "not_sent" in {row.error for row in books.rows()}
    assert books.meter.in_flight == 0
    await books.open(key, 0.05)


async def test_a_request_that_is_cancelled_during_a_long_commit_leaves_nothing_held(books: Books) -> None:
    """Somebody else writes, so the commit waits in a thread; whoever waited for it has left when it is done."""
    key = a_key(cap_usd=0.05)
    await books.ask(key, 0.05, 0.0)
    with books.engine.connect() as other:
        begin_write(other)
        opening = asyncio.create_task(books.open(key, 0.05))
        await asyncio.sleep(0.1)
        opening.cancel()
        other.rollback()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await books.meter.drain()

    assert [(row.status, row.error) for row in books.rows()] == [("done", None), ("client_closed", "not_sent")]
    await books.open(key, 0.05)


async def test_a_request_that_is_forgotten_does_not_keep_its_money_for_ever(books: Books) -> None:
    """After its lease it is in doubt, at what was held; an end that comes later changes nothing."""
    hold = await books.open(a_key(), 0.01)
    assert books.meter.give_up(lease_s=60) == 0
    books.aged.at_s += 61

    assert books.meter.give_up(lease_s=60) == 1
    await books.meter.drain()
    assert [(row.status, row.usd, row.error) for row in books.rows()] == [("in_doubt", 0.01, "lease_ended")]
    assert books.windows() == {MONTH: (0.01, 0.0)}
    assert not await books.meter.settle(hold, DONE)


async def test_when_rows_cannot_be_written_nobody_is_asked(books: Books) -> None:
    """What is not metered is not served; the end of what was under way is written as soon as it can be."""
    hold = await books.open(a_key())
    driver = books.writer._own().connection.dbapi_connection
    assert driver is not None
    driver.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]  # sqlite3's own
    ending = books.meter.settle(hold, DONE)
    with pytest.raises(MeterDown):
        await books.open(a_key())
    driver.execute("PRAGMA query_only=OFF")  # type: ignore[attr-defined]

    assert await ending
    assert [row.status for row in books.rows()] == ["done"]


async def test_texts_that_no_encoding_takes_are_kept_escaped(books: Books) -> None:
    """A name that an upstream sends spoils no transaction."""
    hold = await books.open(a_key())
    await books.meter.settle(hold, DONE._replace(model="bad \udcff name", error="\udc00"))

    assert books.rows()[0].model == "bad \\udcff name"


async def test_many_keys_share_transactions(books: Books) -> None:
    """Each has its own money, whoever asks beside it."""
    keys = [a_key(number, cap_usd=0.02) for number in range(1, 21)]
    found = await asyncio.gather(*(books.open(key, 0.01) for key in keys for _ in range(3)), return_exceptions=True)

    assert sum(isinstance(one, OverBudget) for one in found) == 20
    assert all(books.windows(key.id)[MONTH] == (0.0, 0.02) for key in keys)


async def test_a_new_window_begins_empty(books: Books) -> None:
    """The budget of the day before is neither carried over nor charged again."""
    key = a_key(cap_usd=0.01, window="day")
    await books.ask(key, 0.01, 0.01)
    books.clock.at_s += DAY_S
    await books.ask(key, 0.01, 0.002)

    day = window_at("day", NOON_S)
    assert books.windows() == {day: (0.01, 0.0), day + 1: (0.002, 0.0)}
