"""An index over embedders that need no library, and processes that change one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np

from touchstone.retrieval.base import Unread, Vectors
from touchstone.retrieval.chunk import make_chunker
from touchstone.retrieval.documents import Entry, Source
from touchstone.retrieval.index import Index
from touchstone.retrieval.parsed import Parsed, Part


class Letters:
    """An embedder that counts letters, and the texts that it was given."""

    name = "letters"
    identity = "letters 1"
    dimensions = 26

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded.extend(texts)
        found = np.array([[text.lower().count(chr(97 + one)) for one in range(26)] for text in texts], np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


class Learner(Letters):
    """The same, as one that has to be fitted."""

    name = "learner"
    identity = "learner 1"

    def __init__(self, fitted_on: int = 0) -> None:
        super().__init__()
        self.fitted_on = fitted_on

    def fit(self, texts: Sequence[str]) -> Learner:
        return Learner(len(texts))

    def save(self, folder: Path) -> None:
        (folder / "fitted.json").write_text(str(self.fitted_on))

    def load(self, folder: Path) -> Learner:
        return Learner(int((folder / "fitted.json").read_text()))


class Told:
    """A source that holds its texts: nothing has to be started to read them."""

    place = Path("told")

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def entries(self) -> Iterator[Entry | Unread]:
        for name, text in sorted(self.texts.items()):
            yield Entry(name, sha256(text.encode()).hexdigest(), partial(Parsed, None, (Part((), text),)))


def index_in(folder: Path, **options: object) -> Index:
    options.setdefault("embedder", Letters())
    return Index(folder, make_chunker("sentence", size=6), **options)  # type: ignore[arg-type]


def update(folder: str, name: str) -> None:
    """In a process of its own: make the index say what this source says."""
    index_in(Path(folder) / "index").update(Source(Path(folder) / name))


def update_and_die(folder: str, last: str) -> None:
    """The same, killed when it has come to a place."""

    def passing(place: str) -> None:
        if place == last:
            os.kill(os.getpid(), signal.SIGKILL)

    index_in(Path(folder) / "index", embedder=Learner(), passing=passing).update(Source(Path(folder) / "source"))
