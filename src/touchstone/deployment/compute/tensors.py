"""Tensors of a checked folder, one at a time, as float32; also those of 16 bits that NumPy does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.errors import DataError


class Tensors:
    """
    What the safetensors files of a folder hold.

    Args:
        folder: Checked by `check_weights_folder`, so that headers are what they say.
        only: One file; all by default.
    """

    def __init__(self, folder: Path, *, only: str = "*.safetensors") -> None:
        self._folder = folder
        self._places: dict[str, tuple[Path, int, dict[str, Any]]] = {}
        for file in sorted(folder.glob(only)):
            with file.open("rb") as opened:
                length = int.from_bytes(opened.read(8), "little")
                header = json.loads(opened.read(length))
            self._places |= {name: (file, 8 + length, one) for name, one in header.items() if name != "__metadata__"}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tensors."""
        return tuple(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one tensor."""
        return tuple(self._places[name][2]["shape"])

    def read(self, name: str) -> NDArray[np.float32]:
        """
        The values of one tensor, of its shape.

        Raises:
            DataError: there is none of this name, or it holds no floating-point numbers of 16 or 32 bits.
        """
        if name not in self._places:
            raise DataError("tensor {name} is missing", path=self._folder, name=name)
        file, start, about = self._places[name]
        first, last = about["data_offsets"]
        with file.open("rb") as opened:
            opened.seek(start + first)
            read = opened.read(last - first)
        if about["dtype"] == "BF16":
            # The upper half of a float32.
            values = (np.frombuffer(read, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif about["dtype"] in ("F16", "F32"):
            values = np.frombuffer(read, "<f2" if about["dtype"] == "F16" else "<f4").astype(np.float32)
        else:
            raise DataError("tensor {name} holds {dtype}", path=file, name=name, dtype=about["dtype"])
        return values.reshape(about["shape"])
