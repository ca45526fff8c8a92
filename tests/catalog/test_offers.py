"""Offers: who sells a model at which price, as plain data."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.offers import (
    Offer,
    PricePeriod,
    Rate,
    RateTier,
    find_listed,
    price_snapshot,
    shipped_offers,
    snapshot_name,
)
from touchstone.catalog.sellers import sellers


@cache
def offers() -> tuple[Offer, ...]:
    return tuple(shipped_offers())


def offer(provider: str, served_name: str) -> Offer:
    return next(found for found in offers() if (found.provider, found.served_name) == (provider, served_name))


def test_every_entry_of_the_price_list_is_one_offer_of_a_known_seller() -> None:
    """None is lost, none is doubled."""
    listed = [(provider.id, model.id) for provider in price_snapshot().providers for model in provider.models]
    assert [(found.provider, found.served_name) for found in offers()] == listed
    assert len(set(listed)) == len(listed) > 2_300
    assert {provider for provider, _ in listed} <= set(sellers())


def test_an_offer_is_stored_as_json_and_priced_later_without_the_package() -> None:
    """Every offer survives, to the last digit; a process that reads it never imports the price list."""
    stored = [found.model_dump_json() for found in offers()]
    assert [Offer.model_validate_json(text) for text in stored] == list(offers())
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from touchstone.catalog.costs import cost_of\n"
        "from touchstone.catalog.offers import Offer\n"
        f"offer = Offer.model_validate_json({offer('openai', 'gpt-4o-mini').model_dump_json()!r})\n"
        "cost = cost_of(offer.periods, {'input_tokens': 1000}, at=datetime(2026, 8, 21, tzinfo=UTC))\n"
        "assert str(cost.usd) == '0.00015', cost\n"
        "assert 'genai_prices' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_offer_says_where_its_price_was_read() -> None:
    """Package and version, which is all that dates it, and the seller's own page."""
    found = offer("anthropic", "claude-sonnet-4-5")
    assert found.source == snapshot_name() == f"genai-prices {snapshot_name().split()[1]}"
    assert found.url == "https://www.anthropic.com/pricing#api"
    assert {one.as_of for one in offers()} == {None}


def test_history_hours_and_kinds_of_calls_are_kept() -> None:
    """A price that changed, one that depends on the hour, one for batches."""
    changed = next(found for found in offers() if sum(period.since is not None for period in found.periods) > 1)
    assert [period.since for period in changed.periods if period.since] == sorted(
        period.since for period in changed.periods if period.since
    )
    assert [period.hours is not None for period in offer("deepseek", "deepseek-chat").periods] == [False, True]
    assert any(period.when == {"processing": "batch"} for period in offer("groq", "whisper-large-v3").periods)


def test_the_model_is_the_crosswalks_and_nobody_elses() -> None:
    """An offer whose name is not listed stays an offer without a model."""
    for found in offers():
        known = find_model(found.provider, found.served_name)
        assert (found.model, found.snapshot) == ((known.model, known.snapshot) if known else (None, None))
    assert offer("openrouter", "openai/gpt-oss-120b:free").model is None
    assert offer("cursor", "composer-2.5").model is None


def test_the_packages_fold_of_names_prices_a_call_and_names_no_model() -> None:
    """`gpt-4o-2024-08-06` costs what `gpt-4o` costs there; nonsense costs nothing known."""
    listed = find_listed("openai", "gpt-4o-2024-08-06")
    assert listed is not None
    assert listed[1].id == "gpt-4o"
    assert find_listed("openai", "gpt-99") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd": Decimal(-1)},
        {"usd": Decimal("NaN")},
        {"usd": Decimal("Infinity")},
        {"per": 0},
        {"tiers": (RateTier(above_input_tokens=0, usd=Decimal(1)), {"above_input_tokens": -1, "usd": 1})},
    ],
)
def test_a_rate_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """Negative, no number, or for no units."""
    with pytest.raises(ValidationError):
        Rate(**({"unit": "input_tokens", "usd": Decimal(1), "per": 1_000_000} | wrong))


def test_tiers_are_ascending() -> None:
    """The last tier that applies counts, so their order is part of the price."""
    for found in offers():
        for period in found.periods:
            for rate in period.rates:
                starts = [tier.above_input_tokens for tier in rate.tiers]
                assert starts == sorted(starts)
    with pytest.raises(ValidationError, match="ascending"):
        Rate(
            unit="input_tokens",
            usd=Decimal(1),
            per=1,
            tiers=tuple(RateTier(above_input_tokens=start, usd=Decimal(1)) for start in (200, 100)),
        )


def test_one_unit_has_one_price_in_a_period() -> None:
    """Two prices of one unit would be charged at random."""
    rate = Rate(unit="input_tokens", usd=Decimal(1), per=1_000_000)
    with pytest.raises(ValidationError, match="twice"):
        PricePeriod(rates=(rate, rate))


def test_importing_the_nouns_loads_no_price_list() -> None:
    """A command that needs no price pays nothing for it."""
    code = (
        "import sys\n"
        "import touchstone.catalog.offers, touchstone.catalog.costs, touchstone.catalog.crosswalk\n"
        "import touchstone.catalog.sellers, touchstone.catalog.units, touchstone.catalog.prices\n"
        "assert 'genai_prices' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
