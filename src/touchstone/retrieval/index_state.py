"""What an index's manifest says, and the report of a change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.noun import Noun
from touchstone.retrieval.base import Chunker, Embedder, Unread
from touchstone.retrieval.documents import VERSIONS
from touchstone.retrieval.pieces import PIECES_VERSION
from touchstone.retrieval.tokens import TERMS_VERSION

INDEX_VERSION = 1
"""Part of the key: raise it when the files or what they mean change."""


class SegmentState(Noun):
    """A segment as the manifest names it."""

    name: str
    files: Mapping[str, tuple[int, str]]
    """Sizes and digests."""
    dead: tuple[int, ...] = ()
    """Numbers of its documents that changed or went since."""


class IndexState(Noun):
    """The whole manifest."""

    key: str
    generation: int = 0
    """Counts the changes."""
    segments: tuple[SegmentState, ...] = ()
    vectors: str | None = None
    """Name of the set of vectors in the store; None without an embedder, and before the first update."""
    learned: str | None = None
    """Folder of what the embedder learned."""
    added_since_fit: int = 0
    """Passages that came since it learned."""
    learned_files: Mapping[str, tuple[int, str]] | None = None
    took_s: float = 0.0
    """Seconds of all changes so far; looking and finding nothing changed takes none."""


class Changes(Noun):
    """What an update of an index found and did."""

    documents_added: int = 0
    documents_changed: int = 0
    documents_kept: int = 0
    """Their digest is the same: they were not read."""
    documents_removed: int = 0
    passages_added: int = 0
    passages_kept: int = 0
    """Also those of changed documents that say the same as before; their vectors stay."""
    passages_removed: int = 0
    passages_embedded: int = 0
    """Vectors that were made; more than added when the embedder was fitted anew or a store had lost some."""
    fitted: bool = False
    """Whether the embedder was fitted anew, because there was none or the corpus grew by a fifth."""
    unread: tuple[Unread, ...] = ()
    """What could not be read; what was indexed of it before is gone."""
    repaired: tuple[str, ...] = ()
    """Files that were damaged, whose documents were read again."""


def key_of(chunker: Chunker, embedder: Embedder | None, store: str) -> tuple[str, str]:
    """
    (key, description) of an index: everything that shapes it. Another setting is another index.

    The key is SHA-256 in hex of the description, which is JSON.
    """
    described: dict[str, Any] = {
        "index": INDEX_VERSION,
        "readers": dict(VERSIONS),
        "pieces": PIECES_VERSION,
        "terms": TERMS_VERSION,
        "chunker": chunker.identity,
        "embedder": embedder.identity if embedder else None,
        "store": store if embedder else None,
    }
    text = orjson.dumps(described, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest(), text.decode()
