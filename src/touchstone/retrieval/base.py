"""
The nouns of retrieval, and what its exchangeable parts promise.

A **Document** is read from a source and cut into **Passages** by a **Chunker**. An index keeps them with their words
and, through an **Embedder** and a **VectorStore**, with their vectors. A **Retriever** finds passages for a query, and
a **Reranker** puts what was found into another order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from touchstone.noun import Noun

Vectors = NDArray[np.float32]
"""One row per text, (n, d); each of length 1, or 0 where a text has nothing that could be embedded."""


class Section(Noun):
    """A part of a document under one heading."""

    headings: tuple[str, ...] = ()
    """From the outermost heading down to the section's own; empty for what stands above the first heading."""
    text: str
    """What stands under the heading, without it."""
    page: int | None = None
    """Number of the page on which it starts, from 1; None where the format has no pages."""
    page_starts: tuple[int, ...] = ()
    """Where in `text` each further page begins, ascending."""


class Mark(NamedTuple):
    """Where a section stands in the text of its document."""

    start: int
    """Of its heading, or of its text where it has none."""
    body: int
    """Where its own text begins."""
    end: int


class Document(Noun):
    """One file, or one row of a file of passages, as text."""

    id: str
    """Path below the root of the source with `/`; for a row, the id it has in its file."""
    title: str | None = None
    digest: str
    """SHA-256 of its bytes, in hex."""
    sections: tuple[Section, ...]

    @property
    def text(self) -> str:
        """Every section in order, each with its own heading as a line before it, with an empty line between them."""
        return "\n\n".join(_with_heading(section) for section in self.sections)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Where each section stands in `text`."""
        found, place = [], 0
        for section in self.sections:
            whole = len(_with_heading(section))
            found.append(Mark(place, place + whole - len(section.text), place + whole))
            place += whole + 2
        return tuple(found)


def _with_heading(section: Section) -> str:
    return f"{section.headings[-1]}\n{section.text}" if section.headings else section.text


class Passage(Noun):
    """What is found and shown: a piece of a document."""

    id: str
    """Digest of the document's id, the headings and the text: the same piece keeps it however often it is indexed."""
    document: str
    """Id of the document."""
    title: str | None = None
    """The document's title."""
    headings: tuple[str, ...] = ()
    """Headings that the passage stands under, outermost first; a heading that is part of its text is not repeated."""
    text: str
    heading_chars: int = 0
    """How many characters at the start of `text` are its own heading."""
    start: int | None = None
    """First character in the document's text; None where the document was not cut by us."""
    end: int | None = None
    """One behind its last character."""
    page: int | None = None
    """Page on which it starts, from 1; None where the format has no pages."""

    @property
    def heading(self) -> str:
        """Title and headings in one line, each once; empty where there are none."""
        above = [part for part in (self.title, *self.headings) if part]
        return " > ".join(part for place, part in enumerate(above) if part not in above[:place])

    @property
    def shown(self) -> str:
        """What a model is given to read: the heading it stands under, a colon, the text without empty lines."""
        name = self.text[: self.heading_chars] or (self.headings[-1] if self.headings else "")
        said = "\n".join(line for line in self.text[self.heading_chars :].splitlines() if line.strip())
        return f"{name}: {said}" if name and said else name or said

    @property
    def searched(self) -> str:
        """The text that is indexed and embedded: headings say what a passage is about in words it may not repeat."""
        heading = self.heading
        return f"{heading}\n{self.text}" if heading else self.text


def passage_id(document: str, headings: Sequence[str], text: str, ordinal: int = 0) -> str:
    """
    128 bits of SHA-256, in hex.

    Args:
        document: Id of the document.
        headings: That it stands under.
        text: Of the passage.
        ordinal: How many passages of the document with the same headings and text stand before it.
    """
    state = hashlib.sha256()
    for part in (document, *headings, text, str(ordinal)):
        data = part.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data) + data)
    return state.hexdigest()[:32]


class Found(Noun):
    """A passage that answers a query, as far as one retriever can tell."""

    passage: Passage
    score: float
    """Larger is better; only comparable within one answer of one retriever."""
    ranks: Mapping[str, int] = Field(default_factory=dict)
    """Its rank, from 1, in the list of each retriever that found it."""


class Unread(Noun):
    """Something in a source that could not be read, and why; the run goes on without it."""

    id: str
    """Path below the root of the source, or the row."""
    template: str
    """Sentence with the reason and the next step; a message id for translation."""
    values: Mapping[str, Any] = Field(default_factory=dict)

    def text(self, translate: Any = str) -> str:
        """The sentence in the reader's language."""
        line: str = translate(self.template)
        return f"{self.id}: {line.format(**self.values) if self.values else line}"


class Chunker(Protocol):
    """Cuts documents into passages. Same document, same passages, whatever else is in the source."""

    @property
    def identity(self) -> str:
        """Kind, version and settings in one line; part of the key of an index."""
        ...

    def chunk(self, document: Document) -> Sequence[Passage]:
        """Passages in the order of the text; together they hold every character of it that is not blank."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of length 1, so that their inner product is the cosine."""

    name: str

    @property
    def identity(self) -> str:
        """Kind, version, settings and weights in one line; part of the key of an index. No path, no secret."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, d), float32."""
        ...


@runtime_checkable
class LearnedEmbedder(Embedder, Protocol):
    """An embedder that is fitted to the texts of one index and stored with it."""

    @property
    def fitted_on(self) -> int:
        """How many texts the corpus had when it was fitted; 0 before."""
        ...

    def fit(self, texts: Sequence[str]) -> Self:
        """A fitted one; this one stays as it is."""
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned as arrays and JSON into an empty folder."""
        ...

    def load(self, folder: Path) -> Self:
        """One that was saved under the same settings."""
        ...


@runtime_checkable
class NeedsLibraries(Protocol):
    """Whoever imports libraries before it first works, which takes seconds once in a process and is no work itself."""

    def load_libraries(self) -> None:
        """
        Import them; the second time at once.

        Raises:
            ExtraMissing: one is not installed.
        """
        ...


class VectorStore(Protocol):
    """
    Vectors by passage id.

    Adding an id again replaces its vector, and removing an unknown one does nothing, so that whoever was interrupted
    may simply start again. What was added or removed counts for `search` at once and is on disk after `persist`.
    """

    name: str

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep one vector (n, d) for each id."""
        ...

    def remove(self, ids: Collection[str]) -> None:
        """Forget these."""
        ...

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` ids with the largest inner product with a vector (d,), best first."""
        ...

    def ids(self) -> Collection[str]:
        """Every id that is kept."""
        ...

    def persist(self) -> None:
        """Returns when all of it would survive the end of the process."""
        ...

    def drop(self) -> None:
        """Take the whole set away, for good; nothing else may be done with it then."""
        ...

    def close(self) -> None:
        """Let files and connections go; may be called twice."""
        ...


class Retriever(Protocol):
    """Finds passages."""

    name: str

    def find(self, query: str, k: int) -> tuple[Found, ...]:
        """At most `k`, best first, each passage once; ties in the order of the index."""
        ...


class Reranker(Protocol):
    """Puts found passages into a better order."""

    name: str

    @property
    def identity(self) -> str:
        """Kind, version and settings in one line."""
        ...

    def rerank(self, query: str, found: Sequence[Found]) -> tuple[Found, ...]:
        """The same passages, best first, with scores of its own and their ranks kept."""
        ...
