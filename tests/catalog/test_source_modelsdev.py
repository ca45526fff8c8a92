"""How an entry of models.dev is understood."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.catalog.replay import Replay, as_json, models_dev_entry

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import Reported
from touchstone.catalog.source_modelsdev import ModelsDev

NOW = "2026-11-27T08:00:00+00:00"


async def heard(**changes: Any) -> Reported:
    """One entry, as models.dev sends it and as it is understood."""
    pages = {"/api.json": as_json({"inkwell": {"models": {"quill-large": models_dev_entry(**changes)}}})}
    async with Replay(pages) as server:
        copy = await ModelsDev(server.url, named=True).ask(Door(near=[server.url]), None, NOW)
    assert copy is not None
    [entry] = copy.entries
    return entry


async def test_known_fields_get_our_names() -> None:
    """Every documented field that a card or an offer has is a fact; prices are per million tokens."""
    entry = await heard()
    assert (entry.provider, entry.id) == ("inkwell", "quill-large")
    assert entry.facts == {
        "name": "Quill Large",
        "family": "quill",
        "released": "2025-09-16",
        "knowledge_cutoff": "2025-04",
        "reasoning": True,
        "tools": True,
        "structured_output": False,
        "context_tokens": 131072,
        "max_output_tokens": 8192,
        "input_modalities": ("text", "image", "file"),
        "output_types": ("text",),
        "weights": "open",
    }
    assert {rate.unit: (rate.usd, rate.per) for rate in entry.rates} == {
        "input_tokens": (Decimal("0.25"), 1_000_000),
        "output_tokens": (Decimal(1), 1_000_000),
        "cache_read_tokens": (Decimal("0.025"), 1_000_000),
        "cache_write_tokens": (Decimal("0.3"), 1_000_000),
    }


async def test_what_is_not_understood_is_kept() -> None:
    """The rest is there, and only the rest."""
    entry = await heard(experimental={"mode": {"fast": True}}, limit={"context": 8192, "input": 4096, "output": 0})
    assert json.loads(entry.rest) == {
        "id": "quill-large",
        "attachment": True,
        "temperature": True,
        "last_updated": "2026-01-02",
        "experimental": {"mode": {"fast": True}},
        "limit": {"input": 4096, "output": 0},
    }
    assert "max_output_tokens" not in entry.facts


@pytest.mark.parametrize("price", [0, -1, -0.5, "cheap", True, None, 1e9, 1e-12, [1]])
async def test_what_is_no_price(price: Any) -> None:
    """Zero is unknown here, and nonsense is no price; what stood there is kept."""
    entry = await heard(cost={"input": price, "output": 2})
    assert [rate.unit for rate in entry.rates] == ["output_tokens"]
    assert json.loads(entry.rest)["cost"] == {"input": price}


@pytest.mark.parametrize(
    "cost",
    [
        {"input": 1, "output": 2, "tiers": [{"tier": {"size": 200000}, "input": 2, "output": 4}]},
        {"input": 1, "output": 2, "tiers": [{"tier": {"size": 200000, "type": "context"}, "input": 2, "output": 4}]},
        {"input": 1, "output": 2, "context_over_200k": {"input": 2, "output": 4}},
    ],
)
async def test_prices_of_long_calls(cost: dict[str, Any]) -> None:
    """Both ways of writing them are understood."""
    entry = await heard(cost=cost)
    tiers = {rate.unit: [(tier.above_input_tokens, tier.usd) for tier in rate.tiers] for rate in entry.rates}
    assert tiers == {"input_tokens": [(200_000, Decimal(2))], "output_tokens": [(200_000, Decimal(4))]}


@pytest.mark.parametrize(
    "tier", [{"size": "200k"}, {"size": -1}, {"size": True}, {"size": 5, "type": "hour"}, None, 7, {"size": 1.5}]
)
async def test_a_tier_of_another_kind(tier: Any) -> None:
    """A threshold that is not of tokens is kept and not applied."""
    entry = await heard(cost={"input": 1, "output": 2, "tiers": [{"tier": tier, "input": 9}, 7]})
    assert all(rate.tiers == () for rate in entry.rates)
    assert json.loads(entry.rest)["cost"]["tiers"][0]["input"] == 9


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"release_date": "16/09/2025"}, "released"),
        ({"release_date": "2025-13"}, "released"),
        ({"tool_call": {"supported": True}}, "tools"),
        ({"modalities": {"input": ["text", "smell"], "output": ["text"]}}, "input_modalities"),
        ({"open_weights": "yes"}, "weights"),
        ({"limit": {"context": 1.5, "output": 1}}, "context_tokens"),
        ({"limit": {"context": 10**30, "output": 1}}, "context_tokens"),
        ({"limit": 7}, "context_tokens"),
        ({"name": "x" * 3000}, "name"),
        ({"name": "  "}, "name"),
    ],
)
async def test_a_value_of_another_kind_is_no_fact(changes: dict[str, Any], absent: str) -> None:
    """It stays what it was."""
    entry = await heard(**changes)
    assert absent not in entry.facts
    [field] = changes
    assert field in json.loads(entry.rest)


async def test_deprecated_and_closed() -> None:
    """A service that is on its way out, of a model whose weights nobody has."""
    entry = await heard(status="deprecated", open_weights=False)
    assert (entry.facts["deprecated"], entry.facts["weights"]) == (True, "closed")
    assert "deprecated" not in (await heard(status="beta")).facts
