"""What the default embedder promises: unit vectors, learned from the corpus alone, the same again from disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import orjson
import pytest

from touchstone.errors import InvalidValue, UserError
from touchstone.retrieval.embed_lsa import LsaEmbedder, features

pytest.importorskip("sklearn", reason="the extra 'classical' is not installed")

CORPUS = [
    "Unused goods can be sent back within 45 days.",
    "The return label costs $3.80 and is taken off the refund.",
    "Standard delivery takes 4 to 6 days.",
    "An express parcel arrives within 36 hours.",
    "A parcel abroad takes 12 days.",
    "退货须在四十五天内寄回。",
    "标准配送需要四至六天。",
    "国外包裹需要十二天。",
]


def test_features_are_words_and_runs_of_characters() -> None:
    """Words as they are searched, and of longer English ones all runs of three and four with their ends marked."""
    runs = ["<pa", "par", "arc", "rce", "cel", "el>", "<par", "parc", "arce", "rcel", "cel>"]
    wanted = ["parcel", *(f"#{run}" for run in runs), "退", "货", "退货"]
    assert features("Parcels! 退货") == Counter(wanted)


def test_unit_vectors_and_zeros() -> None:
    """Every text has length 1, one that shares nothing with the corpus 0; never a number that is none."""
    embedder = LsaEmbedder(4).fit(CORPUS)
    vectors = embedder.embed([*CORPUS, "", "qqq xxx", "👍"])
    assert vectors.shape == (11, embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1] * 8 + [0] * 3, atol=1e-5)


def test_what_is_alike_is_near() -> None:
    """A text is nearest to itself; a mistyped question still finds its passage."""
    embedder = LsaEmbedder().fit(CORPUS)
    known = embedder.embed(CORPUS)
    assert (known @ known.T).argmax(axis=1).tolist() == list(range(8))
    [asked] = embedder.embed(["how much is the retrun label?"])
    assert int((known @ asked).argmax()) == 1
    [asked] = embedder.embed(["国外的包裹要几天"])
    assert int((known @ asked).argmax()) == 7


def test_the_same_corpus_learns_the_same() -> None:
    """Twice the same to the last bit; another seed is another identity."""
    one, two = LsaEmbedder(6).fit(CORPUS), LsaEmbedder(6).fit(CORPUS)
    assert one.embed(CORPUS).tobytes() == two.embed(CORPUS).tobytes()
    assert LsaEmbedder(6).identity != LsaEmbedder(6, seed=1).identity
    assert LsaEmbedder(6).identity != LsaEmbedder(7).identity


def test_stored_and_loaded(tmp_path: Path) -> None:
    """From disk it embeds alike; under other settings it is refused, and an array of objects is never read."""
    fitted = LsaEmbedder(5).fit(CORPUS)
    fitted.save(tmp_path)
    loaded = LsaEmbedder(5).load(tmp_path)
    assert loaded.fitted_on == 8
    assert loaded.embed(CORPUS).tobytes() == fitted.embed(CORPUS).tobytes()
    with pytest.raises(UserError, match="under these settings"):
        LsaEmbedder(6).load(tmp_path)
    np.save(tmp_path / "rarity.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        LsaEmbedder(5).load(tmp_path)


def test_fitting_leaves_the_embedder_as_it_was() -> None:
    """What is fitted is a new one: the same embedder serves several indexes."""
    embedder = LsaEmbedder()
    assert embedder.fit(CORPUS).fitted_on == 8
    assert embedder.fitted_on == 0


def test_a_large_corpus_is_learned_from_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced texts, but it remembers how many there were, so that a fifth more can be told."""
    import touchstone.retrieval.embed_lsa as room

    monkeypatch.setattr(room, "MOST_FITTED", 4)
    embedder = LsaEmbedder().fit(CORPUS)
    assert embedder.fitted_on == 8
    assert not embedder.embed(["off"]).any()  # a word of the second text, which was skipped


def test_nothing_to_learn_from() -> None:
    """A corpus without a word, and sizes that cannot be, are refused."""
    with pytest.raises(UserError, match="not a word"):
        LsaEmbedder().fit(["…", ""])
    for size in (0, True, 5000):
        with pytest.raises(InvalidValue, match="dimensions"):
            LsaEmbedder(size)


def test_what_is_stored_is_plain(tmp_path: Path) -> None:
    """Two arrays and two JSON files; no pickle among them."""
    LsaEmbedder().fit(CORPUS).save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "about.json", "directions.npy", "features.json", "rarity.npy"
    ]  # fmt: skip
    assert "parcel" in orjson.loads((tmp_path / "features.json").read_bytes())
