"""Pictures and recordings that somebody uploads or a model makes: told by their first bytes, never by their names."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from touchstone.errors import SettingsError

MOST_BYTES = 4 << 20
"""Of one file. A picture larger than this is scaled down by every provider anyway."""

_PICTURES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "image/gif": lambda head: head.startswith((b"GIF87a", b"GIF89a")),
    "image/webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
}
"""What a browser shows as a picture and as nothing else. SVG is a document and stays out."""

_SOUNDS: Mapping[str, Callable[[bytes], bool]] = {
    "audio/wav": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE",
    "audio/mp3": lambda head: head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe2"),
    "audio/flac": lambda head: head.startswith(b"fLaC"),
    "audio/ogg": lambda head: head.startswith(b"OggS"),
    "audio/m4a": lambda head: head[4:8] == b"ftyp",
    "audio/webm": lambda head: head.startswith(b"\x1aE\xdf\xa3"),
}


class Medium(NamedTuple):
    """A picture or a recording."""

    kind: str
    """`image/png`, `audio/wav` and the like."""
    body: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def url(self) -> str:
        """As a `data:` URL."""
        return f"data:{self.kind};base64,{base64.b64encode(self.body).decode()}"


def picture(body: bytes) -> Medium:
    """
    A picture, if it is one.

    Raises:
        SettingsError: it is larger than `MOST_BYTES`, or no PNG, JPEG, WebP or GIF.
    """
    return _told(
        "image", body, _PICTURES, SettingsError("that is no picture that can be shown; send a PNG, JPEG, WebP or GIF")
    )


def sound(body: bytes) -> Medium:
    """A recording, if it is one. Raises `SettingsError`."""
    return _told(
        "audio",
        body,
        _SOUNDS,
        SettingsError("that is no recording that is known; send WAV, MP3, FLAC, OGG, M4A or WebM"),
    )


def picture_of(url: str) -> Medium | None:
    """The picture of a `data:` URL that a model sent; None where it is none that may be shown."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64") or len(data) > 2 * MOST_BYTES:
        return None
    try:
        return picture(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError, SettingsError):
        return None


def _told(field: str, body: bytes, kinds: Mapping[str, Callable[[bytes], bool]], otherwise: SettingsError) -> Medium:
    if len(body) > MOST_BYTES:
        raise SettingsError("the file for {field} is larger than {most} MiB", field=field, most=MOST_BYTES >> 20)
    for kind, fits in kinds.items():
        if fits(body[:16]):
            return Medium(kind, body)
    raise otherwise
