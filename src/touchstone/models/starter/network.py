"""
A decoder of the Llama family in NumPy: reads a folder that transformers reads too, and writes token after token.

Layer: x + attention(norm(x)), then x + down(silu(gate(n)) * up(n)) with n = norm(x). Root mean square norm (Zhang and
Sennrich 2019, arXiv:1910.07467), rotary positions (Su et al. 2021, arXiv:2104.09864; halves rotated as in
transformers), grouped queries (Ainslie et al. 2023, arXiv:2305.13245), SwiGLU (Shazeer 2020, arXiv:2002.05202), as in
Touvron et al. 2023, arXiv:2302.13971.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from touchstone.errors import DataError, refusal
from touchstone.noun import Noun

Array = NDArray[np.float32]

_MOST_PARAMETERS = 200_000_000
"""More would take minutes a sentence here; larger models belong to a server."""


class Sizes(Noun):
    """The sizes of a decoder, by the names of `config.json`."""

    vocab_size: int = Field(ge=8, le=1_000_000)
    hidden_size: int = Field(ge=8, le=8_192)
    intermediate_size: int = Field(ge=8, le=65_536)
    num_hidden_layers: int = Field(ge=1, le=64)
    num_attention_heads: int = Field(ge=1, le=64)
    num_key_value_heads: int = Field(ge=1, le=64)
    max_position_embeddings: int = Field(ge=16, le=131_072)
    rope_theta: float = Field(gt=0)
    rms_norm_eps: float = Field(gt=0)

    @property
    def head_size(self) -> int:
        """Values of one head."""
        return self.hidden_size // self.num_attention_heads

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by name, with the shape it must have."""
        hidden, kept = self.hidden_size, self.num_key_value_heads * self.head_size
        found: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (self.vocab_size, hidden),
            "model.norm.weight": (hidden,),
        }
        for layer in range(self.num_hidden_layers):
            own = f"model.layers.{layer}."
            found |= {
                f"{own}input_layernorm.weight": (hidden,),
                f"{own}self_attn.q_proj.weight": (hidden, hidden),
                f"{own}self_attn.k_proj.weight": (kept, hidden),
                f"{own}self_attn.v_proj.weight": (kept, hidden),
                f"{own}self_attn.o_proj.weight": (hidden, hidden),
                f"{own}post_attention_layernorm.weight": (hidden,),
                f"{own}mlp.gate_proj.weight": (self.intermediate_size, hidden),
                f"{own}mlp.up_proj.weight": (self.intermediate_size, hidden),
                f"{own}mlp.down_proj.weight": (hidden, self.intermediate_size),
            }
        return found

    @property
    def parameters(self) -> int:
        """How many numbers the model has; the output shares the embeddings."""
        return sum(int(np.prod(shape)) for shape in self.shapes().values())


