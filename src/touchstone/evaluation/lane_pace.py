"""What one provider account is spared: pauses after rate limits, fewer calls at once, few retries, and a breaker."""

from __future__ import annotations

import math
import random
from collections import deque
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from touchstone.noun import Noun


class LaneSettings(Noun):
    """How patient a lane is. The defaults are those of the promises."""

    attempts: PositiveInt = 4
    """Failed sends of one cell at most; rate limits are no failures."""
    resends: Annotated[int, Field(ge=0, le=3)] = 1
    """Automatic resends of a request that may already have been billed."""
    retry_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Retries as a share of all sends in the window, at most."""
    retry_floor: NonNegativeInt = 3
    """Retries in the window that are allowed however few sends there were, so that a short run can retry at all."""
    window_s: PositiveFloat = 120.0
    """What counts as lately for the share of retries."""
    backoff_base_s: PositiveFloat = 1.0
    """Upper end of the first random wait; it doubles with every failure in a row."""
    backoff_cap_s: PositiveFloat = 60.0
    """No random wait is longer."""
    longest_wait_s: PositiveFloat = 120.0
    """A provider that asks for more parks the lane: the run goes on elsewhere instead of waiting."""
    park_s: PositiveFloat = 300.0
    """How long a lane is parked that gave up by itself, without a provider's word on how long."""
    rate_limits_in_row: PositiveInt = 20
    """Pauses in a row without one success between them that park the lane. Calls that were in flight together meet one
    limit together, so they count once."""
    shrink: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """What is left of the concurrency after a rate limit."""
    cooldown_s: PositiveFloat = 15.0
    """The concurrency falls at most once in this time, and does not rise before it is over."""
    unreachable_in_row: PositiveInt = 5
    """Failed connections in a row that open the breaker."""
    probes: PositiveInt = 10
    """Failed probes in a row that park the lane: with the waits between them about five minutes at most."""
    probes_unreached: PositiveInt = 3
    """The same for an address that never answered and cannot be reached: a wrong address or a server that is not
    running is told within seconds."""


class Recent:
    """
    How often something happened lately, in memory that does not grow with how often.

    Args:
        span_s: What begins a bucket is forgotten after this time, and the whole bucket with it.
        width_s: Length of a bucket.
    """

    def __init__(self, span_s: float, width_s: float) -> None:
        self._span_s = span_s
        self._width_s = width_s
        self._total = 0
        self._buckets: deque[list[float]] = deque()
        self._ends = -math.inf

    def add(self, now: float) -> None:
        """Once more, at `now`; times never fall."""
        if now >= self._ends:
            self._forget(now)
            self._buckets.append([now, 0])
            self._ends = now + self._width_s
        self._buckets[-1][1] += 1
        self._total += 1

    def count(self, now: float) -> int:
        """How often it happened in buckets that began within the span before `now`."""
        self._forget(now)
        return self._total

    def _forget(self, now: float) -> None:
        while self._buckets and self._buckets[0][0] <= now - self._span_s:
            self._total -= int(self._buckets.popleft()[1])


class RetryBudget:
    """How many of the sends may be retries: a share of the sends in the window, or the floor if that is more."""

    def __init__(self, settings: LaneSettings) -> None:
        self._share = settings.retry_share
        self._floor = settings.retry_floor
        width_s = settings.window_s / 24
        # Buckets go as a whole. Sends are forgotten with the first of their bucket and retries with the last of
        # theirs, so that the share holds for the exact window too.
        self._sends = Recent(settings.window_s, width_s)
        self._retries = Recent(settings.window_s + width_s, width_s)
        self.add = self._sends.add

    def add_retry(self, now: float) -> None:
        """Book a send that is a retry."""
        self._sends.add(now)
        self._retries.add(now)

    def has_room(self, now: float) -> bool:
        """Whether one more retry would stay within the budget."""
        share = self._share * (self._sends.count(now) + 1)
        return self._retries.count(now) + 1 <= max(self._floor, share)


