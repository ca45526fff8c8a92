"""
Which model a seller's name stands for: an explicit table, `crosswalk.toml`; a name that is not in it is unknown.

Two harmless steps come before the look-up, and no other: capital letters do not count, and a seller's own prefix
(such as `accounts/fireworks/models/`) is dropped where the table names it. Nothing is split, shortened or compared by
likeness: `gpt-4o-mini` is not `gpt-4o`, and a dated, quantised, free or faster offer is the model only if it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from touchstone.catalog.model import ModelId
from touchstone.catalog.providers import find_provider, provider_names
from touchstone.catalog.sellers import seller_id
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.noun import Noun


class Known(Noun):
    """The model behind a seller's name."""

    model: ModelId
    snapshot: str | None = None
    """The dated version, where the name fixes one; None means whatever the seller serves under it today."""


@cache
def crosswalk() -> Mapping[str, Mapping[str, Known]]:
    """Every known name, by seller, in small letters."""
    return {seller: {name: _known(said) for name, said in names.items()} for seller, names in _table()["names"].items()}


@cache
def _known(said: str) -> Known:
    model, _, snapshot = said.partition("@")
    return Known(model=model, snapshot=snapshot or None)


@cache
def _prefixes() -> Mapping[str, tuple[str, ...]]:
    return {seller: tuple(prefixes) for seller, prefixes in _table()["prefixes"].items()}


@cache
def _followed() -> Mapping[str, str]:
    """The naming scheme that a seller follows, where it follows one."""
    return {seller: scheme for scheme, sellers in _table()["follows"].items() for seller in sellers}


@cache
def _table() -> Mapping[str, Any]:
    return read_shipped("crosswalk.toml")


def find_model(seller: str, served_name: str) -> Known | None:
    """
    The model that a seller serves under a name.

    Args:
        seller: Id of `genai-prices`, of models.dev or of a preset.
        served_name: As the seller's interface takes it.

    Returns:
        None when the table does not list it; then nobody knows, however much it looks like something.
    """
    seller = seller_id(seller)
    own = _table()["names"].get(seller, {})
    shared = _table()["names"].get(_followed().get(seller, ""), {})
    name = served_name.strip().lower()
    for prefix in ("", *_prefixes().get(seller, ())):
        bare = name.removeprefix(prefix) if name.startswith(prefix) else name
        if said := own.get(bare) or shared.get(bare):
            return _known(said)
    return None


def model_behind(reference: str) -> ModelId | None:
    """
    The catalog's id of what a task file calls a model, such as `gemini/gemini-2.5-flash`.

    None where no preset is called so or the table lists no such name, as for an endpoint of one's own.
    """
    preset, slash, served = reference.partition("/")
    if not slash or preset not in provider_names():
        return None
    provider = find_provider(preset)
    found = find_model(provider.prices_id or provider.id, served)
    return found.model if found else None
