"""Documents of a candidate: read, cut, indexed, and opened under as many settings as are tried."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self
from weakref import finalize

import orjson

from touchstone.config import secret
from touchstone.data.base import Case
from touchstone.errors import SettingsError, StoreError, UserError
from touchstone.evaluation.base import BuildCost, Finding
from touchstone.language import N_
from touchstone.retrieval.base import Document, Embedder, Passage, Unread
from touchstone.retrieval.chunk import make_chunker
from touchstone.retrieval.documents import Columns, DocumentSource, Entry, Source, refuse_nothing
from touchstone.retrieval.embed_lsa import LsaEmbedder
from touchstone.retrieval.embed_static import StaticEmbedder
from touchstone.retrieval.index import Index
from touchstone.retrieval.opened import OpenIndex
from touchstone.retrieval.parsed import Outline, Parsed
from touchstone.retrieval.rerank import TermReranker
from touchstone.retrieval.retrievers import RerankedRetriever, make_retriever
from touchstone.retrieval.sources import SourceList
from touchstone.retrieval.stores import store_maker
from touchstone.strategies.base import Workshop
from touchstone.strategies.draft import Draft
from touchstone.strategies.example_pool import LARGEST_POOL, question_key
from touchstone.strategies.rag_finder import Finder, Forecast
from touchstone.strategies.rag_settings import RagSettings, below

INDEXES = "index"
"""Folder in the workspace's; what is missing in it is made anew."""

_SAMPLE = 200
"""Passages that a plan is priced with where nothing is indexed yet."""

_UNREAD = N_("{count} of the documents cannot be read, and what they say is found by nobody: {named}")
_UNREAD_TOLD = 20


class LabelledCases:
    """
    Labelled cases as documents: what was asked is searched, what is shown says the answer too.

    Args:
        cases: Of the split; those without a target and repeated questions are left out.
        place: The folder of the task, for messages.
    """

    def __init__(self, cases: Iterator[Case], place: Path) -> None:
        self.place = place
        self.shown: dict[str, str] = {}
        """What a model reads, by question key."""
        self._asked: dict[str, str] = {}
        for case in cases:
            key = str(question_key(case))
            if case.target is not None and key not in self.shown and len(self.shown) < LARGEST_POOL:
                self._asked[key] = case.text
                self.shown[key] = f"{case.text}\nAnswer: {case.target}"

    @property
    def digest(self) -> str:
        """SHA-256 in hex of what may be shown."""
        return hashlib.sha256(orjson.dumps(sorted(self.shown.items()))).hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def entries(self) -> Iterator[Entry | Unread]:
        """One document a case, whose id is its question key."""
        for key, text in self._asked.items():
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            yield Entry(key, digest, lambda said=text: _one_block(said))  # type: ignore[misc]


def _one_block(text: str) -> Parsed:
    outline = Outline()
    outline.block(text)
    return outline.parsed()


class _Scratch:
    """A folder that goes with whoever holds it."""

    def __init__(self) -> None:
        self.place = Path(mkdtemp(prefix="touchstone-index-"))
        finalize(self, shutil.rmtree, self.place, ignore_errors=True)


class NotIndexed(Exception):
    """Only a plan is made, and there is no index yet."""


