"""A4: whatever the clock does, a closed window stays closed and a hold goes back to the window that it came from."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deployment.govern.books import DAY_S, NOON_S, Books, a_key, open_store

from touchstone.deployment.base import Window
from touchstone.deployment.govern.meter import Ending, Hold
from touchstone.deployment.govern.refusals import OverBudget
from touchstone.deployment.govern.windows import ends_s, window_at

CAP_USD = 1.0
hours = st.floats(min_value=-800, max_value=800, allow_nan=False)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("clock"), hours),
        st.tuples(st.just("open"), st.floats(min_value=0.01, max_value=0.6)),
        st.tuples(st.just("settle"), st.floats(min_value=0, max_value=1)),
        st.tuples(st.just("restart"), st.just(0.0)),
    ),
    max_size=25,
)


async def play(folder: Path, kind: Window, story: list[tuple[str, float]]) -> None:
    """Live through a story, beside books of our own in which every cent is followed."""
    engine = open_store(folder)
    books, key = Books(engine), a_key(cap_usd=CAP_USD, window=kind)
    spent: dict[int, float] = defaultdict(float)
    under_way: list[Hold] = []
    newest = -1
    for what, size in story:
        if what == "clock":
            books.clock.at_s = max(0.0, books.clock.at_s + 3600 * size)
        elif what == "open":
            with suppress(OverBudget):
                hold = await books.open(key, size)
                assert hold.window >= newest, "an older window was opened again"
                assert hold.window >= window_at(kind, books.clock.at_s)
                newest = hold.window
                under_way.append(hold)
        elif what == "settle" and under_way:
            hold = under_way.pop(0)
            usd = size * (hold.hold_usd or 0.0)
            spent[hold.window] += usd
            assert await books.meter.settle(hold, Ending("done", usd=usd))
        elif what == "restart":
            # A meter that remembers nothing: what it knows of windows must come from the store.
            fresh = books.another()
            fresh._running = books.meter._running
            books.meter = fresh
        held: dict[int, float] = defaultdict(float)
        for hold in under_way:
            held[hold.window] += hold.hold_usd or 0.0
        for window, (spent_usd, held_usd) in books.windows().items():
            assert spent_usd == pytest.approx(spent[window], abs=1e-9)
            assert held_usd == pytest.approx(held[window], abs=1e-9)
            assert spent_usd + held_usd <= CAP_USD + 1e-9
    await books.writer.close()
    engine.dispose()


@settings(max_examples=40)
@given(st.sampled_from(get_args(Window)), steps)
def test_clocks_that_jump_never_reopen_a_window(kind: Window, story: list[tuple[str, float]]) -> None:
    """Forward and back over days and months, with requests under way, and with restarts between."""
    with TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), kind, story))


async def test_a_hold_that_is_settled_after_midnight_belongs_to_its_day(books: Books) -> None:
    """What is left of it is no credit for the new day."""
    key, day = a_key(cap_usd=1.0, window="day"), window_at("day", NOON_S)
    late = await books.open(key, 0.9)
    books.clock.at_s += DAY_S
    await books.ask(key, 0.8, 0.8)
    await books.meter.settle(late, Ending("done", usd=0.1))

    assert books.windows() == {day: (0.1, 0.0), day + 1: (0.8, 0.0)}
    with pytest.raises(OverBudget):
        await books.open(key, 0.3)


async def test_a_clock_that_goes_back_gives_no_money_back(books: Books) -> None:
    """Yesterday's budget is used up or not: it is over. Another meter, which knows nothing, is not fooled either."""
    key = a_key(cap_usd=1.0, window="day")
    await books.ask(key, 1.0, 1.0)
    books.clock.at_s -= 3 * DAY_S

    for meter in (books.meter, books.another()):
        with pytest.raises(OverBudget) as refused:
            await meter.open(books.intent(key, 0.1))
        end_s = ends_s("day", window_at("day", NOON_S))
        assert refused.value.retry_after_s == end_s - books.clock.at_s


async def test_a_window_that_somebody_else_opened_is_the_one(books: Books) -> None:
    """A meter whose clock is behind, and which knows today's window, goes on in tomorrow's once that is open."""
    key, day = a_key(cap_usd=1.0, window="day"), window_at("day", NOON_S)
    behind = books.meter
    await books.ask(key, 0.1, 0.1)
    books.meter = books.another()
    books.clock.at_s += DAY_S
    await books.ask(key, 0.95, 0.95)
    books.clock.at_s -= DAY_S

    with pytest.raises(OverBudget):
        await behind.open(books.intent(key, 0.1))
    assert books.windows() == {day: (0.1, 0.0), day + 1: (0.95, 0.0)}


@pytest.mark.parametrize("kind", ["hour", "day", "week", "month"])
async def test_the_edge_of_a_window_belongs_to_the_next(books: Books, kind: Window) -> None:
    """A request in the last moment is refused, one in the next moment is not."""
    key = a_key(cap_usd=1.0, window=kind)
    await books.ask(key, 1.0, 1.0)
    edge_s = ends_s(kind, window_at(kind, NOON_S))
    books.clock.at_s = edge_s - 0.001
    with pytest.raises(OverBudget):
        await books.open(key, 0.1)
    books.clock.at_s = edge_s

    await books.open(key, 0.1)
