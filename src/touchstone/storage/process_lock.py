"""
One process at a time: a lock on a file, which the operating system takes back when the process ends, however it ends.

The file stays where it is after that: taking it away would let two processes lock two files of one name.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Self

from touchstone.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int, *, shared: bool) -> bool:  # noqa: ARG001 - this system has no shared ones
        # Far behind the end: a locked byte cannot be read by anybody else on this system.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_PATIENCE_S = 0.3
"""A look at the lock holds it for some microseconds; who wants it waits out that much."""
_PAUSE_S = 0.01

_held: dict[Path, int] = {}
"""Lock files that this process holds, with their descriptors."""


class ProcessLock:
    """
    A lock that one holder in all processes of a machine has; a second one in the same process is refused too.

    Args:
        file: The lock file; made where absent, never removed.
    """

    def __init__(self, file: Path) -> None:
        self.file = Path(os.path.realpath(file))
        self._descriptor: int | None = None

    def take(self) -> bool:
        """
        Whether the lock is held from now on; False when somebody else has it.

        Raises:
            StoreError: the file cannot be made, or this file system has no locks.
        """
        assert self._descriptor is None
        try:
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                deadline = time.monotonic() + _PATIENCE_S
                while not (taken := _try(descriptor, shared=False)) and time.monotonic() < deadline:
                    time.sleep(_PAUSE_S)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            raise _unusable(self.file, error) from error
        if not taken:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        _held[self.file] = descriptor
        return True

    def release(self) -> None:
        """Let the next one have it; does nothing when it is not held."""
        if self._descriptor is not None and _held.pop(self.file, None) is not None:
            os.close(self._descriptor)
        self._descriptor = None

    @property
    def descriptor(self) -> int | None:
        """By which a child that inherits it holds the lock too; None while it is not held through this object."""
        return self._descriptor

    @property
    def held_here(self) -> bool:
        """Whether this process holds it, through this object or another."""
        return self.file in _held

    @property
    def held(self) -> bool:
        """Whether anybody holds it now. Looking changes nothing and makes no file."""
        if self.held_here:
            return True
        try:
            descriptor = os.open(self.file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unusable(self.file, error) from error
        try:
            return not _try(descriptor, shared=True)
        except OSError as error:
            raise _unusable(self.file, error) from error
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


def _unusable(file: Path, error: OSError) -> StoreError:
    return StoreError(
        "the lock {file} cannot be used: {reason}; name a workspace on a disk of this machine",
        file=str(file),
        reason=error.strerror,
    )


def _forget_in_child() -> None:
    # A copy of the descriptor in a forked child would hold the lock on after the engine itself has died.
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
