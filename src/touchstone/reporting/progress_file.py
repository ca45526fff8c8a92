"""
Where a run stands, in a file that is replaced as a whole: for a page that watches a command in another process.

Which file, `TOUCHSTONE_PROGRESS` says; without it nothing is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from touchstone.noun import Noun

_PAUSE_S = 0.4


class ProgressFile:
    """
    Keeps the last word of a run.

    Args:
        file: The file; None writes nothing.
        kind: What is told: `comparison` or `training`.
    """

    def __init__(self, file: Path | None, kind: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.file = file
        self.kind = kind
        self._clock = clock
        self._next = 0.0
        self._last: Noun | None = None

    def update(self, progress: Noun) -> None:
        """Write it, at most a few times a second; `close` writes what was left out last."""
        self._last = progress
        if self.file is not None and self._clock() >= self._next:
            self._write(progress)

    def close(self) -> None:
        """Write the last word."""
        if self.file is not None and self._last is not None:
            self._write(self._last)

    def _write(self, progress: Noun) -> None:
        assert self.file is not None
        self._next = self._clock() + _PAUSE_S
        beside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        # A page that cannot be told is no reason to stop a run.
        with suppress(OSError):
            beside.write_text(f'{{"kind":"{self.kind}","said":{progress.model_dump_json()}}}', encoding="utf-8")
            beside.replace(self.file)
