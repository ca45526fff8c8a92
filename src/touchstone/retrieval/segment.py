"""
Passages that were added together, with their words: written once, then only read.

An index is a row of segments. A document that changes or goes is marked in the index's manifest, and its new passages
stand in another segment; nothing is rebuilt for it.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from touchstone.retrieval.base import Passage
from touchstone.retrieval.bm25 import Collected, Postings, mapped
from touchstone.retrieval.tokens import terms

_PASSAGES = "passages.jsonl"
_STARTS = "passage_starts.npy"
_IDS = "passage_ids.npy"
_DOCUMENTS = "documents.json"


class Kept(NamedTuple):
    """A document of a segment."""

    id: str
    digest: str
    first: int
    """Row of its first passage."""
    passages: int


class SegmentWriter:
    """
    Writes a segment document by document; memory holds its words, not its texts.

    Args:
        folder: Empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = (folder / _PASSAGES).open("wb")
        self._starts = [0]
        self._ids: list[str] = []
        self._documents: list[Kept] = []
        self._words = Collected()

    @property
    def size(self) -> int:
        """Passages so far."""
        return len(self._ids)

    def add(self, document: str, digest: str, passages: Sequence[Passage]) -> None:
        """A document with its passages."""
        self._documents.append(Kept(document, digest, len(self._ids), len(passages)))
        for passage in passages:
            self._put(passage)
            self._words.add(terms(passage.searched))

    def finish(self) -> None:
        """All files but what `folder.seal` adds."""
        self._close(self._words.postings())

    def join(self, parts: Sequence[tuple[Segment, NDArray[np.bool_], frozenset[int]]]) -> None:
        """
        What is alive in other segments, without reading the texts' words again; finishes as well.

        Args:
            parts: Segments, which of their rows (n,) are alive, and which of their documents are not.
        """
        for segment, alive, dead in parts:
            for number, kept in enumerate(segment.documents):
                if number not in dead:
                    self._documents.append(kept._replace(first=len(self._ids)))
                    for row in range(kept.first, kept.first + kept.passages):
                        assert alive[row]
                        self._put(segment.passage(row))
        self._close(Postings.joined([(segment.postings, alive) for segment, alive, _ in parts]))

    def abandon(self) -> None:
        """Close what is open; the folder is left to the sweep."""
        self._file.close()

    def _put(self, passage: Passage) -> None:
        self._ids.append(passage.id)
        fields = (passage.id, passage.document, passage.title, passage.headings, passage.text, passage.heading_chars,
                  passage.start, passage.end, passage.page)  # fmt: skip
        line = orjson.dumps(fields) + b"\n"
        self._file.write(line)
        self._starts.append(self._starts[-1] + len(line))

    def _close(self, postings: Postings) -> None:
        self._file.close()
        np.save(self.folder / _STARTS, np.array(self._starts, np.int64), allow_pickle=False)
        ids = np.frombuffer(bytes.fromhex("".join(self._ids)), np.uint8).reshape(-1, 16)
        np.save(self.folder / _IDS, ids, allow_pickle=False)
        (self.folder / _DOCUMENTS).write_bytes(orjson.dumps([tuple(kept) for kept in self._documents]))
        postings.save(self.folder)


class Segment:
    """A segment, mapped: opening it reads the list of its documents and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._starts = mapped(folder / _STARTS)
        self._ids = mapped(folder / _IDS)
        self.documents = tuple(Kept(*kept) for kept in orjson.loads((folder / _DOCUMENTS).read_bytes()))
        self.postings = Postings.open(folder)
        self.size = len(self._starts) - 1
        with (folder / _PASSAGES).open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

    def passage(self, row: int) -> Passage:
        """The passage of a row."""
        assert self._text is not None
        line = self._text[int(self._starts[row]) : int(self._starts[row + 1])]
        number, document, title, headings, text, heading_chars, start, end, page = orjson.loads(line)
        # It was a Passage when it was written, and its bytes were compared with their digest.
        return Passage.model_construct(
            id=number, document=document, title=title, headings=tuple(headings), text=text,
            heading_chars=heading_chars, start=start, end=end, page=page,
        )  # fmt: skip

    def id(self, row: int) -> str:
        """The passage id of a row."""
        return str(self._ids[row].tobytes().hex())

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Every passage id, by row."""
        joined = self._ids.tobytes().hex()
        return tuple(joined[place : place + 32] for place in range(0, len(joined), 32))

    def rows_alive(self, dead: Sequence[int]) -> NDArray[np.bool_]:
        """Which rows (n,) belong to no document of these numbers."""
        alive = np.ones(self.size, bool)
        for number in dead:
            kept = self.documents[number]
            alive[kept.first : kept.first + kept.passages] = False
        return alive

    def close(self) -> None:
        """Let the text go; arrays are let go with the object."""
        if self._text is not None:
            with suppress(BufferError):
                self._text.close()
