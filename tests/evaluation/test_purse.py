"""What the purse of a run promises: the cap holds, all of it can be used, and nobody keeps money he does not use."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import BudgetStop
from touchstone.evaluation import purse as purse_module
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.ledger import Ledger, Served
from touchstone.evaluation.purse import Purse, Stopped
from touchstone.evaluation.recovery import balance_of, recover
from touchstone.models.base import Reply


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One store for the examples of a property; each is a run of its own."""
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


async def take(purse: Purse, worst_usd: float | None, *, retry: bool = False) -> int:
    return await purse.take("key", "e", "answer", b"{}", worst_usd, retry=retry)


async def close(purse: Purse, attempt: int, held_usd: float, cost_usd: float | None, **more: Any) -> Balance:
    return await purse.close(attempt, **{"state": "replied", "held_usd": held_usd, "cost_usd": cost_usd, **more})


def how_it_ended(file: Path, attempt: int) -> tuple[str, float]:
    """State of an attempt, and what had been held for it."""
    with closing(sqlite3.connect(file)) as connection:
        [row] = connection.execute("SELECT state, hold_usd FROM attempt WHERE id = ?", (attempt,)).fetchall()
    return row[0], row[1]


def stored(purse: Purse) -> Balance:
    """How the run stands on disk."""
    found = balance_of(purse.ledger, purse.run)
    assert found is not None
    return found


async def waits(task: asyncio.Task[Any]) -> None:
    """It has had every chance to go on, and does not."""
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert not task.done()


# The cap


async def test_a_call_holds_its_worst_case_and_settles_what_it_cost(ledger: Ledger) -> None:
    """Both are on disk before anybody goes on."""
    purse = Purse(ledger, cap_usd=1.0)
    attempt = await take(purse, 0.75)
    assert stored(purse) == Balance(purse.run, cap_usd=1.0, held_usd=0.75, made=1)
    assert purse.in_flight == 1
    await close(purse, attempt, 0.75, 0.25)

    assert stored(purse) == purse.balance == Balance(purse.run, cap_usd=1.0, spent_usd=0.25, made=1)
    assert (purse.in_flight, purse.spent_usd, purse.cap_usd) == (0, 0.25, 1.0)


async def test_who_finds_no_room_waits_while_what_is_in_flight_holds_it(ledger: Ledger) -> None:
    """Calls usually cost far less than their worst case: the second fits once the first is settled."""
    purse = Purse(ledger, cap_usd=1.0)
    first = await take(purse, 1.0)
    second = asyncio.create_task(take(purse, 0.75))
    await waits(second)
    await close(purse, first, 1.0, 0.25)

    async with asyncio.timeout(60):
        await second
    assert stored(purse) == Balance(purse.run, cap_usd=1.0, held_usd=0.75, spent_usd=0.25, made=2)
    assert purse.exhausted is None


async def test_what_can_never_fit_is_refused_at_once(ledger: Ledger) -> None:
    """Nobody waits for what would not help; the error names the cap, and nothing is on disk."""
    purse = Purse(ledger, cap_usd=1.0)
    first = await take(purse, 0.5)
    async with asyncio.timeout(60):
        with pytest.raises(BudgetStop, match=r"cap of \$1.0000 .* --max-usd"):
            await take(purse, 1.5)
    await close(purse, first, 0.5, 0.5)

    assert stored(purse) == Balance(purse.run, cap_usd=1.0, spent_usd=0.5, made=1)


async def test_after_the_first_refusal_everybody_is_refused(ledger: Ledger) -> None:
    """Also who would still fit, and who waits already: else the short cases alone would be measured."""
    purse = Purse(ledger, cap_usd=1.0)
    first = await take(purse, 0.75)
    waiting = asyncio.create_task(take(purse, 0.5))
    await waits(waiting)
    with pytest.raises(BudgetStop):
        await take(purse, 2.0)
    async with asyncio.timeout(60):
        with pytest.raises(BudgetStop):
            await waiting
    with pytest.raises(BudgetStop):
        await take(purse, 0.125)

    await close(purse, first, 0.75, 0.0)
    free = await take(purse, 0.0)
    await close(purse, free, 0.0, 0.0)
    assert stored(purse).made == 2


async def test_what_costs_nothing_is_never_refused(ledger: Ledger) -> None:
    """A free model goes on under a cap of nothing."""
    purse = Purse(ledger, cap_usd=0.0)
    await close(purse, await take(purse, 0.0), 0.0, 0.0)
    with pytest.raises(BudgetStop):
        await take(purse, 0.001)
    await close(purse, await take(purse, None), 0.0, None, unpriced=True)

    assert stored(purse).made == 2


