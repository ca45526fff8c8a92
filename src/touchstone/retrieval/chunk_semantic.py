"""Passages that end where the meaning changes."""

from __future__ import annotations

import numpy as np

from touchstone.errors import InvalidValue
from touchstone.retrieval.base import Document, Embedder, LearnedEmbedder, Passage
from touchstone.retrieval.chunk_settings import SIZE, check_sizes
from touchstone.retrieval.pieces import PIECES_VERSION, Span, packed, passages, units


class SemanticChunker:
    """
    Breaks between two neighbouring sentences whose vectors part more than most of the document's neighbours do.

    A sentence is compared together with the one before it on one side and the one behind it on the other, because a
    single one says little. An embedder that learns is fitted to the sentences of each document alone: a document is
    cut the same whatever stands beside it, so an index need not be made anew when another one changes.

    Args:
        embedder: What sentences are compared by.
        size: Most estimated tokens of a passage; a longer stretch is cut between sentences.
        percentile: Of the document's distances between neighbours, from 0 to 100: a larger distance is a break.
    """

    name = "semantic"
    settings = ("size", "percentile")

    def __init__(self, embedder: Embedder, size: int = 2 * SIZE, percentile: int = 85) -> None:
        check_sizes(size)
        if isinstance(percentile, bool) or not 0 <= percentile <= 100:
            raise InvalidValue("percentile is {percentile!r}; write a number from 0 to 100", percentile=percentile)
        self.embedder = embedder
        self.size = size
        self.percentile = percentile

    @property
    def identity(self) -> str:
        """Kind, version, settings and the embedder's."""
        own = f"{self.name} {PIECES_VERSION} size={self.size} percentile={self.percentile}"
        return f"{own} by {self.embedder.identity}"

    def chunk(self, document: Document) -> tuple[Passage, ...]:
        """Passages in order."""
        text = document.text
        found = units(document)
        spans: list[Span] = []
        start = 0
        for end in (*self._breaks(text, found), len(found)):
            spans.extend(packed(text, found[start:end], self.size))
            start = end
        return passages(document, spans)

    def _breaks(self, text: str, found: list[Span]) -> list[int]:
        """Numbers of the sentences that begin something new."""
        if len(found) < 3:
            return []
        embedder = self.embedder
        if isinstance(embedder, LearnedEmbedder):
            embedder = embedder.fit([text[span.start : span.end] for span in found])
        windows = [text[found[max(0, place - 1)].start : found[place].end] for place in range(len(found))] + [
            text[found[place].start : found[min(len(found) - 1, place + 1)].end] for place in range(len(found))
        ]
        vectors = embedder.embed(windows)
        before, behind = vectors[: len(found) - 1], vectors[len(found) + 1 :]
        distances = 1 - np.einsum("nd,nd->n", before, behind)
        limit = np.percentile(distances, self.percentile)
        return [int(place) + 1 for place in np.flatnonzero(distances > limit)]
