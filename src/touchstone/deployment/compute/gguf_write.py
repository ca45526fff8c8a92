"""
A folder of weights as one GGUF file, which llama.cpp reads: `python -m touchstone.deployment.compute.gguf_write`.

For decoders of the Llama and Qwen3 families with a byte-level vocabulary; an adapter is merged on the way. Names of
tensors and keys as in `docs/gguf.md` of ggml-org/ggml, written with its library `gguf`. llama.cpp rotates neighbouring
values of a Llama's queries and keys where transformers rotates halves, so their rows are put into another order
(`LlamaModel.permute` in its `convert_hf_to_gguf.py`); those of Qwen3 stay.

Reading untrusted weights is done in a process of its own (`llama_serve.py`), as everywhere.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchstone.deployment.compute.adapters import WEIGHTS, read_adapter
from touchstone.deployment.compute.gguf_words import Vocabulary, read_vocabulary
from touchstone.deployment.compute.tensors import Tensors
from touchstone.errors import DataError, ExtraMissing, TouchstoneError
from touchstone.models.local.confine import confine
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.local.weights_kind import read_config

Precision = Literal["f32", "f16", "q8_0"]
"""Of matrices; vectors stay at 32 bits, and rows that q8_0 cannot cut into blocks of 32 become f16."""

_FAMILIES = {"llama": "llama", "qwen3": "qwen3"}
"""`model_type` of a config to the architecture's name in GGUF."""
_ONE = {"model.embed_tokens.weight": "token_embd", "model.norm.weight": "output_norm", "lm_head.weight": "output"}
_OF_A_LAYER = {
    "input_layernorm.weight": "attn_norm",
    "self_attn.q_proj.weight": "attn_q",
    "self_attn.k_proj.weight": "attn_k",
    "self_attn.v_proj.weight": "attn_v",
    "self_attn.o_proj.weight": "attn_output",
    "self_attn.q_norm.weight": "attn_q_norm",
    "self_attn.k_norm.weight": "attn_k_norm",
    "post_attention_layernorm.weight": "ffn_norm",
    "mlp.gate_proj.weight": "ffn_gate",
    "mlp.up_proj.weight": "ffn_up",
    "mlp.down_proj.weight": "ffn_down",
}
_BLOCK = 32
"""Values of one block of q8_0."""
_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}


