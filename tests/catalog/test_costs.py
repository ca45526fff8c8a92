"""What a call costs: the package's numbers to the last digit, and unknown where it would say nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.catalog.entries import offer as sold

from touchstone.catalog.catalog import Catalog
from touchstone.catalog.costs import (
    INPUT_SHARE,
    Cost,
    blended_usd,
    cheapest_first,
    cost_of,
    dearest_rates,
    price_usage,
    rates_at,
    usd_per_month,
)
from touchstone.catalog.offers import Hours, Offer, PricePeriod, Rate, RateTier, price_snapshot, shipped_offers
from touchstone.catalog.query import Query
from touchstone.catalog.units import usage_units
from touchstone.errors import InvalidValue

EVERY = 1 if os.environ.get("TOUCHSTONE_REAL_DATA") else 4
NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)


@cache
def offers() -> tuple[Offer, ...]:
    return tuple(shipped_offers())


def rate(unit: str, usd: str, *tiers: tuple[int, str], per: int = 1_000_000) -> Rate:
    return Rate(
        unit=unit,
        usd=Decimal(usd),
        per=per,
        tiers=tuple(RateTier(above_input_tokens=start, usd=Decimal(price)) for start, price in tiers),
    )


def flat(*rates: Rate) -> tuple[PricePeriod, ...]:
    return (PricePeriod(rates=rates),)


def known_usd(cost: Cost) -> Decimal:
    """The sum of what has a price, which is what the package calls the price."""
    return sum((line.usd for line in cost.lines), Decimal(0))


def moments(model: Any) -> Iterator[datetime]:
    """The day before, the first moment and the day after each start; inside, outside and at the ends of each window."""
    yield datetime(2027, 1, 1, 0, 15, tzinfo=UTC)
    constraints = [period.constraint for period in model.prices] if isinstance(model.prices, list) else []
    constraints += [variant.constraint for variant in model.price_variants or ()]
    for constraint in constraints:
        if constraint is None:
            continue
        if hasattr(constraint, "start_date"):
            start = datetime.combine(constraint.start_date, time(), tzinfo=UTC)
            yield from (start - timedelta(microseconds=1), start, start + timedelta(days=1, hours=2))
            # The same instant told by a clock in Shanghai, where it is a day later.
            yield (start - timedelta(hours=2)).astimezone(timezone(timedelta(hours=8)))
        else:
            for day in (date(2024, 1, 2), date(2026, 11, 20)):
                for clock in (constraint.start_time, constraint.end_time):
                    edge = datetime.combine(day, clock, tzinfo=UTC)
                    yield from (edge - timedelta(seconds=1), edge, edge + timedelta(seconds=1))


def usages(rates: Sequence[Rate]) -> Iterator[Mapping[str, int]]:
    """Plain, cached, cache-writing, spoken and seen calls, and calls at, above and far above each threshold."""
    yield {}
    yield {"input_tokens": 1_234, "output_tokens": 567}
    yield {"input_tokens": 1_234, "output_tokens": 567, "cache_read_tokens": 1_000}
    yield {"input_tokens": 9_999, "output_tokens": 1, "cache_read_tokens": 7, "cache_write_tokens": 900}
    yield {"input_tokens": 9_999, "cache_write_tokens": 900, "cache_write_1h_tokens": 800, "cache_write_5m_tokens": 100}
    yield {
        "input_tokens": 5_000,
        "input_audio_tokens": 4_000,
        "cache_read_tokens": 900,
        "cache_audio_read_tokens": 500,
        "output_tokens": 800,
        "output_audio_tokens": 700,
    }
    yield {
        "input_tokens": 5_000,
        "input_image_tokens": 4_000,
        "cache_read_tokens": 900,
        "cache_image_read_tokens": 500,
        "output_tokens": 800,
        "output_image_tokens": 700,
    }
    yield {"input_tokens": 5_000, "input_video_tokens": 3_000, "output_tokens": 800, "output_video_tokens": 77}
    yield {"input_tokens": 100, "output_tokens": 800, "output_reasoning_tokens": 500, "output_citation_tokens": 20}
    yield {"audio_seconds": 7, "input_audio_seconds": 7}
    yield {"audio_seconds": 3_601, "input_audio_seconds": 3_601}
    yield {"input_characters": 12_345}
    yield {"input_document_pages": 7, "input_annotated_document_pages": 3}
    yield {"web_searches": 3, "storage_searches": 1, "input_tokens": 10, "output_tokens": 10}
    yield {"input_text_messages": 5}
    for start in {tier.above_input_tokens for rate in rates for tier in rate.tiers}:
        for count in (start, start + 1, 2 * start):
            yield {"input_tokens": count, "output_tokens": 333, "cache_read_tokens": 111}
            yield {"input_tokens": count, "output_tokens": 333, "cache_write_tokens": 222, "cache_read_tokens": 1}


def test_every_model_of_the_package_costs_what_the_package_says_to_the_last_digit() -> None:
    """
    All models at all dates, hours and marks of a call; where we say unknown, our known part is the package's number.

    Every moment's rates are compared, and a call of each kind once for each list of prices that some model has, of
    which `make test-thorough` takes all and others every fourth: what a call costs depends on nothing else.
    """
    ours = {(offer.provider, offer.served_name): offer for offer in offers()}
    seen: set[str] = set()
    moments_compared = compared = unknown = 0
    for provider in price_snapshot().providers:
        for model in provider.models:
            periods = ours[provider.id, model.id].periods
            marks = [{}, *(variant.when for variant in model.price_variants or ())]
            for at, when in product(set(moments(model)), marks):
                listed = model.get_prices(at, when)
                rates = rates_at(periods, at, when)
                moments_compared += 1
                if "free" not in model.id:
                    assert _numbers(rates) == _listed_numbers(listed), (provider.id, model.id, at, when)
                key = f"{listed!r} {provider.id == 'groq' and 'whisper' in model.id} {model.id.endswith(':free')}"
                if key in seen:
                    continue
                seen.add(key)
                if len(seen) % EVERY:
                    continue
                for usage in usages(rates):
                    expected = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=when or None)
                    found = cost_of(periods, usage, at=at, when=when)
                    assert known_usd(found) == expected.total_price, (provider.id, model.id, usage, at, when)
                    assert found.usd in (None, expected.total_price)
                    compared += 1
                    unknown += found.usd is None
    assert len(ours) > 2_300
    assert moments_compared > 4_000
    assert compared > 10_000 / EVERY
    assert 0 < unknown < compared


def _numbers(rates: Sequence[Rate]) -> dict[str, object]:
    return {
        rate.unit: (rate.usd, rate.per, [(tier.above_input_tokens, tier.usd) for tier in rate.tiers]) for rate in rates
    }


def _listed_numbers(listed: Any) -> dict[str, object]:
    from genai_prices.data_units import unit_data

    return {
        unit: (
            getattr(price, "base", price),
            of["per"],
            [(tier.start, tier.price) for tier in getattr(price, "tiers", ())],
        )
        for unit, of in unit_data.items()
        if (price := getattr(listed, of["price_key"])) is not None
    }


def test_a_used_unit_without_a_price_makes_the_cost_unknown_and_is_named() -> None:
    """Sound that a text model has no price for is not free; the part that is known is told."""
    found = price_usage(
        [rate("input_tokens", "1"), rate("output_tokens", "2")], {"input_tokens": 10, "web_searches": 2}
    )
    assert found.usd is None
    assert found.unpriced == ("web_searches",)
    assert known_usd(found) == Decimal("0.00001")


def test_without_any_price_a_call_costs_unknown() -> None:
    """Not even an empty call is known to be free."""
    assert price_usage([], {}).usd is None
    assert cost_of((), {"input_tokens": 1}, at=NOON) == Cost(usd=None, unpriced=("input_tokens",))


def test_an_unknown_unit_is_unpriced_and_not_ignored() -> None:
    """A misspelt unit would otherwise make a call cheap."""
    assert price_usage([rate("input_tokens", "1")], {"input_tokns": 5}).unpriced == ("input_tokns",)


def test_cached_tokens_without_a_price_cost_what_ordinary_ones_cost_and_it_says_so() -> None:
    """The package's rule; nobody gets a discount that the seller did not state."""
    prices = [rate("input_tokens", "3"), rate("output_tokens", "15")]
    usage = {"input_tokens": 1_000_000, "cache_read_tokens": 900_000}
    found = price_usage(prices, usage)
    assert found.usd == 3
    assert found.at_wider_price == ("cache_read_tokens",)
    cheaper = price_usage([*prices, rate("cache_read_tokens", "0.3")], usage)
    assert cheaper.usd == Decimal("0.3") + Decimal("0.27")
    assert cheaper.at_wider_price == ()


