"""Tensors of checked folders as float32."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.compute.tensors import Tensors
from touchstone.errors import DataError


def write(place: Path, kind: str, data: bytes, count: int) -> Path:
    """A safetensors file of one tensor."""
    header = json.dumps({"x": {"dtype": kind, "shape": [count], "data_offsets": [0, len(data)]}}).encode()
    (place / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    return place


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=8))
def test_upper_halves_become_whole_numbers(values: list[float]) -> None:
    """A bfloat16 is the upper half of a float32, within a part in 128."""
    whole = np.array(values, np.float32)
    half = (whole.view(np.uint32) >> 16).astype("<u2").tobytes()
    with tempfile.TemporaryDirectory() as place:
        found = Tensors(write(Path(place), "BF16", half, len(values))).read("x")
    assert found.dtype == np.float32
    assert np.allclose(found, whole, rtol=1 / 128, atol=1e-37)


def test_what_is_no_such_number_is_refused(tmp_path: Path) -> None:
    """Quantised weights have scales that nobody read; and a name that is not there."""
    tensors = Tensors(write(tmp_path, "I8", b"\1\2", 2))
    assert (tensors.names, tensors.shape("x")) == (("x",), (2,))
    with pytest.raises(DataError, match="holds I8"):
        tensors.read("x")
    with pytest.raises(DataError, match="is missing"):
        tensors.read("y")
