"""
What the weights of a model take in memory, against files and figures that others published.

Each row names where its figure was read; GB of which a source means powers of 1,024 are written so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.conftest import examples

from touchstone.catalog.memory import GIB, memory_need
from touchstone.catalog.model import Network
from touchstone.catalog.shipped import shipped_models

MIB = 1024**2
EXACT, ROUNDED, TEN_PERCENT = 0.001, 0.01, 0.10


@dataclass(frozen=True)
class Weights:
    """A published size of weights."""

    name: str
    parameters: int
    precision: Literal["32bit", "16bit", "8bit", "4bit"]
    published: float
    source: str
    within: float = ROUNDED
    network: Network | None = None


def _vocabulary(tokens: int, hidden_size: int) -> Network:
    return Network(layers=1, hidden_size=hidden_size, vocabulary=tokens)


WEIGHTS = (
    Weights("BLOOM", 176_247_271_424, "16bit", 329 * GIB, "model card bigscience/bloom, 2022-07"),
    Weights("Llama 3.1 8B", 8_030_261_248, "16bit", 14.96 * GIB, "llama.cpp tools/quantize README"),
    Weights("Llama 3.1 8B", 8_030_261_248, "8bit", 7.95 * GIB, "the same"),
    Weights("Llama 3.1 8B", 8_030_261_248, "4bit", 4.58 * GIB, "the same"),
    Weights("Llama 3.1 70B", 70_553_706_496, "4bit", 43.1e9, "the same"),
    Weights("Llama 3.1 405B", 405_853_388_800, "4bit", 249.1e9, "the same"),
    Weights("Llama 3.1 405B", 405_853_388_800, "16bit", 810e9, "Hugging Face blog llama31, 2024-07-23"),
    Weights("Gemma 1.1 2B", 2_506_172_416, "8bit", 2.48 * GIB, "ggml-org/ci, log of llama.cpp build 3867, 2024-10"),
    Weights("Gemma 3 12B", 11_770_000_000, "4bit", 6.79 * GIB, "ggml-org/llama.cpp #13194, 2025-05-13", 0.02),
    # All experts, not only those that answer.
    Weights("Mixtral 8x7B", 46_702_792_704, "16bit", 90e9, "Hugging Face blog mixtral, 2023-12-11", 0.05),
    Weights("Qwen3-Next 80B-A3B", 79_670_000_000, "4bit", 45.10 * GIB, "ggml-org/llama.cpp #16095, 2025-12-03"),
    Weights("Qwen3.5 122B-A10B", 122_000_000_000, "8bit", 129.9e9, "ggml-org/Llama-macOS #63, 2026-03-03"),
    Weights("Qwen3.5 397B-A17B", 396_346_000_000, "4bit", 227.32 * GIB, "ikawrakow/ik_llama.cpp issue 1692"),
    # Encoders.
    Weights("BGE-M3", 568_000_000, "32bit", 2167 * MIB, "MTEB, model metadata of BAAI/bge-m3, 2026-08-22"),
)


Q4_K_M = "Q4_K_M file of {} on Hugging Face, by its size, seen restated on 2026-11-28"
BARTOWSKI, UNSLOTH, GGML_ORG = (Q4_K_M.format(one) for one in ("bartowski", "unsloth", "ggml-org"))
TWO_PERCENT = 0.02
"""Files hold the tokenizer as well, and the smallest of them are a hundred megabytes."""

FOUR_BIT = (
    # Rows of whole blocks of 256 weights. First those that use the embeddings as output.
    Weights("Qwen3 0.6B", 596_049_920, "4bit", 396_705_472, UNSLOTH, TWO_PERCENT, _vocabulary(151_936, 1024)),
    Weights("Llama 3.2 1B", 1_235_814_400, "4bit", 807_694_464, BARTOWSKI, TWO_PERCENT, _vocabulary(128_256, 2048)),
    Weights("SmolLM3 3B", 3_075_098_624, "4bit", 1.92e9, BARTOWSKI, ROUNDED, _vocabulary(128_256, 2048)),
    Weights("Gemma 3 4B, text", 3_880_099_328, "4bit", 2.49e9, BARTOWSKI, ROUNDED, _vocabulary(262_208, 2560)),
    Weights("Qwen3 4B", 4_022_468_096, "4bit", 2.50e9, BARTOWSKI, ROUNDED, _vocabulary(151_936, 2560)),
    Weights("Gemma 3 12B", 11_766_034_176, "4bit", 6.79 * GIB, "llama.cpp #13194", ROUNDED, _vocabulary(262_208, 3840)),
    # With an output matrix of their own.
    Weights("Falcon3 1B", 1_669_408_768, "4bit", 1.06e9, BARTOWSKI, ROUNDED, _vocabulary(131_072, 2048)),
    Weights("Nemotron-Mini 4B", 4_191_372_288, "4bit", 2.70e9, BARTOWSKI, ROUNDED, _vocabulary(256_000, 3072)),
    Weights("Llama 3.1 8B", 8_030_261_248, "4bit", 4.58 * GIB, "quantize README", ROUNDED, _vocabulary(128_256, 4096)),
    Weights("Llama 3.1 70B", 70_553_706_496, "4bit", 43.1e9, "the same", TWO_PERCENT, _vocabulary(128_256, 8192)),
    # Rows that are no whole blocks.
    Weights("SmolLM2 135M", 134_515_008, "4bit", 105_454_432, BARTOWSKI, TWO_PERCENT, _vocabulary(49_152, 576)),
    Weights("Gemma 3 270M", 268_098_176, "4bit", 253_115_424, UNSLOTH, TWO_PERCENT, _vocabulary(262_144, 640)),
    Weights("SmolLM2 360M", 361_821_120, "4bit", 270_590_880, BARTOWSKI, ROUNDED, _vocabulary(49_152, 960)),
    Weights("Qwen2.5 0.5B", 494_032_768, "4bit", 397_808_192, BARTOWSKI, TWO_PERCENT, _vocabulary(151_936, 896)),
    Weights("Gemma 3 1B", 999_885_952, "4bit", 806_058_240, GGML_ORG, ROUNDED, _vocabulary(262_144, 1152)),
    Weights("Nemotron Nano 9B v2", 8_888_227_328, "4bit", 6.5e9, BARTOWSKI, TWO_PERCENT, _vocabulary(131_072, 4480)),
)


@pytest.mark.parametrize("row", [*WEIGHTS, *FOUR_BIT], ids=lambda row: f"{row.name}, {row.precision}")
def test_weights_are_as_large_as_published(row: Weights) -> None:
    """Model cards and lists of files give the same bytes, within the tolerance of the row."""
    need = memory_need(row.parameters, row.network, precision=row.precision)

    assert row.within <= TEN_PERCENT
    assert need.weight_bytes == pytest.approx(row.published, rel=row.within), row.source


@pytest.mark.parametrize(("size", "gib"), [("120b", 60.8), ("20b", 12.8)])
def test_weights_published_in_4_bit_are_as_large_as_their_files(size: str, gib: float) -> None:
    """gpt-oss was trained in MXFP4 (its model card, table 1, 2025-08-05); nobody quantises it from 16 bit."""
    [model] = [one for one in shipped_models() if one.id == f"openai/gpt-oss-{size}"]
    assert model.parameters is not None

    need = memory_need(model.parameters, model.network, precision="4bit")
    assert need.weight_bytes == pytest.approx(gib * GIB, rel=EXACT)


@pytest.mark.parametrize(("hidden", "bits"), [(1024, 4.89), (1152, 5.60)])
def test_a_vocabulary_that_nobody_states_leaves_what_is_certain(hidden: int, bits: float) -> None:
    """Rows that are no whole blocks take more whatever the vocabulary; of no parameters nothing is divided."""
    network = Network(layers=1, hidden_size=hidden)

    assert memory_need(8_000, network, precision="4bit").weight_bytes == bits * 1000
    assert memory_need(0, _vocabulary(1000, hidden), precision="4bit").weight_bytes == 0


def test_embeddings_that_are_no_matrix_of_that_size_count_as_all_there_is() -> None:
    """ALBERT's are factorised: vocabulary by hidden size would be more than the whole model."""
    need = memory_need(11_700_000, _vocabulary(30_000, 768), precision="4bit")

    assert need.weight_bytes == round(11_700_000 * 6.5625 / 8)


def test_more_than_8_bit_are_no_4_bit() -> None:
    """Whoever writes the bytes of a weight, or the size of 16 bit, is told."""
    with pytest.raises(ValidationError, match="published_bits"):
        Network(layers=1, hidden_size=8, published_bits=16)


@given(
    st.integers(1, 10**12),
    st.none() | st.integers(1, 300_000),
    st.none() | st.integers(1, 300_000),
    st.sampled_from([100, 256, 1024, 1152]),  # rows of whole blocks, and others
    st.none() | st.floats(0.1, 8.5),
)
@examples(25)
def test_a_larger_vocabulary_never_needs_less(
    parameters: int, one: int | None, two: int | None, hidden: int, published: float | None
) -> None:
    """Of models of one size; and 4 bit never need more than 8 bit, whatever is known of the vocabulary."""
    networks = [
        Network(layers=1, hidden_size=hidden, vocabulary=tokens, published_bits=published) for tokens in (one, two)
    ]
    four = [memory_need(parameters, network, precision="4bit").weight_bytes for network in networks]
    eight = memory_need(parameters, None, precision="8bit").weight_bytes

    assert max(four) <= eight
    if one is not None and two is not None:
        assert four[one > two] <= four[one <= two]
