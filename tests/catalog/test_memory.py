"""
What memory a model needs, against figures that others published.

The sizes of the layers are written here from public `config.json` files, not read from our cards; each row names where
its figure was read. A figure in KB or GB of which the source means powers of 1,024 is written so.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.catalog.memory import BITS_PER_WEIGHT, GIB, USABLE_SHARE, cache_shape, memory_need
from touchstone.catalog.model import Network
from touchstone.catalog.shipped import shipped_models

KIB, MIB = 1024, 1024**2
EXACT = 0.001
"""Of a figure that was allocated or computed from the same sizes and rounded to three digits or more."""
ROUNDED = 0.01
TEN_PERCENT = 0.10

OPT_13B = Network(layers=40, hidden_size=5120, attention_heads=40)
GPT2_XL = Network(layers=48, hidden_size=1600, attention_heads=25)
LLAMA_2_7B = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=32)
GEMMA_2B = Network(layers=18, hidden_size=2048, attention_heads=8, key_value_heads=1, head_size=256)
FALCON_40B = Network(layers=60, hidden_size=8192, attention_heads=128, key_value_heads=8)
LLAMA_31_8B = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8)
LLAMA_31_70B = Network(layers=80, hidden_size=8192, attention_heads=64, key_value_heads=8)
LLAMA_31_405B = Network(layers=126, hidden_size=16384, attention_heads=128, key_value_heads=8)
QWEN25_72B = Network(layers=80, hidden_size=8192, attention_heads=64, key_value_heads=8)
QWEN3_17B = Network(layers=28, hidden_size=2048, attention_heads=16, key_value_heads=8, head_size=128)
QWEN3_235B = Network(layers=94, hidden_size=4096, attention_heads=64, key_value_heads=4, head_size=128)
MISTRAL_7B_V02 = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8)
MISTRAL_7B_V01 = MISTRAL_7B_V02.model_copy(update={"sliding_window": 4096})
MIXTRAL_8X7B = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8)
DEEPSEEK_V2 = Network(layers=60, hidden_size=5120, attention_heads=128, latent_rank=512, latent_rope_size=64)
DEEPSEEK_V2_LITE = Network(layers=27, hidden_size=2048, attention_heads=16, latent_rank=512, latent_rope_size=64)
DEEPSEEK_V3 = Network(layers=61, hidden_size=7168, attention_heads=128, latent_rank=512, latent_rope_size=64)
GPT_OSS_20B = Network(
    layers=24,
    hidden_size=2880,
    attention_heads=64,
    key_value_heads=8,
    head_size=64,
    sliding_window=128,
    sliding_layers=12,
)
GPT_OSS_120B = GPT_OSS_20B.model_copy(update={"layers": 36, "sliding_layers": 18})
GEMMA_3N_E4B = Network(
    layers=35,
    hidden_size=2048,
    attention_heads=8,
    key_value_heads=2,
    head_size=256,
    cache_layers=20,
    sliding_window=512,
    sliding_layers=16,
)
GEMMA_4_31B = Network(
    layers=60,
    hidden_size=5376,
    attention_heads=32,
    key_value_heads=4,
    head_size=512,
    sliding_window=1024,
    sliding_layers=50,
    sliding_key_value_heads=16,
    sliding_head_size=256,
)
GEMMA_4_E4B = Network(
    layers=42,
    hidden_size=2560,
    attention_heads=8,
    key_value_heads=2,
    head_size=512,
    cache_layers=24,
    sliding_window=512,
    sliding_layers=20,
    sliding_head_size=256,
)
MIMO_V2_FLASH = Network(
    layers=48,
    hidden_size=4096,
    attention_heads=64,
    key_value_heads=4,
    head_size=192,
    value_head_size=128,
    sliding_window=128,
    sliding_layers=39,
    sliding_key_value_heads=8,
)
HUNYUAN_LARGE = Network(layers=64, hidden_size=6400, attention_heads=80, key_value_heads=8, cache_layers=32)
JAMBA = Network(
    layers=32,
    hidden_size=4096,
    attention_heads=32,
    key_value_heads=8,
    attention_layers=4,
    state_layers=28,
    state_values=8192 * (16 + 3),  # inner size x (state + convolution of 4 less the newest)
)
MAMBA_28B = Network(layers=64, hidden_size=2560, attention_layers=0, state_layers=64, state_values=5120 * (16 + 3))
MAMBA_CODESTRAL_7B = Network(
    layers=64,
    hidden_size=4096,
    attention_layers=0,
    state_layers=64,
    state_values=8192 * 128 + 3 * (8192 + 2 * 8 * 128),  # inner size x state, convolution over it and 8 groups
)
QWEN35_9B = Network(
    layers=32,
    hidden_size=4096,
    attention_heads=16,
    key_value_heads=4,
    head_size=256,
    attention_layers=8,
    state_layers=24,
    state_values=32 * 128 * 128 + 3 * (2 * 16 * 128 + 32 * 128),  # 32 value heads, 16 of keys and queries
)
QWEN35_122B = Network(
    layers=48,
    hidden_size=3072,
    attention_heads=32,
    key_value_heads=2,
    head_size=256,
    attention_layers=12,
    state_layers=36,
    state_values=64 * 128 * 128 + 3 * (2 * 16 * 128 + 64 * 128),
)
KIMI_LINEAR = Network(
    layers=27,
    hidden_size=2304,
    attention_heads=32,
    latent_rank=512,
    latent_rope_size=64,
    attention_layers=7,
    state_layers=20,
    state_values=32 * 128 * 128 + 3 * 3 * 32 * 128,
)
WHISPER_BASE = Network(layers=6, hidden_size=512, attention_heads=8, encoder_layers=6, encoder_tokens=1500)
T5_LARGE = Network(layers=24, hidden_size=1024, attention_heads=16, head_size=64, encoder_layers=24)
BGE_M3 = Network(layers=24, hidden_size=1024, attention_heads=16, keeps_cache=False)


INSIGHTS = "Insights into DeepSeek-V3, arXiv:2505.09343, table 1, 2025-05-14"


@dataclass(frozen=True)
class Cache:
    """A published size of what is kept for a number of tokens."""

    name: str
    network: Network
    tokens: int
    published: float
    """Bytes."""
    source: str
    within: float = EXACT
    bits: float = 16.0


CACHES = (
    # All heads keep a key and a value.
    Cache("OPT 13B", OPT_13B, 1, 800 * KIB, "PagedAttention, arXiv:2309.06180, section 3, 2023-09-12"),
    Cache("OPT 13B", OPT_13B, 2048, 1.6e9, "the same: 1.6 GB a request", TEN_PERCENT),
    Cache("GPT-2 XL", GPT2_XL, 1, 300 * KIB, "Future Shock, The weight of remembering, 2026-03-28"),
    Cache("Llama 2 7B", LLAMA_2_7B, 4196, 2.05 * GIB, "jy-yuan/KIVI issue 17, 2024-05-29"),
    Cache("Llama 2 7B", LLAMA_2_7B, 256 * KIB, 128 * GIB, "Jamba, arXiv:2403.19887, table 1, 2024-03-28"),
    # One head for all, and some for groups.
    Cache("Gemma 1.1 2B", GEMMA_2B, 8192, 144 * MIB, "ggml-org/ci, log of llama.cpp build 3867, 2024-10"),
    Cache("Falcon 40B", FALCON_40B, 2048, 480 * MIB, "ggml-org/ggml pull request 231, 2023-06-14", bits=32),
    Cache("Llama 3.1 8B", LLAMA_31_8B, 1024, 0.125 * GIB, "Hugging Face blog llama31, 2024-07-23"),
    Cache("Llama 3.1 8B", LLAMA_31_8B, 16_000, 1.95 * GIB, "the same", ROUNDED),
    Cache("Llama 3.1 8B", LLAMA_31_8B, 128_000, 15.62 * GIB, "the same"),
    Cache("Llama 3.1 70B", LLAMA_31_70B, 1024, 0.313 * GIB, "the same", ROUNDED),
    Cache("Llama 3.1 70B", LLAMA_31_70B, 128_000, 39.06 * GIB, "the same"),
    Cache("Llama 3.1 405B", LLAMA_31_405B, 1, 516_096, INSIGHTS),
    Cache("Qwen2.5 72B", QWEN25_72B, 1, 327_680, "the same"),
    Cache("Qwen3 1.7B", QWEN3_17B, 175_856, 18.78 * GIB, "vllm-project/vllm issue 33263, 2026-01-28"),
    Cache("Qwen3 235B-A22B", QWEN3_235B, 367_404, 4 * 16.46 * GIB, "vllm-project/vllm issue 21348, 4 GPUs, 2025-07-22"),
    Cache("Mixtral 8x7B", MIXTRAL_8X7B, 256 * KIB, 32 * GIB, "Jamba, arXiv:2403.19887, table 1, 2024-03-28"),
    # The paper counts Mistral without its window, as version 0.2 is.
    Cache("Mistral 7B v0.2", MISTRAL_7B_V02, 256 * KIB, 32 * GIB, "the same"),
    # A window: "on a sequence length of 32k tokens, this reduces the cache memory usage by 8x".
    Cache("Mistral 7B v0.1", MISTRAL_7B_V01, 32 * KIB, 4 * GIB / 8, "Mistral 7B, arXiv:2310.06825, 2, 2023-10-10"),
    Cache("gpt-oss-20b", GPT_OSS_20B, 8192, 105.19 * MIB, "llama.cpp docs/backend/snapdragon, q8_0", 0.02, 8.5),
    Cache("gpt-oss-120b", GPT_OSS_120B, 131_072, 4.54 * GIB, "vllm-project/vllm issue 27508, 2025-10", ROUNDED),
    # A compressed vector.
    Cache("DeepSeek-V2", DEEPSEEK_V2, 1, 2 * 34_600, "DeepSeek-V2, arXiv:2405.04434, 2024-05-07", 0.002),
    Cache("DeepSeek-V2-Lite", DEEPSEEK_V2_LITE, 32_768, 0.95 * GIB, "vllm-project/vllm issue 15871, 2025-04-02"),
    Cache("DeepSeek-V3", DEEPSEEK_V3, 1, 70_272, INSIGHTS),
    Cache("DeepSeek-R1", DEEPSEEK_V3, 32_768, 1166.62 * MIB, "ikawrakow/ik_llama.cpp #259, q8_0, 2025-03-16", bits=8.5),
    # A state instead of a cache in most blocks.
    Cache("Jamba", JAMBA, 256 * KIB, 4 * GIB, "Jamba, arXiv:2403.19887, table 1, 2024-03-28", ROUNDED),
    Cache("Mamba 2.8B", MAMBA_28B, 4096, 23.75 * MIB, "ggml-org/llama.cpp pull request 5328, 2024-02-05"),
    Cache("Mamba-Codestral 7B", MAMBA_CODESTRAL_7B, 4096, 263.5 * MIB, "ggml-org/llama.cpp #9126, 2024-08-21"),
    # Published per 1,024 tokens; a thousand times as many, so that the state counts for little.
    Cache("Qwen3.5 9B", QWEN35_9B, 1000 * KIB, 32_000 * MIB, "ggml-org/Llama-macOS #63, 2026-03-03", ROUNDED),
    Cache("Qwen3.5 122B-A10B", QWEN35_122B, 1000 * KIB, 24_000 * MIB, "the same", ROUNDED),
    # An encoder's result of fixed length beside the tokens written.
    Cache("Whisper base", WHISPER_BASE, 448, (5.25 + 17.58) * MIB, "ggml-org/whisper.cpp README, 2023"),
)


@pytest.mark.parametrize("row", CACHES, ids=lambda row: f"{row.name}, {row.tokens}")
def test_a_cache_is_as_large_as_published(row: Cache) -> None:
    """Papers, blogs and logs of runtimes give the same bytes, within the tolerance of the row."""
    need = memory_need(1, row.network, context_tokens=row.tokens, cache_bits=row.bits)

    assert row.within <= TEN_PERCENT
    assert need.cache_bytes == pytest.approx(row.published, rel=row.within), row.source


@pytest.mark.parametrize(
    ("network", "tokens", "published_mib", "source"),
    [
        (GPT_OSS_20B, 8192, 102.0 * 16 / 8.5, "llama.cpp docs/backend/snapdragon, q8_0: 12 blocks of 24"),
        (GEMMA_3N_E4B, 32_768, 256, "ggml-org/llama.cpp issue 14604: 4 blocks of 35"),
        (GEMMA_4_E4B, 131_072, 2048, "ggml-org/llama.cpp issue 21730: 4 blocks of 42"),
        (GEMMA_4_31B, 16_640, 1300, "LostRuins/koboldcpp issue 2418: 10 blocks of 60"),
    ],
    ids=["gpt-oss-20b", "Gemma 3n E4B", "Gemma 4 E4B", "Gemma 4 31B"],
)
def test_blocks_without_a_window_are_as_large_as_allocated(
    network: Network, tokens: int, published_mib: float, source: str
) -> None:
    """Where windowed blocks stand between others, runtimes print the memory of both apart."""
    shape = cache_shape(network)
    assert shape is not None

    assert tokens * shape.values_per_token * 2 / MIB == pytest.approx(published_mib, rel=EXACT), source


@pytest.mark.parametrize(
    ("network", "tokens", "published_mib", "source"),
    [
        (GPT_OSS_20B, 256, 3.19 * 16 / 8.5, "llama.cpp docs/backend/snapdragon, q8_0: 12 blocks of 24"),
        (MIMO_V2_FLASH, 300_288, 4 * (8.38 + 5.59) * 1024, "sgl-project/sglang #18039, 4 GPUs: 39 blocks of 48"),
    ],
    ids=["gpt-oss-20b", "MiMo-V2-Flash"],
)
def test_blocks_with_a_window_are_as_large_as_allocated(
    network: Network, tokens: int, published_mib: float, source: str
) -> None:
    """Runtimes keep their batch beside the window, so a windowed block is held at the number of tokens they print."""
    shape = cache_shape(network)
    assert shape is not None

    assert tokens * shape.windowed_values_per_token * 2 / MIB == pytest.approx(published_mib, rel=ROUNDED), source


def test_a_recurrent_state_is_as_large_as_allocated() -> None:
    """The state of Qwen3.5 9B takes 50.251 MiB (LM Studio issue 1563), however far the cache beside it is quantised."""
    shape = cache_shape(QWEN35_9B)
    assert shape is not None
    quantised = memory_need(1, QWEN35_9B, context_tokens=0, cache_bits=4.5)

    assert shape.state_values * 2 / MIB == pytest.approx(50.251, rel=EXACT)
    assert quantised.cache_bytes == shape.state_values * 2


def test_the_window_counts() -> None:
    """Without its window gpt-oss-120b would need twice as much at full length; with it, short contexts need as much."""
    without = GPT_OSS_120B.model_copy(update={"sliding_window": None, "sliding_layers": None})

    assert _cache(without, 131_072) > 1.9 * _cache(GPT_OSS_120B, 131_072)
    assert _cache(without, 100) == _cache(GPT_OSS_120B, 100)


def test_windowed_blocks_may_have_other_heads() -> None:
    """In Gemma 4 31B a block without a window keeps half as much a token (ik_llama.cpp issue 1607, 2026-04-10)."""
    shape = cache_shape(GEMMA_4_31B)
    assert shape is not None

    assert shape.windowed_values_per_token / 50 == 2 * shape.values_per_token / 10


def test_the_latent_vector_counts() -> None:
    """DeepSeek-V2 says that it keeps 93.3 % less than DeepSeek 67B (arXiv:2405.04434, abstract)."""
    deepseek_67b = Network(layers=95, hidden_size=8192, attention_heads=64, key_value_heads=8)
    without = DEEPSEEK_V2.model_copy(update={"latent_rank": None, "latent_rope_size": None, "head_size": 128})

    # The figure of the abstract includes that the deployed cache of V2 has 6 bits a value on average.
    assert 1 - _cache(DEEPSEEK_V2, 1) * 6 / 16 / _cache(deepseek_67b, 1) == pytest.approx(0.933, abs=0.005)
    assert _cache(without, 1) > 50 * _cache(DEEPSEEK_V2, 1)


def test_grouped_heads_count() -> None:
    """Eight heads of keys for 64 of queries keep an eighth; nothing written means as many as heads of queries."""
    all_heads = LLAMA_31_70B.model_copy(update={"key_value_heads": 64})
    unwritten = LLAMA_31_70B.model_copy(update={"key_value_heads": None})

    assert _cache(all_heads, 1000) == 8 * _cache(LLAMA_31_70B, 1000) == _cache(unwritten, 1000)


def test_the_state_counts() -> None:
    """A model of states only keeps as much after one token as after a million, and not nothing."""
    assert _cache(MAMBA_28B, 1) == _cache(MAMBA_28B, 1_000_000) > 0
    assert _cache(KIMI_LINEAR, 1) > 40 * MIB


def test_blocks_of_linear_attention_keep_nothing_per_token() -> None:
    """Kimi Linear "reduces KV cache usage by up to 75 %" (arXiv:2510.26692, abstract): 7 of 27 blocks keep one."""
    full = KIMI_LINEAR.model_copy(update={"attention_layers": None, "state_layers": None, "state_values": None})

    assert 1 - _cache(KIMI_LINEAR, 1_000_000) / _cache(full, 1_000_000) == pytest.approx(0.75, abs=0.02)


def test_a_state_takes_the_place_of_a_cache() -> None:
    """Where only the blocks of state are counted, all others have attention."""
    unwritten = JAMBA.model_copy(update={"attention_layers": None})

    assert cache_shape(unwritten) == cache_shape(JAMBA)


def test_each_sequence_keeps_its_own() -> None:
    """Cache and state are kept once for every request that is answered at the same time."""
    assert _cache(QWEN35_9B, 1000, sequences=8) == 8 * _cache(QWEN35_9B, 1000)


def test_shared_keys_and_values_are_kept_once() -> None:
    """Hunyuan-Large "saves almost 95 %" by grouped heads and sharing between neighbours (arXiv:2411.02265, 2.2)."""
    without = HUNYUAN_LARGE.model_copy(update={"key_value_heads": None, "cache_layers": None})

    assert 1 - _cache(HUNYUAN_LARGE, 1000) / _cache(without, 1000) == pytest.approx(0.95, abs=0.002)


def test_an_indexer_keeps_its_key_too() -> None:
    """Sparse attention reads all latent vectors' keys before it chooses: 128 values beside 576 (DeepSeek-V3.2)."""
    sparse = DEEPSEEK_V3.model_copy(update={"index_head_size": 128})

    assert _cache(sparse, 1000) * 576 == _cache(DEEPSEEK_V3, 1000) * 704