async def test_without_a_cap_nothing_is_refused(ledger: Ledger) -> None:
    """It is only counted; one call of unknown cost makes the sum unknown, which is not nothing."""
    purse = Purse(ledger)
    await close(purse, await take(purse, 1e6), 1e6, 5.0)
    assert purse.spent_usd == 5.0
    await close(purse, await take(purse, None), 0.0, None, unpriced=True)

    assert purse.spent_usd is None
    assert stored(purse).spent_usd == 5.0


@given(
    cap=st.integers(0, 40),
    calls=st.lists(st.tuples(st.integers(0, 16), st.integers(0, 8)), max_size=16),
    workers=st.integers(1, 16),
)
@settings(max_examples=30, deadline=None)
def test_spent_and_held_never_pass_the_cap(
    shared: Ledger, cap: int, calls: list[tuple[int, int]], workers: int
) -> None:
    """Whatever calls hold and then really cost, in whatever number they run at once; and all of them end."""
    purse = Purse(shared, cap_usd=cap / 8)
    refused: list[int] = []

    async def call(hold: int, share: int, room: asyncio.Semaphore) -> None:
        async with room:
            try:
                attempt = await take(purse, hold / 8)
            except BudgetStop:
                refused.append(hold)
                return
            now = stored(purse)
            assert now.spent_usd + now.held_usd <= cap / 8
            await close(purse, attempt, hold / 8, hold * share / 64)

    async def all_calls() -> None:
        room = asyncio.Semaphore(workers)
        async with asyncio.timeout(60):
            await asyncio.gather(*(call(hold, share, room) for hold, share in calls))
        await shared.drain()

    asyncio.run(all_calls())
    found = balance_of(shared, purse.run)
    assert found is None or (found.held_usd, found.made) == (0.0, len(calls) - len(refused))
    # Refused is only who cannot be paid for even when everything else is settled, and who comes after that.
    assert (purse.exhausted is None) == (not refused)
    if not refused:
        assert found is None or found.spent_usd <= cap / 8


# Who gives up


@pytest.mark.parametrize("waiting_for", ["room", "the disk"])
async def test_a_cancelled_waiter_leaks_no_hold(ledger: Ledger, waiting_for: str) -> None:
    """Whether it waited for room under the cap or its hold was just being written."""
    purse = Purse(ledger, cap_usd=1.0)
    first = await take(purse, 1.0) if waiting_for == "room" else None
    for turns in range(5):
        task = asyncio.create_task(take(purse, 0.5))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if first is not None:
        await close(purse, first, 1.0, 0.5)
    await ledger.drain()

    assert (stored(purse).held_usd, purse.in_flight) == (0.0, 0)
    async with asyncio.timeout(60):
        await close(purse, await take(purse, 0.5), 0.5, 0.5)
    assert stored(purse).made == 1 + (first is not None)


async def test_a_run_that_was_told_to_stop_sends_nothing(ledger: Ledger) -> None:
    """Who waits hears of it, who comes later too; what is in flight is settled as ever."""
    purse = Purse(ledger, cap_usd=1.0)
    first = await take(purse, 1.0)
    waiting = asyncio.create_task(take(purse, 0.5))
    await waits(waiting)
    purse.stop()
    async with asyncio.timeout(60):
        with pytest.raises(Stopped):
            await waiting
    with pytest.raises(Stopped):
        await take(purse, 0.0)
    await close(purse, first, 1.0, 0.25)

    assert stored(purse) == Balance(purse.run, cap_usd=1.0, spent_usd=0.25, made=1)


# Several that share it


async def test_opening_a_purse_again_takes_over_what_was_spent_and_what_is_held(ledger: Ledger) -> None:
    """A later session, or another process of the same run, adds to it and resets nothing; the newest cap holds."""
    first = Purse(ledger, "run", cap_usd=1.0)
    attempt = await take(first, 0.25, retry=True)
    await close(first, attempt, 0.25, 0.25)
    held = await take(first, 0.5)
    second = Purse(ledger, "run", cap_usd=2.0)
    second.open()

    assert second.balance == Balance("run", cap_usd=2.0, held_usd=0.5, spent_usd=0.25, made=2, retries=1)
    await close(first, held, 0.5, 0.5)
    assert stored(second) == Balance("run", cap_usd=2.0, spent_usd=0.75, made=2, retries=1)


async def test_opening_does_not_undo_a_hold_that_is_being_written(file: Path, ledger: Ledger) -> None:
    """However openings and holds of two processes interleave, the held money stays held."""
    other = Ledger(file)
    sender = Purse(ledger, "run", cap_usd=100.0)

    async def open_often() -> None:
        for _ in range(20):
            await asyncio.to_thread(Purse(other, "run", cap_usd=100.0).open)

    async def send_often() -> None:
        for _ in range(40):
            await take(sender, 0.5)

    await asyncio.gather(open_often(), send_often())
    other.close()
    assert stored(sender) == Balance("run", cap_usd=100.0, held_usd=20.0, made=40)


