"""Mistakes of unit that price lists invite, one test each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.costs import price_usage
from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.offers import Offer, PricePeriod, Rate, RateTier, shipped_offers
from touchstone.catalog.units import (
    dimensions_of,
    partial_date,
    precision_in,
    usage_units,
    usd,
    usd_per_million,
    weights_of,
)
from touchstone.errors import InvalidValue


def test_a_price_per_token_as_text_is_exact() -> None:
    """OpenRouter writes `"0.00000015"` for what others call 0.15, LiteLLM the float 1.5e-07."""
    assert usd_per_million("0.00000015", per="token") == Decimal("0.15")
    assert usd_per_million(1.5e-07, per="token") == Decimal("0.15")
    assert usd_per_million("1.5E-7", per="token") == Decimal("0.15")


def test_a_price_per_thousand_is_not_one_per_million() -> None:
    """Old price pages sold tokens by the thousand."""
    assert usd_per_million("0.03", per="thousand") == 30
    assert usd_per_million("$0.03", per="million") == Decimal("0.03")
    assert usd_per_million(Decimal("2.50"), per="million") == Decimal("2.5")


@pytest.mark.parametrize(
    ("said", "per"), [("0.15", "token"), (15, "token"), ("30", "thousand"), ("0.0000000001", "million")]
)
def test_a_price_in_the_wrong_unit_is_refused(said: str | int, per: str) -> None:
    """Nobody charges 150,000 USD for a million tokens, and nobody a ten-billionth of one."""
    with pytest.raises(InvalidValue, match="which nobody charges"):
        usd_per_million(said, per=per)  # type: ignore[arg-type]  # a closed list, given as text here


def test_every_price_that_is_charged_is_inside_the_limits() -> None:
    """The limits that catch a wrong unit refuse no price of the package."""
    for offer in shipped_offers():
        for period in offer.periods:
            for rate in period.rates:
                if rate.unit.endswith("_tokens") and rate.usd:
                    assert rate.per == 1_000_000
                    assert usd_per_million(rate.usd, per="million") == rate.usd


def test_sound_is_sold_by_the_hour_and_counted_by_the_second() -> None:
    """At 0.36 USD an hour, 90 seconds cost 0.009."""
    assert price_usage(
        [Rate(unit="audio_seconds", usd=Decimal("0.36"), per=3600)], {"audio_seconds": 90}
    ).usd == Decimal("0.009")


def test_pictures_are_counted_by_the_piece_and_not_as_tokens() -> None:
    """A price per picture says nothing about a picture's tokens, and the reverse."""
    by_piece = [Rate(unit="output_images", usd=Decimal("0.04"), per=1)]
    assert price_usage(by_piece, {"output_images": 3}).usd == Decimal("0.12")
    assert price_usage(by_piece, {"output_tokens": 4160, "output_image_tokens": 4160}).usd is None
    by_token = [Rate(unit="output_tokens", usd=Decimal("40"), per=1_000_000)]
    assert price_usage(by_token, {"output_images": 3}).unpriced == ("output_images",)


def test_characters_are_not_tokens() -> None:
    """Speech is sold by the character; a count of tokens does not tell how many there are."""
    voice = [Rate(unit="input_characters", usd=usd_per_million("15", per="million") or Decimal(0), per=1_000_000)]
    assert price_usage(voice, {"input_characters": 2_000}).usd == Decimal("0.03")
    assert price_usage(voice, {"input_tokens": 500}).unpriced == ("input_tokens",)


def test_a_tier_by_context_length_prices_the_whole_call() -> None:
    """A long call pays the long price for all its tokens, not only for those above the threshold."""
    rate = Rate(
        unit="input_tokens",
        usd=Decimal(1),
        per=1_000_000,
        tiers=(RateTier(above_input_tokens=200_000, usd=Decimal(2)),),
    )
    assert price_usage([rate], {"input_tokens": 200_000}).usd == Decimal("0.2")
    assert price_usage([rate], {"input_tokens": 300_000}).usd == Decimal("0.6")


def test_zero_is_free_only_where_the_list_says_so() -> None:
    """Without that word 0 is a gap in the list: the price is unknown."""
    assert usd_per_million("0", per="token") is None
    assert usd_per_million(0, per="million") is None
    assert usd_per_million("0", per="token", zero="free") == 0
    assert usd("0.0") is None
    assert usd(0, zero="free") == 0


def test_a_free_openrouter_name_is_free_and_an_empty_price_is_unknown() -> None:
    """`:free` is OpenRouter's word; an entry of the package without prices elsewhere is not free."""
    offers = {(offer.provider, offer.served_name): offer for offer in shipped_offers()}
    usage = {"input_tokens": 10, "output_tokens": 10}
    free = offers["openrouter", "openai/gpt-oss-120b:free"]
    assert price_usage(free.periods[-1].rates, usage).usd == 0
    for unknown in (
        ("github-copilot", "gpt-4o"),
        ("google", "gemma-4-31b-it"),
        ("openrouter", "google/lyria-3-pro-preview"),
    ):
        assert price_usage(offers[unknown].periods[-1].rates, usage).usd is None, unknown


def test_minus_one_means_that_the_price_varies() -> None:
    """OpenRouter's router names -1; that is no price and no discount."""
    assert usd_per_million("-1", per="token") is None
    assert usd(-1) is None
    with pytest.raises(InvalidValue, match="negative"):
        usd_per_million("-0.0000015", per="token")


