"""A model folder is not trusted: whatever is wrong with it is a clear error, and nothing in it runs."""

from __future__ import annotations

import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
from safetensors.numpy import load_file, save_file

from touchstone.errors import DataError
from touchstone.models.starter.folder import CONFIG, SHIPPED, TOKENIZER, WEIGHTS, read_model


class Marker:
    """Runs when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.place,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good model folder of its own."""
    made = tmp_path / "model"
    shutil.copytree(SHIPPED / "s", made)
    shutil.copy(SHIPPED / TOKENIZER, made / TOKENIZER)
    return made


def test_a_good_folder_is_read(folder: Path) -> None:
    """With the numbers of its config."""
    decoder, tokens = read_model(folder)

    assert decoder.sizes.vocab_size == tokens.size == 2048


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_link_is_refused(folder: Path, name: str) -> None:
    """It could lead to any file that the process may read."""
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)

    with pytest.raises(DataError, match="not a link"):
        read_model(folder)


def test_a_pickle_in_place_of_weights_does_not_run(folder: Path, tmp_path: Path) -> None:
    """Neither under the name of the weights nor beside them."""
    marker = tmp_path / "ran"
    for name in (WEIGHTS, "pytorch_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Marker(marker)))

    with pytest.raises(DataError, match="no safetensors file"):
        read_model(folder)
    assert not marker.exists()


def test_code_beside_the_weights_does_not_run(folder: Path, tmp_path: Path) -> None:
    """What a config says about code of its own is not looked at."""
    marker = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    (folder / "modeling_own.py").write_text(code)
    config = orjson.loads((folder / CONFIG).read_bytes())
    (folder / CONFIG).write_bytes(orjson.dumps({**config, "auto_map": {"AutoModelForCausalLM": "modeling_own.Model"}}))

    read_model(folder)

    assert not marker.exists()


def lying_header(path: Path) -> None:
    """A tensor that claims far more bytes than the file has."""
    header = orjson.dumps({"model.norm.weight": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)


def endless_header(path: Path) -> None:
    """A header that claims to be longer than any file."""
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")


def cut(path: Path) -> None:
    """Half a file."""
    path.write_bytes(path.read_bytes()[:400_000])


def other_shape(path: Path) -> None:
    """A tensor of another shape, with the others as they were."""
    weights = load_file(path)
    save_file({**weights, "model.norm.weight": np.zeros(7, np.float16)}, path)


def other_type(path: Path) -> None:
    """Whole numbers where there should be fractions."""
    weights = load_file(path)
    save_file({**weights, "model.norm.weight": np.zeros(96, np.int64)}, path)


def missing(path: Path) -> None:
    """A tensor left out."""
    weights = load_file(path)
    del weights["model.norm.weight"]
    save_file(weights, path)


def no_numbers(path: Path) -> None:
    """Weights that are no numbers."""
    weights = load_file(path)
    save_file({**weights, "model.norm.weight": np.full(96, np.nan, np.float16)}, path)


def too_large(path: Path) -> None:
    """A file with more bytes than its config could need."""
    with path.open("r+b") as opened:
        opened.truncate(50_000_000)


@pytest.mark.parametrize(
    "spoil", [lying_header, endless_header, cut, other_shape, other_type, missing, no_numbers, too_large]
)
def test_weights_that_are_not_what_they_say_are_refused(folder: Path, spoil: Callable[[Path], None]) -> None:
    """Before they are used."""
    spoil(folder / WEIGHTS)

    with pytest.raises(DataError):
        read_model(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    """With the folder that lacks it."""
    (folder / WEIGHTS).unlink()

    with pytest.raises(DataError, match=WEIGHTS):
        read_model(folder)