def test_the_lines_add_up_to_the_cost() -> None:
    """Each unit's count, rate and money, with nothing counted twice."""
    prices = [rate("input_tokens", "1", (100, "2")), rate("output_tokens", "4"), rate("cache_read_tokens", "0.5")]
    found = price_usage(prices, {"input_tokens": 150, "output_tokens": 10, "cache_read_tokens": 50})
    assert [(line.unit, line.count, line.rate_usd) for line in found.lines] == [
        ("input_tokens", Decimal(100), Decimal(2)),
        ("output_tokens", Decimal(10), Decimal(4)),
        ("cache_read_tokens", Decimal(50), Decimal("0.5")),
    ]
    assert found.usd == sum(line.usd for line in found.lines) == Decimal("0.000265")


def test_a_tier_begins_above_its_threshold() -> None:
    """At the threshold the base counts; one token more prices all of them, output too."""
    periods = flat(rate("input_tokens", "1", (200, "2")), rate("output_tokens", "10", (200, "15")))
    assert cost_of(periods, {"input_tokens": 200, "output_tokens": 1}, at=NOON).usd == Decimal("0.00021")
    assert cost_of(periods, {"input_tokens": 201, "output_tokens": 1}, at=NOON).usd == Decimal("0.000417")


def test_prices_change_at_midnight_utc_of_their_day() -> None:
    """A call at 07:59 in Shanghai on the first day is still the day before."""
    periods = (
        *flat(rate("input_tokens", "9")),
        PricePeriod(since=date(2026, 3, 1), rates=(rate("input_tokens", "1"),)),
    )
    shanghai = timezone(timedelta(hours=8))
    for moment, usd in (
        (datetime(2026, 3, 1, 7, 59, tzinfo=shanghai), 9),
        (datetime(2026, 3, 1, 8, 0, tzinfo=shanghai), 1),
        (datetime(2026, 3, 1), 1),  # noqa: DTZ001 - a moment without a zone is the case
    ):
        assert cost_of(periods, {"input_tokens": 1_000_000}, at=moment).usd == usd


