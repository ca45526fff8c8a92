"""Images and recordings of a case as parts of a message."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from touchstone.errors import RequestRejected
from touchstone.models.base import AudioPart, ImagePart

_LARGEST_BYTES = 20 * 1024 * 1024
"""What the hosted APIs take at most for one file."""


def image_part(reference: str, folder: Path) -> ImagePart:
    """
    An image as a `data:` URL; `data:` and `https:` URLs are passed on.

    Raises:
        RequestRejected: the file cannot be read or is too large; it was there when the cases were checked.
    """
    if reference.startswith(("data:", "https://")):
        return ImagePart(url=reference)
    kind = mimetypes.guess_type(reference)[0] or "image/png"
    return ImagePart(url=f"data:{kind};base64,{_base64(folder / reference)}")


def audio_part(reference: str, folder: Path) -> AudioPart:
    """
    A recording as base64, its format by the file's suffix.

    Raises:
        RequestRejected: the file cannot be read or is too large.
    """
    return AudioPart(data=_base64(folder / reference), format=Path(reference).suffix.lower().lstrip(".") or "wav")


def _base64(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise RequestRejected("{path} is larger than 20 MiB; scale it down", path=str(path))
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise RequestRejected("{path} cannot be read: {reason}", path=str(path), reason=error.strerror) from error
