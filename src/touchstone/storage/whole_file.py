"""A file that is replaced as a whole: who reads it finds the old text or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def replace_whole(file: Path, body: bytes) -> None:
    """
    Write a file beside its place and give it its name; nobody but its owner may read it.

    Raises:
        OSError: its folder cannot be written to; nothing is left of what was tried.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(body)
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
