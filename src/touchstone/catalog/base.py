"""Nouns of what a call costs and where it goes: a provider that serves models, and what it charges."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from touchstone.noun import Noun

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A price that somebody can charge."""


class PriceTier(Noun):
    """What every token of a call costs once its input is longer than a threshold, USD per million tokens."""

    above_input_tokens: int = Field(ge=0)
    """The tier holds for calls with more input tokens than this, cached ones included."""
    input_usd: Usd
    output_usd: Usd
    cached_input_usd: Usd | None = None


class Price(Noun):
    """What one provider charges for one model, USD per million tokens."""

    input_usd: Usd
    output_usd: Usd
    cached_input_usd: Usd | None = None
    """None when the provider does not say; cached tokens then cost what others cost, not nothing."""
    tiers: tuple[PriceTier, ...] = ()
    """Dearer (or cheaper) prices of long calls, thresholds ascending; the last one that applies prices all tokens."""
    per_call_usd: Usd = 0.0
    as_of: str | None = None
    """Date of the snapshot, ISO 8601; None when nobody wrote it down."""
    source: str = "task file"
    """Where the numbers were read."""

    def cost_usd(
        self, input_tokens: int | None, output_tokens: int | None, cached_input_tokens: int | None = None
    ) -> float | None:
        """
        The cost of one call.

        Args:
            input_tokens: All input tokens, cached ones included; None when unknown.
            output_tokens: All output tokens, reasoning included; None when unknown.
            cached_input_tokens: How many of the input tokens were read from the provider's cache.

        Returns:
            USD, or None when the usage is unknown.
        """
        if input_tokens is None or output_tokens is None:
            return None
        rate: Price | PriceTier = self
        for tier in self.tiers:
            if input_tokens > tier.above_input_tokens:
                rate = tier
        cached = min(cached_input_tokens or 0, input_tokens)
        cached_usd = rate.input_usd if rate.cached_input_usd is None else rate.cached_input_usd
        tokens_usd = (input_tokens - cached) * rate.input_usd + cached * cached_usd + output_tokens * rate.output_usd
        return tokens_usd / 1e6 + self.per_call_usd


class Provider(Noun):
    """A preset: how to reach one provider's OpenAI-compatible endpoint."""

    id: str
    """The part before the slash in `deepseek/deepseek-chat`."""
    name: str
    aliases: tuple[str, ...] = ()
    """Other names of the preset, such as `kimi` for `moonshot`."""
    base_url: str | None = None
    """None when every customer has an address of their own, then named by `base_url_env`."""
    base_url_env: str | None = None
    """Environment variable that overrides or supplies the address."""
    base_url_env_path: str = ""
    """What follows the host when the variable names only a host, such as `/v1`."""
    key_env: str | None = None
    """Environment variable that holds the key; None when none is needed."""
    key_hosts: tuple[str, ...] = ()
    """Ends of further host names to which the key belongs, such as a provider's regions."""
    key_required: bool = True
    key_header: Literal["bearer", "api-key"] = "bearer"
    local: bool = False
    """Whether it usually runs on the user's own machine: calls cost no money, only time."""
    prices_id: str | None = None
    """The provider's id in `genai-prices`; None when it has none."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is understood."""
    start_hint: str | None = None
    """The command that starts a local server, for the error that finds nobody listening."""
    note: str | None = None
    """What is lost or peculiar at this endpoint."""
    source: str
    """Page the facts were read from."""
    as_of: str
    """Date they were read, ISO 8601."""


class Facts(Noun):
    """What a decision may ask of a model beyond its answers; None where nobody knows."""

    licence: Literal["open", "open_weights", "proprietary"] | None = None
    self_hostable: bool | None = None
    extra: Mapping[str, str] = Field(default_factory=dict)
