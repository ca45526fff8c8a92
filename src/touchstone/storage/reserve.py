"""
Room that is kept for closing a run when the disk is full.

A run that cannot write must still be able to say how it ended. So some room is taken when an engine starts, and given
back when a write finds none left.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from touchstone.errors import StoreFull
from touchstone.storage.sqlite_file import beside

RESERVE_BYTES = 16 << 20

_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}


class Reserve:
    """
    A file beside a store that does nothing but take up room.

    Args:
        store: The store's file.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.file = beside(store, ".reserve")

    def take(self) -> StoreFull | None:
        """Take the room; what to warn of when there is too little of it, None when it is held."""
        if self._held():
            return None
        try:
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            try:
                _fill(descriptor)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.release()
            return StoreFull(
                "no reserve of {size} MB can be kept beside {file} ({reason}): if the disk fills up, how this run "
                "ended may not be written down; what is paid for is",
                size=RESERVE_BYTES >> 20,
                file=str(self.store),
                reason=error.strerror,
            )
        return None

    def release(self) -> None:
        """Give the room back; does nothing when there is none. Raises nothing: it is called when things go wrong."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)

    def _held(self) -> bool:
        try:
            found = self.file.stat()
        except OSError:
            return False
        # Not every system says how much of a file is really on disk, in units of 512 bytes.
        taken = getattr(found, "st_blocks", RESERVE_BYTES // 512) * 512
        return found.st_size == RESERVE_BYTES and taken >= RESERVE_BYTES


def is_out_of_space(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that the disk is full or a quota used up."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _FULL)
        or _sqlite_code(cause) == sqlite3.SQLITE_FULL
        or getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL's disk_full
        for cause in _causes(error)
    )


def room_bytes(folder: Path) -> int:
    """How much this user may still write to the disk that a folder lies on."""
    return shutil.disk_usage(folder).free


def _fill(descriptor: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        return
    block = bytes(1 << 20)
    for _ in range(RESERVE_BYTES // len(block)):
        written = 0
        while written < len(block):
            written += os.write(descriptor, block[written:])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that it came from, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        original = getattr(cause, "orig", None)  # what SQLAlchemy was told by the driver
        waiting += [cause.__cause__, cause.__context__, original if isinstance(original, BaseException) else None]


def _sqlite_code(error: BaseException) -> int | None:
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return int(code) & 0xFF
    return {"database or disk is full": sqlite3.SQLITE_FULL, "disk I/O error": sqlite3.SQLITE_IOERR}.get(str(error))
