"""What requests may hold, for the document of the API. Bodies are read by hand: parsing must not slow every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from touchstone.noun import Noun


class _Body(Noun):
    model_config = ConfigDict(extra="forbid")

    model: str
    """The name of an endpoint."""
    stream: bool | None = None
    temperature: float | None = None
    """Counts only where the endpoint's policy lets clients decide, like all of sampling: `x-touchstone-ignored`."""
    top_p: float | None = None
    user: str | None = None
    """Never passed on."""
    touchstone: Mapping[str, Any] | None = None
    """`fields`: columns of the case by name; `options`: the options of a choice."""


class ChatBody(_Body):
    """A chat completion request."""

    messages: Sequence[Mapping[str, Any]] = Field(min_length=1)
    stream_options: Mapping[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=8)
    seed: int | None = None
    stop: str | Sequence[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    response_format: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] | None = None
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: Sequence[Mapping[str, Any]] | None = None
    function_call: str | Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CompletionBody(_Body):
    """A completion request."""

    prompt: str | Sequence[str]
    """One prompt."""
    stream_options: Mapping[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=8)
    seed: int | None = None
    stop: str | Sequence[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    suffix: str | None = None


class ResponseBody(_Body):
    """A request for a response."""

    input: str | Sequence[Mapping[str, Any]]
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    tools: Sequence[Mapping[str, Any]] | None = None
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: Mapping[str, Any] | None = None
    reasoning: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    store: bool | None = None
    """Nothing is kept; `true` is refused."""
    previous_response_id: None = None
    background: bool | None = None
    truncation: str | None = None
    include: Sequence[str] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    stream_options: Mapping[str, Any] | None = None
    top_logprobs: int | None = None
