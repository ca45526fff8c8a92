"""Passages of a fixed size that overlap, wherever sentences and sections end."""

from __future__ import annotations

from touchstone.retrieval.base import Document, Passage
from touchstone.retrieval.chunk_settings import SIZE, check_sizes
from touchstone.retrieval.pieces import PIECES_VERSION, Span, cut, passages


class FixedChunker:
    """
    Cuts every `size` estimated tokens, between words.

    Args:
        size: Most estimated tokens of a passage.
        overlap: How many of them the next one repeats; at most half the size.
    """

    name = "fixed"
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
        """Passages in order; the last may be short."""
        text = document.text
        return passages(document, cut(text, Span(0, len(text)), self.size, self.overlap))
