"""A store at rest: nobody has it open, and all that was written is in its one file, so that it can be moved."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from touchstone.errors import StoreBusy, StoreError

_PATIENCE_S = 2.0
"""So long a page that is just being made may go on reading."""


@contextmanager
def settled(file: Path) -> Iterator[None]:
    """
    Nobody else reads or writes a store while the block lasts; does nothing where there is none.

    SQLite takes away a write-ahead log by its name when the last connection is closed: moved while somebody has it
    open, a store could lose what another one at the old place wrote. A database leaves the mode with such a log only
    where no other connection, of this process or another, has it open; opening it again brings the mode back.

    Raises:
        StoreBusy: somebody has it open; nothing was changed.
        StoreError: it cannot be read.
    """
    if not file.exists():
        yield
        return
    try:
        connection = sqlite3.connect(file, timeout=_PATIENCE_S, isolation_level=None)
    except sqlite3.Error as error:
        raise _unreadable(file, error) from error
    with closing(connection):
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise _unreadable(file, error) from error
            raise StoreBusy(
                "somebody reads or writes in {place} at this moment, on a page or by a command; wait until it has "
                "ended, then try again",
                place=str(file.parent),
            ) from error
        except sqlite3.Error as error:
            raise _unreadable(file, error) from error
        yield
        connection.execute("ROLLBACK")


def _unreadable(file: Path, error: sqlite3.Error) -> StoreError:
    return StoreError("the store {file} cannot be read: {reason}", file=str(file), reason=str(error))
