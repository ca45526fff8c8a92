"""
The folder of a team's own cards and claims: files by validated names, opened beneath a directory handle.

Nothing that is written or read here leaves the folder: names are checked, and a symbolic link is refused wherever it
stands. A file is written beside its place and moved there in one step.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from touchstone.errors import DataError, StoreError, UserError

_NAME = re.compile(r"[a-z0-9][a-z0-9._=+-]*")
_LONGEST_NAME_CHARS = 200
_LARGEST_BYTES = 1024 * 1024
_HELD = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd
"""Whether files can be opened beneath a directory handle here; elsewhere each step is looked at before it is taken."""
_AS_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_AS_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def file_name(name: str, suffix: str) -> str:
    """
    The file that holds a card or claims; `:` in an id is written `=`, which no id contains.

    Raises:
        UserError: the name could leave the folder, or is too long for a file.
    """
    found = name.replace(":", "=")
    if not _NAME.fullmatch(found) or len(found) > _LONGEST_NAME_CHARS:
        raise UserError(
            "{name!r} cannot name a file; use at most 200 small letters, digits, dots and hyphens", name=name[:80]
        )
    return found + suffix


class OwnFolder:
    """One directory of the workspace's catalog, such as `cards`, and the directories and files right below it."""

    def __init__(self, base: Path, name: str) -> None:
        self.base = base
        self.name = name
        self.path = base / name

    def write(self, folder: str | None, name: str, body: bytes, *, replace: bool) -> Path:
        """
        Put a file in its place in one step; another process sees the old file or the new one.

        Args:
            folder: A directory right below, made if it is missing; None for the directory itself.
            name: From `file_name`.
            body: All of it.
            replace: Whether a file of this name may go.

        Raises:
            DataError: there is a file already, or a symbolic link stands in the way.
            StoreError: the disk is full or may not be written.
        """
        place = self.path / (folder or "") / name
        self.base.mkdir(parents=True, exist_ok=True)
        with self._open(folder, make=True) as held:
            part = f".{name[:100]}.{secrets.token_hex(8)}.part"
            try:
                target = os.open(held.at(part), os.O_WRONLY | os.O_CREAT | os.O_EXCL | _AS_FILE, 0o644, **held.within)
                with os.fdopen(target, "wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                if replace:
                    held.move(part, name)
                else:
                    held.move_if_absent(part, name)
            except FileExistsError:
                raise DataError("there is a card already; name --replace to write over it", path=place) from None
            except OSError as error:
                raise StoreError(
                    "{path} cannot be written: {reason}", path=str(place), reason=error.strerror
                ) from error
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(held.at(part), **held.within)
        return place

    def remove(self, folder: str | None, name: str) -> None:
        """Take a file away; nothing happens where there is none."""
        with suppress(FileNotFoundError), self._open(folder, make=False) as held:
            os.unlink(held.at(name), **held.within)

    def read(self, folder: str | None, name: str) -> bytes:
        """
        A file's bytes.

        Raises:
            DataError: it cannot be read, is no plain file (a link is none) or is larger than a megabyte.
        """
        place = self.path / (folder or "") / name
        try:
            with self._open(folder, make=False) as held:
                target = os.open(held.at(name), os.O_RDONLY | _AS_FILE, **held.within)
                with os.fdopen(target, "rb") as file:
                    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        raise DataError("this is no plain file; put the file itself here", path=place)
                    body = file.read(_LARGEST_BYTES + 1)
        except OSError as error:
            raise DataError("the file cannot be read: {reason}", path=place, reason=error.strerror) from None
        if len(body) > _LARGEST_BYTES:
            raise DataError("the file is larger than 1 MiB; shorten it", path=place)
        return body

    def folders(self) -> tuple[str, ...]:
        """Names of the directories below, sorted; links are listed too, so that reading them is refused by name."""
        return tuple(name for name in self._names(self.path) if not (self.path / name).is_file())

    def files(self, folder: str | None, suffix: str) -> tuple[str, ...]:
        """Names of what ends in `suffix`, sorted; unfinished and hidden files are not among them."""
        return tuple(name for name in self._names(self.path / (folder or "")) if name.endswith(suffix))

    @staticmethod
    def _names(path: Path) -> list[str]:
        try:
            return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _open(self, folder: str | None, *, make: bool) -> Iterator[_Held]:
        if folder is not None and not _NAME.fullmatch(folder):
            raise DataError("{name!r} cannot be a folder of cards", path=self.path, name=folder)
        held = _Held(self.base)
        try:
            for name in (self.name, *((folder,) if folder else ())):
                held.enter(name, make=make)
            yield held
        finally:
            held.close()


class _Held:
    """A directory that is held open; where files cannot be opened beneath one, a path whose steps were looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) if _HELD else None

    @property
    def within(self) -> dict[str, int]:
        return {} if self.handle is None else {"dir_fd": self.handle}

    def at(self, name: str) -> str:
        """What a call takes for a name in this directory, together with `within`."""
        place = self.path / name
        if self.handle is not None:
            return name
        if place.is_symlink():
            raise DataError("a link stands here; put the file itself", path=place)
        return str(place)

    def enter(self, name: str, *, make: bool) -> None:
        """Go one directory down, never through a link."""
        if make:
            with suppress(FileExistsError):
                os.mkdir(self.at(name), **self.within)  # noqa: PTH102 - beneath a handle
        if self.handle is not None:
            try:
                below = os.open(name, os.O_RDONLY | _AS_DIRECTORY, dir_fd=self.handle)
            except FileNotFoundError:
                raise
            except OSError:
                raise DataError("a link or file stands where a folder belongs", path=self.path / name) from None
            os.close(self.handle)
            self.handle = below
        else:
            self.at(name)
        self.path = self.path / name

    def move(self, name: str, target: str) -> None:
        between = {} if self.handle is None else {"src_dir_fd": self.handle, "dst_dir_fd": self.handle}
        os.replace(self.at(name), self.at(target), **between)  # noqa: PTH105 - beneath a handle

    def move_if_absent(self, name: str, target: str) -> None:
        """As `move`; raises FileExistsError where there is something under the name, also when it came just now."""
        between = {} if self.handle is None else {"src_dir_fd": self.handle, "dst_dir_fd": self.handle}
        try:
            os.link(self.at(name), self.at(target), follow_symlinks=False, **between)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # a file system without links
            if os.path.lexists(self.path / target):
                raise FileExistsError(target) from None
            self.move(name, target)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None
