"""What a lane promises: calls go in turn, as many at once as allowed, and nothing that happens makes one hang."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.evaluation.lane_cells import (
    Longest,
    Provider,
    broken,
    cell,
    cells,
    denied,
    goes,
    gone,
    lane_of,
    lost,
    meets,
    now,
    open_breaker,
    refused,
    run,
    settle,
    slow_down,
    too_long,
    waited_s,
    waits,
)

from touchstone.errors import ModelError
from touchstone.evaluation.lane import Lane, LaneSettings, Send

# Slots


def test_no_more_calls_go_at_once_than_the_account_allows() -> None:
    """And not fewer either, however many tasks ask."""

    async def scenario() -> None:
        provider = Provider()
        ended = await cells(lane_of(4), provider, 40, tasks=16)

        assert ended == {"answered": 40}
        assert provider.most_in_flight == 4
        assert provider.sends[-1][0] - provider.sends[0][0] == pytest.approx(9)

    run(scenario())


def test_calls_go_in_the_order_in_which_they_came() -> None:
    """Nobody is overtaken, whatever endpoint is asked."""

    async def scenario() -> None:
        lane = lane_of(1)
        order: list[int] = []

        async def ask(number: int) -> None:
            send = await lane.enter(f"model {number % 3}", retry=False)
            order.append(number)
            await asyncio.sleep(0.5)
            lane.leave(send, None)

        await asyncio.gather(*(ask(number) for number in range(30)))
        assert order == list(range(30))

    run(scenario())


def test_retries_and_first_sends_wait_in_one_order() -> None:
    """As long as the retries are few enough."""

    async def scenario() -> None:
        lane = lane_of(1)
        order: list[int] = []

        async def ask(number: int) -> None:
            send = await lane.enter("small", retry=number in (2, 3, 6))
            order.append(number)
            await asyncio.sleep(0.5)
            lane.leave(send, None)

        await asyncio.gather(*(ask(number) for number in range(9)))
        assert order == list(range(9))

    run(scenario())


def test_a_newcomer_does_not_overtake_those_who_were_just_let_go() -> None:
    """A slot that was handed on is taken, although its new owner has not run yet."""

    async def scenario() -> None:
        lane = lane_of(1)
        first = await goes(lane)
        second = await waits(lane)
        lane.leave(first, None)
        third = asyncio.ensure_future(lane.enter("small", retry=False))
        await settle()

        assert second.done()
        assert not third.done()
        third.cancel()

    run(scenario())


def test_waiting_in_our_own_limiter_is_measured() -> None:
    """Of each send and in all, so that it is never taken for the provider's latency."""

    async def scenario() -> None:
        lane = lane_of(1)
        first = await goes(lane)
        second, third = await waits(lane), await waits(lane)
        assert lane.state.waiting == 2
        await asyncio.sleep(3)
        lane.leave(first, None)
        lane.leave(await second, None)

        assert first.queued_s == 0
        assert (await second).queued_s == pytest.approx(3)
        assert (await third).queued_s == pytest.approx(3)
        assert lane.state.queue_s == pytest.approx(6)
        assert lane.state.in_flight == 1
        assert lane.state.waiting == 0

    run(scenario())


def test_a_send_goes_back_once() -> None:
    """A second time would free a slot that somebody else has."""

    async def scenario() -> None:
        lane = lane_of()
        send = await goes(lane)
        lane.leave(send, None)

        with pytest.raises(AssertionError):
            lane.leave(send, None)
        with pytest.raises(AssertionError):
            lane.abandon(send)
        assert lane.state.in_flight == 0

    run(scenario())


def test_a_lane_lets_at_least_one_call_go() -> None:
    """No concurrency at all would wait for ever."""
    with pytest.raises(ValueError, match="at least 1"):
        Lane("acme", concurrency=0)


@pytest.mark.parametrize("resends", [-1, 4])
def test_resends_are_few(resends: int) -> None:
    """From 0 to 3."""
    with pytest.raises(ValidationError):
        LaneSettings(resends=resends)


