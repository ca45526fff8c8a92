"""GGUF files written from our folders, read back with the library that defines them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.deployment.compute.weights import starter_folder, write_adapter

from touchstone.deployment.compute.gguf_write import write_gguf
from touchstone.errors import DataError
from touchstone.models.starter.folder import SHIPPED, read_model

gguf = pytest.importorskip("gguf", reason="the extra `gguf` is not installed")


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(keys, tensors by name) of a file."""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    return keys, {one.name: one for one in reader.tensors}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return starter_folder(tmp_path) / "weights/m"


def test_the_file_says_what_the_folder_says(folder: Path, tmp_path: Path) -> None:
    """Sizes, vocabulary, ends, template; every tensor, with a Llama's rows in llama.cpp's order."""
    write_gguf(folder, tmp_path / "m.gguf", precision="f32")
    keys, tensors = read(tmp_path / "m.gguf")
    decoder, tokens = read_model(SHIPPED / "m")
    sizes = decoder.sizes
    assert keys["general.architecture"] == "llama"
    assert keys["llama.context_length"] == sizes.max_position_embeddings
    assert keys["llama.attention.head_count_kv"] == sizes.num_key_value_heads
    assert keys["llama.rope.freq_base"] == sizes.rope_theta
    assert keys["tokenizer.ggml.pre"] == "gpt-2"
    assert keys["tokenizer.ggml.eos_token_id"] == 0
    assert not keys["tokenizer.ggml.add_bos_token"]
    assert len(keys["tokenizer.ggml.tokens"]) == tokens.size
    assert keys["tokenizer.ggml.token_type"][:5] == [3, 3, 3, 3, 1]  # four that are special, then text
    assert "<|assistant|>" in keys["tokenizer.chat_template"]
    assert len(tensors) == 2 + 9 * sizes.num_hidden_layers
    assert (tensors["token_embd.weight"].data == decoder.embeddings).all()

    key = _tensor(folder, "model.layers.0.self_attn.k_proj.weight")
    size = sizes.head_size
    # Row 1 of a head is the one that is turned together with its first.
    assert (tensors["blk.0.attn_k.weight"].data[1] == key[size // 2]).all()
    assert (tensors["blk.0.attn_k.weight"].data[2] == key[1]).all()
    assert (tensors["blk.0.attn_k.weight"].data[size] == key[size]).all()
    assert (tensors["blk.0.attn_v.weight"].data == _tensor(folder, "model.layers.0.self_attn.v_proj.weight")).all()


def _tensor(folder: Path, name: str) -> Any:
    from touchstone.deployment.compute.tensors import Tensors

    return Tensors(folder).read(name)


@pytest.mark.parametrize(("precision", "kind"), [("f16", "F16"), ("q8_0", "Q8_0")])
def test_matrices_become_smaller_and_vectors_stay(precision: Any, kind: str, folder: Path, tmp_path: Path) -> None:
    """Within what these numbers can hold."""
    write_gguf(folder, tmp_path / "m.gguf", precision=precision)
    _, tensors = read(tmp_path / "m.gguf")
    one = tensors["blk.0.ffn_up.weight"]
    assert one.tensor_type.name == kind
    assert tensors["output_norm.weight"].tensor_type.name == "F32"
    found = gguf.quants.dequantize(one.data, one.tensor_type)
    assert np.allclose(found, _tensor(folder, "model.layers.0.mlp.up_proj.weight"), atol=0.01)


def test_rows_that_cannot_be_cut_into_blocks_become_16_bits(tmp_path: Path) -> None:
    """A width of 240 has no blocks of 32."""
    folder = starter_folder(tmp_path, "l") / "weights/l"
    write_gguf(folder, tmp_path / "l.gguf", precision="q8_0")
    _, tensors = read(tmp_path / "l.gguf")
    assert tensors["blk.0.attn_v.weight"].tensor_type.name == "F16"
    assert tensors["blk.0.ffn_down.weight"].tensor_type.name == "Q8_0"


def test_an_adapter_is_merged(folder: Path, tmp_path: Path) -> None:
    """Into the one tensor that it changes: B A x alpha / r."""
    adapter = write_adapter(folder)
    write_gguf(folder, tmp_path / "bare.gguf", precision="f32")
    write_gguf(folder, tmp_path / "adapted.gguf", adapter=adapter, precision="f32")
    _, bare = read(tmp_path / "bare.gguf")
    _, adapted = read(tmp_path / "adapted.gguf")
    changed = [name for name in bare if not np.array_equal(bare[name].data, adapted[name].data)]
    assert changed == ["blk.1.attn_q.weight"]
    stem = "base_model.model.model.layers.1.self_attn.q_proj.lora_"
    added = _tensor(adapter, f"{stem}B.weight") @ _tensor(adapter, f"{stem}A.weight") * 2
    difference = adapted[changed[0]].data - bare[changed[0]].data
    assert np.allclose(difference[2], added[1], atol=1e-4)  # row 1 of the first head lies at place 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"use_dora": True}, "use_dora is set"), ({"rank_pattern": {"q_proj": 2}}, "rank_pattern is set")],
)
def test_an_adapter_that_does_more_is_refused(
    changes: dict[str, object], said: str, folder: Path, tmp_path: Path
) -> None:
    """Rather than merged in part."""
    with pytest.raises(DataError, match=said):
        write_gguf(folder, tmp_path / "m.gguf", adapter=write_adapter(folder, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "mamba"}, "convert_hf_to_gguf.py"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_scaling"),
        ({"hidden_act": "gelu"}, "hidden_act"),
    ],
)
def test_what_it_does_not_know_is_refused(changes: dict[str, Any], said: str, folder: Path, tmp_path: Path) -> None:
    """No file is left that would answer something else."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(DataError, match=said):
        write_gguf(folder, tmp_path / "m.gguf")
    assert not list(tmp_path.glob("*.gguf*"))
