"""
models.dev: providers, and what each of them serves at which price.

Shape: https://models.dev/api.json, an object of providers by id, each with `models` by the provider's own name for
them; prices in USD per million tokens. Read from the project's `packages/core/src/schema.ts`.
"""

from __future__ import annotations

from typing import Any

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import MODALITIES, OUTPUTS, Copy, Fields, Gathering, validators, wrong_shape
from touchstone.catalog.source_json import read_json
from touchstone.catalog.units import weights_of

_RATES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "output_reasoning_tokens",
    "input_audio": "input_audio_tokens",
    "output_audio": "output_audio_tokens",
}
_LONG = 200_000
"""The threshold in the name of the older field `context_over_200k`."""


class ModelsDev:
    """The list of models.dev, or a mirror's copy of it."""

    name = "models-dev"

    def __init__(self, base_url: str = "https://models.dev", *, named: bool = False) -> None:
        self.base_url = base_url
        self.named = named

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """See `Source.ask`."""
        url = f"{self.base_url.rstrip('/')}/api.json"
        etag, last_modified = validators(old, url)
        answer = await door.ask(url, etag=etag, last_modified=last_modified)
        if answer.unchanged:
            return None
        gathered = Gathering(self.name, url, now)
        providers = read_json(answer.body, self.name, door.limits)
        if not isinstance(providers, dict):
            raise wrong_shape(self.name, "an object of providers")
        for provider in list(providers):
            said = providers.pop(provider)
            models = said.get("models") if isinstance(said, dict) else None
            if not isinstance(models, dict):
                gathered.skip(provider, "no_object")
                continue
            for served_name in list(models):
                gathered.keep(provider, served_name, models.pop(served_name), _read)
        return gathered.copy(etag=answer.etag, last_modified=answer.last_modified)


def _read(fields: Fields) -> None:
    fields.text("name", "name")
    fields.text("family", "family")
    fields.date("release_date", "released")
    fields.date("knowledge", "knowledge_cutoff")
    fields.flag("reasoning", "reasoning")
    fields.flag("tool_call", "tools")
    fields.flag("structured_output", "structured_output")
    fields.count("limit/context", "context_tokens")
    fields.count("limit/output", "max_output_tokens")
    fields.terms("modalities/input", "input_modalities", MODALITIES)
    fields.terms("modalities/output", "output_types", OUTPUTS)
    weights = fields.get("open_weights")
    fields.fact("open_weights", "weights", weights_of(weights) if isinstance(weights, bool) else None)
    if fields.get("status") == "deprecated":
        fields.fact("status", "deprecated", True)
    for key, unit in _RATES.items():
        fields.rate(f"cost/{key}", unit, per="million")
    _read_tiers(fields)


def _read_tiers(fields: Fields) -> None:
    """Prices of long calls; they stay in `rest` as well, because not every kind of threshold is understood."""
    tiers: Any = fields.get("cost/tiers")
    for tier in tiers if isinstance(tiers, list) else []:
        size = tier.get("tier") if isinstance(tier, dict) else None
        above = size.get("size") if isinstance(size, dict) and size.get("type", "context") == "context" else None
        if type(above) is int and above >= 0:
            for key, unit in _RATES.items():
                fields.tier(unit, above, tier.get(key))
    older: Any = fields.get("cost/context_over_200k")
    if not isinstance(tiers, list) and isinstance(older, dict):
        for key, unit in _RATES.items():
            fields.tier(unit, _LONG, older.get(key))
