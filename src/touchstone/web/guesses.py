"""How often somebody may try a password: by address and by name, over a sliding while."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

WHILE_S = 600.0
BY_ADDRESS = 20
BY_NAME = 10
"""
Failures within a while, after which nothing is looked at for the rest of it.

A name is shut for everybody: whoever tries it from many addresses is shut out with its owner, for ten minutes.
"""
_MOST = 50_000
"""Addresses and names that are remembered; an attacker can send as many of either as there is room for."""


class Guesses:
    """Failed attempts of late, in memory: a restart forgets them, and only whoever runs the site can restart it."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._failed: dict[tuple[str, str], deque[float]] = {}
        self._guard = threading.Lock()

    def wait_s(self, address: str, name: str) -> float:
        """For how long nothing will be looked at, seconds; 0 where somebody may try."""
        with self._guard:
            return max(self._wait(("address", address), BY_ADDRESS), self._wait(("name", name), BY_NAME))

    def failed(self, address: str, name: str) -> None:
        """Note a failure."""
        with self._guard:
            if len(self._failed) >= _MOST:
                self._forget_old()
            for key in (("address", address), ("name", name)):
                self._failed.setdefault(key, deque(maxlen=max(BY_ADDRESS, BY_NAME))).append(self.now())

    def succeeded(self, address: str, name: str) -> None:
        """Whoever came in has not been guessing under this name; the address keeps its failures."""
        del address
        with self._guard:
            self._failed.pop(("name", name), None)

    def _wait(self, key: tuple[str, str], most: int) -> float:
        failed = self._failed.get(key)
        if failed is None:
            return 0.0
        while failed and failed[0] <= self.now() - WHILE_S:
            failed.popleft()
        if not failed:
            del self._failed[key]
            return 0.0
        return failed[-most] + WHILE_S - self.now() if len(failed) >= most else 0.0

    def _forget_old(self) -> None:
        for key in list(self._failed):
            self._wait(key, 1)
        if len(self._failed) >= _MOST:
            self._failed.clear()
