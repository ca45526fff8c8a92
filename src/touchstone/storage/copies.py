"""A copy of a store as it was before its tables are changed: complete, on disk, and never over an older one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from touchstone.errors import StoreError, StoreFull
from touchstone.storage.reserve import is_out_of_space, room_bytes
from touchstone.storage.sqlite_file import beside, connect_to_read

_SPARE_BYTES = 16 << 20
"""What the copy must leave free, so that what follows it can be written."""


def keep_copy(file: Path, label: str) -> Path:
    """
    Copy a store beside itself, as `touchstone.LABEL.bak`, or `touchstone.LABEL-2.bak` when that one is there.

    When it returns, the copy has been read through and is on disk.

    Raises:
        StoreFull: there is no room for it.
        StoreError: it cannot be made.
    """
    part = beside(file, ".bak-part")
    try:
        part.unlink(missing_ok=True)
        with closing(connect_to_read(file)) as source:
            [page_bytes] = source.execute("PRAGMA page_size").fetchone()
            [pages] = source.execute("PRAGMA page_count").fetchone()
            _refuse_without_room(file, page_bytes * pages)
            with closing(sqlite3.connect(part)) as target:
                source.backup(target)
                [found] = target.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        shutil.copystat(file, part)
        sync(part)
        copy = _free_name(file, label)
        part.rename(copy)
        sync(copy.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        if is_out_of_space(error):
            raise StoreFull(
                "there is no room for a copy of {file} before its tables are changed; it is left as it is: make room "
                "and run again",
                file=str(file),
            ) from error
        raise StoreError(
            "no copy of {file} can be made before its tables are changed: {reason}; it is left as it is",
            file=str(file),
            reason=str(error),
        ) from error
    return copy


def sync(place: Path) -> None:
    """Returns when a file, or the names in a folder, are on disk. Not for a store: see `sqlite_file`."""
    if os.name == "nt" and place.is_dir():
        return  # a folder cannot be opened there, and names need no help
    descriptor = os.open(place, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_name(file: Path, label: str) -> Path:
    names = (file.with_suffix(f".{label}{'' if number == 1 else f'-{number}'}.bak") for number in count(1))
    return next(name for name in names if not name.exists())


def _refuse_without_room(file: Path, needed: int) -> None:
    free = room_bytes(file.parent)
    if free < needed + _SPARE_BYTES:
        raise StoreFull(
            "a copy of {file} is made before its tables are changed, and there is no room for one: it needs {needed} "
            "MB, {free} MB are free; make room and run again, the store is left as it is",
            file=str(file),
            needed=(needed + _SPARE_BYTES) // 1_000_000 + 1,
            free=free // 1_000_000,
        )
