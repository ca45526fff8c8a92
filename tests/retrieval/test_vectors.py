"""What every store of vectors promises, and what the one in files of our own adds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.store_exam import StoreExam

from touchstone.errors import StoreDamaged, UnknownName
from touchstone.retrieval.base import VectorStore
from touchstone.retrieval.stores import store_maker
from touchstone.retrieval.vectors import MOST_BLOCKS, NumpyStore

IDS = [f"{number:032x}" for number in range(8)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "persist"]), st.lists(st.sampled_from(IDS), unique=True, max_size=4)),
    max_size=10,
)


class TestNumpyStore(StoreExam):
    """The family's exam."""

    def open(self, folder: Path, name: str, dimensions: int) -> VectorStore:
        return NumpyStore(folder, name, dimensions)


@given(STEPS, st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_any_history_gives_what_a_plain_table_gives(steps: list[tuple[str, list[str]]], seed: int) -> None:
    """After any adds, removals and openings, a search ranks as comparing with every kept vector does."""
    rng = np.random.default_rng(seed)
    kept: dict[str, np.ndarray] = {}
    with TemporaryDirectory() as folder:
        store = NumpyStore(Path(folder), "x", 4)
        for deed, ids in steps:
            if deed == "add":
                vectors = rng.normal(size=(len(ids), 4)).astype(np.float32)
                store.add(ids, vectors)
                kept |= dict(zip(ids, vectors, strict=True))
            elif deed == "remove":
                store.remove(ids)
                kept = {one: vector for one, vector in kept.items() if one not in ids}
            else:
                store.persist()
                store = NumpyStore(Path(folder), "x", 4)
            query = rng.normal(size=4).astype(np.float32)
            best = sorted(kept, key=lambda one: (-float(kept[one] @ query), one))
            assert [one for one, _ in store.search(query, 5)] == best[:5]
            assert set(store.ids()) == set(kept)


def test_few_files_however_many_changes(tmp_path: Path) -> None:
    """Blocks are joined, and what was removed takes no room for long."""
    store = NumpyStore(tmp_path, "x", 2)
    for number in range(3 * MOST_BLOCKS):
        store.add([IDS[number % 8]], np.ones((1, 2), np.float32))
        store.persist()
    assert len(list(tmp_path.glob("vectors-x/block-*"))) <= MOST_BLOCKS
    assert sum(len(np.load(file)) for file in tmp_path.glob("vectors-x/block-*/vectors.npy")) <= 10


@pytest.mark.parametrize("name", ["vectors.json", "vectors.npy", "ids.json"])
def test_damage_is_told(tmp_path: Path, name: str) -> None:
    """A file that is not as it was written is named when the store is opened."""
    store = NumpyStore(tmp_path, "x", 2)
    store.add(IDS[:2], np.eye(2, dtype=np.float32))
    store.persist()
    [file] = tmp_path.rglob(name)
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(StoreDamaged, match=name):
        NumpyStore(tmp_path, "x", 2)


def test_ties_go_by_id(tmp_path: Path) -> None:
    """Equal vectors come in the order of their ids, whenever they were added."""
    store = NumpyStore(tmp_path, "x", 2)
    for one in reversed(IDS):
        store.add([one], np.ones((1, 2), np.float32))
    assert [one for one, _ in store.search(np.ones(2, np.float32), 3)] == IDS[:3]


def test_stores_by_name(tmp_path: Path) -> None:
    """Ours needs no entry point; a name that nobody offers is refused."""
    assert store_maker("numpy")(tmp_path, "x", 3).name == "numpy"
    with pytest.raises(UnknownName):
        store_maker("no-such-store")
