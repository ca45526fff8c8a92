"""
OpenRouter: the models it passes on, with the lowest price of each.

Shape: https://openrouter.ai/docs/models, `data` with one object a model; prices in USD per token, as text. Fields whose
unit the page does not say (`image`, `web_search`) are kept as they came.
"""

from __future__ import annotations

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import (
    MODALITIES,
    OUTPUTS,
    Copy,
    Fields,
    Gathering,
    using_up,
    validators,
    wrong_shape,
)
from touchstone.catalog.source_json import read_json

_RATES = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "input_cache_read": "cache_read_tokens",
    "input_cache_write": "cache_write_tokens",
    "internal_reasoning": "output_reasoning_tokens",
    "audio": "input_audio_tokens",
}
_ABILITIES = {"tools": "tools", "structured_output": "structured_outputs", "reasoning": "reasoning"}


class OpenRouter:
    """The list of OpenRouter, or a mirror's copy of it."""

    name = "openrouter"

    def __init__(self, base_url: str = "https://openrouter.ai/api/v1", *, named: bool = False) -> None:
        self.base_url = base_url
        self.named = named

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """See `Source.ask`."""
        url = f"{self.base_url.rstrip('/')}/models"
        etag, last_modified = validators(old, url)
        answer = await door.ask(url, etag=etag, last_modified=last_modified)
        if answer.unchanged:
            return None
        gathered = Gathering(self.name, url, now)
        said = read_json(answer.body, self.name, door.limits)
        models = said.get("data") if isinstance(said, dict) else None
        if not isinstance(models, list):
            raise wrong_shape(self.name, "an object with the list data")
        for model in using_up(models):
            gathered.keep("openrouter", model.get("id") if isinstance(model, dict) else None, model, _read)
        return gathered.copy(etag=answer.etag, last_modified=answer.last_modified)


def _read(fields: Fields) -> None:
    free = str(fields.get("id")).endswith(":free")
    fields.text("name", "name")
    fields.text("hugging_face_id", "hugging_face")
    fields.date("knowledge_cutoff", "knowledge_cutoff")
    fields.count("context_length", "context_tokens")
    fields.count("top_provider/max_completion_tokens", "max_output_tokens")
    fields.terms("architecture/input_modalities", "input_modalities", MODALITIES)
    fields.terms("architecture/output_modalities", "output_types", OUTPUTS)
    listed = fields.get("supported_parameters")
    if isinstance(listed, list) and listed and all(isinstance(name, str) for name in listed):
        for name, parameter in _ABILITIES.items():
            fields.fact(None, name, parameter in listed)
    for key, unit in _RATES.items():
        fields.rate(f"pricing/{key}", unit, per="token", free=free)
    fields.rate("pricing/request", "requests", per="request", free=free)
