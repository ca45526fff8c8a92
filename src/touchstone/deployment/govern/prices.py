"""What a request may cost at most, and what it did cost, at the price that was frozen in a version."""

from __future__ import annotations

from touchstone.catalog.base import Price, PriceTier
from touchstone.deployment.base import Usage


def worst_usd(price: Price, input_tokens: int, output_tokens: int) -> float:
    """
    The most that a request of at most so many tokens costs; what is held for it.

    Every tier that its input can reach is looked at, because a shorter input may meet a dearer one, and cached input
    counts at whichever price is higher.
    """
    rates: list[Price | PriceTier] = [price, *(tier for tier in price.tiers if tier.above_input_tokens < input_tokens)]
    return price.per_call_usd + max(
        input_tokens * max(rate.input_usd, rate.cached_input_usd or 0.0) / 1e6 + output_tokens * rate.output_usd / 1e6
        for rate in rates
    )


def usage_usd(price: Price | None, usage: Usage) -> float | None:
    """What a reply costs; None where the price or a count is unknown (an embedding has 0 output tokens, not None)."""
    if price is None:
        return None
    return price.cost_usd(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
