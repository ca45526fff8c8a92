"""Passages along the headings of a document."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.retrieval.base import Document, Passage
from touchstone.retrieval.chunk_settings import SIZE, check_sizes
from touchstone.retrieval.pieces import PIECES_VERSION, Span, packed, passages, pieces, trimmed, units


class HeadingChunker:
    """
    One passage per section, together with the sections below it where all of them fit; a section that is too long
    alone is cut between sentences.

    Args:
        size: Most estimated tokens of a passage.
    """

    name = "heading"
    settings = ("size",)

    def __init__(self, size: int = 2 * SIZE) -> None:
        check_sizes(size)
        self.size = size

    @property
    def identity(self) -> str:
        """Kind, version and settings."""
        return f"{self.name} {PIECES_VERSION} size={self.size}"

    def chunk(self, document: Document) -> tuple[Passage, ...]:
        """Passages in order."""
        return passages(document, self._spans(document))

    def _spans(self, document: Document) -> Iterator[Span]:
        text, marks, sections = document.text, document.marks, document.sections
        ends = units(document)
        first = at = 0
        while first < len(sections):
            own = sections[first].headings
            last = first + 1
            while last < len(sections) and own and sections[last].headings[: len(own)] == own:
                last += 1
            # What stands above the first heading has nothing below it.
            whole = trimmed(text, Span(marks[first].start, marks[last - 1].end))
            if last - first > 1 and whole is not None and len(pieces(text, *whole)) > self.size:
                last = first + 1
                whole = trimmed(text, Span(marks[first].start, marks[first].end))
            if whole is not None and len(pieces(text, *whole)) <= self.size:
                yield whole
            elif whole is not None:
                while at < len(ends) and ends[at].start < whole.start:
                    at += 1
                inside = at
                while inside < len(ends) and ends[inside].end <= whole.end:
                    inside += 1
                yield from packed(text, ends[at:inside], self.size)
            first = last
