"""One passage per document, for files of passages that somebody has cut already."""

from __future__ import annotations

from touchstone.retrieval.base import Document, Passage
from touchstone.retrieval.pieces import PIECES_VERSION, Span, passages, trimmed


class WholeChunker:
    """Cuts nothing, however long a document is."""

    name = "whole"
    settings: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Kind and version."""
        return f"{self.name} {PIECES_VERSION}"

    def chunk(self, document: Document) -> tuple[Passage, ...]:
        """One passage, or none where the document is blank."""
        text = document.text
        whole = trimmed(text, Span(0, len(text)))
        return passages(document, [whole] if whole else [])
