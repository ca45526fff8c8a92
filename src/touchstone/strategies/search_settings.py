"""What a search may take: money, calls, rounds, variants."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from touchstone.errors import SettingsError, refusal
from touchstone.noun import Noun


class SearchSettings(Noun):
    """The parameter `search` of a strategy that looks for the best of several variants."""

    max_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Cap on the money of the search; without one the cap of the run holds for both together."""
    max_calls: int = Field(default=400, ge=10, le=100_000)
    """Answers that are asked for at most."""
    rounds: int = Field(default=3, ge=1, le=10)
    """After each the worse part of the field leaves."""
    variants: int = Field(default=12, ge=2, le=64)
    """How many are tried at most, with what there was."""

    @classmethod
    def read(cls, given: Any, name: str) -> SearchSettings:
        """
        The settings that an entry gives; all by default.

        Raises:
            SettingsError: a key is unknown or a value cannot be used.
        """
        from difflib import get_close_matches

        try:
            return cls.model_validate({} if given is None else given)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in ("search", *first["loc"]))
            if first["type"] == "extra_forbidden":
                known = list(cls.model_fields)
                raise SettingsError(
                    "{name}: there is no key {key!r}; closest: {close}",
                    name=name,
                    key=key,
                    close=", ".join(get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5) or known),
                ) from None
            raise SettingsError(
                "{name}: {key} is {value!r}; {reason}", name=name, key=key, value=first["input"], reason=refusal(first)
            ) from None
