"""What stored postings promise: the same as in memory, whole, joined and mapped from disk."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.bm25 import Postings, best, mapped

DOCUMENTS = st.lists(st.lists(st.sampled_from(["a", "b", "退货", "d"]), max_size=6), max_size=6)
WORDS = ["a", "b", "退货", "d", "nowhere"]


def told(postings: Postings) -> dict[str, list[tuple[int, int]]]:
    found = {word: postings.entries(word) for word in WORDS}
    return {
        word: [] if entries is None else [(int(place), int(count)) for place, count in zip(*entries, strict=True)]
        for word, entries in found.items()
    }


def counted(documents: list[list[str]]) -> dict[str, list[tuple[int, int]]]:
    return {
        word: [(place, document.count(word)) for place, document in enumerate(documents) if word in document]
        for word in WORDS
    }


@given(DOCUMENTS)
def test_entries_are_counts(documents: list[list[str]]) -> None:
    """Each word with the documents that hold it, ascending, and how often; nothing for a word that stands nowhere."""
    postings = Postings.of(documents)
    assert told(postings) == counted(documents)
    assert postings.lengths.tolist() == [len(document) for document in documents]


@given(DOCUMENTS)
def test_stored_and_opened(documents: list[list[str]]) -> None:
    """What was saved is what is opened, and no pickle is among the files."""
    with TemporaryDirectory() as folder:
        Postings.of(documents).save(Path(folder))
        assert told(Postings.open(Path(folder))) == counted(documents)
        assert {file.suffix for file in Path(folder).iterdir()} == {".npy"}


@given(st.lists(DOCUMENTS, min_size=1, max_size=3), st.data())
def test_joined_is_built_at_once(parts: list[list[list[str]]], data: st.DataObject) -> None:
    """Several joined without some of their documents are those of the rest built at once."""
    taken = [np.array(data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p))), bool) for p in parts]
    joined = Postings.joined([(Postings.of(part), keep) for part, keep in zip(parts, taken, strict=True)])
    rest = [doc for part, keep in zip(parts, taken, strict=True) for doc, kept in zip(part, keep, strict=True) if kept]
    assert told(joined) == counted(rest)
    assert joined.lengths.tolist() == [len(document) for document in rest]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=60), st.integers(1, 70))
def test_best(scores: list[float], k: int) -> None:
    """The k largest above 0, ties by place, however many there are."""
    order = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda p: (-scores[p], p))
    assert best(np.array(scores), k) == order[:k]


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    """Such a file holds a pickle, which could run anything; it is not opened."""
    np.save(tmp_path / "x.npy", np.array([{"a": 1}] * 50, object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"(?i)object|pickle"):
        mapped(tmp_path / "x.npy")
