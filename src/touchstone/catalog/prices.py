"""
Prices from the snapshot that the package `genai-prices` ships: offline, never its own updating.

A model that the snapshot does not know has no price; nothing that merely looks alike is taken for it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from touchstone.catalog.addresses import is_loopback, origin_of
from touchstone.catalog.base import Price, PriceTier, Provider

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

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
    try:
        _, model = _snapshot().find_provider_model(served_name, None, provider.prices_id, None)
    except LookupError:
        return None
    rates, hourly = _rates(model, at or datetime.now(UTC).date())
    return _price(rates, f"{snapshot_name()}, {provider.prices_id}/{model.id}{', dearest hour' if hourly else ''}")


def _elsewhere(provider: Provider, base_url: str | None) -> bool:
    """Whether the address is not the provider's own, so that somebody else sets the price there."""
    return (
        base_url is not None and provider.base_url is not None and origin_of(base_url) != origin_of(provider.base_url)
    )


def snapshot_name() -> str:
    """The package and its version, which is what dates the snapshot; it carries no date of its own."""
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


@cache
def _snapshot() -> DataSnapshot:
    # Built here, not asked of the package: somebody else in this process may have switched its updating on.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _rates(model: ModelInfo, day: date) -> tuple[ModelPrice, bool]:
    """The dearest rates of a day, and whether they differ from hour to hour."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    found = [model.get_prices(start + timedelta(minutes=30 * step)) for step in range(48)]
    dearest = max(found, key=lambda rates: (_base(rates.output_mtok) or 0) + (_base(rates.input_mtok) or 0))
    return dearest, any(rates != dearest for rates in found)


def _price(rates: ModelPrice, source: str) -> Price | None:
    if rates.input_mtok is None or rates.output_mtok is None:
        return None
    starts = sorted({tier.start for value in (rates.input_mtok, rates.output_mtok) for tier in _tiers(value)})
    return Price(
        input_usd=_base(rates.input_mtok) or 0.0,
        output_usd=_base(rates.output_mtok) or 0.0,
        cached_input_usd=_base(rates.cache_read_mtok),
        tiers=tuple(
            PriceTier(
                above_input_tokens=start,
                input_usd=_above(rates.input_mtok, start) or 0.0,
                output_usd=_above(rates.output_mtok, start) or 0.0,
                cached_input_usd=_above(rates.cache_read_mtok, start),
            )
            for start in starts
        ),
        per_call_usd=(_base(rates.requests_kcount) or 0.0) / 1000,
        source=source,
    )


def _tiers(value: Any) -> list[Any]:
    return getattr(value, "tiers", [])


def _base(value: Any) -> float | None:
    return None if value is None else float(getattr(value, "base", value))


def _above(value: Any, start: int) -> float | None:
    """The rate for calls longer than a threshold: the last tier that begins at or below it, else the base."""
    reached = [float(tier.price) for tier in _tiers(value) if tier.start <= start]
    return reached[-1] if reached else _base(value)