class Library:
    """
    The documents of one candidate, indexed as often as settings differ.

    Args:
        wanted: Whose documents they are.
        name: The candidate's, for errors.
        workshop: Where paths start, and where indexes are kept.

    Raises:
        SettingsError: a document is not there, or a split has no labelled case.
    """

    def __init__(self, wanted: RagSettings, name: str, workshop: Workshop) -> None:
        self.name = name
        self.labelled: LabelledCases | None = None
        self.unread: tuple[Unread, ...] = ()
        """What could not be read, as the last update told."""
        self._folder = workshop.folder
        self._planning = workshop.planning
        self._opened: dict[str, OpenIndex] = {}
        if isinstance(wanted.documents, Mapping):
            self.labelled = LabelledCases(workshop.learning_cases(wanted.documents["cases"]), workshop.folder)
            if not self.labelled.shown:
                raise SettingsError(
                    "{name} reads labelled cases of the {split} split and it has none; give some rows split = {split}",
                    name=name,
                    split=wanted.documents["cases"],
                )
            named = self.labelled.digest
        else:
            self._places = below(workshop.folder, wanted.documents, name)
            named = orjson.dumps([[written, os.fspath(place.resolve())] for written, place in self._places]).decode()
        said = orjson.dumps([named, wanted.columns.model_dump()])
        self._kept = None if workshop.workspace is not None else _Scratch()
        workspace = self._kept.place if self._kept is not None else workshop.workspace
        assert workspace is not None
        self._home = workspace / INDEXES / hashlib.sha256(said).hexdigest()[:32]

    async def finder(self, wanted: RagSettings) -> Finder:
        """
        Whoever finds passages under these settings; the index is brought up to date first, once for each.

        Raises:
            NotIndexed: only a plan is made and there is no index yet.
            UserError: no document can be read, or a library is missing.
            StoreBusy: another process changes the index, and is not done in time.
        """
        index = self._index(wanted)
        if index.key not in self._opened and self._planning:
            try:
                self._opened[index.key] = index.open()
            except (UserError, StoreError) as error:
                raise NotIndexed from error
        if index.key not in self._opened:
            changes = await asyncio.to_thread(index.update, self._source(wanted))
            self.unread = changes.unread
            self._opened[index.key] = index.open()
        opened = self._opened[index.key]
        retriever = make_retriever(opened, wanted.retriever)
        if wanted.rerank is not None:
            retriever = RerankedRetriever(retriever, TermReranker(opened.rarity))
        return Finder(opened, retriever, wanted, index.key, self.labelled, kept=self._kept)

    @property
    def took_s(self) -> float:
        """Seconds that all indexes of it took, those of earlier runs among them."""
        return sum(opened.took_s or 0.0 for opened in self._opened.values())

    async def stand_in(self, wanted: RagSettings) -> Forecast:
        """For a plan whose documents are not indexed yet: passages of about the right length."""
        return await asyncio.to_thread(self._sample, wanted, self._index(wanted))

    def _sample(self, wanted: RagSettings, index: Index) -> Forecast:
        found: list[Passage] = []
        documents = unread = 0
        with self._source(wanted) as source:
            for entry in source.entries():
                document = entry if isinstance(entry, Unread) else entry.document()
                if isinstance(document, Document):
                    documents += 1
                    found.extend(index.chunker.chunk(document))
                else:
                    unread += 1
                if len(found) >= _SAMPLE:
                    break
        # As the index would find it, and before anything is paid that comes first.
        refuse_nothing(documents, unread, source.place)
        return Forecast(sorted(found, key=lambda one: len(one.shown)), wanted, self.labelled)

    def _index(self, wanted: RagSettings) -> Index:
        embedder = self._embedder(wanted)
        way = "whole" if self.labelled is not None else wanted.chunk.way
        sizes = {} if self.labelled is not None else wanted.chunk.sizes
        chunker = make_chunker(way, embedder=embedder if way == "semantic" else None, **sizes)
        if not wanted.needs_vectors:
            return Index(self._home, chunker)
        given: dict[str, Any] = {"url": wanted.store.url} if wanted.store.url is not None else {}
        if wanted.store.key_env is not None:
            given["api_key"] = secret(wanted.store.key_env)
        store = store_maker(wanted.store.name, **given)
        return Index(self._home, chunker, embedder=embedder, store=store, store_name=wanted.store.name)

    def _embedder(self, wanted: RagSettings) -> Embedder:
        if isinstance(wanted.embedder, Mapping):
            return StaticEmbedder(self._folder / wanted.embedder["static"])
        return LsaEmbedder()

    def _source(self, wanted: RagSettings) -> DocumentSource:
        if self.labelled is not None:
            return self.labelled
        columns = Columns(wanted.columns.id, wanted.columns.text, wanted.columns.title)
        sources = [(written, Source(place, columns=columns)) for written, place in self._places]
        # One source keeps the ids it has; those of several begin with how the task file writes them.
        return sources[0][1] if len(sources) == 1 else SourceList(sources)


def reading(draft: Draft, wanted: RagSettings, finder: Finder, library: Library) -> Draft:
    """The draft with the passages of a finder."""
    told = wanted.told()
    opened = finder.opened
    about = {
        **told,
        "documents_read": len(opened.documents()),
        "chunks": opened.size,
        "index_digest": opened.digest[:12],
    }
    findings = (Finding(kind="unread", template=_UNREAD, values=_values(library.unread)),) if library.unread else ()
    build = BuildCost(usd=0.0, took_s=library.took_s)
    return draft.with_part(
        "rag", {**told, "found": finder.identity}, finder=finder, about=about, build=build, findings=findings
    )


def forecast(draft: Draft, wanted: RagSettings, stand_in: Forecast, calls: int) -> Draft:
    """The draft of a plan whose documents are not indexed yet; `calls` are those of a search for settings."""
    build = BuildCost(usd=None if calls else 0.0, calls=calls, forecast=True)
    return draft.with_part("rag", wanted.told(), finder=stand_in, about=wanted.told(), build=build)


def _values(unread: Sequence[Unread]) -> dict[str, Any]:
    named = "; ".join(one.text() for one in unread[:_UNREAD_TOLD])
    return {"count": len(unread), "named": named}
