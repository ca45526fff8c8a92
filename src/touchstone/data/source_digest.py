"""Whether files of cases are the ones that were looked at before."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from touchstone.data.base import CaseSource
from touchstone.errors import DataError

_BLOCK = 1 << 20


def source_digest(source: CaseSource, checks: Sequence[object]) -> str:
    """
    SHA-256 over the bytes of every file, where they lie, how they are read, and what else the checks depend on.

    Args:
        source: Files and how they are understood.
        checks: Whatever else, changed, could change what a check finds; values that JSON can hold.

    Raises:
        DataError: a file cannot be read.
    """
    # The standard library's JSON, for it can say half a character: names of folders and texts of tasks may hold one.
    said = json.dumps([source.model_dump(), checks], sort_keys=True, default=os.fspath)
    digest = hashlib.sha256(said.encode("ascii"))
    for path in source.files.values():
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                _add(digest, file)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, file: Path) -> None:
    try:
        with file.open("rb") as stream:
            digest.update(os.fsencode(file.name) + f"\0{file.stat().st_size}\0".encode())
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(
            "the cases cannot be read: {reason}; mend the path in the task file", path=file, reason=error.strerror
        ) from error
