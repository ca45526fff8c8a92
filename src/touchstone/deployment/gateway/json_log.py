"""
The log: one JSON object a line, in ASCII, so that nothing in it ends a line or moves a terminal's cursor (R29, A11).

Lines are collected and written by a thread, a block at a time: a slow disk or a full pipe must not stop the gateway.
When too many wait, further ones are dropped and counted; metering is in the store and loses nothing by that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import orjson

from touchstone.deployment.govern.state import stamp
from touchstone.errors import SettingsError

_EVERY_S = 0.1
_MOST_LINES = 20_000


def line_of(record: Mapping[str, object]) -> bytes:
    """A record as a line of ASCII, its end included."""
    line = orjson.dumps(record)
    if not line.isascii() or b"\x7f" in line:
        # Separators and direction marks beyond ASCII end lines or turn text round in some readers.
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii")
    return line + b"\n"


class JsonLog:
    """
    Collects records and hands them to a writer.

    Args:
        write: Writes a block of whole lines; called in a thread of its own, one call at a time.

    Attributes:
        dropped: Lines that were not written because too many waited.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.dropped = 0
        self._write = write
        self._lines: list[bytes] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gateway-log")
        self._writing: Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def note(self, event: str, fields: Mapping[str, object]) -> None:
        """A line of the log; fields that are None are left out."""
        if len(self._lines) >= _MOST_LINES:
            self.dropped += 1
            return
        record: dict[str, object] = {"at": stamp(), "event": event}
        record.update([item for item in fields.items() if item[1] is not None])
        self._lines.append(line_of(record))
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._hand_over)
            except RuntimeError:  # no loop runs yet, or any more
                self._hand_over()

    def _hand_over(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            # The last block is not written yet; this one waits and grows, up to what may wait.
            with contextlib.suppress(RuntimeError):
                self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._hand_over)
            return
        block, self._lines = b"".join(self._lines), []
        if block:
            self._writing = self._thread.submit(self._try_to_write, block)

    def _try_to_write(self, block: bytes) -> None:
        try:
            self._write(block)
        except OSError:  # a full disk or a closed pipe: the gateway goes on, and the count tells of it
            self.dropped += block.count(b"\n")

    def close(self) -> None:
        """Write what waits; takes as long as the writer does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        block, self._lines = b"".join(self._lines), []
        if block:
            self._thread.submit(self._try_to_write, block)
        self._thread.shutdown(wait=True)


class RotatingFile:
    """
    A file that only its owner reads, and that is put aside when it is large.

    Args:
        path: The newest part; older ones are called `path.1`, `path.2`.
        most_bytes: From which size on a new part begins.
        parts: How many older parts are kept.

    Raises:
        SettingsError: it cannot be written.
    """

    def __init__(self, path: Path, *, most_bytes: int = 32 * 1024 * 1024, parts: int = 4) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._parts = parts
        try:
            self._open()
        except OSError as error:
            raise SettingsError(
                "the log {path} cannot be written: {reason}; name another file with --log",
                path=str(path),
                reason=error.strerror,
            ) from error

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, block: bytes) -> None:
        """Add whole lines."""
        if self._size and self._size + len(block) > self._most_bytes:
            self._turn_over()
        _write_all(self._file, block)
        self._size += len(block)

    def _turn_over(self) -> None:
        os.close(self._file)
        for number in range(self._parts, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        self._open()


def to_stderr(block: bytes) -> None:
    """Write a block to the process's standard error."""
    _write_all(2, block)


def _write_all(file: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(file, rest) :]
