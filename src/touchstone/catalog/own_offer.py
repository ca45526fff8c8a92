"""Where a team serves a model by itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from touchstone.catalog.addresses import check_base_url
from touchstone.catalog.base import Price
from touchstone.errors import InvalidValue, SettingsError
from touchstone.noun import Noun


class OwnOffer(Noun):
    """An endpoint of the team's own that serves the model; its keys are those of a candidate in a task file."""

    provider: Literal["own"] = "own"
    served_name: str = Field(min_length=1)
    """What the endpoint calls the model."""
    base_url: str
    """Address of its OpenAI-compatible API, such as `http://models.internal:8000/v1`."""
    price: Price | None = None
    """What the team reckons with, USD per million tokens; None where nobody does."""
    key_env: str | None = None
    """Environment variable that holds the key; the key itself is never written down."""

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            return check_base_url(value)
        except SettingsError as error:
            raise InvalidValue("{reason}", reason=error) from None

    def candidate(self) -> dict[str, Any]:
        """What to write under `candidates` of a task file."""
        entry: dict[str, Any] = {
            "model": "openai-compatible",
            "base_url": self.base_url,
            "served_name": self.served_name,
        }
        if self.price is not None:
            entry["price"] = {"source": "own card", **self.price.model_dump(mode="json", exclude_defaults=True)}
        return entry | ({"key_env": self.key_env} if self.key_env else {})
