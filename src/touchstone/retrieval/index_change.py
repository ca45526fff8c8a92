"""One change of an index: what is new in the source is added beside what is there, then the manifest is replaced."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from touchstone.errors import StoreDamaged
from touchstone.retrieval import folder as files
from touchstone.retrieval.base import Chunker, Embedder, LearnedEmbedder, NeedsLibraries, Passage, Unread, VectorStore
from touchstone.retrieval.documents import REASONS, DocumentSource, refuse_nothing
from touchstone.retrieval.index_state import Changes, IndexState, SegmentState
from touchstone.retrieval.opened import OpenIndex, Part
from touchstone.retrieval.segment import Segment, SegmentWriter

MOST_SEGMENTS = 8
"""A search looks into each; beyond this number small ones are joined."""
MOST_DEAD = 0.25
"""Share of dead passages; beyond it all segments are joined without them."""
GROWTH = 0.2
"""
An embedder learns again when this share of the passages it learned from came since: what it knows of words and their
rarity is then too old (design: shared ecosystem notes; 20 % as in common practice for LSA).
"""
_BATCH = 512
"""Texts that are embedded at once."""


class Changed(Protocol):
    """What a change needs to know of its index."""

    folder: Path
    key: str
    chunker: Chunker
    embedder: Embedder | None
    store: Any
    passing: Any


class Change:
    """
    Everything between taking the lock and letting it go.

    Args:
        index: That is changed.
        state: Its manifest.
        damaged: What of it could not be read.
    """

    def __init__(self, index: Changed, state: IndexState, damaged: Sequence[str] = ()) -> None:
        self._index = index
        self._state = state
        self._repaired = list(damaged)
        self._counts: dict[str, int] = {}
        self._fitted = False
        self._started_s = time.monotonic()

    def run(self, source: DocumentSource) -> Changes:
        """Bring the index up to date and replace the manifest, when anything is different."""
        index, before = self._index, self._state
        self._sweep(before)
        segments = self._whole_segments()
        view = OpenIndex([(segment, state.dead) for state, segment in segments])
        unread, written, dead = self._read(source, view)
        states = [
            state.model_copy(update={"dead": tuple(sorted({*state.dead, *dead.get(state.name, ())}))})
            for state, _ in segments
        ]
        opened = {state.name: segment for state, segment in segments}
        if written is not None:
            states.append(written)
            opened[written.name] = Segment(index.folder / written.name)
        index.passing("segment-written")
        states = self._joined(states, opened)
        after = OpenIndex([(opened[state.name], state.dead) for state in states])
        state = before.model_copy(
            update={
                "generation": before.generation + 1,
                "segments": tuple(states),
                "added_since_fit": before.added_since_fit + self._counts.get("passages_added", 0),
            }
        )
        vectors = None
        if index.embedder is not None:
            state, vectors = self._embedded(state, after, index.embedder)
        index.passing("vectors-written")
        if state.model_copy(update={"generation": before.generation}) != before or self._repaired:
            took_s = round(before.took_s + time.monotonic() - self._started_s, 3)
            state = state.model_copy(update={"took_s": took_s})
            files.write_manifest(index.folder / "index.json", state.model_dump(mode="json"))
            index.passing("committed")
        if vectors is not None:
            self._forget_old(vectors, after)
            vectors.close()
            self._drop_replaced(before, state)
        for segment in opened.values():
            segment.close()
        self._sweep(state)
        return Changes(**self._counts, unread=unread, repaired=tuple(self._repaired), fitted=self._fitted)

    def _load_libraries(self, embedder: object) -> None:
        """
        Import what fitting needs, off the clock: whoever is first in a process would pay for all others, and the order
        of candidates would say what an index costs.
        """
        if isinstance(embedder, NeedsLibraries):
            began_s = time.monotonic()
            embedder.load_libraries()
            self._started_s += time.monotonic() - began_s

    def _sweep(self, state: IndexState) -> None:
        names = [segment.name for segment in state.segments]
        files.sweep(
            self._index.folder,
            ("segment", "learned", "vectors"),
            [*names, str(state.learned), f"vectors-{state.vectors}"],
        )

    def _whole_segments(self) -> list[tuple[SegmentState, Segment]]:
        """Those whose files are as they were written; the documents of others are read again like new ones."""
        found = []
        for state in self._state.segments:
            place = self._index.folder / state.name
            if bad := files.broken(place, state.files):
                self._repaired.append(bad)
            else:
                found.append((state, Segment(place)))
        return found

    def _read(
        self, source: DocumentSource, view: OpenIndex
    ) -> tuple[tuple[Unread, ...], SegmentState | None, dict[str, list[int]]]:
        """(what could not be read, the segment of what is new, numbers of documents that are dead now by segment)."""
        index = self._index
        known = {
            kept.id: (part, number, kept)
            for part in view.parts
            for number, kept in enumerate(part.segment.documents)
            if number not in part.dead
        }
        seen: set[str] = set()
        unread: list[Unread] = []
        old: dict[str, list[str]] = {}
        fresh: dict[str, list[str]] = {}
        counts = dict.fromkeys(("documents_added", "documents_changed", "documents_kept", "documents_removed"), 0)
        writer: SegmentWriter | None = None
        kept_passages = 0
        try:
            with source:
                for entry in source.entries():
                    if isinstance(entry, Unread):
                        unread.append(entry)
                        continue
                    if entry.id in seen:
                        unread.append(Unread(id=entry.id, template=REASONS["twice_id"]))
                        continue
                    there = known.get(entry.id)
                    if there is not None and there[2].digest == entry.digest:
                        seen.add(entry.id)
                        counts["documents_kept"] += 1
                        kept_passages += there[2].passages
                        continue
                    document = entry.document()
                    if isinstance(document, Unread):
                        unread.append(document)
                        continue
                    seen.add(entry.id)
                    counts["documents_added" if there is None else "documents_changed"] += 1
                    if there is not None:
                        old[entry.id] = _ids(there[0], there[2].first, there[2].passages)
                    if writer is None:
                        self._load_libraries(getattr(index.chunker, "embedder", None))
                    passages = index.chunker.chunk(document)
                    fresh[entry.id] = [passage.id for passage in passages]
                    if writer is None:
                        writer = SegmentWriter(files.fresh(index.folder, "segment"))
                    writer.add(entry.id, entry.digest, passages)
            refuse_nothing(len(seen), len(unread), source.place)
        except BaseException:
            if writer is not None:
                writer.abandon()
            raise
        dead: dict[str, list[int]] = {}
        for name, (part, number, kept) in known.items():
            if name in fresh or name not in seen:
                dead.setdefault(part.segment.name, []).append(number)
            if name not in seen:
                counts["documents_removed"] += 1
                old[name] = _ids(part, kept.first, kept.passages)
        self._counts = counts | _difference(old, fresh, kept_passages)
        if writer is None:
            return tuple(unread), None, dead
        writer.finish()
        return tuple(unread), SegmentState(name=writer.folder.name, files=files.seal(writer.folder)), dead

    def _joined(self, states: list[SegmentState], opened: dict[str, Segment]) -> list[SegmentState]:
        """Fewer segments where there are too many, or too much in them is dead."""
        parts = {state.name: Part(opened[state.name], state.dead, 0) for state in states}
        alive = {name: int(part.alive.sum()) for name, part in parts.items()}
        states = [state for state in states if len(set(state.dead)) < len(opened[state.name].documents)]
        rows = sum(opened[state.name].size for state in states)
        largest = max(states, key=lambda state: alive[state.name], default=None)
        if largest is None:
            return states
        small = sum(alive[state.name] for state in states) - alive[largest.name]
        if rows - sum(alive[state.name] for state in states) > MOST_DEAD * rows or (
            len(states) > MOST_SEGMENTS and small > alive[largest.name] / 2
        ):
            chosen = states
        elif len(states) > MOST_SEGMENTS:
            chosen = [state for state in states if state is not largest]
        else:
            return states
        writer = SegmentWriter(files.fresh(self._index.folder, "segment"))
        writer.join([(parts[state.name].segment, parts[state.name].alive, parts[state.name].dead) for state in chosen])
        opened[writer.folder.name] = Segment(writer.folder)
        joined = SegmentState(name=writer.folder.name, files=files.seal(writer.folder))
        self._index.passing("segments-joined")
        return [*(state for state in states if state not in chosen), joined]

    def _embedded(
        self, state: IndexState, view: OpenIndex, embedder: Embedder
    ) -> tuple[IndexState, VectorStore | None]:
        """The state with the vectors of every passage in the store, and the store."""
        index = self._index
        name = state.vectors
        if isinstance(embedder, LearnedEmbedder):
            whole = state.learned is not None and not (
                bad := files.broken(index.folder / state.learned, state.learned_files or {})
            )
            if state.learned is not None and not whole:
                self._repaired.append(str(bad))
            if whole:
                embedder = embedder.load(index.folder / str(state.learned))
            if not whole or state.added_since_fit > GROWTH * embedder.fitted_on:
                # In the order of ids: what is learned depends on the passages alone, not on when each of them came.
                ordered = sorted(view.passages(), key=lambda passage: passage.id)
                self._load_libraries(embedder)
                embedder = embedder.fit([passage.searched for passage in ordered])
                place = files.fresh(index.folder, "learned")
                embedder.save(place)
                state = state.model_copy(
                    update={"learned": place.name, "learned_files": files.seal(place), "added_since_fit": 0}
                )
                self._fitted = True
                name = None
        vectors: VectorStore | None = None
        if name is not None:
            try:
                vectors = index.store(index.folder, name, embedder.dimensions)
            except StoreDamaged as error:
                self._repaired.append(str(error.values.get("file", "")))
        if vectors is None:
            name = f"{index.key[:16]}-{secrets.token_hex(8)}"
            vectors = index.store(index.folder, name, embedder.dimensions)
        there = set(vectors.ids())
        made = 0
        for batch in _batches(passage for passage in view.passages() if passage.id not in there):
            vectors.add([one.id for one in batch], embedder.embed([one.searched for one in batch]))
            made += len(batch)
        if made:
            vectors.persist()
        self._counts["passages_embedded"] = made
        return state.model_copy(update={"vectors": name}), vectors

    def _forget_old(self, vectors: VectorStore, view: OpenIndex) -> None:
        alive = {passage_id for part in view.parts for passage_id in _alive(part)}
        if gone := [one for one in vectors.ids() if one not in alive]:
            vectors.remove(gone)
            vectors.persist()

    def _drop_replaced(self, before: IndexState, state: IndexState) -> None:
        """A set of vectors that was made anew under another name may lie on a server, where no sweep comes by."""
        if before.vectors is not None and before.vectors != state.vectors:
            with suppress(StoreDamaged):
                self._index.store(self._index.folder, before.vectors, 1).drop()


def _ids(part: Part, first: int, count: int) -> list[str]:
    return [part.segment.id(row) for row in range(first, first + count)]


def _alive(part: Part) -> Iterator[str]:
    return (one for one, alive in zip(part.segment.ids, part.alive, strict=True) if alive)


def _difference(old: dict[str, list[str]], fresh: dict[str, list[str]], kept: int) -> dict[str, int]:
    was = {one for ids in old.values() for one in ids}
    now = {one for ids in fresh.values() for one in ids}
    return {
        "passages_added": len(now - was),
        "passages_kept": kept + len(now & was),
        "passages_removed": len(was - now),
    }


def _batches(passages: Iterator[Passage]) -> Iterator[list[Passage]]:
    batch: list[Passage] = []
    for passage in passages:
        batch.append(passage)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
