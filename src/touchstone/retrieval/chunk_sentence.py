"""Passages of whole sentences."""

from __future__ import annotations

from touchstone.retrieval.base import Document, Passage
from touchstone.retrieval.chunk_settings import SIZE, check_sizes
from touchstone.retrieval.pieces import PIECES_VERSION, packed, passages, units


class SentenceChunker:
    """
    Packs as many neighbouring sentences as fit, English and Chinese; a sentence that is too long alone is cut. A
    heading stays with the first sentence below it.

    Args:
        size: Most estimated tokens of a passage.
        overlap: Whole sentences of at most this many estimated tokens are repeated in the next passage.
    """

    name = "sentence"
    settings = ("size", "overlap")

    def __init__(self, size: int = SIZE, overlap: int = 0) -> None:
        check_sizes(size, overlap)
        self.size = size
        self.overlap = overlap

    @property
    def identity(self) -> str:
        """Kind, version and settings."""
        return f"{self.name} {PIECES_VERSION} size={self.size} overlap={self.overlap}"

    def chunk(self, document: Document) -> tuple[Passage, ...]:
        """Passages in order."""
        return passages(document, packed(document.text, units(document), self.size, self.overlap))
