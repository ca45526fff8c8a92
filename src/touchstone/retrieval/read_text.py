"""Plain text."""

from __future__ import annotations

from touchstone.retrieval.parsed import Outline, Parsed, decoded

VERSION = 1
"""Raise it when the same bytes give another text."""


def read(data: bytes) -> Parsed:
    """All of it, without headings."""
    outline = Outline()
    outline.block(decoded(data))
    return outline.parsed()
