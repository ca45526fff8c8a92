"""Stops asking somebody who does not answer, and tries again after a while."""

from __future__ import annotations

from collections.abc import Callable

_AFTER = 5
"""Failures in a row after which nobody is asked any more."""

_FIRST_REST_S = 5.0
_LONGEST_REST_S = 60.0


class Breaker:
    """
    Closed while answers come; open for a rest after `after` failures in a row; then one question is a trial.

    A rest doubles with every trial that fails, up to a minute. Used within one event loop.
    """

    def __init__(self, clock: Callable[[], float], after: int = _AFTER) -> None:
        self._clock = clock
        self._after = after
        self._failures = 0
        self._rest_s = _FIRST_REST_S
        self._until: float | None = None
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether nobody is to be asked now."""
        return self._until is not None and (self._trying or self._clock() < self._until)

    @property
    def retry_after_s(self) -> float:
        """Seconds until it is worth asking again; 0 while it is closed."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def begin(self) -> bool:
        """Whether to ask; where it is, the outcome must be told by `worked`, `failed` or `left`."""
        if self.open:
            return False
        self._trying = self._until is not None
        return True

    def worked(self) -> None:
        """An answer came."""
        self._failures, self._rest_s, self._until, self._trying = 0, _FIRST_REST_S, None, False

    def failed(self) -> None:
        """No answer came, or none that can be used."""
        self._failures += 1
        if self._trying:
            self._rest_s = min(_LONGEST_REST_S, 2 * self._rest_s)
        if self._trying or self._failures >= self._after:
            self._until = self._clock() + self._rest_s
        self._trying = False

    def left(self) -> None:
        """Whoever asked went away before the outcome was known; a trial is then open to the next one."""
        self._trying = False
