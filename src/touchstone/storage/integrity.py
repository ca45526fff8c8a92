"""
Whether a store can be trusted.

A look at its tables and its length is nearly free and made at every opening. Reading every page (`quick_check`) costs
0.8 s for 570 MB in memory and 7 s from a cold disk, so that is done when there is a reason: the file is small, whoever
wrote it last did not end well, or somebody asks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from touchstone.errors import StoreDamaged, StoreError
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.sqlite_file import beside, connect_to_read, log_bytes

Check = Literal["auto", "full", "none"]

SMALL_BYTES = 32 << 20
"""A store of this size is read in 0.05 s from memory and in 0.4 s from a cold disk: always worth it."""

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that what it reads is no sound database."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def inspect(file: Path, check: Check = "auto") -> None:
    """
    Look at a store's file without changing a byte of it, whatever is found.

    Args:
        check: `full` reads every page, `none` the list of tables and the length only; `auto` reads every page of a
            small file, and of any file whose last engine was cut off while nobody works in it now.

    Raises:
        StoreDamaged: it is no database, shorter than it says it is, or holds a page that makes no sense.
        StoreError: it cannot be read at all.
    """
    try:
        with closing(connect_to_read(file)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if check == "none" or (check == "auto" and not _has_reason(file, connection)):
                return
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(file, str(error)) from error
        raise StoreError(
            "the store {file} cannot be read: {reason}; check its rights, or name another workspace with --workspace",
            file=str(file),
            reason=str(error),
        ) from error
    if found != "ok":
        raise damaged(file, found)


def damaged(file: Path, reason: str) -> StoreDamaged:
    """What to say of a damaged file, and what to do about it."""
    return StoreDamaged(
        "the store {file} is damaged: {reason}",
        file=str(file),
        reason=reason.splitlines()[-1] if reason else "?",
    )


def _has_reason(file: Path, connection: sqlite3.Connection) -> bool:
    if file.stat().st_size + log_bytes(file) <= SMALL_BYTES:
        return True
    if ProcessLock(beside(Path(file.resolve()), ".lock")).held:
        return False  # whoever is at work looked when it began
    return log_bytes(file) > 0 or not _ended_well(connection)


def _ended_well(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'engine'"
    if connection.execute(known).fetchone() is None:
        return True
    last = connection.execute("SELECT ended_at FROM engine ORDER BY number DESC LIMIT 1").fetchone()
    return last is None or last[0] is not None
