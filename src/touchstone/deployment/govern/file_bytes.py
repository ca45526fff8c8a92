"""
The bytes of stored files: named by their digest, opened beneath a directory handle, never through a link (R15, R16).

No name that a client wrote reaches the file system. Two files of the same bytes share one; whoever removes a row asks
whether another still names it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from touchstone.errors import StoreDamaged, StoreError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRAFT = re.compile(r"draft-[0-9a-f]{32}")
_WORK = re.compile(r"work-[0-9a-f]{64}")
_HELD = os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd
"""Whether files can be opened beneath a directory handle here; elsewhere each name is looked at before it is used."""
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Kept(NamedTuple):
    """Bytes that lie there now."""

    digest: str
    """SHA-256 in hex, which is their name."""
    size_bytes: int


class FileBytes:
    """
    One folder of bytes. Its calls block: run them in a thread.

    Args:
        folder: Made where it is absent.

    Raises:
        StoreError: a link or a file stands where the folder belongs, or it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.is_symlink():
                raise NotADirectoryError
            flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
            self._handle = os.open(folder, flags) if _HELD else None
        except OSError as error:
            raise StoreError(
                "{path} cannot hold stored files: {reason}; a folder of the workspace's own belongs there",
                path=str(folder),
                reason=error.strerror or "it is a link",
            ) from error

    def close(self) -> None:
        """Let go of the folder; may be called twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def begin(self) -> Draft:
        """Bytes that are coming. Raises `OSError`."""
        return Draft(self, f"draft-{secrets.token_hex(16)}")

    def read(self, digest: str) -> BinaryIO:
        """
        The bytes of a digest.

        Raises:
            StoreDamaged: they are not there, or something else is.
        """
        try:
            return os.fdopen(self._open(digest, os.O_RDONLY), "rb")
        except OSError as error:
            raise StoreDamaged(
                "the bytes of a stored file are missing from {path}; restore the folder from a copy",
                path=str(self.folder),
            ) from error

    def remove(self, digest: str) -> None:
        """Take bytes away; nothing happens where there are none."""
        with suppress(FileNotFoundError):
            self._unlink(digest)

    def work(self, name: str) -> BinaryIO:
        """A file to append to, which a later process finds again; `name` is a digest of ours. Raises `OSError`."""
        return os.fdopen(self._open(f"work-{name}", os.O_RDWR | os.O_CREAT | os.O_APPEND), "r+b", buffering=0)

    def end_work(self, name: str) -> None:
        """Take such a file away; nothing happens where there is none."""
        with suppress(FileNotFoundError):
            self._unlink(f"work-{name}")

    def sweep(self, digests: Collection[str], works: Collection[str]) -> int:
        """Remove what no row names: drafts of a gateway that was killed, bytes that were let go of; how many."""
        gone = 0
        wanted = {*digests, *(f"work-{name}" for name in works)}
        for name in self._names():
            if name not in wanted and any(shape.fullmatch(name) for shape in (_DIGEST, _DRAFT, _WORK)):
                with suppress(OSError):
                    self._unlink(name)
                    gone += 1
        return gone

    def _names(self) -> Iterator[str]:
        yield from os.listdir(self.folder if self._handle is None else self._handle)  # noqa: PTH208 - beneath a handle

    def _at(self, name: str) -> tuple[str, dict[str, int]]:
        """What a call takes for a name in the folder."""
        if not any(shape.fullmatch(name) for shape in (_DIGEST, _DRAFT, _WORK)):
            raise ValueError(f"{name!r} names no stored bytes")
        if self._handle is not None:
            return name, {"dir_fd": self._handle}
        place = self.folder / name
        if place.is_symlink():
            raise FileNotFoundError(name)
        return str(place), {}

    def _open(self, name: str, flags: int) -> int:
        place, within = self._at(name)
        handle = os.open(place, flags | _PLAIN, 0o600, **within)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileNotFoundError(name)
        return handle

    def _unlink(self, name: str) -> None:
        place, within = self._at(name)
        os.unlink(place, **within)

    def _move(self, name: str, target: str) -> None:
        (here, within), (there, _) = self._at(name), self._at(target)
        between = {"src_dir_fd": within["dir_fd"], "dst_dir_fd": within["dir_fd"]} if within else {}
        os.replace(here, there, **between)  # noqa: PTH105 - beneath a handle


class Draft:
    """
    Bytes on their way. Ended by `keep` or `discard`.

    Args:
        place: Where they will lie.
        name: Of the file that they are written to until then.
    """

    def __init__(self, place: FileBytes, name: str) -> None:
        self._place = place
        self._name = name
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = os.fdopen(place._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Write on. Raises `OSError`."""
        assert self._file is not None, "a draft that has not ended"
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def keep(self) -> Kept:
        """Put them in their place, on the disk before any row names them. Raises `OSError`."""
        file, self._file = self._file, None
        assert file is not None, "a draft that has not ended"
        digest = self._digest.hexdigest()
        try:
            with file:
                file.flush()
                os.fsync(file.fileno())
            self._place._move(self._name, digest)
        except OSError:
            with suppress(OSError):
                self._place._unlink(self._name)
            raise
        return Kept(digest, self.size_bytes)

    def discard(self) -> None:
        """Throw them away; does nothing where they were kept."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError), file:
                pass
            with suppress(OSError):
                self._place._unlink(self._name)