def test_hours_may_cross_midnight_and_end_before_their_end() -> None:
    """From 16:30 to 00:30 the night price holds; at 00:30 it does not."""
    night = PricePeriod(hours=Hours(start=time(16, 30), end=time(0, 30)), rates=(rate("input_tokens", "1"),))
    periods = (*flat(rate("input_tokens", "2")), night)
    found = [
        rates_at(periods, datetime(2026, 1, 1, hour, minute, tzinfo=UTC))[0].usd
        for hour, minute in ((16, 29), (16, 30), (23, 59), (0, 0), (0, 29), (0, 30))
    ]
    assert found == [2, 1, 1, 1, 1, 2]
    assert dearest_rates(periods, date(2026, 1, 1)) == ((rate("input_tokens", "2"),), True)


def test_a_marked_call_pays_the_marked_price_and_the_rest_as_ever() -> None:
    """A batch costs half; what the batch list does not name costs its standard price."""
    periods = (
        *flat(rate("input_tokens", "2"), rate("output_tokens", "8")),
        PricePeriod(when={"processing": "batch"}, since=date(2026, 1, 1), rates=(rate("input_tokens", "1"),)),
    )
    usage = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    assert cost_of(periods, usage, at=NOON).usd == 10
    assert cost_of(periods, usage, at=NOON, when={"processing": "batch", "service_tier": "x"}).usd == 9
    assert cost_of(periods, usage, at=datetime(2025, 1, 1, tzinfo=UTC), when={"processing": "batch"}).usd == 10


def test_a_short_recording_is_billed_for_the_least_that_the_seller_bills() -> None:
    """Groq charges ten seconds for two; silence is free."""
    whisper = next(offer for offer in offers() if (offer.provider, offer.served_name) == ("groq", "whisper-large-v3"))
    two, ten = (cost_of(whisper.periods, {"audio_seconds": n, "input_audio_seconds": n}, at=NOON) for n in (2, 10))
    assert two.usd == ten.usd == Decimal("0.111") * 10 / 3600
    assert cost_of(whisper.periods, {"audio_seconds": 0}, at=NOON).usd == 0


def test_a_request_is_counted_by_itself() -> None:
    """A price per thousand requests adds a thousandth of it to a call."""
    prices = [rate("input_tokens", "1"), rate("requests", "5", per=1_000)]
    assert price_usage(prices, {"input_tokens": 0}).usd == Decimal("0.005")
    assert price_usage(prices, {"requests": 3}).usd == Decimal("0.015")


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1},
        {"input_tokens": float("nan")},
        {"input_tokens": float("inf")},
        {"input_tokens": True},
        {"input_tokens": 5, "cache_read_tokens": 6},
        {"cache_read_tokens": 6},
        {"input_tokens": 9, "input_audio_tokens": 5, "cache_read_tokens": 5},
    ],
)
def test_usage_that_cannot_be_is_refused(usage: Mapping[str, float]) -> None:
    """Less than none, no number, more cached than there was, or parts without the whole."""
    prices = [
        rate(unit, "1")
        for unit in ("input_tokens", "cache_read_tokens", "input_audio_tokens", "cache_audio_read_tokens")
    ]
    with pytest.raises(InvalidValue):
        price_usage(prices, usage)


