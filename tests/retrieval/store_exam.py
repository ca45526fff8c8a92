"""The exam that every store of vectors sits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from touchstone.retrieval.base import VectorStore

ONE, TWO, THREE = (f"{number:032x}" for number in (1, 2, 3))


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


class StoreExam:
    """Subclass it and say how the store is opened; opening the same name again finds what was persisted."""

    def open(self, folder: Path, name: str, dimensions: int) -> VectorStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> VectorStore:
        store = self.open(tmp_path, "exam", 3)
        store.add([ONE, TWO], np.stack([unit(1, 0, 0), unit(0, 1, 0)]))
        return store

    def test_nearest_first(self, store: VectorStore) -> None:
        """The inner product is the score; fewer come back when there are fewer."""
        found = store.search(unit(2, 1, 0), 5)
        assert [one for one, _ in found] == [ONE, TWO]
        assert [score for _, score in found] == pytest.approx([2 / 5**0.5, 1 / 5**0.5], abs=1e-5)
        assert [one for one, _ in store.search(unit(2, 1, 0), 1)] == [ONE]

    def test_what_is_kept(self, store: VectorStore) -> None:
        """Every id, once."""
        assert sorted(store.ids()) == [ONE, TWO]

    def test_adding_again_replaces(self, store: VectorStore) -> None:
        """The newest vector of an id counts, and the id stands once."""
        store.add([ONE], unit(0, 0, 1)[None])
        assert sorted(store.ids()) == [ONE, TWO]
        assert store.search(unit(0, 0, 1), 1)[0] == (ONE, pytest.approx(1.0, abs=1e-5))

    def test_removing(self, store: VectorStore) -> None:
        """It is found no more; what is unknown does nothing; nothing left finds nothing."""
        store.remove([ONE, THREE])
        assert [one for one, _ in store.search(unit(1, 0, 0), 5)] == [TWO]
        store.remove([TWO])
        assert list(store.search(unit(1, 0, 0), 5)) == []
        assert sorted(store.ids()) == []

    def test_nothing_added(self, store: VectorStore) -> None:
        """No ids and no vectors are no mistake."""
        store.add([], np.zeros((0, 3), np.float32))
        store.remove([])
        assert sorted(store.ids()) == [ONE, TWO]

    def test_persisted(self, store: VectorStore, tmp_path: Path) -> None:
        """What was persisted is there when the store is opened again, also after changes."""
        store.persist()
        store.add([THREE], unit(0, 0, 1)[None])
        store.remove([ONE])
        store.persist()
        store.close()
        store.close()
        again = self.open(tmp_path, "exam", 3)
        assert sorted(again.ids()) == [TWO, THREE]
        assert again.search(unit(0, 0, 1), 1)[0][0] == THREE
        again.close()

    def test_names_are_apart(self, store: VectorStore, tmp_path: Path) -> None:
        """Another name is another set, and dropping one leaves the other."""
        other = self.open(tmp_path, "other", 3)
        assert sorted(other.ids()) == []
        other.add([THREE], unit(0, 0, 1)[None])
        other.persist()
        other.drop()
        assert sorted(self.open(tmp_path, "other", 3).ids()) == []
        assert sorted(store.ids()) == [ONE, TWO]
