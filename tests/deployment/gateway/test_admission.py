"""Seats, buckets and wrong keys, on a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deployment.gateway.house import key

from touchstone.deployment.base import Limits
from touchstone.deployment.gateway.admission import Admission, Bucket, WrongKeys
from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.limits import DoorLimits


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(call: object) -> GatewayError:
    with pytest.raises(GatewayError) as found:
        call()  # type: ignore[operator]
    return found.value


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 50)), max_size=30))
def test_a_bucket_never_gives_more_than_came_in(per_minute: int, steps: list[tuple[float, float]]) -> None:
    """Over any time it gives at most a minute's worth and what came in meanwhile; a wait that it names is enough."""
    bucket, now, given_out = Bucket(per_minute, 0.0), 0.0, 0.0
    for pause, amount in steps:
        now += pause
        wait_s = bucket.take(amount, now)
        if wait_s == 0:
            given_out += amount
        elif amount <= per_minute:
            now += wait_s + 1e-6
            assert bucket.take(amount, now) == pytest.approx(0, abs=1e-3)
            given_out += amount
        assert given_out <= per_minute + now * per_minute / 60 + 1e-3
        assert bucket.level >= -1e-9


def test_seats_are_given_back() -> None:
    """A seat that is left twice is left once; over the cap nobody waits."""
    admission = Admission(DoorLimits(in_flight=2, in_flight_per_key=1), Clock())
    first = admission.enter(key("a", 1))
    assert refused(lambda: admission.enter(key("a", 1))).code == "too_many_in_flight"
    second = admission.enter(key("b", 2))
    assert refused(lambda: admission.enter(key("c", 3))).code == "overloaded"
    first.leave()
    first.leave()
    assert admission.in_flight == 1
    admission.enter(key("a", 1)).leave()
    second.leave()
    assert admission.in_flight == 0


def test_a_key_has_its_own_cap() -> None:
    """What the key says counts, more or less than all others have."""
    admission = Admission(DoorLimits(in_flight_per_key=1), Clock())
    wide = key("a", 1, limits=Limits(in_flight=3))
    for _ in range(3):
        admission.enter(wide)
    assert refused(lambda: admission.enter(wide)).values == {"limit": 3}


def test_what_reaches_no_model_has_places_of_its_own() -> None:
    """A key whose places for models are all taken still looks at its batches: so many at a time, within all caps."""
    admission = Admission(DoorLimits(in_flight=4, aside_per_key=2), Clock())
    narrow = key("a", 1, limits=Limits(in_flight=1, requests_per_minute=4))
    admission.enter(narrow)
    first = admission.enter(narrow, aside=True)
    second = admission.enter(narrow, aside=True)
    assert refused(lambda: admission.enter(narrow, aside=True)).values == {"limit": 2}
    assert refused(lambda: admission.enter(narrow)).values == {"limit": 1}
    first.leave()
    admission.enter(narrow, aside=True)
    second.leave()
    assert refused(lambda: admission.enter(narrow, aside=True)).code == "requests_per_minute"
    assert admission.in_flight == 2
    other = key("b", 2)
    for aside in (True, False):
        admission.enter(other, aside=aside)
    assert refused(lambda: admission.enter(other, aside=True)).code == "overloaded"


def test_requests_a_minute() -> None:
    """So many and no more; then as many as time lets in; a refusal says how long to wait and what is left."""
    clock = Clock()
    admission = Admission(DoorLimits(), clock)
    slow = key("a", 1, limits=Limits(requests_per_minute=2))
    assert dict(admission.enter(slow).headers)[b"x-ratelimit-remaining-requests"] == b"1"
    admission.enter(slow)
    error = refused(lambda: admission.enter(slow))
    assert error.code == "requests_per_minute"
    assert error.retry_after_s == pytest.approx(30)
    assert dict(error.headers) == {
        b"x-ratelimit-limit-requests": b"2",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"60s",
    }
    assert admission.in_flight == 2
    clock.now += 30
    admission.enter(slow)


def test_tokens_a_minute() -> None:
    """What was taken and not used comes back; what was used beyond has to come in first; too much at once is told."""
    clock = Clock()
    admission = Admission(DoorLimits(), clock)
    seat = admission.enter(key("a", 1, limits=Limits(tokens_per_minute=600)))
    assert refused(lambda: seat.take_tokens(601)).code == "request_over_token_limit"
    seat.take_tokens(500)
    assert refused(lambda: seat.take_tokens(200)).retry_after_s == pytest.approx(10)
    seat.settle_tokens(100)
    seat.take_tokens(400)
    seat.settle_tokens(1000)
    assert refused(lambda: seat.take_tokens(1)).retry_after_s == pytest.approx(40.1)
    clock.now += 41
    seat.take_tokens(1)


def test_a_key_without_limits_has_no_headers() -> None:
    """Nothing is said about limits that there are not."""
    seat = Admission(DoorLimits(), Clock()).enter(key())
    assert seat.headers == []
    seat.take_tokens(10**9)
    seat.settle_tokens(10**9)


def test_other_limits_count_at_once_and_give_no_fresh_minute() -> None:
    """A key whose limits are changed keeps what it has used up, and what is in flight stays counted."""
    admission = Admission(DoorLimits(), Clock())
    seat = admission.enter(key("a", 1, limits=Limits(requests_per_minute=1)))
    for per_minute in (2, 1000):
        changed = key("a", 1, limits=Limits(requests_per_minute=per_minute))
        assert refused(lambda k=changed: admission.enter(k)).code == "requests_per_minute"
    admission.enter(key("a", 1, limits=Limits(in_flight=2)))
    assert refused(lambda: admission.enter(key("a", 1, limits=Limits(in_flight=2)))).code == "too_many_in_flight"
    seat.leave()
    admission.enter(key("a", 1, limits=Limits(in_flight=2)))


def test_idle_keys_are_forgotten_and_busy_ones_are_not() -> None:
    """What is kept of a key goes when it has nothing in flight and its buckets are full."""
    clock = Clock()
    admission = Admission(DoorLimits(), clock)
    seat = admission.enter(key("a", 1, limits=Limits(requests_per_minute=1)))
    for wait_s in (0, 120):
        clock.now += wait_s
        admission.forget_idle()
        assert len(admission._accounts) == 1
    seat.leave()
    admission.forget_idle()
    assert not admission._accounts


def test_wrong_keys_slow_down_their_address_alone() -> None:
    """Other addresses go on, a key that was good lately goes on, and after a while the address may try again."""
    clock = Clock()
    wrong = WrongKeys(3, clock)
    wrong.was_good("good")
    for _ in range(3):
        wrong.check("192.0.2.1", "bad")
        wrong.was_wrong("192.0.2.1", "bad")
    error = refused(lambda: wrong.check("192.0.2.1", "bad"))
    assert error.code == "too_many_wrong_keys"
    assert error.retry_after_s == pytest.approx(20)
    wrong.check("192.0.2.1", "good")
    wrong.check("192.0.2.2", "bad")
    wrong.was_wrong("192.0.2.1", "good")
    assert refused(lambda: wrong.check("192.0.2.1", "good")).code == "too_many_wrong_keys"
    clock.now += 41
    wrong.check("192.0.2.1", "bad")


def test_addresses_do_not_fill_the_memory() -> None:
    """However many addresses guess, so many are remembered."""
    wrong = WrongKeys(3, Clock())
    for number in range(12_000):
        wrong.was_wrong(str(number), "bad")
        wrong.was_good(str(number))
    assert len(wrong._by_address) == 10_000
    assert len(wrong._good) == 10_000
