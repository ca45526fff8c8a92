"""The decoder: one pass or many give the same, and a config that cannot be is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from touchstone.errors import DataError
from touchstone.models.starter.folder import CONFIG, SHIPPED, WEIGHTS, read_weights
from touchstone.models.starter.network import Cache, Decoder, Sizes, read_sizes

SMALL = Sizes(
    vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=32, rope_theta=10_000.0, rms_norm_eps=1e-5,
)  # fmt: skip


def made(sizes: Sizes = SMALL, seed: int = 0) -> Decoder:
    """A decoder with drawn weights."""
    rng = np.random.default_rng(seed)
    return Decoder(
        sizes, {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in sizes.shapes().items()}
    )


@pytest.mark.parametrize("cut", [[7], [1] * 7, [3, 4], [6, 1]])
def test_what_was_read_before_counts_as_if_read_now(cut: list[int]) -> None:
    """Keys and values that are kept give the scores that reading everything at once gives."""
    decoder, numbers = made(), [5, 9, 30, 4, 7, 20, 3]
    whole = decoder.logits(numbers, Cache(SMALL, 32))
    cache, at = Cache(SMALL, 32), 0
    for size in cut:
        last = decoder.logits(numbers[at : at + size], cache)
        at += size

    assert np.allclose(last, whole, atol=1e-4)
    assert cache.length == 7


def test_nothing_is_read_from_what_comes_later() -> None:
    """The scores after three tokens are the same whatever the fourth will be."""
    decoder = made()
    first = decoder.logits([5, 9, 30], Cache(SMALL, 32))
    cache = Cache(SMALL, 32)
    decoder.logits([5, 9, 30], cache)
    decoder.logits([4], cache)
    cache.length = 3

    assert np.array_equal(first, decoder.logits([5, 9, 30], Cache(SMALL, 32)))
    assert not np.allclose(decoder.logits([4], cache), first)


def test_positions_matter() -> None:
    """The same tokens in another order give other scores."""
    decoder = made()

    assert not np.allclose(decoder.logits([5, 9, 30], Cache(SMALL, 8)), decoder.logits([9, 5, 30], Cache(SMALL, 8)))


def test_transformers_gives_the_same_scores(tmp_path: Path) -> None:
    """The folder is one that transformers reads too, and to the same numbers."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    sizes = read_sizes(SHIPPED / "s" / CONFIG)
    decoder = Decoder(sizes, read_weights(SHIPPED / "s" / WEIGHTS, sizes))
    reference = transformers.AutoModelForCausalLM.from_pretrained(SHIPPED / "s", dtype=torch.float32)
    numbers = [1, 300, 301, 0, 2, 500, 600, 700, 0, 3]

    with torch.no_grad():
        wanted = reference(torch.tensor([numbers])).logits[0, -1].numpy()

    assert np.allclose(decoder.logits(numbers, Cache(sizes, 16)), wanted, atol=1e-3)


def config(**changes: Any) -> bytes:
    """A config like the shipped one, changed."""
    return orjson.dumps({**orjson.loads((SHIPPED / "s" / CONFIG).read_bytes()), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "gpt2"}, "only llama"),
        ({"tie_word_embeddings": False}, "only llama"),
        ({"rope_scaling": {"factor": 2}}, "scaled rotary"),
        ({"num_attention_heads": 5}, "heads do not divide"),
        (
            {"hidden_size": 4096, "num_hidden_layers": 64, "intermediate_size": 60_000, "num_attention_heads": 32},
            "serve it",
        ),
        ({"num_hidden_layers": 10**9}, "config cannot be used"),
        ({"hidden_size": 12, "num_attention_heads": 4}, "odd width"),
    ],
)
def test_a_config_that_cannot_be_run_says_why(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Before any memory is asked for."""
    (tmp_path / CONFIG).write_bytes(config(**changes))

    with pytest.raises(DataError, match=said):
        read_sizes(tmp_path / CONFIG)
