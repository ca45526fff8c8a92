"""
Vectors in files of our own, searched exactly: every vector is compared, so nothing is missed.

A store is a folder of blocks, arrays of float32 that are mapped, with their ids beside them; removed ids are named in
the manifest. Measured for 100,000 x 384: 24 ms a query. From some 200,000 passages on a server or LanceDB is quicker.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from touchstone.errors import StoreDamaged
from touchstone.retrieval import folder as files
from touchstone.retrieval.base import Vectors
from touchstone.retrieval.bm25 import mapped

_MANIFEST = "vectors.json"
_VERSION = 1
MOST_BLOCKS = 8
MOST_REMOVED = 0.2
"""Share of the rows of all blocks; above it they are written anew without them."""


def damaged(file: str) -> StoreDamaged:
    """That a file of an index is not as it was written."""
    return StoreDamaged("{file} in the index is damaged; index the documents again and it is made anew", file=file)


class _Block:
    """Rows that were written together; `place` is None for those that are not on disk yet."""

    def __init__(self, place: str | None, ids: list[str], vectors: Vectors, removed: set[int], sealed: Any) -> None:
        self.place = place
        self.ids = ids
        self.vectors = vectors
        self.removed = removed
        self.sealed = sealed

    @property
    def alive(self) -> NDArray[np.bool_]:
        kept = np.ones(len(self.ids), bool)
        kept[list(self.removed)] = False
        return kept


class NumpyStore:
    """
    The default store.

    Args:
        folder: Where the store lies; made where absent.
        name: Of this set of vectors; several may lie in one folder.
        dimensions: Of every vector.

    Raises:
        StoreDamaged: its files are not as they were written.
    """

    name = "numpy"

    def __init__(self, folder: Path, name: str, dimensions: int) -> None:
        self.dimensions = dimensions
        self._folder = folder / f"vectors-{name}"
        self._blocks: list[_Block] = []
        self._where: dict[str, tuple[_Block, int]] = {}
        try:
            found = files.read_manifest(self._folder / _MANIFEST)
        except ValueError:
            raise damaged(f"{self._folder.name}/{_MANIFEST}") from None
        if found is None:
            return
        if found["version"] != _VERSION or found["dimensions"] != dimensions:
            raise damaged(f"{self._folder.name}/{_MANIFEST}")
        for block in found["blocks"]:
            place = self._folder / block["name"]
            if bad := files.broken(place, block["files"]):
                raise damaged(bad)
            ids = orjson.loads((place / "ids.json").read_bytes())
            vectors = mapped(place / "vectors.npy")
            self._take(_Block(block["name"], ids, vectors, set(block["removed"]), block["files"]))

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep one vector (n, d) for each id; an id that is kept already gets the new one."""
        assert vectors.shape == (len(ids), self.dimensions)
        if not ids:
            return
        self.remove(ids)
        self._take(_Block(None, list(ids), np.ascontiguousarray(vectors, np.float32), set(), None))

    def remove(self, ids: Collection[str]) -> None:
        """Forget these; unknown ones are no mistake."""
        for one in ids:
            if found := self._where.pop(one, None):
                found[0].removed.add(found[1])

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` ids with the largest inner product with a vector (d,), best first, ties by id."""
        best: list[tuple[float, str]] = []
        for block in self._blocks:
            scores = block.vectors @ np.asarray(vector, np.float32)
            scores[list(block.removed)] = -np.inf
            kept = min(k, len(scores) - len(block.removed))
            if kept < 1:
                continue
            floor = np.partition(scores, len(scores) - kept)[len(scores) - kept]
            best.extend((float(scores[row]), block.ids[row]) for row in np.flatnonzero(scores >= floor))
        best.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(one, score) for score, one in best[:k]]

    def ids(self) -> Collection[str]:
        """Every id that is kept."""
        return self._where.keys()

    def persist(self) -> None:
        """Write what is new, and everything once more when there are many blocks or much was removed."""
        rows = sum(len(block.ids) for block in self._blocks)
        removed = sum(len(block.removed) for block in self._blocks)
        self._folder.mkdir(parents=True, exist_ok=True)
        if removed > MOST_REMOVED * rows or len(self._blocks) > MOST_BLOCKS:
            self._blocks = [self._joined(self._blocks)] if len(self._where) else []
        elif len(new := [block for block in self._blocks if block.place is None]) > 1:
            self._blocks = [*(block for block in self._blocks if block.place is not None), self._joined(new)]
        self._where = {one: (block, row) for block in self._blocks for row, one in enumerate(block.ids)
                       if row not in block.removed}  # fmt: skip
        for block in self._blocks:
            if block.place is None:
                self._write(block)
        files.write_manifest(
            self._folder / _MANIFEST,
            {
                "version": _VERSION,
                "dimensions": self.dimensions,
                "blocks": [
                    {"name": block.place, "files": block.sealed, "removed": sorted(block.removed)}
                    for block in self._blocks
                ],
            },
        )
        files.sweep(self._folder, ["block"], [str(block.place) for block in self._blocks])

    def drop(self) -> None:
        """Take the whole set away."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Let the files go."""
        self._blocks = []
        self._where = {}

    def _take(self, block: _Block) -> None:
        self._blocks.append(block)
        self._where.update((one, (block, row)) for row, one in enumerate(block.ids) if row not in block.removed)

    def _joined(self, blocks: Sequence[_Block]) -> _Block:
        vectors = np.concatenate([block.vectors[block.alive] for block in blocks])
        ids = [one for block in blocks for row, one in enumerate(block.ids) if row not in block.removed]
        return _Block(None, ids, vectors, set(), None)

    def _write(self, block: _Block) -> None:
        place = files.fresh(self._folder, "block")
        np.save(place / "vectors.npy", block.vectors, allow_pickle=False)
        (place / "ids.json").write_bytes(orjson.dumps(block.ids))
        block.sealed = files.seal(place)
        block.place = place.name
        block.vectors = mapped(place / "vectors.npy")
