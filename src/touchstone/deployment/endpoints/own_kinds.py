"""
Embedders, the reranker and the rules that run in this process, opened from the folder of a version.

A version of these has the strategy `embedding`, `rerank` or `moderation`; its parameters name what lies in its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import Upstream, Version
from touchstone.deployment.endpoints.embeds_here import CountsTokens, EmbedsHere
from touchstone.deployment.endpoints.moderates_here import ModeratesHere
from touchstone.deployment.endpoints.ranks_here import RanksHere
from touchstone.errors import SettingsError
from touchstone.evaluation.base import Recipe
from touchstone.retrieval.base import Embedder
from touchstone.retrieval.embed_lsa import LsaEmbedder
from touchstone.retrieval.embed_static import StaticEmbedder
from touchstone.retrieval.tokens import terms

STRATEGIES = frozenset({"embedding", "rerank", "moderation"})
LEARNED = ("about.json", "directions.npy", "features.json", "rarity.npy")
"""The files of an embedder that learned from documents."""


def served_here(version: Version, folder: Path) -> Upstream:
    """
    What answers for a version of our own kinds, if it is what was deployed. Blocks: weights are read.

    Args:
        version: Its strategy is one of `STRATEGIES`.
        folder: Where its files lie.

    Raises:
        SettingsError: a file has changed since.
        UserError: a file is missing or cannot be read.
        ExtraMissing: a library is not installed.
    """
    try:
        digest = own_digest(version.recipe, folder)
    except OSError as error:
        raise SettingsError("{path} has no files to serve from; deploy it again", path=str(folder)) from error
    if digest != version.recipe_digest:
        raise SettingsError(
            "version {version} of {path} is not what was deployed any more, so it is not served; deploy it again",
            version=version.number,
            path=str(folder),
        )
    return own_upstream(version.recipe, folder, version.price, name=version.recipe.model)


def own_upstream(recipe: Recipe, folder: Path, price: Price | None, *, name: str) -> Upstream:
    """
    What answers for a version of our own kinds. Blocks: weights are read.

    Args:
        recipe: Of the version.
        folder: Where its files lie.
        price: What a request is charged.
        name: What replies call it.

    Raises:
        UserError: a file is missing or cannot be read.
        ExtraMissing: a library is not installed.
    """
    given = recipe.parameters
    if recipe.strategy == "rerank":
        return RanksHere(name, price)
    if recipe.strategy == "moderation":
        return ModeratesHere(name, price, blocked=tuple(given.get("blocked", ())))
    embedder = open_embedder(folder / str(given["folder"]))
    # The directions of an LSA stand by what they explain, so that the first ones are an LSA of fewer dimensions.
    return EmbedsHere(
        embedder, name, price, count=_counts(embedder), cuts=isinstance(embedder, LsaEmbedder)
    )  # fmt: skip


def open_embedder(folder: Path) -> Embedder:
    """
    The embedder in a folder: one that learned from documents, or static word vectors.

    Raises:
        UserError: there is neither.
        ExtraMissing: static vectors need a library that is not installed.
    """
    if (folder / LEARNED[0]).is_file():
        try:
            about = orjson.loads((folder / LEARNED[0]).read_bytes())
            # `lsa 1 terms 2 dimensions=256 seed=0`: the settings it was learned under, which loading compares.
            settings = dict(part.split("=") for part in about["identity"].split() if "=" in part)
            return LsaEmbedder(int(settings["dimensions"]), int(settings["seed"])).load(folder)
        except (OSError, KeyError, ValueError) as error:
            raise SettingsError(
                "{path} is no learned embedder that can be read; deploy it again from the documents", path=str(folder)
            ) from error
    embedder = StaticEmbedder(folder)
    assert embedder.dimensions  # reads the weights now, not while a request waits
    return embedder


def _counts(embedder: Embedder) -> CountsTokens:
    if isinstance(embedder, StaticEmbedder):
        tokenizer: Any = embedder._model.tokenizer
        return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
    return lambda text: len(terms(text))


def own_digest(recipe: Recipe, folder: Path) -> str:
    """A digest of everything that decides how such a version answers: its recipe, and the bytes that it reads."""
    state = hashlib.sha256(recipe.fingerprint.encode())
    written: Mapping[str, Any] = recipe.parameters
    if "folder" in written:
        for file in sorted((folder / str(written["folder"])).iterdir()):
            if file.is_file() and not file.name.startswith("."):
                with file.open("rb") as opened:
                    state.update(file.name.encode() + b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return state.hexdigest()
