"""Stores of vectors by name, ours through the same door as guests'."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from touchstone import plugins
from touchstone.retrieval.base import VectorStore
from touchstone.retrieval.index import StoreMaker
from touchstone.retrieval.vectors import NumpyStore

KIND = "vector_store"
"""Of plug-in: entry points in the group `touchstone.vector_store`."""


def store_maker(name: str, **settings: Any) -> StoreMaker:
    """
    What opens a store.

    Args:
        name: `numpy`, or that of a plug-in: a class called with (folder of the index, name of the set, dimensions) and
            the settings by keyword.
        settings: The store's own, such as `url`.

    Raises:
        UnknownName: nobody offers it.
    """
    maker = NumpyStore if name == NumpyStore.name else plugins.load(KIND, name)
    return partial(_made, maker, settings)


def _made(maker: Any, settings: dict[str, Any], folder: Path, name: str, dimensions: int) -> VectorStore:
    made: VectorStore = maker(folder, name, dimensions, **settings)
    return made
