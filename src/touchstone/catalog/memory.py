"""
How much memory a model needs to answer on one's own machine: its weights, and what it keeps per token of context.

    weights = parameters x bits per weight / 8, at 4 bit: blocks x their bits / 8 + vocabulary x its bits / 8
    cache   = sequences x (tokens x bytes per token
                           + min(tokens, window) x bytes per token of windowed blocks
                           + bytes that do not grow: recurrent state, encoded input of fixed length)

One attention block keeps a key and a value per token: `key_value_heads x (head_size + value_head_size)` values
(grouped queries: Ainslie et al. 2023, arXiv:2305.13245); with multi-head latent attention only the compressed vector
and the rotary key, `latent_rank + latent_rope_size` values (DeepSeek-V2, arXiv:2405.04434, 2.1), and with sparse
attention the indexer's key beside them (DeepSeek-V3.2, arXiv:2512.02556, 2.1). A windowed block keeps at most its
window (Mistral 7B, arXiv:2310.06825, section 2). A block that reuses the keys and values of another keeps none
(Hunyuan-Large, arXiv:2411.02265; Gemma 3n). State-space and linear-attention blocks keep a fixed state per sequence
(Mamba, arXiv:2312.00752). The decoder of an encoder-decoder keeps a key and a value of the encoded input as well as of
its own tokens: they count as context, unless the encoded input has a fixed length (Whisper, arXiv:2212.04356). An
encoder keeps nothing. All experts of a mixture lie in memory, not only the active ones.

Not counted, because runtimes differ: activations, padding of blocks, layers that draft tokens, and the piece of the
prompt, often 512 to 8,192 tokens, that a runtime keeps beside a window while it reads.
Against published figures: `docs/experiments.md`, and each row in `tests/catalog/test_memory.py` and
`test_memory_weights.py`.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from touchstone.catalog.model import Network
from touchstone.noun import Noun

Precision = Literal["32bit", "16bit", "8bit", "4bit"]

BITS_PER_WEIGHT: Mapping[Precision, float] = {"32bit": 32.0, "16bit": 16.0, "8bit": 8.5, "4bit": 4.89}
"""8 and 4 bit as llama.cpp's Q8_0 and Q4_K_M take them, scales and unquantised layers included: the table of Llama 3.1
8B in `tools/quantize/README.md` of ggml-org/llama.cpp (8.5008 and 4.8944). What a network needs at 4 bit depends on its
vocabulary, so that this figure stands only where the vocabulary is unknown: `bits_per_weight`."""


class _FourBit(NamedTuple):
    """What Q4_K_M takes per weight, in bits."""

    block: float
    """Of a weight of a block, those that are kept at more bits counted in: what is left of the size of whole files
    without their vocabulary."""
    vocabulary: float


_FOUR_BIT = _FourBit(block=4.80, vocabulary=6.5625)
"""The output matrix, and embeddings that are used as such, are Q6_K (`llama_tensor_get_type` in llama.cpp's
`src/llama-quant.cpp`). Embeddings beside an output matrix of their own are Q4_K, which is as much as a block, so that
counting one of both is right within 0.1 bits of the whole."""
_FOUR_BIT_ODD_ROWS = _FourBit(block=5.60, vocabulary=8.5)
"""Rows that do not fill blocks of 256 weights fall back to Q5_0 and Q8_0 (the same file)."""
_SUPER_BLOCK = 256
"""Weights that Q4_K and Q6_K quantise together (`QK_K` in llama.cpp's `ggml-common.h`)."""

USABLE_SHARE = 0.9
"""How much of a device's memory weights and cache may fill; the rest is for activations and the runtime. vLLM's
default `gpu_memory_utilization` (vLLM documentation, engine arguments)."""

GIB = 1024**3

_CACHE_BITS = 16.0
"""Of one value of the cache, unless the server is told to quantise it."""

_STATE_SCALE = 2
"""A recurrent state is kept in 32 bits, so that one of its values takes the room of two of the cache: llama.cpp does so
whatever the cache's type, and Qwen3.5 asks for it in its configuration (`mamba_ssm_dtype`)."""


class CacheShape(Noun):
    """What one sequence keeps, in values; multiply by the bytes of one value, 2 unless the cache is quantised."""

    values_per_token: int = Field(ge=0)
    """Of the blocks that look back without limit."""
    windowed_values_per_token: int = Field(default=0, ge=0)
    window_tokens: int | None = Field(default=None, ge=1)
    state_values: int = Field(default=0, ge=0)
    """Kept whatever the length, counted in values of 16 bits: recurrent state, and encoded input of fixed length."""

    def values(self, context_tokens: int) -> int:
        """Values kept after `context_tokens` tokens."""
        return self.growing_values(context_tokens) + self.state_values

    def growing_values(self, context_tokens: int) -> int:
        """Those of them that the number of tokens decides."""
        windowed = min(context_tokens, self.window_tokens or context_tokens) * self.windowed_values_per_token
        return context_tokens * self.values_per_token + windowed


class MemoryNeed(Noun):
    """Bytes that weights and cache take."""

    precision: Precision
    context_tokens: int
    sequences: int
    weight_bytes: int
    cache_bytes: int | None
    """None when nobody published the sizes of the layers."""

    @property
    def total_bytes(self) -> int | None:
        """Both together; None when one is unknown."""
        return None if self.cache_bytes is None else self.weight_bytes + self.cache_bytes

    def fits(self, memory_gib: float) -> bool | None:
        """Whether a device of this size holds it with room to work; None when the cache is unknown and decides it."""
        room = memory_gib * GIB * USABLE_SHARE
        if self.weight_bytes > room:
            return False
        return None if self.total_bytes is None else self.total_bytes <= room


def cache_shape(network: Network) -> CacheShape | None:
    """What the blocks of a network keep; None when the card does not say enough."""
    if network.keeps_cache is False:
        return CacheShape(values_per_token=0)
    state_layers = network.state_layers or 0
    if state_layers and network.state_values is None:
        return None
    fixed = state_layers * (network.state_values or 0) * _STATE_SCALE
    caching = _caching_layers(network)
    if caching == 0:
        return CacheShape(values_per_token=0, state_values=fixed)
    per_block = _values_per_token(network, network.key_value_heads, network.head_size)
    if per_block is None:
        return None
    if network.encoder_tokens is not None:
        fixed += caching * per_block * network.encoder_tokens
    windowed = 0
    if network.sliding_window is not None:
        windowed = caching if network.sliding_layers is None else min(network.sliding_layers, caching)
    per_windowed = _values_per_token(
        network,
        network.sliding_key_value_heads or network.key_value_heads,
        network.sliding_head_size or network.head_size,
    )
    return CacheShape(
        values_per_token=(caching - windowed) * per_block,
        windowed_values_per_token=windowed * (per_windowed or per_block),
        window_tokens=network.sliding_window if windowed else None,
        state_values=fixed,
    )


def _caching_layers(network: Network) -> int:
    """Blocks that keep keys and values of their own."""
    if network.cache_layers is not None:
        return network.cache_layers
    if network.attention_layers is not None:
        return network.attention_layers
    return max(network.layers - (network.state_layers or 0), 0)


def _values_per_token(network: Network, key_value_heads: int | None, head_size: int | None) -> int | None:
    """A key and a value of one block and one token."""
    indexed = network.index_head_size or 0
    if network.latent_rank is not None:
        return network.latent_rank + (network.latent_rope_size or 0) + indexed
    if key_value_heads is None:
        key_value_heads = network.attention_heads
    if head_size is None and network.attention_heads:
        head_size = network.hidden_size // network.attention_heads
    if key_value_heads is None or head_size is None:
        return None
    return key_value_heads * (head_size + (network.value_head_size or head_size)) + indexed


def bits_per_weight(precision: Precision, parameters: float, network: Network | None) -> float:
    """
    Bits that one weight takes on average.

    At 4 bit the vocabulary is kept at more bits than the blocks, so that small models with large vocabularies need up
    to half more per weight than large models. Weights that their maker published in 4 bit are taken as they are.
    """
    if precision != "4bit" or network is None:
        return BITS_PER_WEIGHT[precision]
    if network.published_bits is not None:
        return network.published_bits
    bits = _FOUR_BIT_ODD_ROWS if network.hidden_size % _SUPER_BLOCK else _FOUR_BIT
    if network.vocabulary is None or parameters <= 0:
        return max(BITS_PER_WEIGHT[precision], bits.block)
    # Factorised embeddings are smaller than that: ALBERT's would be more than all of it.
    share = min(network.vocabulary * network.hidden_size / parameters, 1.0)
    return bits.block + share * (bits.vocabulary - bits.block)


def memory_need(
    parameters: int,
    network: Network | None,
    *,
    precision: Precision = "16bit",
    context_tokens: int = 8192,
    sequences: int = 1,
    cache_bits: float = _CACHE_BITS,
) -> MemoryNeed:
    """
    What a model needs to serve.

    Args:
        parameters: All of them, those of every expert included.
        network: Sizes of its layers; without them the cache is unknown, and 4 bit are those of a large model.
        precision: Of the weights.
        context_tokens: Input and output together, of each sequence; of a model that hears, those it writes.
        sequences: How many are answered at once.
        cache_bits: Bits of one value of the cache; 16 unless the server is told to quantise it. What does not grow
            with the tokens is not quantised.
    """
    shape = None if network is None else cache_shape(network)
    return MemoryNeed(
        precision=precision,
        context_tokens=context_tokens,
        sequences=sequences,
        weight_bytes=round(parameters * bits_per_weight(precision, parameters, network) / 8),
        cache_bytes=None if shape is None else _cache_bytes(shape, context_tokens, sequences, cache_bits),
    )


def _cache_bytes(shape: CacheShape, context_tokens: int, sequences: int, cache_bits: float) -> int:
    growing = shape.growing_values(context_tokens) * cache_bits
    return round(sequences * (growing + shape.state_values * max(cache_bits, _CACHE_BITS)) / 8)
