"""
Places at which a test can kill this process, to prove what survives.

`TOUCHSTONE_TEST_KILL_AT=after-intent:3` makes it send itself SIGKILL when it comes by that place for the third time;
without the variable, which is read once at import, coming by costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from touchstone.config import secret

KILL_AT = "TOUCHSTONE_TEST_KILL_AT"

POINTS = (
    "after-intent",  # the intent is on disk, nothing was sent
    "after-reply-received",  # the reply is in memory alone
    "after-reply-committed",  # the reply is on disk, the attempt still open
    "after-read",  # the reply was understood
    "after-settle",  # its cost waits to be booked
    "after-outcome",  # a cell's outcome waits to be written
    "mid-commit",  # rows are written, their transaction is not committed
    "after-round",  # the race has looked at the cells
    "before-finish",  # every cell is there, the comparison still open
)
"""Every place, in the order in which a run comes by."""


class CrashPoint:
    """
    Says that a point is passed: `crash_point("after-read")`.

    Args:
        kill: How to die; a test passes its own.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._point: str | None = None
        self._left = 0

    def arm(self, wanted: str) -> None:
        """
        Die at a point.

        Args:
            wanted: The point, and after a colon at which time of coming by; the first by default.

        Raises:
            ValueError: there is no such point, or the number is none; a test that kills nobody would prove nothing.
        """
        point, _, times = (wanted if ":" in wanted else f"{wanted}:1").partition(":")
        if point not in POINTS or not times.isdecimal() or times == "0":
            raise ValueError(f"{KILL_AT} is {wanted!r}; write a point and a number, such as {POINTS[0]}:3")
        self._point = point
        self._left = int(times)

    def __call__(self, point: str) -> None:
        """Come by a point."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                self._kill()


crash_point = CrashPoint(lambda: os.kill(os.getpid(), signal.SIGKILL))

_wanted = secret(KILL_AT)
if _wanted is not None:
    crash_point.arm(_wanted)
