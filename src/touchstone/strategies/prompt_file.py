"""Prompts that lie in files beside the task file: each version a file, under version control with the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchstone.errors import SettingsError

_LARGEST_BYTES = 256 * 1024
"""No prompt that anybody wrote is longer; a file of cases named by mistake is."""


@dataclass(frozen=True)
class PromptFile:
    """The text of a file, without the line break at its end that editors add."""

    path: str
    """As the task file names it."""
    text: str
    digest: str
    """SHA-256 of the bytes."""


def text_of(value: Any, key: str, name: str, folder: Path) -> str | PromptFile | None:
    """
    A text as an entry gives it: written out, or as `{file: prompts/v2.txt}`.

    Args:
        value: What the entry says; None where it says nothing.
        key: Which parameter it is.
        name: The candidate's.
        folder: The task file's; what is read lies in it.

    Raises:
        SettingsError: it is neither, or the file cannot be used.
    """
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Mapping) or set(value) != {"file"} or not isinstance(value["file"], str):
        raise SettingsError(
            "{name}: {key} is {value!r}; write it as text, or as {{file: PATH}}", name=name, key=key, value=value
        )
    return _read(value["file"], key, name, folder)


def _read(path: str, key: str, name: str, folder: Path) -> PromptFile:
    try:
        place = (folder / path).resolve()
        if Path(path).is_absolute() or not place.is_relative_to(folder.resolve()):
            # A task file from somebody else could have any file of this machine sent to a provider.
            raise SettingsError(
                "{name}: {key} is read from {path}, outside the folder of the task file; put it beside the task file",
                name=name,
                key=key,
                path=path,
            )
        if place.is_file() and place.stat().st_size > _LARGEST_BYTES:
            raise SettingsError(
                "{name}: {path} is larger than 256 KiB; {key} takes a prompt", name=name, path=path, key=key
            )
        body = place.read_bytes()
        text = body.decode("utf-8-sig")
    except (OSError, RuntimeError) as error:
        raise SettingsError(
            "{name}: {key} cannot be read from {path}: {reason}",
            name=name,
            key=key,
            path=path,
            reason=getattr(error, "strerror", None) or str(error),
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            "{name}: {path} is no UTF-8 at byte {place}; save it as UTF-8", name=name, path=path, place=error.start
        ) from error
    except ValueError as error:  # a name with a NUL
        raise SettingsError(
            "{name}: {key} cannot be read from {path}: {reason}", name=name, key=key, path=path, reason=str(error)
        ) from error
    text = text.replace("\r\n", "\n").removesuffix("\n")
    return PromptFile(path, text, hashlib.sha256(body).hexdigest())