class Pace:
    """
    Pauses and concurrency, after what the provider says about its limits.

    A *wave* is what was sent between two pauses. The first rate limit of a wave begins a pause; later ones of the same
    wave say the same again and only make it longer, if the provider asks for more.

    Args:
        settings: How patient the lane is.
        concurrency: The most calls at once.
        random: Where jitter comes from.
    """

    def __init__(self, settings: LaneSettings, concurrency: int, random: random.Random) -> None:
        self.limit = concurrency
        """Calls at once, now."""
        self.pause_until = -math.inf
        self.wave = 0
        self.in_row = 0
        """Pauses since the last success."""
        self._settings = settings
        self._concurrency = concurrency
        self._random = random
        self._cool_until = -math.inf
        self._successes = 0

    @property
    def calm(self) -> bool:
        """Whether a success has nothing to mend."""
        return self.in_row == 0 and self.limit == self._concurrency

    def jitter_s(self, failures: int) -> float:
        """A random wait after so many failures in a row, from 1: anywhere from 0 to a limit that doubles ("full")."""
        return self._random.uniform(0, ceiling_s(self._settings, failures - 1))

    def rate_limited(self, now: float, wave: int, asked_s: float | None) -> bool:
        """
        Pause after a rate limit; True when there is no hope for now.

        The concurrency falls also where the provider said how long to wait: what comes at once after the pause would
        meet the same limit again.

        Args:
            now: The time.
            wave: In which wave the call was sent.
            asked_s: What the provider asked to wait; None when it did not say.
        """
        begins = wave == self.wave
        if begins:
            self.wave += 1
            self.in_row += 1
        if begins or asked_s is not None:
            # The jitter grows even where the provider says how long: its word was wrong as often as we are back here.
            self.pause_until = max(self.pause_until, now + (asked_s or 0.0) + self.jitter_s(self.in_row))
        if now >= self._cool_until:
            self.limit = max(1, int(self.limit * self._settings.shrink))
            self._cool_until = now + self._settings.cooldown_s
            self._successes = 0
        return self.in_row >= self._settings.rate_limits_in_row

    def answered(self, now: float, wave: int, success: bool) -> None:
        """Recover by one call at a time after as many successes as now go at once, once the cooldown is over."""
        if wave == self.wave:
            # What was sent before the pause says nothing about the time after it.
            self.in_row = 0
        if success and self.limit < self._concurrency and now >= self._cool_until:
            self._successes += 1
            if self._successes >= self.limit:
                self.limit += 1
                self._successes = 0


class Breaker:
    """
    Holds all calls back while the provider fails, and tries with one at a time.

    Args:
        settings: How patient the lane is.
        random: Where jitter comes from.
    """

    def __init__(self, settings: LaneSettings, random: random.Random) -> None:
        self.open = False
        self.probe_at = -math.inf
        """When the next probe may go."""
        self._settings = settings
        self._random = random
        self._failed = 0
        self._unreachable = 0
        self._reached = False

    @property
    def calm(self) -> bool:
        """Whether an answer has nothing to mend."""
        return self._reached and not self.open and not self._failed and not self._unreachable

    def trip(self, now: float) -> None:
        """Open, unless it is open."""
        if not self.open:
            self.open = True
            self._pause(now, 0.0)

    def failed(self, now: float, *, unreachable: bool, probe: bool, asked_s: float) -> bool:
        """
        One more failure of the provider; True when there is no hope for now.

        Args:
            now: The time.
            unreachable: Whether nothing could even be sent.
            probe: Whether the call was let go to try.
            asked_s: What the provider asked to wait; 0 when it did not say.
        """
        settings = self._settings
        self._unreachable = self._unreachable + 1 if unreachable else 0
        self._reached = self._reached or not unreachable
        if self._unreachable >= settings.unreachable_in_row:
            self.trip(now)
        if not probe:
            return False
        self._failed += 1
        self.open = True
        self._pause(now, asked_s)
        return self._failed >= (settings.probes if self._reached else settings.probes_unreached)

    def answered(self, *, probe: bool) -> None:
        """
        The provider answered, and so it can be reached.

        Args:
            probe: Whether the call was let go to try, and shows that others may go. Only this closes the breaker: what
                was sent before says nothing about now.
        """
        self._unreachable = 0
        self._reached = True
        if probe:
            self.open = False
            self._failed = 0

    def _pause(self, now: float, asked_s: float) -> None:
        ceiling = ceiling_s(self._settings, self._failed)
        # Not from 0: the pauses are meant to grow, only not to be the same for everybody.
        self.probe_at = now + max(asked_s, self._random.uniform(ceiling / 2, ceiling))


def ceiling_s(settings: LaneSettings, doublings: int) -> float:
    """The base wait doubled so often, up to the cap."""
    return min(settings.backoff_cap_s, math.ldexp(settings.backoff_base_s, min(doublings, 60)))
