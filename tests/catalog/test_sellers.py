"""Who sells, under which names, and where the data goes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from touchstone.catalog.model import Words
from touchstone.catalog.offers import price_snapshot
from touchstone.catalog.providers import providers
from touchstone.catalog.sellers import Seller, find_seller, seller_id, sellers
from touchstone.errors import UnknownName


def test_every_provider_of_the_price_list_is_a_seller() -> None:
    """An offer without a seller would have no country and no data location to filter by."""
    assert {provider.id for provider in price_snapshot().providers} <= set(sellers())


def test_every_preset_belongs_to_exactly_one_seller_whose_prices_are_its() -> None:
    """What Touchstone can call is sold by somebody known; the price list's id agrees with the preset's own."""
    claimed = [(preset, seller.id) for seller in sellers().values() for preset in seller.presets]
    assert sorted(preset for preset, _ in claimed) == sorted(provider.id for provider in providers())
    for provider in providers():
        if provider.prices_id is not None:
            assert seller_id(provider.id) == provider.prices_id


def test_the_names_of_other_lists_lead_to_the_same_seller() -> None:
    """models.dev says `fireworks-ai` and our preset `gemini`; an unknown name stands for itself."""
    assert find_seller("fireworks-ai").id == "fireworks"
    assert find_seller("gemini").id == find_seller("google-vertex").id == "google"
    assert find_seller("ollama").processed_in == ("own-machine",)
    assert seller_id("nobody") == "nobody"
    with pytest.raises(UnknownName):
        find_seller("fireworkz")


def test_no_name_means_two_sellers() -> None:
    """One name, one seller."""
    names = [name for seller in sellers().values() for name in {seller.id, *seller.models_dev, *seller.presets}]
    assert sorted(names) == sorted(set(names))


def test_a_place_is_stated_only_with_words_and_a_date() -> None:
    """Nobody can check a place without them."""
    with pytest.raises(ValidationError, match="data_as_of"):
        Seller(id="acme", name=Words(en="Acme", zh="Acme"), processed_in=("eu",))
    for seller in sellers().values():
        assert (seller.data is None) == (seller.data_as_of is None), seller.id
        assert seller.data is None or seller.data_source or seller.id == "own-machine", seller.id


def test_what_is_not_published_is_unknown_and_not_no() -> None:
    """A limit on the place must be able to say that nobody knows."""
    assert find_seller("mistral").can_keep_in(frozenset({"eu"})) is True
    assert find_seller("alibaba-cn").can_keep_in(frozenset({"eu"})) is False
    assert find_seller("avian").can_keep_in(frozenset({"eu"})) is None


def test_codes_are_codes() -> None:
    """Countries in capitals as ISO writes them, places in small letters."""
    for seller in sellers().values():
        assert seller.country is None or (len(seller.country) == 2 and seller.country.isupper()), seller.id
        for place in (*(seller.processed_in or ()), *(seller.stored_in or ())):
            assert place in {"anywhere", "own-machine", "eu"} or (len(place) == 2 and place.islower()), seller.id
