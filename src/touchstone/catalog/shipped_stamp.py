"""Whether the data files of this room are still what an index of them was made from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from touchstone.catalog.index import INDEX_VERSION
from touchstone.plugins import version_of

_HERE = Path(__file__).parent


def shipped_stamp() -> str:
    """
    Sizes and times of the data files of this room: while they are what they were, so are the contents.

    Every command that needs the catalog waits here, and reading a thousand files takes eight times as long.
    """
    seen = []
    for name, path in _shipped_files():
        about = os.stat(path)  # noqa: PTH116 - a `Path` takes three times as long
        seen.append(f"{name} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}")
    seen.append(f"{INDEX_VERSION} {version_of('genai-prices')}")
    return blake2b("\0".join(seen).encode(), digest_size=16).hexdigest()


def sealed_stamp() -> str:
    """Of an index in a wheel: it was made of the files that are installed with it, and nobody looks at them again."""
    return f"sealed {INDEX_VERSION} {version_of('genai-prices')}"


def _shipped_files() -> list[tuple[str, str]]:
    """The data files of this room: name, with folders by `/`, and path; what a link to a folder holds is none."""

    def within(folder: str, place: str) -> Iterator[tuple[str, str]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".toml"):
                    yield place + entry.name, entry.path
                elif entry.is_dir(follow_symlinks=False):
                    yield from within(entry.path, f"{place}{entry.name}/")

    return sorted(within(str(_HERE), ""), key=lambda one: one[0].split("/"))


def shipped_digest() -> str:
    """What the shipped part of an index is made from: every data file of this room, and the version of the prices."""
    digest = blake2b(digest_size=16)
    for name, path in _shipped_files():
        digest.update(name.encode() + b"\0" + Path(path).read_bytes() + b"\0")
    digest.update(f"{INDEX_VERSION} {version_of('genai-prices')}".encode())
    return digest.hexdigest()
