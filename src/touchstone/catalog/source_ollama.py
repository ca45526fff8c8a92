"""
Ollama: the models that are installed on a machine of the user.

Shape: https://docs.ollama.com/api, `GET /api/tags` for the list and `POST /api/show` for each; sizes come from the
GGUF file's own metadata, whose keys begin with the architecture.
"""

from __future__ import annotations

from typing import Any

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import Copy, Fields, Gathering, wrong_shape
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_json import read_json

MAX_SHOWN = 500
"""Installed models that are asked about one by one; more are listed only."""
MAX_SHOW_BYTES = 4 << 20


class Ollama:
    """
    One Ollama.

    Args:
        base_url: Its address; the `/v1` of its OpenAI-compatible side is left out.
    """

    name = "ollama"
    named = True

    def __init__(self, base_url: str = "http://127.0.0.1:11434") -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/v1")

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """See `Source.ask`."""
        url = f"{self.base_url}/api/tags"
        answer = await door.ask(url)
        said = read_json(answer.body, self.name, door.limits)
        models = said.get("models") if isinstance(said, dict) else None
        if not isinstance(models, list):
            raise wrong_shape(self.name, "an object with the list models")
        gathered = Gathering(self.name, url, now)
        for place, model in enumerate(models):
            name = model.get("name") if isinstance(model, dict) else None
            if place < MAX_SHOWN and isinstance(model, dict) and isinstance(name, str):
                model |= {"show": shown} if (shown := await self._show(door, name)) else {}
            gathered.keep("ollama", name, model, _read)
        return gathered.copy()

    async def _show(self, door: Door, name: str) -> dict[str, Any] | None:
        """What Ollama says about one model; None when it says nothing usable, for the list alone is worth keeping."""
        import orjson

        try:
            answer = await door.ask(
                f"{self.base_url}/api/show", post=orjson.dumps({"model": name}), max_bytes=MAX_SHOW_BYTES
            )
            said = read_json(answer.body, self.name, door.limits)
        except SourceFailed:
            return None
        return said if isinstance(said, dict) else None


def _read(fields: Fields) -> None:
    family = fields.get("show/model_info/general.architecture")
    fields.count("show/model_info/general.parameter_count", "parameters")
    if isinstance(family, str) and "/" not in family:
        fields.count(f"show/model_info/{family}.context_length", "context_tokens")
    abilities = fields.get("show/capabilities")
    if isinstance(abilities, list) and abilities and all(isinstance(ability, str) for ability in abilities):
        fields.fact(None, "tools", "tools" in abilities)
        fields.fact(None, "reasoning", "thinking" in abilities)
        if "vision" in abilities:
            fields.fact(None, "input_modalities", ("text", "image"))
        if "embedding" in abilities:
            fields.fact(None, "output_types", ("embedding",))
            if isinstance(family, str) and "/" not in family:
                fields.count(f"show/model_info/{family}.embedding_length", "embedding_dimensions")
    fields.text("details/quantization_level", "precision")