def test_a_blend_is_at_the_users_own_ratio() -> None:
    """Three to one is a choice, not a default; a part without a share needs no price."""
    prices = [rate("input_tokens", "1"), rate("output_tokens", "5")]
    assert blended_usd(prices, 0.75) == 2
    assert blended_usd(prices, 1) == 1
    assert blended_usd(prices[:1], 1) == 1
    assert blended_usd(prices[:1], 0.9) is None
    assert blended_usd([], 1) is None
    for share in (-0.1, 1.1):
        with pytest.raises(InvalidValue):
            blended_usd(prices, share)


def test_offers_are_ranked_by_blended_price_with_the_unknown_last() -> None:
    """Three to one counts more input than the plain sum; one known price of two is no price to compete by."""
    even, thrifty = sold("even", usd=("3", "5")), sold("thrifty", usd=("1", "9"))
    half = sold("half", periods=flat(rate("input_tokens", "0.1")))
    offers = [half, even, thrifty]

    assert cheapest_first(offers, INPUT_SHARE, NOON.date()) == [thrifty, even, half]
    assert cheapest_first(offers, 0.25, NOON.date()) == [even, thrifty, half]
    assert cheapest_first(offers, INPUT_SHARE, NOON.date(), writes_tokens=False) == [half, thrifty, even]
    assert cheapest_first((), INPUT_SHARE, NOON.date()) == []


def test_the_search_ranks_at_the_same_share() -> None:
    """What people see without a word on their calls is one number everywhere."""
    assert Query().input_share == INPUT_SHARE


def test_the_search_names_the_same_cheapest_offer(everything: Catalog) -> None:
    """Of every shipped card, so that no page calls another seller cheapest than a list does."""
    cards = [card for card in everything.cards() if card.model and card.offers]
    hits = everything.facts({card.id for card in cards})
    differ = {
        card.id: (first.provider, first.served_name, hits[card.id].provider, hits[card.id].served_name)
        for card in cards
        if (first := card.offers_by_price(everything.today)[0])
        and (first.provider, first.served_name) != (hits[card.id].provider, hits[card.id].served_name)
    }

    assert len(cards) > 200
    assert differ == {}


def test_a_month_of_unknown_calls_costs_unknown() -> None:
    """Unknown times many is unknown."""
    assert usd_per_month(Cost(usd=None), 10) is None
    assert usd_per_month(Cost(usd=Decimal("0.01")), 1_000) == 10


COUNTS = st.integers(0, 10**7)


@given(COUNTS, COUNTS, COUNTS, st.decimals(0, 100, places=4), st.decimals(0, 100, places=4))
def test_cached_and_fresh_tokens_are_each_paid_once(
    fresh: int, cached: int, written: int, usd: Decimal, cached_usd: Decimal
) -> None:
    """The parts of the input are paid at their own prices and nothing twice."""
    prices = [rate("input_tokens", str(usd)), rate("cache_read_tokens", str(cached_usd))]
    usage = {"input_tokens": fresh + cached + written, "cache_read_tokens": cached, "cache_write_tokens": written}
    assert price_usage(prices, usage).usd == ((fresh + written) * usd + cached * cached_usd) / 1_000_000


RICH = (("openai", "gpt-4o-audio-preview"), ("google", "gemini-2.5-flash"), ("anthropic", "claude-sonnet-4-5"))
REPORTED = sorted(unit for unit in usage_units() if unit.endswith("_tokens"))


@settings(deadline=None)
@given(st.sampled_from(RICH), st.dictionaries(st.sampled_from(REPORTED), st.integers(0, 500_000), max_size=5))
def test_what_the_package_refuses_is_refused_and_the_rest_costs_the_same(
    model_id: tuple[str, str], usage: Mapping[str, int]
) -> None:
    """Parts without their whole, or larger than it, are a mistake of the counter and no price."""
    provider_id, name = model_id
    offer = next(offer for offer in offers() if (offer.provider, offer.served_name) == model_id)
    provider, model = price_snapshot().find_provider_model(name, None, provider_id, None)
    try:
        expected = model.calc_price(usage, provider, genai_request_timestamp=NOON).total_price
    except ValueError:
        with pytest.raises(InvalidValue):
            cost_of(offer.periods, usage, at=NOON)
    else:
        assert known_usd(cost_of(offer.periods, usage, at=NOON)) == expected
