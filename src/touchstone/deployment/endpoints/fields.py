"""
Which fields of a request may pass to a model, and which of them the recipe has settled.

An allow-list: a field that nobody here knows is refused, because what passes unseen passes by the guard, the price and
the recipe (promises.md, A8 and A19).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from touchstone.errors import RequestRejected

SAMPLING = frozenset(
    {
        "temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias",
        "reasoning_effort", "verbosity",
    }
)  # fmt: skip
"""They shape an answer; those of the recipe were measured."""

FORM = frozenset({"response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "n"})
"""What the client can do with an answer depends on them, so they pass where the recipe has none of its own."""

SHOWN = frozenset({"logprobs", "top_logprobs"})
ASKED = frozenset({"messages", "max_tokens", "max_completion_tokens", "touchstone"})
OURS = frozenset({"model", "stream", "stream_options"})
NOTES = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})
"""What OpenAI's clients send about a request. None of it is passed on: it would tell a provider about our users."""

CHAT = SAMPLING | FORM | SHOWN | ASKED | OURS | NOTES

MOST_CHOICES = 8
"""Answers that one request may ask for."""


class Unusable(RequestRejected):
    """
    A request that cannot be asked, in words that speak of the request alone, so that its sender may read them.

    Attributes:
        param: The field that is wrong; None where it is no single one.
    """

    def __init__(self, template: str, /, *, param: str | None = None, **values: Any) -> None:
        self.param = param
        super().__init__(template, **values)


class Passing(NamedTuple):
    """The fields that go along with a recipe's own request."""

    fields: Mapping[str, Any]
    max_tokens: int
    ignored: tuple[str, ...]


def passing(body: Mapping[str, Any], own: Mapping[str, Any], *, sampling: str, most_output_tokens: int) -> Passing:
    """
    What of a chat request is added to a recipe's request.

    Args:
        body: The request.
        own: The fields that the recipe sets, by the same names; `extra` holds further ones.
        sampling: `measured` or `client`, see `Policy`.
        most_output_tokens: For a request that names no limit where the recipe names none either.

    Raises:
        Unusable: a field is unknown or cannot be used.
    """
    unknown = sorted(set(body) - CHAT)
    if unknown:
        raise Unusable("the field {field!r} is not known here", param=unknown[0], field=unknown[0])
    settled = {name for name, value in own.items() if value not in (None, (), {})} | set(own.get("extra") or {})
    found: dict[str, Any] = {}
    ignored: list[str] = []
    for name, value in body.items():
        if value is None or name in ASKED or name in OURS or name in NOTES:
            continue
        if (name in SAMPLING and sampling == "measured") or (name in settled and name not in SAMPLING):
            ignored.append(name)
        else:
            found[name] = value
    choices = found.get("n", 1)
    if isinstance(choices, bool) or not isinstance(choices, int) or not 1 <= choices <= MOST_CHOICES:
        raise Unusable("n is {value!r}; give 1 to {most}", param="n", value=choices, most=MOST_CHOICES)
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    if asked is not None and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 1):
        raise Unusable("max_tokens is {value!r}; give a whole number from 1 on", param="max_tokens", value=asked)
    limits = [limit for limit in (asked, own.get("max_tokens")) if limit is not None]
    return Passing(found, min(limits, default=most_output_tokens), tuple(sorted(ignored)))
