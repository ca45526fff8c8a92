"""How an Ollama is asked and understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.catalog.replay import OLLAMA_SHOW, Page, Replay, as_json, ollama, ollama_tag

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import Reported
from touchstone.catalog.source_ollama import Ollama

NOW = "2026-11-27T08:00:00+00:00"


async def heard(show: Any = OLLAMA_SHOW) -> tuple[Reported, Replay]:
    """One installed model, and the server that has it."""
    page = show if isinstance(show, Page) else as_json(show)
    async with Replay({"/api/tags": as_json({"models": [ollama_tag()]}), "/api/show": page}) as server:
        copy = await Ollama(f"{server.url}/v1").ask(Door(near=[server.url]), None, NOW)
    assert copy is not None
    [entry] = copy.entries
    return entry, server


async def test_known_fields_get_our_names() -> None:
    """Sizes come from the file's own metadata; the model is asked for by name in a body, never in an address."""
    entry, server = await heard()
    assert (entry.provider, entry.id) == ("ollama", "quill:8b")
    assert entry.facts == {
        "parameters": 8030261248,
        "context_tokens": 131072,
        "tools": True,
        "reasoning": False,
        "input_modalities": ("text", "image"),
        "precision": "Q4_K_M",
    }
    assert entry.rates == ()
    assert json.loads(entry.rest)["show"]["model_info"]["quill.block_count"] == 32
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/api/tags"), ("POST", "/api/show")]
    assert json.loads(server.asked[1].body) == {"model": "quill:8b"}


async def test_an_embedding_model() -> None:
    """It gives vectors, whose length is that of the model's layers."""
    entry, _ = await heard(OLLAMA_SHOW | {"capabilities": ["embedding"]})
    assert entry.facts["output_types"] == ("embedding",)
    assert entry.facts["embedding_dimensions"] == 4096


@pytest.mark.parametrize(
    "show",
    [
        Page(status=500),
        Page(b"{"),
        [],
        None,
        {},
        {"model_info": []},
        {"model_info": {"general.architecture": "a/b", "a/b.context_length": 7}},
        {"model_info": {"general.architecture": ["x"]}, "capabilities": "tools"},
        {"capabilities": [["tools"]]},
    ],
)
async def test_a_model_that_is_not_shown(show: Any) -> None:
    """What the list says is kept when the rest cannot be had or is not as documented."""
    entry, _ = await heard(show)
    assert entry.facts == {"precision": "Q4_K_M"}


async def test_many_models_are_asked_one_by_one() -> None:
    """Each is shown once."""
    async with Replay(ollama(7)) as server:
        copy = await Ollama(server.url).ask(Door(near=[server.url]), None, NOW)
    assert copy is not None
    assert len(copy.entries) == 7
    assert len(server.asked) == 8
