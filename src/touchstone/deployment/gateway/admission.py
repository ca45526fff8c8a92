"""
How much is taken on at a time: requests in flight, requests and tokens a minute, bodies in memory, wrong keys.

Nothing waits here. Who is too many is told so, and when to come again (A1). All of it is in memory and starts anew with
the process: limits of speed protect a moment; what may be spent is the meter's business.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from touchstone.deployment.base import Key, Limits
from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.limits import DoorLimits

Clock = Callable[[], float]
"""Seconds, monotonic."""


class Bucket:
    """
    Tokens that come in evenly, up to a minute's worth.

    Args:
        per_minute: How many come in a minute, and how many there can be.
        now: The time, in seconds of a monotonic clock.
    """

    __slots__ = ("level", "per_minute", "seen_at")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self.level = float(per_minute)
        self.seen_at = now

    def take(self, amount: float, now: float) -> float:
        """Take an amount out; returns 0, or in how many seconds there will be enough, and then nothing is taken."""
        self.fill(now)
        if self.level >= amount:
            self.level -= amount
            return 0.0
        return (amount - self.level) * 60.0 / self.per_minute

    def fill(self, now: float) -> None:
        """Let in what has come since the last look."""
        self.level = min(self.per_minute, self.level + (now - self.seen_at) * self.per_minute / 60.0)
        self.seen_at = now

    @property
    def full_in_s(self) -> float:
        """In how many seconds it is full again."""
        return (self.per_minute - self.level) * 60.0 / self.per_minute


class _Account:
    """What is counted for one key."""

    __slots__ = ("aside", "in_flight", "limits", "requests", "tokens")

    def __init__(self, limits: Limits, now: float) -> None:
        self.in_flight = 0
        """Requests for a model."""
        self.aside = 0
        """Requests that reach no model."""
        self.limits = limits
        self.requests = Bucket(limits.requests_per_minute, now) if limits.requests_per_minute else None
        self.tokens = Bucket(limits.tokens_per_minute, now) if limits.tokens_per_minute else None

    def follow(self, limits: Limits, now: float) -> None:
        """Take over other limits; what is in flight stays counted, and nobody gets a fresh minute by a change."""
        for mine, per_minute in (("requests", limits.requests_per_minute), ("tokens", limits.tokens_per_minute)):
            before: Bucket | None = getattr(self, mine)
            after = Bucket(per_minute, now) if per_minute else None
            if before is not None and after is not None:
                before.fill(now)
                after.level = min(after.level, max(0.0, before.level))
            setattr(self, mine, after)
        self.limits = limits


class Seat:
    """A request's place among those in flight. It is left once, however the request ends."""

    __slots__ = ("_account", "_admission", "_aside", "_body", "_taken")

    def __init__(self, admission: Admission, account: _Account, aside: bool) -> None:
        self._admission = admission
        self._account: _Account | None = account
        self._aside = aside
        self._taken = 0
        self._body = 0

    def leave(self) -> None:
        """Make room for another; may be called twice."""
        account, self._account = self._account, None
        if account is not None:
            if self._aside:
                account.aside -= 1
            else:
                account.in_flight -= 1
            self._admission.in_flight -= 1
            self._admission.bodies_bytes -= self._body

    def hold_body(self, size: int) -> None:
        """
        Count bytes of its body that are about to be in memory.

        Raises:
            GatewayError: all bodies together would take too much.
        """
        if self._admission.bodies_bytes + size > self._admission.limits.bodies_bytes:
            raise GatewayError("overloaded", retry_after_s=1)
        self._admission.bodies_bytes += size
        self._body += size

    def take_tokens(self, tokens: int) -> None:
        """See `base.Visit`."""
        bucket = self._account.tokens if self._account is not None else None
        if bucket is None:
            return
        if tokens > bucket.per_minute:
            raise GatewayError("request_over_token_limit", tokens=tokens, limit=bucket.per_minute)
        wait_s = bucket.take(tokens, self._admission.clock())
        if wait_s > 0:
            headers = headers_of(None, bucket)
            raise GatewayError("tokens_per_minute", retry_after_s=wait_s, limit=bucket.per_minute, headers=headers)
        self._taken += tokens

    def settle_tokens(self, used: int) -> None:
        """See `base.Visit`."""
        bucket = self._account.tokens if self._account is not None else None
        if bucket is not None:
            bucket.fill(self._admission.clock())
            # It may fall below nothing: what was used beyond what was taken has to come in again first.
            bucket.level = min(float(bucket.per_minute), bucket.level + self._taken - used)
            self._taken = used

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """`x-ratelimit-*` as OpenAI names them; none where nothing is limited."""
        if self._account is None:
            return []
        return headers_of(self._account.requests, self._account.tokens)


