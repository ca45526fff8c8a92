"""Prices come from the shipped snapshot or are unknown; nothing that looks alike is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Price, PriceTier
from touchstone.catalog.prices import OWN_MACHINE, find_price
from touchstone.catalog.providers import find_provider

DAY = date(2026, 8, 21)


def test_a_known_model_has_its_price_with_the_snapshot_as_source() -> None:
    """The number can be traced: package, version, provider and model."""
    price = find_price(find_provider("openai"), "gpt-4o-mini", at=DAY)
    assert price is not None
    assert (price.input_usd, price.output_usd, price.cached_input_usd) == (0.15, 0.6, 0.075)
    assert "genai-prices" in price.source
    assert "openai/gpt-4o-mini" in price.source


@pytest.mark.parametrize(
    ("provider", "served_name"),
    [
        ("openai", "gpt-99-mini"),
        ("openai", "gpt-4o-mini-nonsense"),
        ("qwen", "qwen-plus"),
        ("moonshot-cn", "kimi-k2.6"),
        ("vllm", "anything"),
    ],
)
def test_an_unknown_model_has_no_price(provider: str, served_name: str) -> None:
    """Not zero, not the price of a model with a similar name."""
    address = "http://10.0.0.5:8000/v1" if provider == "vllm" else None
    assert find_price(find_provider(provider), served_name, at=DAY, base_url=address) is None


def test_a_local_server_costs_nothing_only_on_this_machine() -> None:
    """At loopback the price is zero and says why; elsewhere somebody may charge, so nothing is known."""
    ollama = find_provider("ollama")
    price = find_price(ollama, "qwen3")
    assert price is not None
    assert (price.input_usd, price.output_usd, price.source) == (0, 0, OWN_MACHINE)
    assert find_price(ollama, "qwen3", base_url="http://10.0.0.5:11434/v1") is None
    assert find_price(ollama, "gpt-oss:120b-cloud") is None


def test_at_another_host_a_providers_price_is_unknown() -> None:
    """A gateway in front of OpenAI charges what it likes."""
    assert find_price(find_provider("openai"), "gpt-4o-mini", base_url="https://gateway.example/v1") is None


def test_where_the_price_depends_on_the_hour_the_dearest_counts() -> None:
    """A forecast may be too high, never too low."""
    price = find_price(find_provider("deepseek"), "deepseek-chat", at=date(2025, 3, 1))
    assert price is not None
    assert (price.input_usd, price.output_usd) == (0.27, 1.1)
    assert "dearest hour" in price.source


def test_a_long_call_is_priced_by_its_tier() -> None:
    """Above the threshold every token costs the tier's price, at the threshold none does."""
    price = find_price(find_provider("gemini"), "gemini-2.5-pro", at=DAY)
    assert price is not None
    assert price.cost_usd(200_000, 1000) == pytest.approx((200_000 * 1.25 + 1000 * 10) / 1e6)
    assert price.cost_usd(200_001, 1000) == pytest.approx((200_001 * 2.5 + 1000 * 15) / 1e6)
    assert price.cost_usd(200_001, 0, 1) == pytest.approx((200_000 * 2.5 + 0.25) / 1e6)


def test_a_name_that_openrouter_calls_free_costs_nothing_and_an_entry_without_a_price_is_unknown() -> None:
    """`:free` is that seller's word for it; nowhere else does a missing price mean zero."""
    free = find_price(find_provider("openrouter"), "openai/gpt-oss-120b:free", at=DAY)
    assert free is not None
    assert (free.input_usd, free.output_usd) == (0, 0)
    assert find_price(find_provider("gemini"), "gemma-4-31b-it", at=DAY) is None


@settings(deadline=None)
@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_cost_is_never_negative_and_never_falls_with_more_tokens(
    input_tokens: int, output_tokens: int, cached: int, more_input: int, more_output: int
) -> None:
    """More tokens never cost less while prices rise with the tiers, and cached ones never more than fresh ones."""
    price = Price(
        input_usd=1,
        output_usd=2,
        cached_input_usd=0.5,
        tiers=(PriceTier(above_input_tokens=1000, input_usd=3, output_usd=4, cached_input_usd=1.5),),
    )
    cost = price.cost_usd(input_tokens, output_tokens, cached)
    more = price.cost_usd(input_tokens + more_input, output_tokens + more_output, cached)
    fresh = price.cost_usd(input_tokens, output_tokens)
    assert cost is not None
    assert more is not None
    assert fresh is not None
    assert 0 <= cost <= fresh
    assert more >= cost - 1e-12


def test_unknown_usage_costs_unknown() -> None:
    """No tokens counted is not zero tokens."""
    price = Price(input_usd=1, output_usd=1)
    assert price.cost_usd(None, 5) is None
    assert price.cost_usd(5, None) is None


def test_finding_a_price_starts_no_thread_and_nothing_is_imported_before_it_is_needed() -> None:
    """The snapshot is read offline, and a command that needs no price does not load it."""
    code = (
        "import sys, threading\n"
        "from touchstone.catalog.prices import find_price\n"
        "from touchstone.catalog.providers import find_provider\n"
        "assert 'genai_prices' not in sys.modules\n"
        "assert 'touchstone.catalog.offers' not in sys.modules\n"
        "assert find_price(find_provider('openai'), 'gpt-4o')\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_agrees_with_an_independent_copy_of_the_price_list() -> None:
    """Flat prices of an older copy of the list, read by hand, equal ours for the models that did not change since."""
    folder = Path(os.environ.get("TOUCHSTONE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = folder / "catalog" / "genai_prices.json"
    if not path.exists():
        pytest.skip("the shared data are not here")
    listed = {provider["id"]: provider for provider in _providers(orjson.loads(path.read_bytes()))}
    same = compared = 0
    for preset in ("openai", "anthropic", "gemini", "mistral", "groq", "deepseek", "together"):
        provider = find_provider(preset)
        for model in listed[str(provider.prices_id)]["models"]:
            rates = model.get("prices")
            if not isinstance(rates, dict) or not all(
                isinstance(rates.get(key), int | float | str) for key in ("input_mtok", "output_mtok")
            ):
                continue
            price = find_price(provider, model["id"], at=DAY)
            if price is None:
                continue
            compared += 1
            same += (price.input_usd, price.output_usd) == (float(rates["input_mtok"]), float(rates["output_mtok"]))
    assert compared > 100
    assert same / compared > 0.9


def _providers(found: object) -> list[dict[str, object]]:
    return found["providers"] if isinstance(found, dict) else found  # type: ignore[return-value]
