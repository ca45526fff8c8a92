"""A model folder, read without trusting it: regular files, sizes checked before anything is made of them, no code."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np

from touchstone.errors import DataError
from touchstone.models.starter.network import Decoder, Sizes, read_sizes
from touchstone.models.starter.tokens import Tokens

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
SHIPPED = Path(__file__).parent / "weights"
"""The folder of the models that ship with the package."""

_MOST_CONFIG_BYTES = 100_000
_MOST_HEADER_BYTES = 1_000_000


def read_model(folder: Path) -> tuple[Decoder, Tokens]:
    """
    A decoder and its vocabulary.

    Raises:
        DataError: a file is missing, is a link, or is not what it says it is.
    """
    config = _checked(folder / CONFIG, _MOST_CONFIG_BYTES)
    sizes = read_sizes(config)
    own = folder / TOKENIZER
    tokens = Tokens.read(_checked(own if own.exists() else folder.parent / TOKENIZER, 4_000_000))
    if tokens.size != sizes.vocab_size:
        raise DataError(
            "the vocabulary has {tokens} tokens and the network {network}",
            path=own,
            tokens=tokens.size,
            network=sizes.vocab_size,
        )
    return Decoder(sizes, read_weights(folder / WEIGHTS, sizes)), tokens


def read_weights(path: Path, sizes: Sizes) -> dict[str, np.ndarray[Any, Any]]:
    """
    The tensors of a safetensors file, float16 or float32, each with the shape that the sizes ask for.

    Raises:
        DataError: the file is a link, too large, no safetensors file, or holds other tensors.
    """
    from safetensors import SafetensorError, safe_open

    wanted = sizes.shapes()
    _checked(path, 4 * sizes.parameters + _MOST_HEADER_BYTES)
    try:
        with safe_open(path, framework="numpy") as opened:
            names = set(opened.keys()) - {"lm_head.weight"}
            if names != set(wanted):
                odd = sorted(names ^ set(wanted))[0]
                raise DataError("the weights do not fit the config: tensor {name}", path=path, name=odd)
            found = {}
            for name in names:
                part = opened.get_slice(name)
                if tuple(part.get_shape()) != wanted[name] or part.get_dtype() not in ("F16", "F32"):
                    raise DataError(
                        "tensor {name} is {dtype} {shape}, not a float of {wanted}",
                        path=path,
                        name=name,
                        dtype=part.get_dtype(),
                        shape=part.get_shape(),
                        wanted=list(wanted[name]),
                    )
                found[name] = opened.get_tensor(name)
    except SafetensorError as error:
        raise DataError("this is no safetensors file: {reason}", path=path, reason=str(error)) from error
    if not all(np.isfinite(array).all() for array in found.values()):
        raise DataError("some weights are no numbers", path=path)
    return found


def _checked(path: Path, most_bytes: int) -> Path:
    try:
        about = path.lstat()
    except OSError as error:
        raise DataError("a model folder needs {name}", path=path.parent, name=path.name) from error
    if not stat.S_ISREG(about.st_mode):
        raise DataError("{name} of a model must be a regular file, not a link", path=path.parent, name=path.name)
    if about.st_size > most_bytes:
        raise DataError(
            "{name} has {size:,} bytes; at most {most:,} can belong to this model",
            path=path.parent,
            name=path.name,
            size=about.st_size,
            most=most_bytes,
        )
    return path
