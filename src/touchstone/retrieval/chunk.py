"""The ways in which documents are cut, by name."""

from __future__ import annotations

from typing import Any

from touchstone.errors import InvalidValue, UnknownName
from touchstone.language import N_
from touchstone.retrieval.base import Chunker, Embedder
from touchstone.retrieval.chunk_fixed import FixedChunker
from touchstone.retrieval.chunk_heading import HeadingChunker
from touchstone.retrieval.chunk_semantic import SemanticChunker
from touchstone.retrieval.chunk_sentence import SentenceChunker
from touchstone.retrieval.chunk_whole import WholeChunker

CHUNKERS: dict[str, Any] = {
    "fixed": FixedChunker,
    "sentence": SentenceChunker,
    "heading": HeadingChunker,
    "semantic": SemanticChunker,
    "whole": WholeChunker,
}
"""Name to class."""


def make_chunker(kind: str, *, embedder: Embedder | None = None, **settings: int) -> Chunker:
    """
    A chunker by name.

    Args:
        kind: A key of `CHUNKERS`.
        embedder: What `semantic` compares sentences by.
        settings: Its other arguments: `size` and `overlap` in estimated tokens, `percentile`.

    Raises:
        UnknownName: there is no such kind, or it takes no such setting.
        InvalidValue: a setting cannot be used, or the embedder is missing.
    """
    if kind not in CHUNKERS:
        raise UnknownName(kind=N_("way to cut documents"), name=kind, known=CHUNKERS)
    takes = CHUNKERS[kind].settings
    for name in settings:
        if name not in takes:
            raise UnknownName(kind=N_("setting of this way to cut documents"), name=name, known=takes)
    if kind == "semantic":
        if embedder is None:
            raise InvalidValue("cutting where the meaning changes compares sentences by an embedder; name one")
        return SemanticChunker(embedder, **settings)
    found: Chunker = CHUNKERS[kind](**settings)
    return found
