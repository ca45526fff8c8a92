"""After a gateway died: what was under way is in doubt and counts, until an admin gives it back."""

from __future__ import annotations

import pytest
from tests.deployment.govern.books import DAY_S, NOON_S, Books, a_key

from touchstone.deployment.base import Usage
from touchstone.deployment.govern.audit import acts
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.recovery import doubts, recover, release
from touchstone.deployment.govern.windows import window_at
from touchstone.errors import UnknownName

DAY = window_at("day", NOON_S)
KEY = a_key(cap_usd=1.0, window="day")


async def test_what_was_under_way_counts_at_its_hold(books: Books) -> None:
    """Nothing is held any more, for nobody asks; what had ended is as it was."""
    await books.ask(KEY, 0.1, 0.04)
    await books.open(KEY, 0.2)
    await books.open(a_key(2, cap_usd=None), None)

    assert recover(books.engine, "the next gateway") == 2
    assert books.windows() == {DAY: (pytest.approx(0.24), 0.0)}
    assert [(row.status, row.usd, row.error) for row in books.rows()] == [
        ("done", 0.04, None),
        ("in_doubt", 0.2, "gateway_ended"),
        ("in_doubt", None, "gateway_ended"),
    ]
    assert recover(books.engine, "the one after") == 0


async def test_ones_own_requests_are_left_alone(books: Books) -> None:
    """A gateway that recovers has not lost what it is serving."""
    hold = await books.open(KEY, 0.2)

    assert recover(books.engine, books.meter.owner) == 0
    assert books.windows() == {DAY: (0.0, 0.2)}
    assert await books.meter.settle(hold, Ending("done", usd=0.1))


async def test_a_gateway_that_was_taken_for_dead_books_nothing_twice(books: Books) -> None:
    """Its end of a request that is in doubt already finds no row, and moves no money."""
    hold = await books.open(KEY, 0.2)
    recover(books.engine, "the next gateway")

    assert not await books.meter.settle(hold, Ending("done", Usage(1, 1), 0.1))
    assert books.windows() == {DAY: (pytest.approx(0.2), 0.0)}
    assert books.rows()[0].status == "in_doubt"


async def test_an_admin_gives_it_back(books: Books) -> None:
    """The money is there again, the row says so, and the audit log who did it."""
    await books.open(KEY, 0.2)
    recover(books.engine, "next")
    [doubt] = doubts(books.engine)

    assert release(books.engine, doubt.request, who="user ada") == 0.2
    assert books.windows() == {DAY: (0.0, 0.0)}
    assert [(row.status, row.usd) for row in books.rows()] == [("released", 0.0)]
    assert [(act.what, act.who, act.about) for act in acts(books.engine)] == [
        ("charge.release", "user ada", f"request {doubt.request}")
    ]
    with pytest.raises(UnknownName):
        release(books.engine, doubt.request, who="user ada")


async def test_what_is_given_back_late_is_no_gift_to_a_new_window(books: Books) -> None:
    """It goes back to the window that it was held in."""
    await books.open(KEY, 0.2)
    recover(books.engine, "next")
    books.clock.at_s += DAY_S
    await books.ask(KEY, 0.5, 0.5)
    release(books.engine, "req-1", who="me")

    assert books.windows() == {DAY: (0.0, 0.0), DAY + 1: (0.5, 0.0)}


async def test_only_what_is_in_doubt_is_given_back(books: Books) -> None:
    """An answered request is paid; the ids that could be meant are named."""
    await books.ask(KEY, 0.1, 0.04)
    await books.open(KEY, 0.2)
    recover(books.engine, "next")

    with pytest.raises(UnknownName, match="req-2"):
        release(books.engine, "req-1", who="me")


async def test_doubts_belong_to_a_project(books: Books) -> None:
    """Newest first; another project's are not shown (R9)."""
    await books.open(a_key(1, project="web"), 0.1)
    books.clock.at_s += 60
    await books.open(a_key(2, project="app"), 0.1)
    recover(books.engine, "next")

    assert [one.key for one in doubts(books.engine)] == [2, 1]
    assert [one.key for one in doubts(books.engine, project="web")] == [1]


async def test_rests_of_sums_do_not_stay(books: Books) -> None:
    """What nobody holds is nothing, however many sums were made of it."""
    for usd in (0.1, 0.2, 0.3, 0.7):
        await books.ask(a_key(cap_usd=10), usd, usd / 3)
    recover(books.engine, "next")

    assert [held for _spent, held in books.windows().values()] == [0.0]
