"""A2: however many ask at once on one key, from however many processes, its budget is not passed by a cent."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from pathlib import Path

from tests.deployment.govern.books import Books, a_key, open_store

from touchstone.deployment.base import Usage
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.refusals import OverBudget

CAP_USD = 1.0
HOLD_USD = 0.01


async def test_500_at_once_never_pass_the_cap(books: Books) -> None:
    """Exactly as many as fit are granted, in one rush, and the others are refused."""
    key = a_key(cap_usd=CAP_USD)
    found = await asyncio.gather(*(books.open(key, HOLD_USD) for _ in range(500)), return_exceptions=True)

    refused = [one for one in found if isinstance(one, OverBudget)]
    assert len(refused) + sum(not isinstance(one, Exception) for one in found) == 500
    [(spent_usd, held_usd)] = books.windows().values()
    assert spent_usd + held_usd <= CAP_USD
    assert len(refused) in (400, 401)  # a hundred cents make a dollar, but for the last bit of a float


async def test_a_storm_of_holds_and_ends_never_passes_it_either(books: Books) -> None:
    """Whatever each turns out to cost, spent and held are looked at after every step."""
    key, draw, granted = a_key(cap_usd=CAP_USD), random.Random(7), []

    async def one() -> None:
        hold_usd = draw.uniform(0.001, 0.05)
        try:
            hold = await books.open(key, hold_usd)
        except OverBudget:
            return
        await asyncio.sleep(0)
        cost_usd = hold_usd * draw.random()
        granted.append(cost_usd)
        await books.meter.settle(hold, Ending("done", Usage(1, 1), cost_usd))
        [(spent_usd, held_usd)] = books.windows().values()
        assert spent_usd + held_usd <= CAP_USD + 1e-9

    await asyncio.gather(*(one() for _ in range(500)))
    [(spent_usd, held_usd)] = books.windows().values()
    assert held_usd == 0.0
    assert abs(spent_usd - sum(granted)) < 1e-9
    assert spent_usd <= CAP_USD


def ask_in_a_process(folder: Path, requests: int) -> int:
    """Ask as often as that with a meter of its own; returns how many were granted."""

    async def ask() -> int:
        engine = open_store(folder)
        books = Books(engine)
        key = a_key(cap_usd=CAP_USD)
        found = await asyncio.gather(*(books.open(key, HOLD_USD) for _ in range(requests)), return_exceptions=True)
        await books.writer.close()
        engine.dispose()
        strange = [one for one in found if isinstance(one, Exception) and not isinstance(one, OverBudget)]
        assert not strange, strange
        return sum(not isinstance(one, Exception) for one in found)

    return asyncio.run(ask())


def test_two_processes_share_one_cap(tmp_path: Path) -> None:
    """The check is in the store, not in a process."""
    open_store(tmp_path).dispose()
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        granted = pool.starmap(ask_in_a_process, [(tmp_path, 250)] * 2)

    engine = open_store(tmp_path)
    [(spent_usd, held_usd)] = Books(engine).windows().values()
    engine.dispose()
    assert sum(granted) in (99, 100)
    assert held_usd <= CAP_USD
    assert spent_usd == 0.0


async def test_nobody_comes_between_check_and_hold(books: Books) -> None:
    """Two meters of one store, each with its own idea of what is left, interleaved."""
    from touchstone.deployment.govern.writer import Writer

    key, other = a_key(cap_usd=0.05), Writer(books.engine)
    second = books.another(other)
    wishes = [books.meter.open(books.intent(key, HOLD_USD)) for _ in range(5)]
    wishes += [second.open(books.intent(key, HOLD_USD)) for _ in range(5)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    await other.close()

    assert sum(isinstance(one, OverBudget) for one in found) in (5, 6)
    assert all(held <= 0.05 for _spent, held in books.windows().values())