# Cancelled


def test_a_cancelled_call_takes_no_slot() -> None:
    """Whether it waits, was just let go, or is in flight."""

    async def scenario() -> None:
        lane = lane_of(1)
        send = await goes(lane)
        waiting, let_go, last = await waits(lane), await waits(lane), await waits(lane)
        waiting.cancel()
        await settle()
        assert lane.state.waiting == 2
        lane.leave(send, None)
        let_go.cancel()  # it has the slot and has not run since
        await settle()
        assert let_go.cancelled()
        lane.abandon(await last)
        assert lane.state.in_flight == 0
        await meets(lane, None)

    run(scenario())


def test_a_call_that_is_cancelled_in_the_moment_of_its_turn_is_passed_over() -> None:
    """Its task has been told and has not run yet when the slot becomes free."""

    async def scenario() -> None:
        lane = lane_of(1)
        send = await goes(lane)
        cancelled, last = await waits(lane), await waits(lane)
        cancelled.cancel()
        lane.leave(send, None)
        await settle()

        assert last.done()
        assert lane.state.in_flight == 1

    run(scenario())


def test_a_cancelled_probe_is_not_the_last() -> None:
    """Waiting for its turn, just let go, or in flight: the next one probes."""

    async def scenario() -> None:
        lane = lane_of(2)
        await open_breaker(lane)
        waiting, let_go, in_flight = await waits(lane), await waits(lane), await waits(lane)
        last = await waits(lane)
        waiting.cancel()
        await asyncio.sleep(0.999)
        assert not let_go.done()
        await asyncio.sleep(0.001)
        while lane.state.breaker != "probing":
            await asyncio.sleep(0)
        let_go.cancel()
        await settle()
        lane.abandon(await in_flight)
        probe = await last
        assert lane.state.breaker == "probing"
        lane.leave(probe, None)
        assert lane.state.breaker == "closed"

    run(scenario())


def test_who_waits_for_a_pause_may_leave() -> None:
    """The others are woken, also after everybody left, and nothing is left to wait for nobody."""

    async def scenario() -> None:
        lane = lane_of(1)
        await meets(lane, slow_down(10))
        first = await waits(lane)
        second = await waits(lane)
        first.cancel()
        assert await waited_s(second) == pytest.approx(11)
        lane.leave(await second, slow_down(10))
        third = await waits(lane)
        third.cancel()
        await settle()
        assert len(asyncio.all_tasks()) == 1
        assert await waited_s(await waits(lane)) == pytest.approx(12)

    run(scenario())


def test_a_lane_survives_that_all_tasks_are_cancelled() -> None:
    """Its own one among them, which sleeps for all who wait."""

    async def scenario() -> None:
        lane = lane_of(1)
        await meets(lane, slow_down(10))
        await waits(lane)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()

        assert await waited_s(await waits(lane)) == pytest.approx(11)

    run(scenario())


# F8, F19: time


