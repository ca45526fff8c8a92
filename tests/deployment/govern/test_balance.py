"""How a budget stands: what the meter would grant, and until when."""

from __future__ import annotations

import pytest
from tests.deployment.govern.books import DAY_S, NOON_S, Books, a_key

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.balance import standing
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import OverBudget


async def test_it_is_what_the_meter_grants(books: Books) -> None:
    """What is left can be held, and no cent more."""
    key = a_key(cap_usd=1.0, window="day")
    await books.meter.settle(await books.open(key, 0.25), Ending("done", usd=0.125))
    await books.open(key, 0.5)
    found = standing(books.engine, key, at_s=NOON_S)

    assert found is not None
    assert (found.spent_usd, found.held_usd, found.left_usd) == (0.125, 0.5, 0.375)
    assert found.ends_at == "2026-11-28T00:00:00.000+00:00"
    with pytest.raises(OverBudget):
        await books.open(key, 0.376)
    await books.open(key, 0.375)


async def test_a_new_window_is_empty_before_anybody_asks(books: Books) -> None:
    """And a clock that went back shows the window that is open."""
    key = a_key(cap_usd=1.0, window="day")
    await books.ask(key, 0.5, 0.5)
    tomorrow, yesterday = (standing(books.engine, key, at_s=NOON_S + days * DAY_S) for days in (1, -1))

    assert tomorrow is not None
    assert yesterday is not None
    assert (tomorrow.spent_usd, yesterday.spent_usd) == (0.0, 0.5)


def test_without_a_budget_there_is_nothing_to_tell(books: Books) -> None:
    """None, not zero; and a budget for ever never begins anew."""
    assert standing(books.engine, a_key(cap_usd=None)) is None
    found = standing(books.engine, a_key(cap_usd=2.0, window="ever"))
    assert found is not None
    assert (found.ends_at, found.left_usd) == (None, 2.0)


def test_keys_that_share_it_are_named(books: Books) -> None:
    """Those that were replaced, and those that replaced them."""
    keys = Keys(books.engine, bytes(32), clock=books.clock)
    first, _secret = keys.create("shop", who="me", budget=Budget(usd=1))
    second, _secret = keys.rotate(first.id, grace_s=60, who="me")
    third, _secret = keys.rotate(second.id, grace_s=60, who="me")
    found = standing(books.engine, second)

    assert found is not None
    assert found.shared_with == (first.id, third.id)