def test_a_decoder_keeps_the_encoded_input() -> None:
    """Encoded text counts as context; encoded sound of fixed length is kept however little is written."""
    assert _cache(T5_LARGE, 512 + 100) == 2 * 24 * 2 * 16 * 64 * (512 + 100)
    assert _cache(WHISPER_BASE, 0) == pytest.approx(17.58 * MIB, rel=EXACT)


def test_an_encoder_keeps_nothing() -> None:
    """An embedder of encoder type needs its weights only."""
    need = memory_need(568_000_000, BGE_M3, context_tokens=8192)

    assert need.cache_bytes == 0
    assert need.total_bytes == need.weight_bytes == 2 * 568_000_000


def test_all_experts_lie_in_memory() -> None:
    """Two of Mixtral's eight experts answer, 12.9 of 46.7 billion parameters; a GPU for 13 billion does not hold it."""
    assert memory_need(46_702_792_704, MIXTRAL_8X7B).fits(80) is False
    assert memory_need(12_900_000_000, MIXTRAL_8X7B).fits(80) is True


def test_what_is_unknown_stays_unknown() -> None:
    """Without sizes nobody can say that a model fits; that it does not fit, its weights can say alone."""
    for network in (
        None,
        Network(layers=32, hidden_size=4096),  # no heads
        MAMBA_28B.model_copy(update={"state_values": None}),
    ):
        need = memory_need(8_000_000_000, network)

        assert need.cache_bytes is None
        assert need.total_bytes is None
        assert need.fits(1000) is None
        assert need.fits(8) is False


