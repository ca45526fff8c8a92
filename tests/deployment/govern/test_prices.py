"""What is held for a request covers whatever it turns out to cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.base import Price, PriceTier
from touchstone.deployment.base import Usage
from touchstone.deployment.govern.prices import usage_usd, worst_usd

rates = st.floats(min_value=0, max_value=100)
tokens = st.integers(min_value=0, max_value=300_000)
tiers = st.builds(
    PriceTier,
    above_input_tokens=st.integers(min_value=0, max_value=300_000),
    input_usd=rates,
    output_usd=rates,
    cached_input_usd=st.none() | rates,
)
prices = st.builds(
    Price,
    input_usd=rates,
    output_usd=rates,
    cached_input_usd=st.none() | rates,
    tiers=st.lists(tiers, max_size=3).map(lambda found: tuple(sorted(found, key=lambda one: one.above_input_tokens))),
    per_call_usd=rates,
)


@given(prices, tokens, tokens, st.data())
def test_a_hold_covers_every_smaller_usage(price: Price, most_in: int, most_out: int, data: st.DataObject) -> None:
    """Dearer tiers of shorter calls, and cached input that is dearer than other input, are thought of."""
    used_in = data.draw(st.integers(min_value=0, max_value=most_in))
    used_out = data.draw(st.integers(min_value=0, max_value=most_out))
    cached = data.draw(st.integers(min_value=0, max_value=used_in))

    usd = usage_usd(price, Usage(used_in, used_out, cached))

    assert usd is not None
    assert usd <= worst_usd(price, most_in, most_out) * (1 + 1e-12) + 1e-12


def test_what_is_known_exactly() -> None:
    """Tokens at their price, and the price of the call itself."""
    price = Price(input_usd=1.0, output_usd=10.0, per_call_usd=0.5)

    assert worst_usd(price, 1000, 100) == pytest.approx(0.502)
    assert usage_usd(price, Usage(1000, 100)) == pytest.approx(0.502)


def test_unknown_is_not_free() -> None:
    """Without a price or without a count nobody knows what it cost."""
    price = Price(input_usd=1.0, output_usd=10.0)

    assert usage_usd(None, Usage(10, 10)) is None
    assert usage_usd(price, Usage(10, None)) is None
    assert usage_usd(price, Usage(10, 0)) == pytest.approx(1e-5)
