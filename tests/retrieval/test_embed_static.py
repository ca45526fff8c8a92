"""What static word vectors promise: read from a plain local folder, nothing else in it, nothing fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from touchstone.errors import UserError
from touchstone.retrieval.embed_static import StaticEmbedder


def folder(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    (place / "model.safetensors").write_bytes(b"x")
    (place / "tokenizer.json").write_text("{}")
    (place / "config.json").write_text("{}")
    return place


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    """A name on a hub is a folder that is not there; both say what to name."""
    with pytest.raises(UserError, match=r"holds no model.safetensors"):
        StaticEmbedder(Path("minishlab/potion-base-8M"))


@pytest.mark.parametrize("extra", ["pickle.pkl", "modeling.py", "linked.json", "folder"])
def test_what_does_not_belong_there(tmp_path: Path, extra: str) -> None:
    """Code, pickles, links and folders are refused before anything is read."""
    place = folder(tmp_path / "model")
    if extra == "linked.json":
        (place / "modules.json").symlink_to(tmp_path / "elsewhere.json")
    elif extra == "folder":
        (place / "modules.json").mkdir()
    else:
        (place / extra).write_text("")
    with pytest.raises(UserError, match="no part of a static model"):
        StaticEmbedder(place)


def test_other_weights_are_another_identity(tmp_path: Path) -> None:
    """The digest of the weights is in the identity; the folder's place is not."""
    one, two = StaticEmbedder(folder(tmp_path / "one")), StaticEmbedder(folder(tmp_path / "two"))
    assert one.identity == two.identity
    assert "one" not in one.identity
    (tmp_path / "two" / "model.safetensors").write_bytes(b"y")
    assert StaticEmbedder(tmp_path / "two").identity != one.identity


def test_means_of_token_vectors(tmp_path: Path) -> None:
    """A text is the mean of its tokens' vectors at length 1; what holds no known token is 0."""
    pytest.importorskip("model2vec", reason="the extra 'rag' is not installed")
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "apple": 1, "pear": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text("{}")
    save_file({"embeddings": np.array([[0, 0], [1, 0], [0, 1]], np.float32)}, tmp_path / "model.safetensors")
    embedder = StaticEmbedder(tmp_path)
    assert embedder.dimensions == 2
    np.testing.assert_allclose(
        embedder.embed(["apple", "apple pear", "plum", ""]), [[1, 0], [0.7071, 0.7071], [0, 0], [0, 0]], atol=1e-4
    )
    assert embedder.embed([]).shape == (0, 2)
