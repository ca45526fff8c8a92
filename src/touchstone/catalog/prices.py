"""
Prices from the snapshot that the package `genai-prices` ships: offline, never its own updating.

A model that the snapshot does not know has no price; nothing that merely looks alike is taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from touchstone.catalog.addresses import is_loopback, origin_of
from touchstone.catalog.base import Price, PriceTier, Provider

if TYPE_CHECKING:
    from touchstone.catalog.offers import Rate

OWN_MACHINE = "runs on your own machine; electricity not counted"
"""Source of the price of a local server: it charges no money per token, which is known and not assumed."""


def find_price(
    provider: Provider, served_name: str, *, at: date | None = None, base_url: str | None = None
) -> Price | None:
    """
    What a provider charges for a model.

    A local preset at a loopback address costs 0 USD; elsewhere somebody may charge for it, so nothing is known. The
    same holds for the models that Ollama passes on to its cloud (`name:120b-cloud`).

    Args:
        provider: Who sells it.
        served_name: What the provider calls the model.
        at: Day whose prices count; today by default. Where the price depends on the hour, the dearest hour counts.
        base_url: The address really used, by default the preset's own; at another host the price is unknown.

    Returns:
        None when nobody knows: the model is not in the snapshot, or the snapshot has no price per token for it.
    """
    if provider.local:
        at_home = is_loopback(base_url or provider.base_url or "") and not served_name.endswith("cloud")
        return Price(input_usd=0, output_usd=0, source=OWN_MACHINE) if at_home else None
    if provider.prices_id is None or _elsewhere(provider, base_url):
        return None
    # Loaded here, because many commands resolve a model at their start and few of them ask for its price.
    from touchstone.catalog.costs import dearest_rates
    from touchstone.catalog.offers import find_listed, periods_of, snapshot_name

    listed = find_listed(provider.prices_id, served_name)
    if listed is None:
        return None
    seller, model = listed
    rates, hourly = dearest_rates(periods_of(seller.id, model), at or datetime.now(UTC).date())
    return _price(rates, f"{snapshot_name()}, {provider.prices_id}/{model.id}{', dearest hour' if hourly else ''}")


def _elsewhere(provider: Provider, base_url: str | None) -> bool:
    """Whether the address is not the provider's own, so that somebody else sets the price there."""
    return (
        base_url is not None and provider.base_url is not None and origin_of(base_url) != origin_of(provider.base_url)
    )


def _price(rates: Sequence[Rate], source: str) -> Price | None:
    by_unit = {rate.unit: rate for rate in rates}
    into, out, cached = (by_unit.get(unit) for unit in ("input_tokens", "output_tokens", "cache_read_tokens"))
    if into is None or out is None:
        return None
    starts = sorted({tier.above_input_tokens for rate in (into, out) for tier in rate.tiers})
    requests = by_unit.get("requests")
    return Price(
        input_usd=float(into.usd),
        output_usd=float(out.usd),
        cached_input_usd=None if cached is None else float(cached.usd),
        tiers=tuple(
            PriceTier(
                above_input_tokens=start,
                input_usd=_above(into, start),
                output_usd=_above(out, start),
                cached_input_usd=None if cached is None else _above(cached, start),
            )
            for start in starts
        ),
        per_call_usd=0.0 if requests is None else float(requests.usd / requests.per),
        source=source,
    )


def _above(rate: Rate, start: int) -> float:
    """The rate for calls longer than a threshold: the last tier that begins at or below it, else the base."""
    reached = [float(tier.usd) for tier in rate.tiers if tier.above_input_tokens <= start]
    return reached[-1] if reached else float(rate.usd)
