"""How much memory a folder of weights will take, reckoned from headers and config alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from touchstone.catalog.memory import GIB, Precision, memory_need
from touchstone.catalog.model import Network
from touchstone.models.local.weights_kind import family_of, read_config


class Size(NamedTuple):
    """What the files of a folder hold."""

    parameters: int
    bytes: int


def size_of(folder: Path) -> Size:
    """Numbers and bytes of all tensors in a checked folder."""
    parameters = taken = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        for name, one in header.items():
            if name != "__metadata__":
                count = 1
                for side in one["shape"]:
                    count *= side
                parameters += count
                taken += one["data_offsets"][1] - one["data_offsets"][0]
    return Size(parameters, taken)


def network_of(config: dict[str, Any]) -> Network | None:
    """The sizes of the layers, by the usual names of `config.json`; None where it does not say them."""
    layers = config.get("num_hidden_layers") or config.get("num_layers") or config.get("n_layer")
    hidden = config.get("hidden_size") or config.get("d_model") or config.get("n_embd")
    heads = config.get("num_attention_heads") or config.get("num_heads") or config.get("n_head")
    if not all(isinstance(one, int) and one > 0 for one in (layers, hidden, heads)):
        return None
    return Network(
        layers=layers,
        hidden_size=hidden,
        attention_heads=heads,
        key_value_heads=config.get("num_key_value_heads"),
        head_size=config.get("head_dim") or config.get("d_kv"),
        keeps_cache=False if family_of(config) == "encoder-only" else None,
    )


def context_of(config: dict[str, Any], otherwise: int = 4_096) -> int:
    """Tokens that the weights were made for."""
    found = config.get("max_position_embeddings") or config.get("n_positions") or config.get("n_ctx")
    return found if isinstance(found, int) and found > 0 else otherwise


def need_gib(
    folder: Path,
    *,
    precision: Precision | None,
    context_tokens: int | None = None,
    sequences: int = 1,
    cache_bits: float = 16.0,
    runtime_gib: float,
) -> float | None:
    """
    What a process takes that runs a folder of weights.

    Args:
        folder: Checked.
        precision: Of the weights in memory; None for that of the files.
        context_tokens: Of each sequence; as many as the weights were made for by default.
        sequences: Answered at once.
        cache_bits: Of one value of the cache.
        runtime_gib: What the process takes without weights.

    Returns:
        GiB; None where the config does not say how large the cache is.
    """
    config = read_config(folder)
    size, network = size_of(folder), network_of(config)
    need = memory_need(
        size.parameters,
        network,
        precision=precision or "16bit",
        context_tokens=context_tokens or context_of(config),
        sequences=sequences,
        cache_bits=cache_bits,
    )
    if need.cache_bytes is None:
        return None
    weights = need.weight_bytes if precision else size.bytes
    return (weights + need.cache_bytes) / GIB + runtime_gib
