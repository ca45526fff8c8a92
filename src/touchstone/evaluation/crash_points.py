"""
Places at which a test can kill this process, to prove what survives.

`TOUCHSTONE_TEST_KILL_AT=after-intent:3` makes it send itself SIGKILL when it comes by that place for the third time;
without the variable, which is read once at import, coming by costs one call of an empty function.
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


class Killer:
    """
    Kills this process where and when it was told to.

    Args:
        wanted: A point, and after a colon at which time of coming by; the first by default.
        kill: How; a test passes its own.

    Raises:
        ValueError: there is no such point, or the number is none; a test that kills nobody would prove nothing.
    """

    def __init__(self, wanted: str, kill: Callable[[], None] | None = None) -> None:
        point, _, times = (wanted if ":" in wanted else f"{wanted}:1").partition(":")
        if point not in POINTS or not times.isdecimal() or times == "0":
            raise ValueError(f"{KILL_AT} is {wanted!r}; write a point and a number, such as {POINTS[0]}:3")
        self.point = point
        self.left = int(times)
        self.kill = kill or _kill

    def __call__(self, point: str) -> None:
        """Come by a point."""
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                self.kill()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing(_point: str) -> None:
    """Nobody asked to be killed."""


_wanted = secret(KILL_AT)
crash_point: Callable[[str], None] = _nothing if _wanted is None else Killer(_wanted)
"""Say that a point is passed."""
