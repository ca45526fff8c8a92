"""
The one place that decides when a call of a provider account may go, and what a failure means for the next one.

A lane belongs to one account: an address and the key that is used there. All journals that use the account share it,
answers and judges alike. It sends, stores and spends nothing. One send goes like this:

    send = await lane.enter(endpoint, retry=failures > 0)
    try:
        reply = await model.send(request)
    except ModelError as error:
        lane.leave(send, error)
        wait_s = lane.retry_after(error, failures, lost)
    except BaseException:
        lane.abandon(send)
        raise
    else:
        lane.leave(send, None)

| what happens | what the lane does |
| --- | --- |
| rate limit | all wait, at least as long as asked; fewer at once; over 120 s, or 20 in a row: parked |
| failure of the provider | retries, at most 4 sends a cell and 10 % of all; beyond that the breaker opens |
| no connection | the same, and the breaker opens after 5 in a row |
| breaker open | one probe at a time after growing pauses; a success closes it, 10 failures park |
| no credit | nothing goes any more |
| denied, gone | nothing goes to this endpoint any more |

A retry beyond the budget is not given up: it waits for its share, or for its turn as the only one that is let go
without. So a hiccup costs time and no cells, and a sick provider still sees one such call at a time.

Everything is timed by the clock that the lane was given, which only goes forward.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

from touchstone.errors import ModelError, RateLimited, Unreachable
from touchstone.evaluation.lane_doors import ClosedKind, Doors
from touchstone.evaluation.lane_doors import LaneClosed as LaneClosed
from touchstone.evaluation.lane_pace import Breaker, Pace, RetryBudget
from touchstone.evaluation.lane_pace import LaneSettings as LaneSettings
from touchstone.noun import Noun


class LaneState(Noun):
    """A lane as people see it."""

    name: str
    concurrency: int
    """Calls that may go at once, now."""
    in_flight: int
    waiting: int
    """Calls that wait in our own limiter."""
    paused_s: float
    """Seconds until the pause after a rate limit is over; 0 when there is none."""
    parked_s: float
    """Seconds until the lane opens again; 0 when it is not parked."""
    breaker: Literal["closed", "open", "probing"]
    stopped: str | None
    """Why the account is asked nothing any more; None while it is."""
    rate_limited: int
    """Rate limits met so far."""
    retries: int
    """Sends that repeated one which had failed; after a rate limit alone it is no retry."""
    queue_s: float
    """Waited in our own limiter, over all sends."""


class Send:
    """
    One send that was let go; it goes back to the lane once.

    Attributes:
        endpoint: Whom it asks.
        queued_s: How long it had waited in our own limiter.
        retry: Whether it repeats a send that had failed.
        probe: Whether it goes, alone, where the rules would hold it back.
    """

    __slots__ = ("endpoint", "open", "probe", "queued_s", "retry", "wave")

    def __init__(self, endpoint: str, wave: int, queued_s: float, *, retry: bool, probe: bool) -> None:
        self.endpoint = endpoint
        self.wave = wave
        self.queued_s = queued_s
        self.retry = retry
        self.probe = probe
        self.open = True


@dataclass(slots=True)
class _Waiter:
    endpoint: str
    retry: bool
    since: float
    said: asyncio.Future[Send | LaneClosed]


class Lane:
    """
    Paces the calls of one account, within one event loop.

    Args:
        name: What people call the account, in errors and in `state`; never a key.
        concurrency: The most calls at once, at least 1.
        clock: Seconds, only forward.
        sleep: Waits so many seconds of that clock; None waits as asyncio does.
        random: Where jitter comes from; None is seeded by the system.
        settings: How patient the lane is.
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        random: random.Random | None = None,
        settings: LaneSettings | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"a lane lets at least 1 call go at once, not {concurrency}")
        self.name = name
        self.settings = settings or LaneSettings()
        self._clock = clock
        self._sleep = sleep or asyncio.sleep
        jitter = random or _random()
        self._pace = Pace(self.settings, concurrency, jitter)
        self._breaker = Breaker(self.settings, jitter)
        self._budget = RetryBudget(self.settings)
        self._doors = Doors(name)
        self._in_flight = 0
        self._probe: Send | None = None
        # First sends and retries wait in two lines of one order, so that a retry without a share holds nobody up.
        self._first: OrderedDict[int, _Waiter] = OrderedDict()
        self._again: OrderedDict[int, _Waiter] = OrderedDict()
        self._places = count()
        self._timer: asyncio.Task[None] | None = None
        self._slept_until = float("-inf")
        # Nobody waits and nothing is closed, paused or held back: a first send needs only a free slot.
        self._clear = True
        self._rate_limited = 0
        self._retries = 0
        self._queue_s = 0.0

    @property
    def state(self) -> LaneState:
        """How things stand now."""
        now = self._now()
        return LaneState(
            name=self.name,
            concurrency=self._pace.limit,
            in_flight=self._in_flight,
            waiting=len(self._first) + len(self._again),
            paused_s=max(0.0, self._pace.pause_until - now),
            parked_s=max(0.0, self._doors.parked_until - now),
            breaker="closed" if not self._breaker.open else "open" if self._probe is None else "probing",
            stopped=None if self._doors.stopped is None else str(self._doors.stopped.reason),
            rate_limited=self._rate_limited,
            retries=self._retries,
            queue_s=self._queue_s,
        )

    async def enter(self, endpoint: str, *, retry: bool) -> Send:
        """
        Wait until a send may go; first come, first served.

        Args:
            endpoint: Whom it asks; a failure may end one endpoint of an account and leave the others.
            retry: Whether it repeats a send of this cell that failed for another reason than a rate limit.

        Returns:
            What `leave` or `abandon` takes back; until then it counts as in flight.

        Raises:
            LaneClosed: the lane or this endpoint is closed, now or while the call waited.
        """
        if self._clear and not retry and self._in_flight < self._pace.limit and not self._doors.ended(endpoint):
            self._budget.add(self._clock())
            self._in_flight += 1
            return Send(endpoint, self._pace.wave, 0.0, retry=False, probe=False)
        return await self._wait(endpoint, retry)

    def leave(self, send: Send, failure: ModelError | None) -> None:
        """The send ended: with a reply, or with this failure. Call it before `retry_after`."""
        self._take_back(send)
        if failure is not None or send.probe or not (self._pace.calm and self._breaker.calm):
            self._learn(send, failure, self._now())
        if not self._clear:
            self._wake()

    def abandon(self, send: Send) -> None:
        """The send was cancelled or failed for a reason of our own: nothing is learnt from it."""
        self._take_back(send)
        if not self._clear:
            self._wake()

    def retry_after(self, error: ModelError, failures: int, lost: int) -> float | None:
        """
        Seconds until the cell may `enter` again, or None when it gives up.

        After a rate limit it is 0, because the whole lane waits and `enter` with it. It is 0 as well where the lane is
        closed: `enter` then says why, and the cell stays planned.

        Args:
            error: Why the last send failed; `leave` has heard of it.
            failures: Sends of this cell that failed for other reasons than rate limits, this one included.
            lost: How many of these may have been billed.
        """
        if isinstance(error, RateLimited):
            return 0.0
        settings = self.settings
        if error.stops_lane or not error.retryable or failures >= settings.attempts or lost > settings.resends:
            return None
        now = self._now()
        if self._doors.shut(now):
            return 0.0
        if not self._breaker.open and not self._budget.has_room(now):
            self._breaker.trip(now)
            self._wake()
        return (error.retry_after_s or 0.0) + self._pace.jitter_s(failures)

    def _learn(self, send: Send, failure: ModelError | None, now: float) -> None:
        """What the end of a send means for those to come."""
        self._clear = False
        if failure is None or not failure.retryable:
            # A refusal of one request is an answer too: the provider is there and not at its limit.
            self._pace.answered(now, send.wave, success=failure is None)
            self._breaker.answered(probe=send.probe)
            if failure is not None and failure.stops_lane:
                self._doors.stop(send.endpoint, failure)
                self._refuse_waiting(now)
            return
        kind: ClosedKind = "parked"
        asked_s = failure.retry_after_s or 0.0
        if isinstance(failure, RateLimited):
            self._rate_limited += 1
            self._breaker.answered(probe=False)
            hopeless = self._pace.rate_limited(now, send.wave, failure.retry_after_s)
        else:
            unreachable = isinstance(failure, Unreachable)
            kind = "unreachable" if unreachable else "parked"
            hopeless = self._breaker.failed(now, unreachable=unreachable, probe=send.probe, asked_s=asked_s)
        too_long = asked_s > self.settings.longest_wait_s
        if too_long or hopeless:
            closed_s = asked_s + self._pace.jitter_s(1) if too_long else self.settings.park_s
            self._doors.park(now, now + closed_s, failure, kind)
            self._refuse_waiting(now)

    def _refuse_waiting(self, now: float) -> None:
        """Tell those who wait for what is closed now."""
        for line in (self._first, self._again):
            for place, waiter in list(line.items()):
                closed = self._doors.closed(waiter.endpoint, now)
                if closed is not None:
                    del line[place]
                    if not waiter.said.done():
                        waiter.said.set_result(closed)

    async def _wait(self, endpoint: str, retry: bool) -> Send:
        closed = self._doors.closed(endpoint, self._now())
        if closed is not None:
            raise closed
        line = self._again if retry else self._first
        place = next(self._places)
        waiter = _Waiter(endpoint, retry, self._now(), asyncio.get_running_loop().create_future())
        line[place] = waiter
        self._clear = False
        if self._in_flight < self._pace.limit:
            self._wake()
        try:
            said = await waiter.said
        except asyncio.CancelledError:
            line.pop(place, None)
            # Cancelled between being let go and hearing of it: the slot goes to the next.
            if not waiter.said.cancelled() and waiter.said.done() and isinstance(send := waiter.said.result(), Send):
                self._take_back(send)
            self._wake()
            raise
        if isinstance(said, LaneClosed):
            raise said
        closed = self._doors.closed(endpoint, self._now())
        if closed is not None:
            # Closed between being let go and hearing of it: nothing was sent yet, and nothing will be.
            self.abandon(said)
            raise closed
        return said

    def _take_back(self, send: Send) -> None:
        assert send.open, "a send goes back to the lane once"
        send.open = False
        self._in_flight -= 1
        if self._probe is send:
            self._probe = None

    def _wake(self) -> None:
        """Let those who wait go, as far as possible, and see to it that this is looked at again in time."""
        now = self._now()
        while self._in_flight < self._pace.limit and now >= self._pace.pause_until:
            place, probe = self._next(now)
            if place is None:
                break
            waiter = self._first.pop(place, None) or self._again.pop(place)
            if waiter.said.done():
                continue  # cancelled; its task has not run yet
            send = Send(waiter.endpoint, self._pace.wave, now - waiter.since, retry=waiter.retry, probe=probe)
            self._in_flight += 1
            self._queue_s += send.queued_s
            if probe:
                self._probe = send
            if waiter.retry:
                self._retries += 1
                self._budget.add_retry(now)
            else:
                self._budget.add(now)
            waiter.said.set_result(send)
        self._clear = not (
            self._first or self._again or self._breaker.open or now < self._pace.pause_until or self._doors.shut(now)
        )
        self._set_timer(now)

    def _next(self, now: float) -> tuple[int | None, bool]:
        """The place of who goes next, None for nobody, and whether as a probe."""
        first, again = next(iter(self._first), None), next(iter(self._again), None)
        if self._breaker.open:
            if self._probe is not None or now < self._breaker.probe_at:
                return None, False
            return min((place for place in (first, again) if place is not None), default=None), True
        if again is None or (first is not None and first < again):
            return first, False
        if self._budget.has_room(now):
            return again, False
        return (again, True) if self._probe is None else (first, False)

    def _set_timer(self, now: float) -> None:
        """One task sleeps for all who wait, and only while somebody does."""
        due = self._pace.pause_until
        if self._breaker.open and self._probe is None:
            due = max(due, self._breaker.probe_at)
        needed = due > now and bool(self._first or self._again)
        if self._timer is not None and not needed:
            self._timer.cancel()
            self._timer = None
        # One that sleeps already wakes too early at worst, and looks again: nothing that is waited for comes sooner.
        if needed and self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._wake_at(due, due - now))

    async def _wake_at(self, due: float, seconds: float) -> None:
        await self._sleep(seconds)
        self._timer = None
        # Who slept until then takes it to be then: a sleep that ends a moment early is not repeated over and over.
        self._slept_until = max(self._slept_until, due)
        self._wake()

    def _now(self) -> float:
        return max(self._clock(), self._slept_until)


def _random() -> random.Random:
    return random.Random()  # noqa: S311 - spreads retries, guards nothing
