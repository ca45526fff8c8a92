"""
Files of an index on disk: written beside, synced, named with their digests, and moved into place in one step.

The manifest is the only file that is ever replaced. Every other is written once and then only read, and counts only
while the manifest names it: whoever dies in between leaves files that nobody looks at.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from touchstone.storage.copies import sync

Sealed = Mapping[str, tuple[int, str]]
"""File name to (bytes, SHA-256 in hex)."""


def fresh(folder: Path, kind: str) -> Path:
    """A new folder in another, whose name nobody has used."""
    place = folder / f"{kind}-{secrets.token_hex(8)}"
    place.mkdir(parents=True)
    return place


def seal(folder: Path) -> dict[str, tuple[int, str]]:
    """Returns when every file of a folder is on disk: their sizes and digests."""
    found = {}
    for file in sorted(folder.iterdir()):
        sync(file)
        found[file.name] = (file.stat().st_size, _digest(file))
    sync(folder)
    sync(folder.parent)
    return found


def broken(folder: Path, sealed: Sealed) -> str | None:
    """The first file that is not as it was sealed; None when all are."""
    for name, (size, digest) in sealed.items():
        file = folder / name
        try:
            if file.stat().st_size != size or _digest(file) != digest:
                return f"{folder.name}/{name}"
        except OSError:
            return f"{folder.name}/{name}"
    return None


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_manifest(file: Path, content: Mapping[str, Any]) -> None:
    """Replace a manifest in one step; returns when that is on disk. Its first line is the digest of the rest."""
    body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("wb") as opened:
            opened.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
        sync(file.parent)
    finally:
        part.unlink(missing_ok=True)


def read_manifest(file: Path) -> dict[str, Any] | None:
    """
    A manifest; None where there is none.

    Raises:
        ValueError: it is damaged.
    """
    try:
        digest, _, body = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("the manifest is not as it was written")
    found: dict[str, Any] = orjson.loads(body)
    return found


def sweep(folder: Path, kinds: Iterable[str], named: Iterable[str]) -> None:
    """Take away the folders of these kinds that are not named, and what was left half-written."""
    keep = set(named)
    for place in folder.iterdir():
        if place.name.startswith(tuple(f"{kind}-" for kind in kinds)) and place.name not in keep:
            shutil.rmtree(place, ignore_errors=True)  # an open file stays on some systems; the next sweep takes it
        elif place.name.startswith(".") and place.name.endswith(".part"):
            with suppress(OSError):
                place.unlink()