class Admission:
    """
    Counts what is in flight.

    Args:
        limits: How much may be.
        clock: A monotonic clock.
    """

    def __init__(self, limits: DoorLimits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.in_flight = 0
        self.bodies_bytes = 0
        self._accounts: dict[int, _Account] = {}

    def enter(self, key: Key, *, aside: bool = False) -> Seat:
        """
        A seat for a request of this key.

        Args:
            key: Whose request it is.
            aside: Whether it reaches no model. It then takes none of the places that the key has for models, so that
                a batch that holds all of these can be looked at and cancelled; it has a cap of its own.

        Raises:
            GatewayError: there are too many, of this key or altogether, or too many a minute.
        """
        account = self._accounts.get(key.id)
        if account is None:
            account = self._accounts[key.id] = _Account(key.limits, self.clock())
        elif account.limits is not key.limits and account.limits != key.limits:
            account.follow(key.limits, self.clock())
        if self.in_flight >= self.limits.in_flight:
            raise GatewayError("overloaded", retry_after_s=1)
        if aside:
            held, most = account.aside, self.limits.aside_per_key
        else:
            held, most = account.in_flight, key.limits.in_flight or self.limits.in_flight_per_key
        if held >= most:
            raise GatewayError("too_many_in_flight", retry_after_s=1, limit=most)
        if account.requests is not None:
            wait_s = account.requests.take(1, self.clock())
            if wait_s > 0:
                raise GatewayError(
                    "requests_per_minute",
                    retry_after_s=wait_s,
                    limit=account.requests.per_minute,
                    headers=headers_of(account.requests, account.tokens),
                )
        if aside:
            account.aside += 1
        else:
            account.in_flight += 1
        self.in_flight += 1
        return Seat(self, account, aside)

    def forget_idle(self) -> None:
        """Drop what is kept of keys that have nothing in flight and full buckets; call it now and then."""
        now = self.clock()
        for number, account in list(self._accounts.items()):
            for bucket in (account.requests, account.tokens):
                if bucket is not None:
                    bucket.fill(now)
            full = all(bucket is None or bucket.full_in_s <= 0 for bucket in (account.requests, account.tokens))
            if account.in_flight == account.aside == 0 and full:
                del self._accounts[number]


def headers_of(requests: Bucket | None, tokens: Bucket | None) -> list[tuple[bytes, bytes]]:
    """`x-ratelimit-limit-…`, `-remaining-…` and `-reset-…` for what is limited."""
    found: list[tuple[bytes, bytes]] = []
    for what, bucket in ((b"requests", requests), (b"tokens", tokens)):
        if bucket is not None:
            found += (
                (b"x-ratelimit-limit-" + what, b"%d" % bucket.per_minute),
                (b"x-ratelimit-remaining-" + what, b"%d" % max(0, int(bucket.level))),
                (b"x-ratelimit-reset-" + what, b"%ds" % math.ceil(bucket.full_in_s)),
            )
    return found


_ADDRESSES = 10_000
_KNOWN_GOOD = 10_000


class WrongKeys:
    """
    Slows down whoever tries keys, by address (A9).

    A key that was good lately is let through meanwhile: behind one address there may be many people, and one of them
    with an old key must not shut out the others.

    Args:
        per_minute: Wrong keys of one address that are looked at.
        clock: A monotonic clock.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._by_address: OrderedDict[str, Bucket] = OrderedDict()
        self._good: OrderedDict[int, None] = OrderedDict()

    def check(self, address: str, secret: str) -> None:
        """
        Raises:
            GatewayError: this address has sent too many wrong keys, and this one is not known to be good.
        """
        bucket = self._by_address.get(address)
        if bucket is None:
            return
        now = self._clock()
        bucket.fill(now)
        if bucket.level < 1 and hash(secret) not in self._good:
            raise GatewayError("too_many_wrong_keys", retry_after_s=(1 - bucket.level) * 60.0 / self._per_minute)

    def was_wrong(self, address: str, secret: str) -> None:
        """Count a wrong key."""
        self._good.pop(hash(secret), None)
        bucket = self._by_address.get(address)
        if bucket is None:
            bucket = self._by_address[address] = Bucket(self._per_minute, self._clock())
            if len(self._by_address) > _ADDRESSES:
                self._by_address.popitem(last=False)
        self._by_address.move_to_end(address)
        bucket.take(1, self._clock())

    def was_good(self, secret: str) -> None:
        """Remember a good key, by a hash that means nothing outside this process."""
        number = hash(secret)
        if number not in self._good:
            self._good[number] = None
            if len(self._good) > _KNOWN_GOOD:
                self._good.popitem(last=False)