def read_sizes(path: Path) -> Sizes:
    """
    The sizes in a `config.json`.

    Raises:
        DataError: the file is not of a decoder that this runs.
    """
    try:
        read = orjson.loads(path.read_bytes())
        if read.get("model_type") != "llama" or not read.get("tie_word_embeddings"):
            raise ValueError("only llama decoders whose output shares the embeddings run here")
        rope = read.get("rope_parameters") or {}
        theta = rope.get("rope_theta", read.get("rope_theta", 10_000.0))
        if rope.get("rope_type", "default") != "default" or read.get("rope_scaling"):
            raise ValueError("scaled rotary positions do not run here")
        sizes = Sizes.model_validate(
            {name: read[name] for name in Sizes.model_fields if name != "rope_theta"} | {"rope_theta": theta}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = refusal(error.errors()[0]) if isinstance(error, ValidationError) else str(error)
        raise DataError("the model's config cannot be used: {reason}", path=path, reason=reason) from error
    if sizes.hidden_size % sizes.num_attention_heads or sizes.num_attention_heads % sizes.num_key_value_heads:
        raise DataError("the model's heads do not divide its width", path=path)
    if sizes.head_size % 2:
        raise DataError("the model's heads have an odd width, which rotary positions cannot split", path=path)
    if sizes.parameters > _MOST_PARAMETERS:
        raise DataError(
            "the model has more than {most:,} parameters; serve it instead", path=path, most=_MOST_PARAMETERS
        )
    return sizes


class Decoder:
    """
    A model ready to write.

    Args:
        sizes: Its sizes.
        weights: Tensors by name, float16 or float32.
    """

    def __init__(self, sizes: Sizes, weights: dict[str, NDArray[Any]]) -> None:
        self.sizes = sizes
        given = {name: np.asarray(array, np.float32) for name, array in weights.items()}
        self.embeddings: Array = given["model.embed_tokens.weight"]
        self.last_norm: Array = given["model.norm.weight"]
        self._layers = [_Layer(sizes, given, layer) for layer in range(sizes.num_hidden_layers)]
        half = sizes.head_size // 2
        inverse = sizes.rope_theta ** (-np.arange(half) / half)
        angles = np.outer(np.arange(sizes.max_position_embeddings), inverse)
        self._cos: Array = np.cos(angles).astype(np.float32)
        self._sin: Array = np.sin(angles).astype(np.float32)

    def logits(self, numbers: list[int], cache: Cache) -> Array:
        """
        One score per token of the vocabulary (vocab_size,) for what comes after `numbers`.

        Args:
            numbers: Tokens that follow those in the cache.
            cache: Keys and values of what came before; these tokens are added to it.
        """
        start, count = cache.length, len(numbers)
        cos, sin = self._cos[start : start + count], self._sin[start : start + count]
        x = self.embeddings[numbers]
        for layer, kept in zip(self._layers, cache.layers, strict=True):
            x = layer(x, kept, start, cos, sin)
        cache.length += count
        last: Array = self.embeddings @ _norm(x[-1], self.last_norm, self.sizes.rms_norm_eps)
        return last


class Cache:
    """Keys and values of a conversation so far."""

    def __init__(self, sizes: Sizes, room: int) -> None:
        shape = (sizes.num_key_value_heads, room, sizes.head_size)
        self.length = 0
        self.layers = [
            (np.empty(shape, np.float32), np.empty(shape, np.float32)) for _ in range(sizes.num_hidden_layers)
        ]


class _Layer:
    def __init__(self, sizes: Sizes, given: dict[str, Array], layer: int) -> None:
        self.sizes = sizes
        own = f"model.layers.{layer}."
        self.norm = given[f"{own}input_layernorm.weight"]
        self.after = given[f"{own}post_attention_layernorm.weight"]
        # One product for queries, keys and values, and one for gate and up: fewer and larger ones are quicker.
        projections = [given[f"{own}self_attn.{name}_proj.weight"] for name in "qkv"]
        self.attend_in = np.ascontiguousarray(np.concatenate(projections).T)
        self.attend_out = np.ascontiguousarray(given[f"{own}self_attn.o_proj.weight"].T)
        gates = [given[f"{own}mlp.{name}_proj.weight"] for name in ("gate", "up")]
        self.wide = np.ascontiguousarray(np.concatenate(gates).T)
        self.down = np.ascontiguousarray(given[f"{own}mlp.down_proj.weight"].T)

    def __call__(self, x: Array, kept: tuple[Array, Array], start: int, cos: Array, sin: Array) -> Array:
        sizes = self.sizes
        count, heads, groups, size = len(x), sizes.num_attention_heads, sizes.num_key_value_heads, sizes.head_size
        mixed = _norm(x, self.norm, sizes.rms_norm_eps) @ self.attend_in
        queries = _rotated(mixed[:, : heads * size].reshape(count, heads, size), cos, sin)
        keys = _rotated(mixed[:, heads * size : (heads + groups) * size].reshape(count, groups, size), cos, sin)
        values = mixed[:, (heads + groups) * size :].reshape(count, groups, size)
        end = start + count
        kept[0][:, start:end] = keys.transpose(1, 0, 2)
        kept[1][:, start:end] = values.transpose(1, 0, 2)
        # (groups, heads of a group, count, size) against (groups, 1, size, end)
        asked = queries.transpose(1, 0, 2).reshape(groups, heads // groups, count, size)
        scores = asked @ kept[0][:, None, :end].transpose(0, 1, 3, 2) * np.float32(size**-0.5)
        if count > 1:
            later = np.arange(end) > np.arange(start, end)[:, None]
            scores = np.where(later, np.float32(-np.inf), scores)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        read = (scores @ kept[1][:, None, :end]).reshape(heads, count, size).transpose(1, 0, 2).reshape(count, -1)
        x = np.asarray(x + read @ self.attend_out, np.float32)
        wide = _norm(x, self.after, sizes.rms_norm_eps) @ self.wide
        gate, up = wide[:, : sizes.intermediate_size], wide[:, sizes.intermediate_size :]
        with np.errstate(over="ignore"):  # a gate far below zero is shut, which is what infinity makes of it
            return np.asarray(x + (gate / (1 + np.exp(-gate)) * up) @ self.down, np.float32)


def _norm(x: Array, weight: Array, eps: float) -> Array:
    scaled: Array = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps)) * weight
    return scaled


def _rotated(x: Array, cos: Array, sin: Array) -> Array:
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    cos, sin = cos[:, None, :], sin[:, None, :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
