"""
The data files of this room, as tables.

They are TOML, for people to read and mend. What is parsed of them when the package is built is kept in the index that
ships, under a digest of the text: a short command would else parse them at every start.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from touchstone.catalog.index import CatalogIndex

SHIPPED_INDEX = Path(__file__).with_name("shipped.sqlite")
"""The index of what ships, which lies beside the files."""


def read_shipped(name: str) -> dict[str, Any]:
    """A TOML file of this room, as tables."""
    text = _text_of(name)
    kept = _kept(_key(text))
    if kept is not None:
        with suppress(orjson.JSONDecodeError):  # damaged
            tables: dict[str, Any] = orjson.loads(kept)
            return tables
    return _parse(text)


def parsed_tables() -> dict[str, bytes]:
    """Every file of this room by its key, as JSON that says all that the file says; for whoever makes the index."""
    found = {}
    for file in files("touchstone.catalog").iterdir():
        if file.name.endswith(".toml"):
            text = _text_of(file.name)
            tables = _parse(text)
            body = orjson.dumps(tables)
            if orjson.loads(body) == tables:  # a moment or an infinite number would not come back
                found[_key(text)] = body
    return found


def _kept(key: str) -> bytes | None:
    index = CatalogIndex.open(SHIPPED_INDEX)
    if index is None:
        return None
    with closing(index), suppress(sqlite3.DatabaseError):  # of another version, or damaged
        return index.derived(key)
    return None


def _text_of(name: str) -> str:
    return files("touchstone.catalog").joinpath(name).read_text("utf-8")


def _key(text: str) -> str:
    return "toml " + blake2b(text.encode(), digest_size=16).hexdigest()


def _parse(text: str) -> dict[str, Any]:
    import tomli

    return tomli.loads(text)
