"""
An SQLite file opened for looking only.

Never open a store's file with `open()`: closing it would take away the locks that this process's own connections hold
on it (a rule of POSIX), and another process would then clear the write-ahead log away under them.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote


def beside(file: Path, suffix: str) -> Path:
    """The file that goes with a store: `touchstone.sqlite` and `-wal` give `touchstone.sqlite-wal`."""
    return file.with_name(file.name + suffix)


def log_bytes(file: Path) -> int:
    """Size of what waits in the write-ahead log, 0 when there is none."""
    try:
        return beside(file, "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def connect_to_read(file: Path) -> sqlite3.Connection:
    """
    A connection that cannot change the file, nor empty its write-ahead log when it is closed.

    It writes nothing but `-shm`, the index of the log. Where even that is impossible, on a read-only disk, the file is
    read as one that nobody changes, which it is there.
    """
    immutable = log_bytes(file) == 0 and not os.access(file.parent, os.W_OK)
    path = quote(str(file.absolute()).replace(os.sep, "/"), safe="/:")
    connection = sqlite3.connect(
        f"file:{path}?mode=ro{'&immutable=1' if immutable else ''}", uri=True, check_same_thread=False, timeout=30
    )
    connection.execute("PRAGMA query_only=ON")
    return connection
