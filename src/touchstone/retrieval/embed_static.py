"""Static word vectors from a local folder in the layout of model2vec, without code."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from touchstone.errors import ExtraMissing, UserError
from touchstone.language import N_
from touchstone.retrieval.base import Vectors

VERSION = 1
"""Part of the identity: raise it when the same weights give other vectors."""

_NEEDED = ("model.safetensors", "tokenizer.json", "config.json")
_ALLOWED = (*_NEEDED, "modules.json", "README.md")
MOST_BYTES = 2 << 30


class StaticEmbedder:
    """
    Means of the vectors of a text's tokens. Weights come from safetensors only; nothing is fetched, no code is run.

    Args:
        folder: On this machine; never a name on a hub.

    Raises:
        UserError: the folder does not hold a static model, or holds links or other files than such a model has.
    """

    name = "static"

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        for name in _NEEDED:
            if not (self.folder / name).is_file():
                raise UserError(
                    "{folder} holds no {name}; name the folder of a static model on this machine",
                    folder=str(folder),
                    name=name,
                )
        for place in self.folder.iterdir():
            if place.name.startswith("."):
                continue
            about = place.lstat()
            if place.name not in _ALLOWED or not stat.S_ISREG(about.st_mode) or about.st_size > MOST_BYTES:
                raise UserError(
                    "{folder} holds {name}, which is no part of a static model; copy {needed} into a folder of their "
                    "own and name that",
                    folder=str(folder),
                    name=place.name,
                    needed=", ".join(_NEEDED),
                )

    @cached_property
    def identity(self) -> str:
        """Kind, version and the digest of the weights and the tokenizer."""
        state = hashlib.sha256()
        for name in _NEEDED:
            with (self.folder / name).open("rb") as file:
                state.update(name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
        return f"{self.name} {VERSION} weights {state.hexdigest()}"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._model.dim)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, d), float32; a text without a known token is 0."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        # One process: the model is a table, and what waits for other processes takes longer than looking up.
        found = np.asarray(self._model.encode(list(texts), use_multiprocessing=False), np.float32)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        unit: Vectors = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 1e-12)
        return unit

    @cached_property
    def _model(self) -> Any:
        try:
            from model2vec import StaticModel
        except ImportError as error:
            raise ExtraMissing(feature=N_("the embedder static"), extra="rag") from error
        return StaticModel.from_pretrained(self.folder)