def test_the_wall_clock_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may jump as it likes."""
    assert signature(Lane).parameters["clock"].default is time.monotonic

    def jumped() -> float:
        raise AssertionError("the wall clock was asked")

    async def scenario() -> None:
        lane = Lane("acme", concurrency=2, random=Longest(), settings=LaneSettings(backoff_base_s=0.001))
        monkeypatch.setattr(time, "time", jumped)
        provider = Provider(
            lambda number, _: (slow_down(0.001), broken(), refused(), lost(), None)[number % 5], latency_s=0
        )
        try:
            assert (await cells(lane, provider, 20, tasks=2)).total() == 20
        finally:
            monkeypatch.undo()

    asyncio.run(scenario())


def test_who_waits_sleeps_once() -> None:
    """One sleep for all of them, and none that is repeated because it ended a moment early."""

    async def scenario() -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await asyncio.sleep(seconds * 0.999)

        lane = Lane("acme", concurrency=100, clock=now, sleep=sleep, random=Longest())
        await meets(lane, slow_down(60))
        calls = [await waits(lane) for _ in range(80)]
        await asyncio.gather(*calls)
        assert slept == [pytest.approx(61)]

    run(scenario())


def test_a_sleep_that_passes_no_time_is_believed() -> None:
    """A test may leave the waiting out."""

    async def scenario() -> None:
        async def sleep(seconds: float) -> None:
            await asyncio.sleep(0)

        lane = Lane("acme", concurrency=2, clock=lambda: 7.0, sleep=sleep, random=Longest())
        provider = Provider(lambda number, _: slow_down(60) if number % 2 else None, latency_s=0)
        assert await cells(lane, provider, 50, tasks=3) == {"answered": 50}

    run(scenario())


def test_a_pause_that_grows_is_slept_to_its_end() -> None:
    """Who sleeps already sleeps on."""

    async def scenario() -> None:
        lane = lane_of(4)
        sends = [await goes(lane) for _ in range(3)]
        lane.leave(sends[0], slow_down(10))
        waiting = await waits(lane)
        await asyncio.sleep(5)
        lane.leave(sends[1], slow_down(90))
        await asyncio.sleep(5)
        lane.leave(sends[2], slow_down(20))
        assert await waited_s(waiting) == pytest.approx(86)

    run(scenario())


# Whatever happens

FAILURES: dict[str, Callable[[], ModelError | None]] = {
    "reply": lambda: None,
    "429": lambda: slow_down(),
    "429, wait": lambda: slow_down(7),
    "429, wait long": lambda: slow_down(500),
    "503": broken,
    "refused": refused,
    "lost": lost,
    "413": too_long,
}

ENDS = {**FAILURES, "404": gone, "403": denied}

STEPS = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from(["small", "large"]), st.booleans()),
    st.tuples(st.just("enter"), st.just("small"), st.just(False)),
    st.tuples(st.just("leave"), st.integers(0, 9), st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("leave"), st.integers(0, 9), st.just("reply")),
    st.tuples(st.just("abandon"), st.integers(0, 9), st.just("")),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just("")),
    st.tuples(st.just("retry"), st.integers(1, 5), st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.4, 3.0, 16.0, 70.0, 400.0]), st.just("")),
    st.tuples(st.just("settle"), st.just(0), st.just("")),
)


@given(steps=st.lists(STEPS, max_size=60), concurrency=st.integers(1, 4), seed=st.integers(0, 3))
def test_whatever_happens_the_lane_stays_usable(steps: list[Any], concurrency: int, seed: int) -> None:
    """
    No sequence of calls, failures, cancellations and pauses breaks a lane.

    Calls in flight are what was let go and has not come back, never more than allowed; none is let go into a pause or
    a closed lane, one at a time while the breaker is open, none before an older one of its kind; and in the end
    whoever waits is answered and a new call goes.
    """

    async def scenario() -> None:
        lane = lane_of(concurrency, draws=random.Random(seed))
        waiting: list[asyncio.Task[Send]] = []
        flying: list[Send] = []
        order: dict[asyncio.Task[Send], tuple[int, bool]] = {}
        started = 0

        def collect() -> None:
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                if not task.cancelled() and task.exception() is None:
                    flying.append(task.result())
                    older = [t for t in waiting if order[t] < order[task] and order[t][1] == order[task][1]]
                    assert [t for t in older if not t.cancelling()] == []

        async def check() -> None:
            await settle()
            collect()
            state = lane.state
            assert state.in_flight == len(flying) <= concurrency
            assert state.waiting == len(waiting)
            assert 1 <= state.concurrency <= concurrency
            assert sum(send.probe for send in flying) <= 1
            if state.parked_s:
                assert not waiting
            free = state.in_flight < state.concurrency and not state.paused_s and state.breaker == "closed"
            assert not (free and any(not order[task][1] for task in waiting)), "a first send waits for nothing"

        for what, value, other in steps:
            before = lane.state
            if what == "enter":
                task = asyncio.ensure_future(lane.enter(value, retry=other))
                order[task] = (started, other)
                started += 1
                waiting.append(task)
                await settle()
                if task.done() and not task.exception():
                    assert before.paused_s == 0
                    assert before.parked_s == 0
                    assert before.breaker != "probing"
                    assert before.breaker == "closed" or task.result().probe
            elif what == "leave" and flying:
                lane.leave(flying.pop(value % len(flying)), ENDS[other]())
                collect()
            elif what == "abandon" and flying:
                lane.abandon(flying.pop(value % len(flying)))
            elif what == "cancel" and waiting:
                waiting[value % len(waiting)].cancel()
                continue  # what happens next meets a task that was cancelled and has not run
            elif what == "retry" and (failure := ENDS[other]()) is not None:
                wait_s = lane.retry_after(failure, value, value)
                assert wait_s is None or wait_s >= 0
            elif what == "pass":
                await asyncio.sleep(value)
            await check()

        await check()
        while flying or waiting:
            while flying:
                lane.leave(flying.pop(), None)
            if waiting:
                await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
            await check()
        await asyncio.sleep(lane.state.parked_s)
        lane.leave(await lane.enter("untouched", retry=False), None)
        await asyncio.sleep(0)
        assert lane.state.in_flight == 0
        assert lane.state.waiting == 0
        assert lane.state.breaker == "closed"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


@given(
    script=st.lists(st.sampled_from([*["reply"] * 6, *sorted(FAILURES)]), min_size=1, max_size=40),
    number=st.integers(1, 150),
    tasks=st.integers(1, 24),
    concurrency=st.integers(1, 8),
    latency=st.sampled_from([0.0, 0.3, 5.0]),
    seed=st.integers(0, 9),
)
def test_whatever_a_provider_does_retries_stay_few_and_every_cell_ends(
    script: list[str], number: int, tasks: int, concurrency: int, latency: float, seed: int
) -> None:
    """
    A provider that repeats any pattern of replies and failures for ever.

    Each retry is within a tenth of the sends of the last two minutes or within the floor, or the only one beyond; no
    more calls at once than allowed; every cell ends, and nobody waits for ever.
    """

    async def scenario() -> None:
        lane = lane_of(concurrency, draws=random.Random(seed))
        provider = Provider(lambda call, _: FAILURES[script[call % len(script)]](), latency)
        ended = await cells(lane, provider, number, tasks)

        assert ended.total() == number
        assert provider.most_in_flight <= concurrency
        assert provider.most_probes <= 1
        for moment, send in provider.sends:
            if send.retry and not send.probe:
                lately = [(t, s) for t, s in provider.sends if moment - 120 < t <= moment]
                retries = sum(s.retry and not (s.probe and t == moment) for t, s in lately)
                assert retries <= max(3, 0.1 * len(lately))

    run(scenario())


async def test_64_tasks_share_a_lane() -> None:
    """In real time: limits, failures and cancelled tasks, and every cell that was not cancelled is answered."""
    lane = Lane("acme", concurrency=16, random=random.Random(3), settings=LaneSettings(backoff_base_s=0.0005))
    dice = random.Random(5)
    provider = Provider(
        lambda number, _: dice.choices([None, slow_down(), broken(), refused()], [90, 4, 4, 2])[0], latency_s=0
    )
    left = iter(range(3000))
    ends: Counter[str] = Counter()

    async def work() -> None:
        for _ in left:
            ends[await cell(lane, provider)] += 1

    tasks = [asyncio.create_task(work()) for _ in range(72)]
    await asyncio.sleep(0.01)
    for task in tasks[:8]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 8
    assert set(ends) <= {"answered", "ProviderFailed", "Unreachable"}
    assert ends["answered"] >= 2980
    assert ends.total() >= 3000 - 8
    assert provider.most_in_flight <= 16
    assert (lane.state.in_flight, lane.state.waiting) == (0, 0)
