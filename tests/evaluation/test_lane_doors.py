"""What a lane closes: the account without money, the endpoint that cannot be asked, and nothing else."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

import pytest
from tests.evaluation.lane_cells import (
    broken,
    closed,
    denied,
    goes,
    gone,
    lane_of,
    meets,
    penniless,
    run,
    settle,
    too_long,
    waits,
)

from touchstone.errors import ModelError, OutOfCredit
from touchstone.evaluation.lane import LaneClosed

# F3: no money


def test_without_credit_nothing_goes_any_more() -> None:
    """Not once more for this account, whatever model and whoever waits; it says what to do, and nothing is retried."""

    async def scenario() -> None:
        lane = lane_of(2)
        first, second = await goes(lane), await goes(lane)
        waiting = await waits(lane, "large")
        assert lane.state.stopped is None
        lane.leave(first, penniless())
        assert lane.retry_after(penniless(), 1, 0) is None
        with pytest.raises(LaneClosed) as told:
            await waiting
        lane.leave(second, None)
        await asyncio.sleep(100_000)
        for end in (told.value, await closed(lane, "small"), await closed(lane, "other")):
            assert (end.kind, end.seconds) == ("credit", None)
            assert str(end) == "acme is not asked any further: acme: the account has no credit left; top it up"
        assert lane.state.stopped == "acme: the account has no credit left; top it up"
        # A cell that waits between two of its attempts is told as well, and stays planned.
        assert lane.retry_after(broken(), 1, 0) == 0

    run(scenario())


def test_a_call_that_was_let_go_and_has_not_run_is_still_held_back() -> None:
    """Two answers that come together: the first frees a slot, the second says that there is no money."""

    async def scenario() -> None:
        lane = lane_of(2)
        first, second = await goes(lane), await goes(lane)
        waiting = await waits(lane)
        lane.leave(first, None)
        lane.leave(second, penniless())
        with pytest.raises(LaneClosed):
            await waiting
        assert lane.state.in_flight == 0

    run(scenario())


def test_a_call_that_was_cancelled_needs_no_telling() -> None:
    """Those behind it are told, although its task has not run yet."""

    async def scenario() -> None:
        lane = lane_of(1)
        send = await goes(lane)
        cancelled, waiting = await waits(lane), await waits(lane)
        cancelled.cancel()
        lane.leave(send, penniless())
        await settle()
        assert cancelled.cancelled()
        assert isinstance(waiting.exception(), LaneClosed)

    run(scenario())


def test_a_refusal_is_said_in_the_readers_language() -> None:
    """With the failure in it, which is translated too, and without holding on to what failed."""

    async def scenario() -> None:
        lane = lane_of()
        failure = penniless()
        gone_when_free = weakref.ref(failure)
        await meets(lane, failure)
        del failure
        end = await closed(lane)
        chinese = {
            "{lane} is not asked any further: {reason}": "不再请求 {lane}：{reason}",
            penniless().template: "{place} 余额不足",
        }
        assert end.text(chinese.__getitem__) == "不再请求 acme：acme 余额不足"
        assert gone_when_free() is None

    run(scenario())


# F5: no request of this kind will succeed


@pytest.mark.parametrize(("failure", "kind"), [(denied, "denied"), (gone, "gone")])
def test_an_endpoint_that_cannot_be_asked_is_asked_no_more(failure: Callable[[], ModelError], kind: str) -> None:
    """After the first such answer, for good; another model of the account goes on, also in the same line."""

    async def scenario() -> None:
        lane = lane_of(2)
        first, second = await goes(lane, "large"), await goes(lane, "large")
        waiting, other, retry = await waits(lane, "large"), await waits(lane), await waits(lane, "large", retry=True)
        lane.leave(first, failure())
        assert lane.retry_after(failure(), 1, 0) is None
        for asked in (waiting, retry):
            with pytest.raises(LaneClosed) as told:
                await asked
            assert (told.value.kind, told.value.seconds) == (kind, None)
            assert str(told.value) == f"not asked any further: {failure()}"
        lane.leave(await other, None)
        lane.leave(second, None)
        await asyncio.sleep(100_000)
        assert (await closed(lane, "large")).kind == kind
        await meets(lane, None, endpoint="small")
        assert lane.state.stopped is None

    run(scenario())


def test_the_first_reason_stays() -> None:
    """What comes later from calls that were in flight does not replace it."""

    async def scenario() -> None:
        lane = lane_of()
        sends = [await goes(lane) for _ in range(4)]
        lane.leave(sends[0], denied())
        lane.leave(sends[1], gone())
        assert (await closed(lane)).kind == "denied"
        lane.leave(sends[2], penniless())
        lane.leave(sends[3], OutOfCredit("another reason"))
        assert "top it up" in str(await closed(lane))

    run(scenario())


def test_a_request_that_is_refused_is_its_own_affair() -> None:
    """It is not sent again, and nothing else changes."""

    async def scenario() -> None:
        lane = lane_of()
        await meets(lane, *[too_long()] * 50)
        assert lane.retry_after(too_long(), 1, 0) is None
        assert lane.state.breaker == "closed"
        assert lane.state.concurrency == 4
        await meets(lane, None)

    run(scenario())
