"""Images and recordings of a case as parts of a message."""

from __future__ import annotations

import base64
import errno
import os
from pathlib import Path
from typing import Literal

from touchstone.data.media import AUDIO_FORMATS, IMAGE_KINDS, Fault, is_address, media_fault
from touchstone.errors import RequestRejected
from touchstone.models.base import AudioPart, ImagePart

_LARGEST_BYTES = 20 * 1024 * 1024
"""What the hosted APIs take at most for one file."""

_SPOKEN = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-flac": "flac", "x-m4a": "m4a"}
"""Subtypes of audio whose format has another name in a request."""


def image_part(reference: str, folder: Path | None) -> ImagePart:
    """
    An image as a `data:` URL; `data:` and `https:` URLs are passed on.

    Args:
        reference: As in the case.
        folder: Where paths start and what they may not leave; None where the case came from no file.

    Raises:
        RequestRejected: the file may not be sent, cannot be read or is too large; it could when the cases were checked.
    """
    place = _checked("image", reference, folder)
    if place is None:
        return ImagePart(url=reference)
    return ImagePart(url=f"data:{IMAGE_KINDS[Path(reference).suffix.lower()]};base64,{_base64(place)}")


def audio_part(reference: str, folder: Path | None) -> AudioPart:
    """
    A recording as base64, its format by the file's suffix or the type of its `data:` URL.

    Raises:
        RequestRejected: as for `image_part`; also an address, which no request has a field for.
    """
    place = _checked("audio", reference, folder)
    if place is None:
        head, _, data = reference.partition(",")
        subtype = head[len("data:audio/") :].lower().partition(";")[0]
        return AudioPart(data=data, format=_SPOKEN.get(subtype, subtype))
    return AudioPart(data=_base64(place), format=AUDIO_FORMATS[Path(reference).suffix.lower()])


def _checked(column: Literal["image", "audio"], reference: str, folder: Path | None) -> Path | None:
    """The file that a reference means, None for an address. Raises `RequestRejected`."""
    address = is_address(reference)
    fault: Fault | None = "outside" if folder is None and not address else None
    if fault is None:
        fault = media_fault(column, reference, folder or Path())
    shown = reference if len(reference) <= 200 else f"{reference[:200]}…"
    if fault == "outside":
        raise RequestRejected("{path} lies outside the folder of the cases and is not sent", path=shown)
    if fault == "kind":
        raise RequestRejected("{path} is no image or recording by its name and is not sent", path=shown)
    if fault == "address":
        raise RequestRejected("{path} is an address; a recording is sent as a file or a data: URL", path=shown)
    if fault == "missing":
        raise RequestRejected("{path} cannot be read: {reason}", path=shown, reason=os.strerror(errno.ENOENT))
    return None if address or folder is None else folder / reference


def _base64(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise RequestRejected("{path} is larger than 20 MiB; scale it down", path=str(path))
        return base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestRejected("{path} cannot be read: {reason}", path=str(path), reason=reason) from error
