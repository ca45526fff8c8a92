"""
An index on disk: changed document by document, searched by words and by vectors.

    FOLDER/KEY/index.json          which of the rest counts; the only file that is ever replaced
    FOLDER/KEY/segment-.../        passages and their words
    FOLDER/KEY/learned-.../        what an embedder learned, when it is one that learns
    FOLDER/KEY/vectors-.../        vectors, in the store of our own
    FOLDER/KEY/lock                held by whoever changes it

Whoever reads holds no lock: what the manifest named when it was read is never written to. Whoever dies while changing
it leaves the index as it was; what was half made is swept away with the next change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from touchstone.errors import StoreBusy, StoreDamaged, UserError
from touchstone.retrieval import folder as files
from touchstone.retrieval.base import Chunker, Embedder, LearnedEmbedder, VectorStore
from touchstone.retrieval.documents import DocumentSource
from touchstone.retrieval.index_change import Change
from touchstone.retrieval.index_state import Changes, IndexState, key_of
from touchstone.retrieval.opened import OpenIndex
from touchstone.retrieval.segment import Segment
from touchstone.retrieval.vectors import NumpyStore, damaged
from touchstone.storage.process_lock import ProcessLock

MANIFEST = "index.json"
PATIENCE_S = 600.0
"""How long a change waits for another process's change."""
_PAUSE_S = 0.1
_TRIES = 20

StoreMaker = Callable[[Path, str, int], VectorStore]
"""Opens a set of vectors: folder of the index, name of the set, dimensions."""


class Index:
    """
    The index of one source under one set of settings.

    Args:
        folder: Holds the indexes of one source, each under its key; made where absent.
        chunker: How documents are cut.
        embedder: For vectors; None keeps words only.
        store: Where vectors are kept.
        store_name: Names it in the key.
        passing: Told of every place that a change comes by, so that a test can end the process there.
    """

    def __init__(
        self,
        folder: Path,
        chunker: Chunker,
        *,
        embedder: Embedder | None = None,
        store: StoreMaker = NumpyStore,
        store_name: str = NumpyStore.name,
        passing: Callable[[str], None] = lambda _place: None,
    ) -> None:
        self.chunker = chunker
        self.embedder = embedder
        self.store = store
        self.key, self.described = key_of(chunker, embedder, store_name)
        self.folder = Path(folder) / self.key[:32]
        self.passing = passing

    def update(self, source: DocumentSource, *, patience_s: float = PATIENCE_S) -> Changes:
        """
        Make the index say what the source says; returns when that is on disk.

        Only documents whose digest changed are read, cut and embedded. Damaged parts are made again. The source's
        reading process is ended.

        Raises:
            StoreBusy: another process changes it, and is not done in time.
            UserError: the source holds no document.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = ProcessLock(self.folder / "lock")
        deadline = time.monotonic() + patience_s
        while not lock.take():
            if time.monotonic() >= deadline:
                raise StoreBusy("another process changes the index {folder}; wait for it", folder=str(self.folder))
            time.sleep(_PAUSE_S)
        with lock:
            try:
                change = Change(self, self._state() or IndexState(key=self.key))
            except ValueError:
                change = Change(self, IndexState(key=self.key), damaged=(MANIFEST,))
            return change.run(source)

    def open(self) -> OpenIndex:
        """
        The index as it is now.

        Raises:
            UserError: nothing was indexed under these settings.
            StoreDamaged: a file is not as it was written; the next `update` makes it again.
        """
        for _ in range(_TRIES):
            try:
                state = self._state()
            except ValueError:
                raise damaged(MANIFEST) from None
            if state is None:
                raise UserError(
                    "nothing is indexed yet in {folder}; index the documents first", folder=str(self.folder)
                )
            try:
                found = self._opened(state)
            except FileNotFoundError as error:  # swept away between the look at its digest and here
                found = damaged(Path(str(error.filename)).name)
            now = self._state()
            if now is not None and now.generation == state.generation:
                if isinstance(found, StoreDamaged):
                    raise found
                return found
            # Somebody changed it while it was opened, and may have swept away what is not named any more.
            if isinstance(found, OpenIndex):
                found.close()
        raise StoreBusy("another process changes the index {folder}; wait for it", folder=str(self.folder))

    def _state(self) -> IndexState | None:
        found = files.read_manifest(self.folder / MANIFEST)
        return None if found is None else IndexState.model_validate(found)

    def _opened(self, state: IndexState) -> OpenIndex | StoreDamaged:
        segments: list[tuple[Segment, tuple[int, ...]]] = []
        for segment in state.segments:
            if bad := files.broken(self.folder / segment.name, segment.files):
                return damaged(bad)
            segments.append((Segment(self.folder / segment.name), segment.dead))
        if self.embedder is None or state.vectors is None:
            return OpenIndex(segments, took_s=state.took_s)
        embedder: Embedder = self.embedder
        if isinstance(embedder, LearnedEmbedder):
            assert state.learned is not None
            if bad := files.broken(self.folder / state.learned, state.learned_files or {}):
                return damaged(bad)
            embedder = embedder.load(self.folder / state.learned)
        try:
            vectors = self.store(self.folder, state.vectors, embedder.dimensions)
        except StoreDamaged as error:
            return error
        found = OpenIndex(segments, embedder, vectors, learned=state.learned_files, took_s=state.took_s)
        if len(vectors.ids()) < found.size:
            found.close()
            return StoreDamaged(
                "the store of vectors has {found} of {size}; index the documents again and they are made anew",
                found=len(vectors.ids()),
                size=found.size,
            )
        return found
