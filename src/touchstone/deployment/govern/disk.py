"""
How much room the disk has left, and what is given up first (A21).

Content goes first, then what only saves money or looks (kept replies, copies for scoring), metering last; and where
even that cannot be kept, requests are refused instead of served unmetered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from touchstone.storage.reserve import room_bytes

Room = Literal["enough", "no_content", "metering_only", "none"]
"""What may still be written: all; all but content; rows of requests alone; nothing."""

_FRESH_S = 1.0


class Watermark:
    """
    Looks at the disk of the store at most once a second.

    Args:
        folder: The folder of the store; None for a store on a server, whose room is its own affair.
        content_bytes: With less room than this no content is kept.
        extras_bytes: With less than this no replies are kept either, for whatever purpose.
        metering_bytes: With less than this no request is taken.
        room: How much there is; the system's answer by default.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        content_bytes: int = 1 << 30,
        extras_bytes: int = 512 << 20,
        metering_bytes: int = 64 << 20,
        room: Callable[[Path], int] = room_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        assert metering_bytes <= extras_bytes <= content_bytes
        self._folder = folder
        self._levels: tuple[tuple[int, Room], ...] = (
            (metering_bytes, "none"),
            (extras_bytes, "metering_only"),
            (content_bytes, "no_content"),
        )
        self._room = room
        self._monotonic = monotonic
        self._until = float("-inf")
        self._found: Room = "enough"

    @property
    def room(self) -> Room:
        """How things stand; `enough` where nobody can tell."""
        now = self._monotonic()
        if self._folder is not None and now >= self._until:
            self._until = now + _FRESH_S
            try:
                left = self._room(self._folder)
            except OSError:
                self._found = "enough"
            else:
                self._found = next((said for below, said in self._levels if left < below), "enough")
        return self._found

    @property
    def takes_content(self) -> bool:
        """Whether prompts and answers may be kept, where a policy asks for it."""
        return self.room == "enough"

    @property
    def takes_extras(self) -> bool:
        """Whether replies may be kept for a cache, an idempotency key or later scoring."""
        return self.room in ("enough", "no_content")

    @property
    def takes_requests(self) -> bool:
        """Whether a request can be metered, and so be served."""
        return self.room != "none"
