"""Which prices a workspace uses, and how old they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from touchstone.catalog.base import Price
from touchstone.catalog.offers import snapshot_name
from touchstone.catalog.own import own_models
from touchstone.catalog.refresh import shelf_of

REFRESHED = ("models-dev", "openrouter")
"""Sources with prices that need neither an address nor a key."""


@dataclass(frozen=True)
class PriceSource:
    """A live source, and the copy of it that is kept."""

    name: str
    fetched_at: str | None
    """A moment in UTC; None where nothing was taken yet."""
    entries: int
    damaged: bool
    """Whether the newest copy cannot be read, so that an older one is used."""


@dataclass(frozen=True)
class OwnPrice:
    """A price that the team reckons with."""

    model: str
    served_name: str
    price: Price


@dataclass(frozen=True)
class PriceFacts:
    """All prices of a workspace by where they come from; what is further down here goes before what is above."""

    shipped: str
    """The package of prices and its version."""
    sources: Sequence[PriceSource]
    own: Sequence[OwnPrice]


def price_facts(workspace: Path) -> PriceFacts:
    """What is known; reads every copy, which takes up to a second for the largest."""
    shelf = shelf_of(workspace)
    sources = []
    for name in sorted({*REFRESHED, *shelf.sources()}):
        found = shelf.read(name)
        copy = found.copy
        sources.append(
            PriceSource(
                name,
                None if copy is None else copy.fetched_at,
                0 if copy is None else len(copy.entries),
                found.notice is not None,
            )
        )
    own = [
        OwnPrice(card.model.id, offer.served_name, offer.price)
        for card in own_models(workspace / "catalog").cards
        for offer in card.offers
        if offer.price is not None
    ]
    return PriceFacts(snapshot_name(), sources, own)
