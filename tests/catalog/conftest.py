"""What tests of the catalog share: everything that ships, read once; and a package that ships next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from tests.catalog.entries import claim, model, offer

import touchstone.catalog.benchmarks
import touchstone.catalog.catalog
import touchstone.catalog.offers
import touchstone.catalog.shipped
import touchstone.catalog.shipped_stamp
from touchstone.catalog.catalog import Catalog, build_shipped
from touchstone.catalog.claims import Claim
from touchstone.catalog.model import Model
from touchstone.catalog.offers import Offer
from touchstone.catalog.own import OwnCard, write_card

TODAY = date(2026, 11, 27)


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """The catalog of what really ships, with nothing of one's own over it."""
    with Catalog(tmp_path_factory.mktemp("everything"), today=TODAY) as catalog:
        yield catalog


@dataclass
class Package:
    """What a package ships in place of ours: two cards, three offers, one result."""

    room: Path
    """Where its data files lie; they are part of the key of the index."""
    offers: list[Offer] = field(
        default_factory=lambda: [
            offer("one", model="acme/one"), offer("two", usd=("3", "4"), model="acme/two"), offer("stray"),
        ]
    )  # fmt: skip
    claims: list[Claim] = field(default_factory=lambda: [claim("acme/one", value=40.0)])

    def __post_init__(self) -> None:
        self.ship(model("acme/one", context_tokens=8_000, weights="open", licence="mit"))
        self.ship(model("acme/two", base_model="acme/one"))

    def ship(self, card: Model) -> None:
        """Add a card, or replace it."""
        place = self.room / "cards" / f"{card.id}.toml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(write_card(OwnCard(model=card)), encoding="utf-8")

    @property
    def index(self) -> Path:
        return self.room / "shipped.sqlite"

    def build(self, today: date = TODAY, *, sealed: bool = False) -> None:
        """What building the package does."""
        build_shipped(today, self.index, sealed=sealed)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A small package in place of ours, so that an index is made in no time and a card can change."""
    found = Package(tmp_path / "package")
    read = touchstone.catalog.shipped.read_card
    files = (found.room / "cards").rglob

    def models() -> tuple[Model, ...]:
        return tuple(read(file.read_text("utf-8"), place=file.name) for file in sorted(files("*.toml")))

    monkeypatch.setattr(touchstone.catalog.shipped, "shipped_models", models)
    monkeypatch.setattr(touchstone.catalog.offers, "shipped_offers", lambda *_: iter(found.offers))
    monkeypatch.setattr(touchstone.catalog.benchmarks, "shipped_claims", lambda: tuple(found.claims))
    monkeypatch.setattr(touchstone.catalog.shipped_stamp, "_HERE", found.room)
    monkeypatch.setattr(touchstone.catalog.catalog, "SHIPPED_INDEX", found.index)
    return found
