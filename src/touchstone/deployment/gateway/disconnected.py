"""Whether a client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Disconnected:
    """Tells whether the client has gone. Cheap while nobody asks, because every request has one."""

    __slots__ = ("_calls", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._calls: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Whether the client has gone."""
        return self._is_set

    def call(self, function: Callable[[], object]) -> None:
        """Call a function when the client goes, or at once when it has gone."""
        if self._is_set:
            function()
        else:
            self._calls.append(function)

    def forget(self, function: Callable[[], object]) -> None:
        """Do not call it any more."""
        if function in self._calls:
            self._calls.remove(function)

    async def wait(self) -> None:
        """Return when the client has gone."""
        gone = asyncio.Event()
        self.call(gone.set)
        try:
            await gone.wait()
        finally:
            self.forget(gone.set)

    def set(self) -> None:
        """The connection is lost."""
        if not self._is_set:
            self._is_set = True
            calls, self._calls = self._calls, []
            for function in calls:
                function()