def write_gguf(folder: Path, target: Path, *, adapter: Path | None = None, precision: Precision = "f16") -> None:
    """
    Write a folder of weights as a GGUF file; it appears whole or not at all.

    Args:
        folder: config.json, safetensors, tokenizer.json.
        target: The file; its folder must be there.
        adapter: A LoRA adapter that is merged.
        precision: Of the matrices.

    Raises:
        DataError: the folder cannot be trusted, or is of another family.
        ExtraMissing: the extra `gguf` is not installed.
    """
    try:
        gguf: Any = importlib.import_module("gguf")
    except ImportError as error:
        raise ExtraMissing(feature="writing GGUF", extra="gguf") from error
    check_weights_folder(folder)
    config = read_config(folder)
    architecture = _architecture(config, folder)
    own = folder / "tokenizer.json"
    words = read_vocabulary(own if own.exists() else folder.parent / "tokenizer.json", folder, config)
    tensors = Tensors(folder)
    changes = {} if adapter is None else _changes(adapter)
    made = target.with_name(f"{target.name}.{os.getpid()}.new")
    writer = gguf.GGUFWriter(made, architecture)
    try:
        _describe(writer, gguf, config, words, precision, folder)
        names = {name: _target_name(name, folder) for name in tensors.names if not _is_tied(name, config)}
        wide = {name: gguf.GGMLQuantizationType[_kind_of(tensors.shape(name), precision).upper()] for name in names}
        for name, called in names.items():
            _announce(writer, gguf, called, tensors.shape(name), wide[name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name in names:  # one at a time: weights may be larger than memory
            values = tensors.read(name)
            if name in changes:
                values = values + changes.pop(name)
            if architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
                values = _other_order(values, _heads(config, name))
            writer.write_tensor_data(gguf.quants.quantize(values, wide[name]))
        if changes:
            raise DataError(
                "the adapter changes {name}, which the weights do not have",
                path=adapter or folder,
                name=next(iter(changes)),
            )
        writer.close()
        made.replace(target)
    finally:
        writer.close()
        made.unlink(missing_ok=True)


def _architecture(config: Mapping[str, Any], folder: Path) -> str:
    kind = str(config.get("model_type"))
    if kind not in _FAMILIES:
        raise DataError(
            "weights of the family {family} cannot be written as GGUF here; convert them with llama.cpp's own "
            "convert_hf_to_gguf.py and name the file",
            path=folder,
            family=kind,
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaled = rope.get("rope_type", rope.get("type", "default")) != "default" if isinstance(rope, dict) else True
    odd = (
        "rope_scaling" if scaled
        else "hidden_act" if config.get("hidden_act", "silu") != "silu"
        else "use_sliding_window" if config.get("use_sliding_window")
        else None
    )  # fmt: skip
    if odd is not None:
        raise DataError("the config's {key} is one that is not written as GGUF here", path=folder, key=odd)
    return _FAMILIES[kind]


def _describe(
    writer: Any, gguf: Any, config: Mapping[str, Any], words: Vocabulary, precision: Precision, folder: Path
) -> None:
    heads = int(config["num_attention_heads"])
    head_size = int(config.get("head_dim") or config["hidden_size"] // heads)
    rope = config.get("rope_parameters") or {}
    writer.add_name(folder.name)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[precision]])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pieces)
    writer.add_token_list(list(words.tokens))
    writer.add_token_types([gguf.TokenType[kind] for kind in words.kinds])
    writer.add_token_merges(list(words.merges))
    writer.add_add_bos_token(False)
    if words.end is not None:
        writer.add_eos_token_id(words.end)
    if words.template is not None:
        writer.add_chat_template(words.template)


def _is_tied(name: str, config: Mapping[str, Any]) -> bool:
    """Whether it is a second copy of the embeddings, which llama.cpp takes for the output by itself."""
    return name == "lm_head.weight" and bool(config.get("tie_word_embeddings"))


def _target_name(name: str, folder: Path) -> str:
    if name in _ONE:
        return f"{_ONE[name]}.weight"
    parts = name.split(".", 3)
    if len(parts) == 4 and parts[:2] == ["model", "layers"] and parts[2].isdigit() and parts[3] in _OF_A_LAYER:
        return f"blk.{parts[2]}.{_OF_A_LAYER[parts[3]]}.weight"
    raise DataError("tensor {name} is one that is not written as GGUF here", path=folder, name=name)


def _kind_of(shape: tuple[int, ...], precision: Precision) -> Precision:
    if len(shape) == 1:
        return "f32"
    return "f16" if precision == "q8_0" and shape[-1] % _BLOCK else precision


def _announce(writer: Any, gguf: Any, name: str, shape: tuple[int, ...], kind: Any) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    count = int(np.prod(shape))
    if kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
        writer.add_tensor_info(name, shape, np.dtype(np.float32 if size == 4 else np.float16), count * size)
    else:
        stored = gguf.quant_shape_to_byte_shape(shape, kind)
        writer.add_tensor_info(name, stored, np.dtype(np.uint8), count // block * size, raw_dtype=kind)


def _heads(config: Mapping[str, Any], name: str) -> int:
    heads = int(config["num_attention_heads"])
    return heads if name.endswith("q_proj.weight") else int(config.get("num_key_value_heads") or heads)


def _other_order(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows (heads x size, width) so that value i and i + size / 2 of a head become neighbours."""
    rows, width = values.shape
    return values.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def _changes(adapter: Path) -> dict[str, NDArray[np.float32]]:
    """
    What a LoRA adapter adds to each tensor, by the tensor's name: B A x alpha / r (Hu et al. 2021, arXiv:2106.09685).

    Raises:
        DataError: it does more than that.
    """
    config = read_adapter(adapter)
    odd = next(
        (
            name
            for name in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out", "lora_bias",
                         "trainable_token_indices", "target_parameters")
            if config.get(name)
        ),
        None,
    )  # fmt: skip
    if odd is not None:
        raise DataError("the adapter's {name} is set, which is not merged into GGUF here", path=adapter, name=odd)
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    tensors = Tensors(adapter, only=WEIGHTS)
    found: dict[str, NDArray[np.float32]] = {}
    for name in tensors.names:
        stem, _, end = name.rpartition(".lora_")
        if end not in ("A.weight", "B.weight") or not stem.startswith("base_model.model."):
            raise DataError("tensor {name} is one that is not merged into GGUF here", path=adapter, name=name)
        if end == "A.weight":
            down, up = tensors.read(name), tensors.read(f"{stem}.lora_B.weight")
            found[f"{stem.removeprefix('base_model.model.')}.weight"] = (up @ down * np.float32(scale)).astype(
                np.float32
            )
    return found


def main() -> int:
    """Read the arguments and write; what is wrong is one line."""
    parser = argparse.ArgumentParser(prog="touchstone.deployment.compute.gguf_write", allow_abbrev=False)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--precision", choices=("f32", "f16", "q8_0"), default="f16")
    given = parser.parse_args()
    confine()
    try:
        write_gguf(given.folder, given.target, adapter=given.adapter, precision=given.precision)
    except (TouchstoneError, KeyError, ValueError, MemoryError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
