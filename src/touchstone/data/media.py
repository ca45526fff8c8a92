"""Where the images and recordings of a case may lie: beside its cases, and nowhere else on the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from touchstone.data.base import Case, CaseSource
from touchstone.data.values import split_of

# A list of our own: what `mimetypes` knows depends on the machine, and a check may not.
IMAGE_KINDS: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
}
"""Suffix of an image file to its media type."""

AUDIO_FORMATS: Mapping[str, str] = {
    ".wav": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "opus",
    ".m4a": "m4a",
    ".aac": "aac",
    ".aiff": "aiff",
    ".webm": "webm",
    ".mp4": "mp4",
}
"""Suffix of a recording to the format's name in a request."""

Fault = Literal["address", "kind", "outside", "missing"]
"""
What is wrong with a reference: an address where none can be sent, no image or recording by its suffix, a place outside
the folder of the cases, or nothing there.
"""


def media_folder(path: Path) -> Path:
    """Where relative paths in a file of cases start: its folder, or the folder itself that holds the cases."""
    return path if path.is_dir() else path.parent


def media_folders(source: CaseSource) -> dict[str, Path]:
    """Split to where the paths in its file start; the key "" where one file holds every split."""
    return {split_of(key) or "" if key else "": media_folder(Path(path)) for key, path in source.files.items()}


def folder_of(case: Case, folders: Mapping[str, Path]) -> Path | None:
    """Where the paths of a case start, given `media_folders`; None for a case that came from no file."""
    return folders.get(case.split, folders.get(""))


def is_address(reference: str) -> bool:
    """Whether a reference is sent as it stands."""
    return reference[:8].lower().startswith(("data:", "https://"))


def media_fault(column: Literal["image", "audio"], reference: str, folder: Path) -> Fault | None:
    """
    What forbids sending an image or a recording; None when nothing does.

    Without this look a table from somebody else could name any file of the machine and have it sent to a provider.

    Args:
        column: Which column it stands in.
        reference: Path, `data:` URL, or `https:` address (of an image).
        folder: Where paths start, and what they may not leave, through a link either.
    """
    if is_address(reference):
        if reference[:5].lower() != "data:":
            return "address" if column == "audio" else None
        head = reference[:100].partition(",")[0].lower()
        return (
            None if head.startswith(f"data:{column}/") and (column == "image" or head.endswith(";base64")) else "kind"
        )
    try:
        place = (folder / reference).resolve()
        if Path(reference).is_absolute() or not place.is_relative_to(folder.resolve()):
            return "outside"
        kinds = IMAGE_KINDS if column == "image" else AUDIO_FORMATS
        if Path(reference).suffix.lower() not in kinds:
            return "kind"
        return None if place.is_file() else "missing"
    except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a name with a NUL
        return "missing"
