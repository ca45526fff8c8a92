"""Folders of weights small enough for a test, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from touchstone.models.starter.folder import SHIPPED


def starter_folder(place: Path, size: str = "m") -> Path:
    """A version's folder with a starter model in it, tokenizer beside the weights as it ships."""
    made = place / "weights" / size
    made.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (made / name).write_bytes((SHIPPED / size / name).read_bytes())
    (made / "tokenizer.json").write_bytes((SHIPPED / "tokenizer.json").read_bytes())
    return place


def write_adapter(folder: Path, **changes: object) -> Path:
    """An adapter of one projection, by NumPy."""
    place = folder.parent / "adapter"
    place.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    stem = "base_model.model.model.layers.1.self_attn.q_proj.lora_"
    save_file(
        {
            f"{stem}A.weight": rng.normal(size=(4, 160)).astype(np.float32),
            f"{stem}B.weight": rng.normal(size=(160, 4)).astype(np.float32),
        },
        place / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, **changes}
    (place / "adapter_config.json").write_text(json.dumps(config))
    return place