async def test_what_another_process_holds_is_waited_for(file: Path, ledger: Ledger) -> None:
    """One run, two processes: the cap is one, and money that the other frees is seen."""
    other = Ledger(file)
    mine, theirs = Purse(ledger, "run", cap_usd=1.0), Purse(other, "run", cap_usd=1.0)
    held = await take(theirs, 1.0)
    waiting = asyncio.create_task(take(mine, 0.5))
    await waits(waiting)
    await close(theirs, held, 1.0, 0.25)
    async with asyncio.timeout(60):
        await waiting
    other.close()

    assert stored(mine) == Balance("run", cap_usd=1.0, held_usd=0.5, spent_usd=0.25, made=2)


async def test_what_a_dead_process_holds_is_not_waited_for_for_ever(
    file: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some minutes whoever held it is gone, and the run ends by its cap."""
    monkeypatch.setattr(purse_module, "_LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(purse_module, "_LOOK_AGAIN_S", 0.02)
    dead = Ledger(file)
    await take(Purse(dead, "run", cap_usd=1.0), 1.0)
    dead.close()
    async with asyncio.timeout(60):
        with pytest.raises(BudgetStop):
            await take(Purse(ledger, "run", cap_usd=1.0), 0.5)


async def test_every_purse_without_a_name_is_a_run_of_its_own(ledger: Ledger) -> None:
    """Two runs in one store have two caps."""
    one, other = Purse(ledger, cap_usd=1.0), Purse(ledger, cap_usd=1.0)
    for purse in (one, other):
        await take(purse, 1.0)
    assert one.run != other.run
    assert stored(one).held_usd == stored(other).held_usd == 1.0


# Replies that nobody had read


async def interrupted(file: Path) -> int:
    """A run that stored a reply, booked at 1 dollar at worst, and died before it had read it."""
    ledger = Ledger(file)
    purse = Purse(ledger, "run", cap_usd=2.0)
    attempt = await take(purse, 1.0)
    await ledger.keep_reply("key", Reply(body=b"{}", latency_s=1.0), attempt, "run")
    ledger.close()
    return attempt


@pytest.mark.parametrize("run", ["run", "another"])
async def test_an_unread_reply_gets_its_real_cost_when_it_is_read(file: Path, ledger: Ledger, run: str) -> None:
    """In the run that had bought it, whoever reads it: that run's worst case goes, the cost stays."""
    attempt = await interrupted(file)
    assert recover(ledger) == 0
    before = balance_of(ledger, "run")
    assert before == Balance("run", cap_usd=2.0, spent_usd=1.0, made=1)
    purse = Purse(ledger, run, cap_usd=2.0)
    purse.open()
    assert set(purse.unread) == {attempt}
    purse.read_late(attempt, "replied", 0.125, served=Served("m", None, "eu"))
    await ledger.drain()

    assert balance_of(ledger, "run") == Balance("run", cap_usd=2.0, spent_usd=0.125, made=1)
    assert purse.unread == {}
    assert how_it_ended(file, attempt) == ("replied", 1.0)
    if run == "run":
        assert purse.spent_usd == 0.125


async def test_an_unread_reply_that_is_no_answer_is_a_failed_attempt(file: Path, ledger: Ledger) -> None:
    """It costs what the failure costs, and is not called an answer."""
    attempt = await interrupted(file)
    recover(ledger)
    purse = Purse(ledger, "run", cap_usd=2.0)
    purse.open()
    purse.read_late(attempt, "failed", 0.0, error="the reply is no reply")
    await ledger.drain()

    assert stored(purse) == Balance("run", cap_usd=2.0, spent_usd=0.0, made=1)
    assert how_it_ended(file, attempt) == ("failed", 1.0)


async def test_a_reply_that_came_as_its_call_was_cancelled_waits_to_be_read(ledger: Ledger) -> None:
    """It costs its worst case until then, within this session too, and is no call in doubt."""
    purse = Purse(ledger, cap_usd=2.0)
    attempt = await take(purse, 1.0)
    await close(purse, attempt, 1.0, 1.0, state="unread")
    assert stored(purse) == Balance(purse.run, cap_usd=2.0, spent_usd=1.0, made=1)
    assert set(purse.unread) == {attempt}
    purse.read_late(attempt, "replied", 0.25)
    await ledger.drain()

    assert stored(purse) == Balance(purse.run, cap_usd=2.0, spent_usd=0.25, made=1)
