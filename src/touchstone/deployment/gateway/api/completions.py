"""
`/v1/completions`: a prompt without turns, in the older shape of OpenAI's API.

Recipes were measured on questions, so the prompt is the question: it becomes the turn of a user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.deployment.base import Answered, Kind
from touchstone.deployment.gateway.api.base import END, Events, Form, unknown_field
from touchstone.deployment.gateway.api.gathered import chunks_of
from touchstone.deployment.gateway.base import GatewayError

_PASSING = frozenset(
    {
        "model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "seed", "stop",
        "presence_penalty", "frequency_penalty", "logit_bias", "user", "touchstone",
    }
)  # fmt: skip
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "best_of": (None, 1), "echo": (None, False), "logprobs": (None,), "suffix": (None, ""),
}  # fmt: skip
"""Fields that chat has nothing for, and the values at which they ask for nothing."""


class CompletionForm(Form):
    """A prompt as the turn of a user, and its answer as a text."""

    kind: Kind = "completion"
    asks: Kind = "chat"
    path = "/v1/completions"

    def read(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a chat request. Raises `GatewayError`."""
        for name, values in _NOTHING.items():
            if body.get(name) not in values:
                raise GatewayError("unsupported", param=name, what=name)
        wanted = {name: value for name, value in body.items() if name in _PASSING}
        unknown = sorted(set(body) - _PASSING - set(_NOTHING) - {"prompt"})
        if unknown:
            raise unknown_field(unknown[0])
        wanted["messages"] = [{"role": "user", "content": _prompt(body.get("prompt"))}]
        return wanted

    def write(self, answered: Answered, body: Mapping[str, Any], request: str) -> Answered:
        """A text completion."""
        found = orjson.loads(answered.body)
        choices = [_choice(choice, choice["message"].get("content") or "") for choice in found["choices"]]
        return answered._replace(body=orjson.dumps({**_head(found, request), "choices": choices}))

    def events(self, body: Mapping[str, Any], request: str) -> Events:
        """Text chunks."""
        return _TextEvents(request)


def _prompt(given: Any) -> str:
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, str):
        return given
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        raise GatewayError("unsupported", param="prompt", what="several prompts at once")
    raise GatewayError("invalid_value", param="prompt", reason="give one text; numbers of tokens are not taken")


def _head(found: Mapping[str, Any], request: str) -> dict[str, Any]:
    head = {name: found[name] for name in ("created", "model", "system_fingerprint", "usage") if name in found}
    return {"id": f"cmpl-{request}", "object": "text_completion", **head}


def _choice(found: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {
        "index": found.get("index") or 0,
        "text": text,
        "logprobs": None,
        "finish_reason": found.get("finish_reason"),
    }


class _TextEvents:
    """Chat chunks as chunks of text."""

    def __init__(self, request: str) -> None:
        self._request = request

    def piece(self, block: bytes) -> bytes:
        """See `Events`."""
        found = []
        for chunk in chunks_of([block]):
            given = [one for one in chunk.get("choices") or () if isinstance(one, dict)]
            choices = [_choice(one, (one.get("delta") or {}).get("content") or "") for one in given]
            said = [one for one in choices if one["text"] or one["finish_reason"]]
            if said or (not given and chunk.get("usage")):
                found.append(b"data: " + orjson.dumps({**_head(chunk, self._request), "choices": said}) + b"\n\n")
        return b"".join(found)

    def end(self) -> bytes:
        """See `Events`."""
        return END
