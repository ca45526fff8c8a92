"""How an entry of OpenRouter is understood."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.catalog.replay import Replay, as_json, openrouter_entry

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import Copy, Reported
from touchstone.catalog.source_openrouter import OpenRouter

NOW = "2026-11-27T08:00:00+00:00"


async def copy_of(*entries: dict[str, Any]) -> Copy:
    """Entries, as OpenRouter sends them and as they are understood."""
    async with Replay({"/models": as_json({"data": list(entries)})}) as server:
        copy = await OpenRouter(server.url, named=True).ask(Door(near=[server.url]), None, NOW)
    assert copy is not None
    return copy


async def heard(name: str = "inkwell/quill-0", **changes: Any) -> Reported:
    """One entry."""
    [entry] = (await copy_of(openrouter_entry(name, **changes))).entries
    return entry


async def test_known_fields_get_our_names() -> None:
    """Prices per token become prices per million; one per request stays one per request."""
    entry = await heard()
    assert (entry.provider, entry.id) == ("openrouter", "inkwell/quill-0")
    assert entry.facts == {
        "name": "Inkwell: Quill",
        "hugging_face": "Inkwell/Quill-0",
        "context_tokens": 131072,
        "max_output_tokens": 8192,
        "input_modalities": ("text", "image"),
        "output_types": ("text",),
        "tools": True,
        "structured_output": True,
        "reasoning": False,
    }
    assert {rate.unit: (rate.usd, rate.per) for rate in entry.rates} == {
        "input_tokens": (Decimal("0.25"), 1_000_000),
        "output_tokens": (Decimal(1), 1_000_000),
        "cache_read_tokens": (Decimal("0.025"), 1_000_000),
        "requests": (Decimal("0.002"), 1),
    }
    rest = json.loads(entry.rest)
    assert rest["pricing"] == {"image": "0.0005"}
    assert rest["created"] == 1758000000, "when OpenRouter began to list it is not when it was released"
    assert "released" not in entry.facts


@pytest.mark.parametrize("price", ["0", "-1", "-2", "free", "", "0.5", "1e999", "NaN", None, 1e6])
async def test_what_is_no_price(price: Any) -> None:
    """Zero is unknown, -1 varies, half a dollar a token is somebody's mistake; what stood there is kept."""
    entry = await heard(pricing={"prompt": price, "completion": "0.000001"})
    assert [rate.unit for rate in entry.rates] == ["output_tokens"]
    assert json.loads(entry.rest)["pricing"] == {"prompt": price}


async def test_free_where_the_name_says_so() -> None:
    """0 is a price only of an entry that ends in `:free`."""
    entry = await heard("inkwell/quill-0:free", pricing={"prompt": "0", "completion": "0"})
    assert [(rate.unit, rate.usd) for rate in entry.rates] == [("input_tokens", 0), ("output_tokens", 0)]


async def test_abilities_only_where_parameters_are_listed() -> None:
    """No list says nothing about tools."""
    for listed in (None, [], "tools", [{"tools": 1}]):
        assert "tools" not in (await heard(supported_parameters=listed)).facts


async def test_the_recorded_list(shared_data: Path) -> None:
    """Every entry of a list that OpenRouter once sent is kept, and its prices are a million times those per token."""
    text = (shared_data / "catalog" / "openrouter_models.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    entries = [
        openrouter_entry(row["id"], pricing=row["pricing"], context_length=row["context_length"]) for row in rows
    ]
    copy = await copy_of(*entries)
    assert len(copy.entries) == len(rows)
    priced = 0
    for row, entry in zip(rows, copy.entries, strict=True):
        assert entry.facts.get("context_tokens") == row["context_length"]
        rates = {rate.unit: float(rate.usd) for rate in entry.rates}
        for key, unit in (("prompt", "input_tokens"), ("completion", "output_tokens")):
            said = float(row["pricing"][key])
            if said > 0:
                assert rates[unit] == pytest.approx(said * 1e6)
                priced += 1
            elif not row["id"].endswith(":free"):
                assert unit not in rates
    assert priced > 500
