"""Folders of weights that want to run code, lead elsewhere or lie are refused before any library opens them."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from touchstone.errors import DataError, SettingsError
from touchstone.models.local.model import LocalModel
from touchstone.models.local.weights_folder import check_weights_folder, stored_type

MARKER = "marker-of-an-attack"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is as it should be."""
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    save_file({"w": np.zeros((4, 4), np.float16), "b": np.zeros(4, np.float32)}, place / "model.safetensors")
    return place


class Bomb:
    """Leaves a marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.marker),)


def add_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder.parent / MARKER)))


def add_code(folder: Path) -> None:
    (folder / "modeling_x.py").write_text(f"import os; os.mkdir({str(folder.parent / MARKER)!r})", encoding="utf-8")


def add_auto_map(folder: Path) -> None:
    told = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling_x.Model"}}
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")


def add_nested_auto_map(folder: Path) -> None:
    told = {"model_type": "llava", "text_config": {"auto_map": {"AutoConfig": "somewhere/else--x.Config"}}}
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")


def add_link(folder: Path) -> None:
    (folder / "tokenizer.json").symlink_to("/etc/hostname")


def add_folder(folder: Path) -> None:
    (folder / "custom.json").mkdir()


def lie_about_size(folder: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 16)


def lie_about_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


def overlap(folder: Path) -> None:
    spans = {"a": [0, 8], "b": [4, 12]}
    header = json.dumps({name: {"dtype": "F32", "shape": [2], "data_offsets": span} for name, span in spans.items()})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(12))


def lie_about_shape(folder: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


def point_elsewhere(folder: Path) -> None:
    index = {"weight_map": {"w": "../../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def nest_deeply(folder: Path) -> None:
    (folder / "generation_config.json").write_text("[" * 100_000, encoding="utf-8")


ATTACKS = (
    add_pickle, add_code, add_auto_map, add_nested_auto_map, add_link, add_folder, lie_about_size, lie_about_header,
    overlap, lie_about_shape, point_elsewhere, nest_deeply,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_is_refused_and_nothing_happened(folder: Path, attack: Callable[[Path], None]) -> None:
    """The error names the folder; no marker lies there."""
    attack(folder)

    with pytest.raises(DataError, match=folder.name):
        check_weights_folder(folder)
    with pytest.raises(SettingsError):
        LocalModel("model", folder=str(folder))
    assert not (folder.parent / MARKER).exists()


def test_a_folder_as_it_should_be_is_let_through(folder: Path) -> None:
    """And it is known how wide most of its numbers are."""
    check_weights_folder(folder)

    assert stored_type(folder) == "F16"


def test_what_is_no_folder_or_has_no_weights_is_refused(tmp_path: Path) -> None:
    """With the place."""
    with pytest.raises(DataError, match="does not exist"):
        check_weights_folder(tmp_path / "nothing")
    with pytest.raises(DataError, match="no weights"):
        check_weights_folder(tmp_path)