def test_a_tenth_of_a_device_is_left_free() -> None:
    """A device is full at nine tenths, where vLLM stops too."""
    need = memory_need(8_030_261_248, LLAMA_31_8B, context_tokens=8192)
    assert need.total_bytes is not None
    edge = need.total_bytes / GIB / USABLE_SHARE

    assert need.fits(edge + 0.001) is True
    assert need.fits(edge - 0.001) is False
    assert need.fits(need.total_bytes / GIB) is False


# Properties -----------------------------------------------------------------------------------------------------------

sizes = st.integers(1, 64)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks of every kind, with and without sizes."""
    layers = draw(sizes)
    heads = draw(sizes)
    return Network(
        layers=layers,
        hidden_size=heads * draw(sizes),
        attention_heads=draw(st.sampled_from([heads, heads, heads, None])),
        key_value_heads=draw(st.none() | sizes),
        head_size=draw(st.none() | sizes),
        value_head_size=draw(st.none() | sizes),
        attention_layers=draw(st.none() | st.integers(0, layers)),
        cache_layers=draw(st.none() | st.integers(1, layers)),
        keeps_cache=draw(st.sampled_from([None, None, True, False])),
        sliding_window=draw(st.none() | st.integers(1, 10_000)),
        sliding_layers=draw(st.none() | st.integers(0, layers)),
        latent_rank=draw(st.none() | sizes),
        latent_rope_size=draw(st.none() | sizes),
        index_head_size=draw(st.none() | sizes),
        state_layers=draw(st.none() | st.integers(0, layers)),
        state_values=draw(st.none() | sizes),
        encoder_tokens=draw(st.none() | sizes),
    )


tokens = st.integers(0, 1_000_000)
bits = st.sampled_from([2.5, 4.5, 8.0, 8.5, 16.0, 32.0])


def _cache(network: Network, context_tokens: int, sequences: int = 1, cache_bits: float = 16.0) -> int:
    need = memory_need(1, network, context_tokens=context_tokens, sequences=sequences, cache_bits=cache_bits)
    assert need.cache_bytes is not None
    return need.cache_bytes


@given(networks(), tokens, tokens, sizes, sizes, bits, bits)
@examples(25)
def test_more_never_needs_less(
    network: Network, fewer: int, more: int, few: int, many: int, low: float, high: float
) -> None:
    """More tokens, more sequences or more bits never take less memory."""
    assume(cache_shape(network) is not None)
    fewer, more = sorted((fewer, more))
    few, many = sorted((few, many))
    low, high = sorted((low, high))
    base = _cache(network, fewer, few, low)

    assert base >= 0
    assert _cache(network, more, few, low) >= base
    assert _cache(network, fewer, many, low) >= base
    assert _cache(network, fewer, few, high) >= base


@given(networks(), tokens)
@examples(25)
def test_a_window_never_needs_more(network: Network, context_tokens: int) -> None:
    """The same network without its window keeps at least as much."""
    assume(cache_shape(network) is not None)
    without = network.model_copy(update={"sliding_window": None, "sliding_layers": None})

    assert _cache(network, context_tokens) <= _cache(without, context_tokens)


@given(networks(), tokens)
@examples(25)
def test_sharing_never_needs_more(network: Network, context_tokens: int) -> None:
    """The same network whose attention blocks all keep their own keys and values keeps at least as much."""
    network = network.model_copy(update={"attention_layers": None, "state_layers": None})
    assume(cache_shape(network) is not None)
    without = network.model_copy(update={"cache_layers": None})

    assert _cache(network, context_tokens) <= _cache(without, context_tokens)


@given(networks(), st.integers(1, 10**12), st.sampled_from(sorted(BITS_PER_WEIGHT)), tokens, st.floats(0.1, 10_000))
@examples(25)
def test_it_fits_only_when_all_of_it_is_known(
    network: Network, parameters: int, precision: str, context_tokens: int, gib: float
) -> None:
    """True needs both parts known and within the room; unknown is never taken for small."""
    need = memory_need(parameters, network, precision=precision, context_tokens=context_tokens)  # type: ignore[arg-type]
    fits = need.fits(gib)

    assert fits is not True or (need.total_bytes is not None and need.total_bytes <= gib * GIB * USABLE_SHARE)
    assert (cache_shape(network) is None) == (need.cache_bytes is None)
    assert need.cache_bytes is not None or fits is not True


# Our cards ------------------------------------------------------------------------------------------------------------


def test_sizes_on_cards_hang_together() -> None:
    """Heads divide, blocks do not exceed the layers unless both kinds run side by side, and windows have a size."""
    wrong = []
    for card in shipped_models():
        network = card.network
        if network is None:
            continue
        attention = network.layers if network.attention_layers is None else network.attention_layers
        state = network.state_layers or 0
        heads, grouped = network.attention_heads, network.key_value_heads
        sound = (
            (not heads or not grouped or heads % grouped == 0)
            and attention <= network.layers
            and state <= network.layers
            and (attention + state <= network.layers or attention == state == network.layers or not state)
            and (network.cache_layers or 0) <= attention
            and (network.sliding_layers or 0) <= (network.cache_layers or attention)
            and (not network.sliding_layers or network.sliding_window is not None)
            and (card.architecture != "encoder-only" or network.keeps_cache is False)
            and (not heads or network.head_size is not None or network.hidden_size % heads == 0)
        )
        if not sound:
            wrong.append(card.id)
    assert wrong == []
