"""A breaker by its own clock."""

from __future__ import annotations

from touchstone.deployment.safety.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    """An answer forgets the failures before it."""
    breaker = Breaker(Clock(), after=2)
    for _ in range(5):
        breaker.begin()
        breaker.failed()
        breaker.begin()
        breaker.worked()
    assert not breaker.open


def test_only_one_is_a_trial() -> None:
    """While a trial runs nobody else asks; one that left makes room for the next."""
    clock = Clock()
    breaker = Breaker(clock, after=1)
    assert breaker.begin()
    breaker.failed()
    assert not breaker.begin()
    clock.now = 5.0
    assert breaker.begin()
    assert not breaker.begin()
    breaker.left()
    assert breaker.begin()
    breaker.worked()
    assert breaker.begin()
    assert breaker.retry_after_s == 0


def test_rests_double_up_to_a_minute() -> None:
    """5, 10, 20, 40, 60, 60 seconds."""
    clock = Clock()
    breaker = Breaker(clock, after=1)
    rests = []
    for _ in range(6):
        assert breaker.begin()
        breaker.failed()
        rests.append(breaker.retry_after_s)
        clock.now += breaker.retry_after_s
    assert rests == [5, 10, 20, 40, 60, 60]
