"""
The pepper: 32 random bytes in a file that only its owner can read, without which the store's digests fit no key.

Who copies the store alone can test no guess against it. The file is made once and never changed; without it no key is
known any more, so it belongs into the same backup plan as the store, and into another place.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import sys
from pathlib import Path

from touchstone.errors import StoreError

NAME = "gateway.pepper"
_SHAPE = re.compile(rb"[0-9a-f]{64}\n?")


def load_pepper(folder: Path) -> bytes:
    """
    The pepper of a workspace; made where there is none.

    Raises:
        StoreError: the file cannot be made or read, is no pepper, or can be read by others.
    """
    file = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        return _read(file)
    except OSError as error:
        raise StoreError(
            "the pepper of the keys, {file}, cannot be read or made: {reason}; check the rights of its folder",
            file=str(file),
            reason=error.strerror or type(error).__name__,
        ) from error


def _make(file: Path) -> None:
    """Write it beside its place and link it there, so that two processes that start at once agree on one."""
    beside = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(beside, file)
    except FileExistsError:
        pass  # the other process was quicker; its pepper is the pepper
    finally:
        beside.unlink()


def _read(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        mode = os.fstat(descriptor).st_mode
        found = os.read(descriptor, 128)
    finally:
        os.close(descriptor)
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise StoreError(
            "the pepper of the keys, {file}, can be read by others on this machine; make it yours alone: chmod 600 "
            "{file}",
            file=str(file),
        )
    if not _SHAPE.fullmatch(found):
        raise StoreError(
            "the pepper of the keys, {file}, is damaged; put it back from a backup, or remove it and make new keys",
            file=str(file),
        )
    return bytes.fromhex(found.decode())


def mark_of(pepper: bytes) -> str:
    """16 hexadecimal digits by which a pepper is recognised and that tell nothing else of it."""
    return hmac.new(pepper, b"touchstone: which pepper is this", hashlib.sha256).hexdigest()[:16]
