"""What of a provider account is closed, for how long, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from touchstone.errors import AccessDenied, ModelError, OutOfCredit, TouchstoneError

ClosedKind = Literal["credit", "denied", "gone", "parked", "unreachable"]
"""
Why nothing goes: the account has no money, the key is not accepted here, there is no such model or address, the
provider wants or needs a long pause, or it cannot be reached. The first three last; the others pass.
"""


class LaneClosed(TouchstoneError):
    """
    A call was not sent because its lane or endpoint is closed. No error of the cell, which stays planned.

    Attributes:
        kind: Why.
        seconds: After how long it opens again; None when it does not.
    """

    def __init__(self, template: str, /, *, kind: ClosedKind, seconds: float | None = None, **values: object) -> None:
        self.kind = kind
        self.seconds = seconds
        super().__init__(template, seconds=seconds, **values)


@dataclass(frozen=True)
class Closing:
    """Why something is closed; the reason without the traceback, which would keep the frames of a call alive."""

    kind: ClosedKind
    reason: TouchstoneError

    @classmethod
    def by(cls, failure: ModelError, kind: ClosedKind) -> Closing:
        """Closed because of this failure, whose text has no secrets in it."""
        return cls(kind, TouchstoneError(failure.template, **failure.values))


class Doors:
    """
    The account's door and one for each of its endpoints.

    Args:
        name: What people call the account.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.stopped: Closing | None = None
        """Why the account is asked nothing any more."""
        self.parked_until = -math.inf
        self._parked: Closing | None = None
        self._ended: dict[str, Closing] = {}

    def stop(self, endpoint: str, failure: ModelError) -> None:
        """
        Close the account for good, where it has no money, or else the endpoint.

        Denied access ends the endpoint alone: a 403 is often about one model, some relays answer 401 for one model's
        upstream, and taking it for the account would cost whole candidates, while asking costs one free call for each.
        """
        if isinstance(failure, OutOfCredit):
            self.stopped = self.stopped or Closing.by(failure, "credit")
        else:
            kind: ClosedKind = "denied" if isinstance(failure, AccessDenied) else "gone"
            self._ended.setdefault(endpoint, Closing.by(failure, kind))

    def park(self, now: float, until: float, failure: ModelError, kind: ClosedKind) -> None:
        """Close the account for a time; never shorter than it was closed before."""
        if self._parked is None or now >= self.parked_until:
            self._parked = Closing.by(failure, kind)
        self.parked_until = max(self.parked_until, until)

    def shut(self, now: float) -> bool:
        """Whether the account is closed, for now or for good."""
        return self.stopped is not None or now < self.parked_until

    def ended(self, endpoint: str) -> bool:
        """Whether this endpoint is closed for good."""
        return endpoint in self._ended

    def closed(self, endpoint: str, now: float) -> LaneClosed | None:
        """What to raise for a call to an endpoint; None when it may go."""
        if self.stopped is not None:
            return LaneClosed(
                "{lane} is not asked any further: {reason}",
                kind=self.stopped.kind,
                lane=self._name,
                reason=self.stopped.reason,
            )
        ended = self._ended.get(endpoint)
        if ended is not None:
            return LaneClosed("not asked any further: {reason}", kind=ended.kind, reason=ended.reason)
        if self._parked is not None and now < self.parked_until:
            return LaneClosed(
                "{lane} is not asked for another {seconds:.0f} s: {reason}",
                kind=self._parked.kind,
                seconds=self.parked_until - now,
                lane=self._name,
                reason=self._parked.reason,
            )
        return None
