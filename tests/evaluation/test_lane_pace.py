"""What a lane spares its account: it waits as asked, asks less, retries seldom, and stops while nothing helps."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.lane_cells import (
    Longest,
    Provider,
    Shortest,
    broken,
    cell,
    cells,
    closed,
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

from touchstone.errors import ModelError, StreamCut
from touchstone.evaluation.lane import LaneClosed, LaneSettings
from touchstone.evaluation.lane_pace import Recent

# F1: rate limits that say how long


def test_the_whole_account_waits_as_long_as_the_provider_asks() -> None:
    """Every endpoint, at least that long, and not all machines to the same moment."""

    async def scenario(draws: random.Random) -> list[float]:
        lane = lane_of(draws=draws)
        await meets(lane, slow_down(30))
        calls = [await waits(lane, endpoint) for endpoint in ("small", "large")]
        assert lane.state.paused_s == await waited_s(asyncio.gather(*calls))
        return [send.queued_s for send in await asyncio.gather(*calls)]

    assert run(scenario(Shortest())) == pytest.approx([30, 30])
    assert run(scenario(Longest())) == pytest.approx([31, 31])


def test_a_later_rate_limit_makes_the_pause_longer_and_never_shorter() -> None:
    """Calls that were in flight together tell one limit; the longest wait asked for holds."""

    async def scenario() -> None:
        lane = lane_of(4)
        a, b, c, d = [await goes(lane) for _ in range(4)]
        lane.leave(a, slow_down(20))
        lane.leave(b, slow_down(50))
        lane.leave(c, slow_down(5))
        await asyncio.sleep(50.5)
        lane.leave(d, slow_down())

        assert await waited_s(await waits(lane)) == pytest.approx(0.5)

    run(scenario())


def test_a_rate_limit_is_no_failure_of_a_cell() -> None:
    """However often it is met, the cell is answered in the end."""

    async def scenario() -> None:
        lane = lane_of()
        provider = Provider(lambda number, _: slow_down(1) if number < 15 else None)

        assert await cell(lane, provider) == "answered"
        assert lane.state.rate_limited == 15
        assert lane.state.retries == 0
        assert lane.state.breaker == "closed"
        assert lane.retry_after(slow_down(1), 100, 100) == 0

    run(scenario())


def test_a_provider_that_asks_for_too_long_parks_the_lane() -> None:
    """Those who wait and those who come are told at once how long; what is in flight ends as ever; then it opens."""

    async def scenario() -> None:
        lane = lane_of(2)
        first, second = await goes(lane), await goes(lane)
        waiting = await waits(lane)
        lane.leave(first, slow_down(121))
        with pytest.raises(LaneClosed) as told:
            await waiting
        assert (told.value.kind, told.value.seconds) == ("parked", pytest.approx(122))
        assert str(told.value) == "acme is not asked for another 122 s: acme: too many requests for now"
        await asyncio.sleep(21.5)
        late = await closed(lane, "large")
        assert (late.kind, late.seconds) == ("parked", pytest.approx(100.5))
        assert lane.state.parked_s == pytest.approx(100.5)
        assert lane.retry_after(broken(), 1, 0) == 0
        lane.leave(second, None)
        await closed(lane)
        await asyncio.sleep(100.5)
        await meets(lane, None)
        assert lane.state.parked_s == 0

    run(scenario())


def test_two_minutes_are_waited_for() -> None:
    """Only more than that parks."""

    async def scenario() -> None:
        lane = lane_of()
        await meets(lane, slow_down(120))
        assert await waited_s(await waits(lane)) == pytest.approx(121)

    run(scenario())


def test_a_shorter_word_does_not_open_a_parked_lane() -> None:
    """A call that was in flight with it comes back later and asks for less; the first reason stays until it opens."""

    async def scenario() -> None:
        lane = lane_of()
        first, second = await goes(lane), await goes(lane)
        lane.leave(first, slow_down(600))
        lane.leave(second, broken(130))
        end = await closed(lane)
        assert end.seconds == pytest.approx(601)
        assert "too many requests" in str(end)
        await asyncio.sleep(601)
        await meets(lane, broken(130))
        assert "the provider failed" in str(await closed(lane))

    run(scenario())


def test_rate_limits_without_end_park_the_lane() -> None:
    """20 pauses without a success between them; and the first one after the rest parks it again."""

    async def scenario() -> None:
        lane = lane_of()
        provider = Provider(lambda number, _: slow_down(2))
        assert await cell(lane, provider) == "parked"
        assert len(provider.sends) == 20
        assert (await closed(lane)).seconds == pytest.approx(300)
        await asyncio.sleep(300)
        assert await cell(lane, provider) == "parked"
        assert len(provider.sends) == 21

    run(scenario())


def test_a_success_shows_that_the_limit_is_not_for_ever() -> None:
    """Rate limits with successes between them never park, if only the success came after the pause."""

    async def scenario() -> None:
        lane = lane_of(100, cooldown_s=100_000)
        provider = Provider(lambda number, _: None if number % 20 == 19 else slow_down(2))
        assert await cells(lane, provider, 10, tasks=1) == {"answered": 10}
        early = await goes(lane)
        for _ in range(19):
            lane.leave(await lane.enter("small", retry=False), slow_down())
        lane.leave(early, None)
        lane.leave(await lane.enter("small", retry=False), slow_down())
        assert (await closed(lane)).kind == "parked"

    run(scenario())


def test_calls_that_meet_a_limit_together_meet_it_once() -> None:
    """64 of them neither park the lane nor make the next pause long."""

    async def scenario() -> None:
        lane = lane_of(64)
        sends = [await goes(lane) for _ in range(64)]
        for send in sends:
            lane.leave(send, slow_down())
        assert lane.state.rate_limited == 64
        assert lane.state.paused_s == pytest.approx(1)
        assert lane.state.concurrency == 51

    run(scenario())


# F2: rate limits that do not say how long


def test_pauses_double_up_to_a_minute() -> None:
    """And start again after a success; each is anything from nothing to that ("full jitter")."""

    async def scenario() -> None:
        lane = lane_of(1)
        for expected in [1, 2, 4, 8, 16, 32, 60, 60]:
            await meets(lane, slow_down())
            assert lane.state.paused_s == pytest.approx(expected)
            await asyncio.sleep(expected)
        await meets(lane, None, slow_down())
        assert lane.state.paused_s == pytest.approx(1)
        bold = lane_of(1, draws=Shortest())
        await meets(bold, slow_down())
        assert bold.state.paused_s == 0
        await meets(bold, slow_down())
        assert bold.state.rate_limited == 2

    run(scenario())


def test_fewer_calls_go_at_once_after_a_rate_limit() -> None:
    """A fifth fewer, at most once in 15 seconds, never none; also where the provider said how long to wait."""

    async def scenario() -> None:
        lane = lane_of(10)
        seen = []
        for wait_s in [None, None, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]:
            lane.leave(await lane.enter("small", retry=False), slow_down(wait_s))
            seen.append(lane.state.concurrency)
        assert seen == [8, 8, 8, 6, 4, 3, 2, 1, 1, 1, 1, 1]
        send = await lane.enter("small", retry=False)
        waiting = await waits(lane)
        lane.leave(send, None)
        await waiting

    run(scenario())


def test_calls_in_flight_are_above_a_lowered_limit_only_until_they_end() -> None:
    """None is let go before there are fewer than may now go at once."""

    async def scenario() -> None:
        lane = lane_of(5, draws=Shortest())
        sends = [await goes(lane) for _ in range(5)]
        lane.leave(sends[0], slow_down())
        assert lane.state.concurrency == 4
        waiting = await waits(lane)
        lane.leave(sends[1], None)
        await settle()
        assert waiting.done()

    run(scenario())


def test_concurrency_comes_back_one_by_one() -> None:
    """After the cooldown, by one for as many successes as now go at once, up to what was set."""

    async def scenario() -> None:
        lane = lane_of(5)
        await meets(lane, slow_down())
        await asyncio.sleep(14.9)
        await meets(lane, *[None] * 20)
        assert lane.state.concurrency == 4
        await asyncio.sleep(0.2)
        await meets(lane, None, None, too_long(), None)
        assert lane.state.concurrency == 4
        await meets(lane, None)
        assert lane.state.concurrency == 5
        await meets(lane, *[None] * 20)
        assert lane.state.concurrency == 5
        lane = lane_of(10)
        await meets(lane, slow_down())
        await asyncio.sleep(16)
        seen = []
        for _ in range(17):
            await meets(lane, None)
            seen.append(lane.state.concurrency)
        assert seen == [8] * 7 + [9] * 9 + [10]
        await meets(lane, slow_down())
        await asyncio.sleep(16)
        await meets(lane, *[None] * 7, slow_down())
        await asyncio.sleep(16)
        await meets(lane, *[None] * 5)
        assert lane.state.concurrency == 6
        await meets(lane, None)
        assert lane.state.concurrency == 7

    run(scenario())


def test_a_risen_limit_lets_somebody_go_at_once() -> None:
    """The success that raises it wakes two: one for its own slot, one for the new one."""

    async def scenario() -> None:
        lane = lane_of(2)
        await meets(lane, slow_down())
        await asyncio.sleep(20)
        send = await goes(lane)
        one, two = await waits(lane), await waits(lane)
        lane.leave(send, None)
        await settle()
        assert one.done()
        assert two.done()

    run(scenario())


# F4: failures of the provider


@pytest.mark.parametrize("failure", [broken, refused, lost, lambda: StreamCut("cut")])
def test_a_cell_is_sent_four_times_at_most(failure: Callable[[], ModelError]) -> None:
    """The waits between grow, from nothing up to a limit that doubles."""

    async def scenario() -> None:
        lane = lane_of(resends=3)
        assert [lane.retry_after(failure(), failures, 0) for failures in (1, 2, 3, 4)] == [1, 2, 4, None]
        bold = lane_of(resends=3, draws=Shortest())
        assert [bold.retry_after(failure(), failures, 0) for failures in (1, 2, 3, 4)] == [0, 0, 0, None]

    run(scenario())


def test_a_cell_waits_as_long_as_a_failing_provider_asks() -> None:
    """And the lane is parked where that is too long to wait for."""

    async def scenario() -> None:
        lane = lane_of()
        assert lane.retry_after(broken(20), 1, 0) == 21
        await meets(lane, broken(121))
        assert lane.retry_after(broken(121), 1, 0) == 0
        assert (await closed(lane)).seconds == pytest.approx(122)

    run(scenario())


def test_a_short_run_can_retry() -> None:
    """Three times, although that is more than a tenth of its sends; what comes then opens the breaker."""

    async def scenario() -> None:
        lane = lane_of()
        for number in range(3):
            assert lane.state.breaker == "closed"
            assert (await goes(lane, retry=True)).probe is False
            assert lane.state.retries == number + 1
        lane.retry_after(broken(), 1, 0)
        assert lane.state.breaker == "open"

    run(scenario())


def test_a_tenth_of_the_sends_of_two_minutes_may_be_retries() -> None:
    """The window moves: old sends do not pay for new retries, and old retries are forgotten."""

    async def scenario() -> None:
        lane = lane_of(1)

        async def retries_before_it_opens() -> int:
            number = 0
            while True:
                lane.retry_after(broken(), 1, 0)
                if lane.state.breaker == "open":
                    return number
                lane.leave(await goes(lane, retry=True), broken())
                number += 1

        await meets(lane, *[None] * 98)
        assert await retries_before_it_opens() == 10
        await asyncio.sleep(60)
        await meets(lane, None)
        assert lane.state.breaker == "closed"
        await meets(lane, *[None] * 300)
        await asyncio.sleep(50)
        assert await retries_before_it_opens() == 34
        await asyncio.sleep(300)
        await meets(lane, None)
        assert await retries_before_it_opens() == 3

    run(scenario())


def test_an_open_breaker_lets_one_call_at_a_time_probe() -> None:
    """After pauses that double up to a minute; calls wait meanwhile, and a success lets them all go."""

    async def scenario() -> None:
        lane = lane_of(8)
        await open_breaker(lane)
        for expected in [1, 2, 4, 8, 16, 32, 60, 60]:
            calls = [await waits(lane) for _ in range(3)]
            assert await waited_s(asyncio.wait(calls, return_when="FIRST_COMPLETED")) == pytest.approx(expected)
            assert [call.done() for call in calls] == [True, False, False]
            probe = await calls[0]
            assert probe.probe
            assert lane.state.breaker == "probing"
            await asyncio.sleep(500)
            assert not calls[1].done()
            for call in calls[1:]:
                call.cancel()
            lane.leave(probe, broken())
            assert lane.state.breaker == "open"
        calls = [await waits(lane) for _ in range(3)]
        lane.leave(await calls[0], None)
        await settle()
        assert lane.state.breaker == "closed"
        assert [call.done() for call in calls] == [True, True, True]
        assert not (await calls[1]).probe
        await open_breaker(lane)
        assert await waited_s(await waits(lane)) == pytest.approx(1)

    run(scenario())


def test_pauses_between_probes_are_not_the_same_for_everybody() -> None:
    """Random, from half their length: they are meant to grow."""

    async def scenario() -> None:
        lane = lane_of(draws=Shortest())
        await open_breaker(lane)
        probe = await waits(lane)
        assert await waited_s(probe) == pytest.approx(0.5)
        lane.leave(await probe, broken())
        probe = await waits(lane)
        assert await waited_s(probe) == pytest.approx(1)
        lane.leave(await probe, broken(40))
        assert await waited_s(await waits(lane)) == pytest.approx(40)

    run(scenario())


def test_only_a_probe_closes_the_breaker() -> None:
    """What was sent before says nothing about now; what failed before is no failed probe."""

    async def scenario() -> None:
        lane = lane_of(8)
        early = [await goes(lane) for _ in range(4)]
        await open_breaker(lane)
        lane.leave(early[0], None)
        assert lane.state.breaker == "open"
        lane.leave(early[1], broken())
        probe = await (await waits(lane))
        lane.leave(early[2], broken())
        await waits(lane)
        assert lane.state.breaker == "probing"
        lane.leave(early[3], None)
        assert lane.state.breaker == "probing"
        lane.leave(probe, None)
        assert lane.state.breaker == "closed"

    run(scenario())


@pytest.mark.parametrize("answer", [None, too_long(), denied(), gone()])
def test_a_provider_that_answers_is_there(answer: ModelError | None) -> None:
    """A request that it refuses closes the breaker like one that it fulfils."""

    async def scenario() -> None:
        lane = lane_of()
        await open_breaker(lane)
        lane.leave(await lane.enter("other", retry=False), answer)
        assert lane.state.breaker == "closed"

    run(scenario())


def test_a_rate_limited_probe_says_nothing() -> None:
    """The lane pauses, and then the next one probes."""

    async def scenario() -> None:
        lane = lane_of()
        await open_breaker(lane)
        lane.leave(await lane.enter("small", retry=False), slow_down(30))
        assert lane.state.breaker == "open"
        first, second = await waits(lane), await waits(lane)
        assert await waited_s(first) == pytest.approx(31)
        assert (await first).probe
        assert not second.done()

    run(scenario())


def test_a_provider_that_stays_down_parks_the_lane() -> None:
    """After ten failed probes, within minutes, so that a run ends; the cells stay planned; then one probe decides."""

    async def scenario() -> None:
        lane = lane_of(16)
        provider = Provider(lambda number, _: None if number == 0 else broken(), latency_s=0.1)
        ended = await cells(lane, provider, 200, tasks=16)

        assert ended["answered"] == 1
        assert ended["parked"] + ended["ProviderFailed"] == 199
        assert ended["ProviderFailed"] <= 10
        assert len(provider.sends) <= 16 + 3 + 10 + 1
        assert now() - provider.sends[0][0] < 310
        await asyncio.sleep(lane.state.parked_s)
        seen = len(provider.sends)
        assert set(await cells(lane, provider, 20, tasks=4)) == {"parked"}
        assert len(provider.sends) == seen + 1
        await asyncio.sleep(lane.state.parked_s)
        provider.says = lambda number, _: None
        assert await cells(lane, provider, 20, tasks=4) == {"answered": 20}

    run(scenario())


def test_a_hiccup_costs_time_and_no_cells() -> None:
    """All in flight fail at once, far more than may be retried: each is answered in the end, and gently."""

    async def scenario() -> None:
        lane = lane_of(64, draws=random.Random(7))
        provider = Provider(lambda number, _: broken() if number < 64 else None)

        assert await cells(lane, provider, 1000, tasks=64) == {"answered": 1000}
        assert len(provider.sends) <= 1000 + 64
        assert provider.most_probes == 1
        assert now() - provider.sends[0][0] < 90

    run(scenario())


def test_a_retry_beyond_the_budget_waits_and_holds_nobody_up() -> None:
    """First sends pass it, and each makes room; one at a time is let go without, and its failure opens the breaker."""

    async def scenario() -> None:
        lane = lane_of(8)
        await open_breaker(lane)
        probe = await (await waits(lane))
        retries = [await waits(lane, retry=True) for _ in range(3)]
        lane.leave(probe, None)
        await settle()
        assert [retry.done() for retry in retries] == [True, False, False]
        alone = await retries[0]
        assert alone.probe
        assert lane.state.breaker == "closed"
        for _ in range(60):
            lane.leave(await goes(lane), None)
        await settle()
        assert [retry.done() for retry in retries] == [True, True, True]
        assert not (await retries[1]).probe
        lane.leave(alone, broken())
        assert lane.state.breaker == "open"

    run(scenario())


# F6: nobody there


def test_five_failed_connections_in_a_row_open_the_breaker() -> None:
    """Any answer in between shows that somebody is there."""

    async def scenario() -> None:
        lane = lane_of(5)
        await meets(lane, None)
        for answer in (None, None, broken(), slow_down(), too_long()):
            await meets(lane, *[refused()] * 4, answer)
            await asyncio.sleep(lane.state.paused_s)
            assert lane.state.breaker == "closed", answer
        await meets(lane, *[refused()] * 5)
        assert lane.state.breaker == "open"

    run(scenario())


def test_what_fails_after_the_breaker_opened_does_not_put_the_probe_off() -> None:
    """Calls that were in flight say again what is known."""

    async def scenario() -> None:
        lane = lane_of(8)
        sends = [await goes(lane) for _ in range(7)]
        for send in sends[:5]:
            lane.leave(send, refused())
        probe = await waits(lane)
        await asyncio.sleep(0.9)
        lane.leave(sends[5], refused())
        lane.leave(sends[6], broken())
        assert await waited_s(probe) == pytest.approx(0.1)

    run(scenario())


def test_an_address_that_never_answered_is_given_up_within_seconds() -> None:
    """A wrong address or a server that is not running, told as such; nothing was sent, so nothing is in doubt."""

    async def scenario() -> None:
        lane = lane_of(16)
        provider = Provider(lambda number, _: refused(), latency_s=0.01)
        ended = await cells(lane, provider, 100, tasks=16)

        assert ended == {"unreachable": 100}
        assert now() - provider.sends[0][0] < 10
        end = await closed(lane)
        assert end.kind == "unreachable"
        assert "acme: no connection" in str(end)

    run(scenario())


def test_an_address_that_answers_with_failures_is_there() -> None:
    """It is given as much time as one that answered well."""

    async def scenario() -> None:
        lane = lane_of()
        await meets(lane, broken(), *[refused()] * 5)
        for _ in range(9):
            lane.leave(await lane.enter("small", retry=False), refused())
        lane.leave(await lane.enter("small", retry=False), refused())
        assert (await closed(lane)).kind == "unreachable"

    run(scenario())


def test_an_address_that_answered_before_is_waited_for() -> None:
    """A network that is away for two minutes costs no cells."""

    async def scenario() -> None:
        lane = lane_of(16, draws=random.Random(1))
        provider = Provider(lambda _, seconds: refused() if 5 < seconds < 125 else None, latency_s=0.5)
        ended = await cells(lane, provider, 1000, tasks=16)

        assert ended["answered"] >= 997
        assert ended["answered"] + ended["Unreachable"] == 1000

    run(scenario())


# F7: perhaps billed


@pytest.mark.parametrize("resends", [0, 1, 2, 3])
def test_what_may_have_been_billed_is_resent_seldom(resends: int) -> None:
    """As often as is set and not once more; once by default."""

    async def scenario() -> None:
        lane = lane_of(resends=resends)
        provider = Provider(lambda number, _: lost())
        assert await cell(lane, provider) == "NoReply"
        assert len(provider.sends) == resends + 1
        assert lane.retry_after(lost(), 1, resends + 1) is None
        assert LaneSettings().resends == 1

    run(scenario())


# Counting what happened lately


@given(
    steps=st.lists(st.floats(0, 40), max_size=200),
    span=st.floats(1, 130),
)
def test_what_happened_lately_is_counted(steps: list[float], span: float) -> None:
    """Never more than in the span, never less than in the span less one bucket."""
    width = span / 24
    recent = Recent(span, width)
    times: list[float] = []
    moment = 100.0
    for step in steps:
        moment += step
        for _ in range(3):
            recent.add(moment)
            times.append(moment)
        counted = recent.count(moment)
        assert sum(t > moment - span + width + 1e-9 for t in times) <= counted
        assert counted <= sum(t > moment - span - 1e-9 for t in times)
    assert recent.count(math.inf) == 0


def test_counting_takes_the_same_memory_at_any_rate() -> None:
    """A few buckets, for ten thousand in a second as for one a second over hours, whether somebody asks or not."""
    for pause_s in (0.0001, 1):
        recent = Recent(120, 5)
        for number in range(10_000):
            recent.add(number * pause_s)
        assert len(recent._buckets) <= 25