@pytest.mark.parametrize(
    "said",
    ["free", "1,50", "1.500,00", "1 000", "NaN", "Infinity", "0x10", "１", True, float("nan"), float("inf"), "1e9999"],
)
def test_what_is_no_number_is_refused(said: str | float) -> None:
    """A comma may be a decimal or a thousand; nothing is guessed."""
    with pytest.raises(InvalidValue, match="is no price"):
        usd(said)


def test_nothing_said_is_no_price() -> None:
    """An empty cell is unknown, not zero."""
    assert usd(None) is None
    assert usd_per_million("", per="token") is None
    assert usd_per_million("  ", per="token", zero="free") is None


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2025-04", "2025-04"),
        ("2025", "2025"),
        ("2025-04-09", "2025-04-09"),
        ("2025-04-09T23:30:00Z", "2025-04-09"),
        (1_715_558_400, "2024-05-13"),
        (date(2025, 4, 9), "2025-04-09"),
        (datetime(2025, 4, 9, 23, 30, tzinfo=UTC), "2025-04-09"),
        (None, None),
        ("", None),
    ],
)
def test_a_date_without_a_day_stays_without_one(said: str | int | date | None, read: str | None) -> None:
    """`2025-04` does not become the first of April."""
    assert partial_date(said) == read


@pytest.mark.parametrize(
    "said", ["04/09/2025", "9 April 2025", "2025-13", "2025-02-30", "2025-4", "April", 10**18, True]
)
def test_a_date_that_could_be_another_is_refused(said: str | int) -> None:
    """The fourth of September or the ninth of April: nothing is guessed."""
    with pytest.raises(InvalidValue):
        partial_date(said)


def test_a_moving_name_keeps_no_snapshot_and_a_dated_one_names_its_own() -> None:
    """`gpt-4o` meant other weights in May 2024 than today, and may mean others tomorrow."""
    moving, dated = find_model("openai", "gpt-4o"), find_model("openai", "gpt-4o-2024-05-13")
    assert moving is not None
    assert dated is not None
    assert (moving.model, moving.snapshot) == ("openai/gpt-4o", None)
    assert (dated.model, dated.snapshot) == ("openai/gpt-4o", "gpt-4o-2024-05-13")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("@cf/meta/llama-3.1-8b-instruct-fp8", "fp8"),
        ("@cf/meta/llama-3.1-8b-instruct-awq", "awq"),
        ("nvidia/GLM-5.3-Flash-NVFP4", "nvfp4"),
        ("prism-ml/Ternary-Bonsai-27B-AWQ-4bit", "awq"),
        ("qwen2.5:7b-instruct-q4_K_M", "q4_k_m"),
        ("meta-llama/Llama-3.3-70B-Instruct", None),
        ("llama-3.1-8b-instruct-bf16", "bf16"),
    ],
)
def test_a_quantised_offer_is_marked(name: str, precision: str | None) -> None:
    """It shares a name with the full model and not its answers."""
    assert precision_in(name) == precision


@pytest.mark.parametrize(
    ("seller", "name"),
    [
        ("cloudflare", "@cf/meta/llama-3.1-8b-instruct-fp8"),
        ("cloudflare", "@cf/meta/llama-3.1-8b-instruct-awq"),
        ("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo"),
        ("together", "meta-llama/Meta-Llama-3-8B-Instruct-Lite"),
        ("moonshotai", "kimi-k2-turbo-preview"),
    ],
)
def test_a_quantised_or_faster_offer_is_not_taken_for_the_full_model(seller: str, name: str) -> None:
    """What was measured on the full model need not hold for it."""
    assert find_model(seller, name) is None


def test_open_weights_say_nothing_about_the_licence() -> None:
    """A list's `open_weights` fills one field of a card and never the other."""
    assert (weights_of(True), weights_of(False), weights_of(None)) == ("open", "closed", None)


def test_the_units_are_those_of_the_package_and_two_of_ours() -> None:
    """Same names, same dimensions, so that usage is split the same way."""
    from genai_prices.data_units import unit_data

    theirs = {unit: frozenset(of["dimensions"].items()) for unit, of in unit_data.items()}
    ours = dict(usage_units())
    assert {unit: ours.pop(unit, None) for unit in theirs} == theirs
    assert set(ours) == {"input_images", "output_images"}
    assert dimensions_of("nobody_knows") == {("family", "nobody_knows")}


def test_an_offer_is_plain_data() -> None:
    """Stored as JSON and read again it is the same offer, to the last digit of each price."""
    offer = Offer(
        provider="acme",
        served_name="small",
        periods=(PricePeriod(rates=(Rate(unit="input_tokens", usd=Decimal("0.10"), per=1_000_000),)),),
        source="a test",
    )
    assert Offer.model_validate_json(offer.model_dump_json()) == offer


@given(st.decimals("0.000011", "9999", places=6))
def test_the_unit_of_the_list_does_not_change_the_price(million: Decimal) -> None:
    """Told per token, per thousand or per million, as text or number, it is the same price."""
    assert usd_per_million(million, per="million") == million
    assert usd_per_million(f"{million / 1000:f}", per="thousand") == million
    assert usd_per_million(f"{million / 1_000_000:f}", per="token") == million
    assert usd_per_million(float(million / 1_000_000), per="token") == million
