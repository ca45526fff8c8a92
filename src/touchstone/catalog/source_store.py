"""
Where copies of sources lie: `SOURCE.json` is the good one, `SOURCE.previous.json` the one before it.

A file is one line about the copy and one line an entry, together a JSON object. Its first line holds the digest of all
that follows, so that a file that was cut or changed is never taken for a good one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from touchstone.catalog.source_base import Copy, Reported
from touchstone.errors import StoreError, TouchstoneError

SCHEMA = "touchstone.source/1"
MAX_FILE_BYTES = 512 << 20
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HEAD_END = b',"entries":[\n'
_FOOT = b"]}\n"


class CopyUnreadable(StoreError):
    """A stored copy is damaged or of a newer version; it is left as it is."""


@dataclass(frozen=True)
class Found:
    """What lies in the store of one source."""

    copy: Copy | None
    """None when there is none that can be read."""
    notice: TouchstoneError | None = None
    """Why it is not the newest one."""


class Shelf:
    """
    The copies of all sources.

    Args:
        folder: `WORKSPACE/catalog/sources`; made when the first copy is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have a copy."""
        if not self.folder.is_dir():
            return ()
        stems = {file.name.removesuffix(".json").removesuffix(".previous") for file in self.folder.glob("*.json")}
        return tuple(sorted(stem for stem in stems if _is_name(stem)))

    def read(self, source: str) -> Found:
        """The good copy of a source; the one before it, with a notice, when the good one cannot be read."""
        notice: TouchstoneError | None = None
        for file in (self._file(source), self._file(source, previous=True)):
            try:
                return Found(_read(file, source), notice)
            except FileNotFoundError:
                continue
            except CopyUnreadable as error:
                notice = notice or error
        return Found(None, notice)

    def fetched_at(self, source: str) -> str | None:
        """When the good copy of a source was fetched, without reading its entries; None where none can be read."""
        for file in (self._file(source), self._file(source, previous=True)):
            with suppress(FileNotFoundError, CopyUnreadable):
                return _read(file, source, entries=False).fetched_at
        return None

    def take(self, copy: Copy) -> Path:
        """
        Make a copy the good one; the one that was becomes the previous one, if it can be read.

        Raises:
            StoreError: it cannot be written; what was there is as it was.
        """
        current, previous = self._file(copy.source), self._file(copy.source, previous=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".taking-", suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    for part in _parts(copy):
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileNotFoundError, CopyUnreadable):
                    _read(current, copy.source, entries=False)
                    current.replace(previous)
                Path(temporary).replace(current)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(
                "{file} cannot be written ({reason}); the copy before it is kept",
                file=str(current),
                reason=error.strerror or type(error).__name__,
            ) from None
        return current

    def _file(self, source: str, *, previous: bool = False) -> Path:
        if not _is_name(source):
            raise ValueError(f"{source!r} is no name of a source")
        return self.folder / f"{source}{'.previous' if previous else ''}.json"


def _is_name(text: str) -> bool:
    return len(text) <= 80 and _NAME.fullmatch(text) is not None


def _parts(copy: Copy) -> Iterator[bytes]:
    """The file's content, entry by entry."""
    digest = sha256()
    for line in _lines(copy):
        digest.update(line)
    digest.update(_FOOT)
    head = copy.model_copy(update={"entries": ()}).model_dump_json(exclude={"entries"})
    yield f'{{"schema":"{SCHEMA}","digest":"{digest.hexdigest()}","copy":{head}'.encode() + _HEAD_END
    yield from _lines(copy)
    yield _FOOT


def _lines(copy: Copy) -> Iterator[bytes]:
    for place, entry in enumerate(copy.entries, 1):
        yield entry.model_dump_json(exclude_defaults=True).encode() + (b",\n" if place < len(copy.entries) else b"\n")


def _read(file: Path, source: str, *, entries: bool = True) -> Copy:
    """A stored copy, or only what is said about it once all of it has proved whole."""
    import orjson

    try:
        # A link could lead to any file of this machine.
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error.strerror or type(error).__name__) from None
    with os.fdopen(handle, "rb") as stream:
        if os.fstat(handle).st_size > MAX_FILE_BYTES:
            raise _unreadable(file, "too large")
        head = stream.readline()
        if not head.endswith(_HEAD_END):
            raise _unreadable(file, "no such file of ours")
        digest, found = sha256(), []
        try:
            about = orjson.loads(head + _FOOT)
            if about.get("schema") != SCHEMA:
                raise _unreadable(file, f"schema {str(about.get('schema'))[:40]!r}")
            for line in stream:
                digest.update(line)
                if entries and line != _FOOT:
                    found.append(Reported.model_validate_json(line.rstrip(b",\n")))
            copy = Copy.model_validate(about["copy"])
        except (orjson.JSONDecodeError, ValidationError, KeyError, AttributeError):
            raise _unreadable(file, "damaged") from None
    if digest.hexdigest() != about.get("digest") or copy.source != source:
        raise _unreadable(file, "damaged")
    return copy.model_copy(update={"entries": tuple(found)})


def _unreadable(file: Path, reason: str) -> CopyUnreadable:
    return CopyUnreadable(
        "{file} cannot be read ({reason}); the copy before it is used, if there is one; refresh the source again",
        file=str(file),
        reason=reason,
    )
