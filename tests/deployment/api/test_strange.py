"""Bodies that nobody would write on purpose: each is answered or refused, and none is a failure of ours."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from tests.deployment.api.house import House

from touchstone.deployment.base import SafetyPolicy
from touchstone.models.fake_server import FakeServer

TIMES = int(os.environ.get("TOUCHSTONE_STRANGE", "25"))
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 1e308, "", "x", "\x00", "\ud7ff‮", "[DONE]", [], [None], [[]], {}, {"a": None},
    {"role": "user"}, [{"role": "user", "content": "x"}], [{"type": "text", "text": 1}], {"type": "function"},
    {"include_usage": 1}, "https://[", "https://h:x/", {"url": "data:image/png;base64,"}, "data: x\n\ndata: [DONE]\n\n",
)  # fmt: skip
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT = {"type": "text", "text": "t"}
PIXEL = "data:image/png;base64,AA=="
CHAT = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": PIXEL}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "user", "content": "u"},
    ],
    "n": 1, "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL],
    "tool_choice": "auto", "response_format": {"type": "json_object"}, "stop": ["x"], "temperature": 1,
    "touchstone": {"fields": {"a": "b"}},
}  # fmt: skip
PROMPT = {"prompt": "p", "max_tokens": 5, "stream": False, "stop": "x", "n": 1, "logprobs": None}
RESPONSE = {
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "t"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
        {"type": "message", "role": "user", "content": "u"},
    ],
    "instructions": "i", "tools": [{"type": "function", "name": "f", "parameters": {}}], "tool_choice": "auto",
    "text": {"format": {"type": "text"}, "verbosity": "low"}, "reasoning": {"effort": "low"}, "max_output_tokens": 9,
    "stream": True, "metadata": {"a": "b"},
}  # fmt: skip


def changed(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """The same with something else in one place."""
    if depth and rng.random() < 0.25:
        return rng.choice(VALUES)
    if isinstance(value, dict) and value:
        name = rng.choice(list(value))
        rest = {key: inner for key, inner in value.items() if key != name}
        if rng.random() < 0.1:
            return rest
        return {**rest, name: changed(rng, value[name], depth + 1)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], changed(rng, value[place], depth + 1), *value[place + 1 :]]
    return rng.choice(VALUES)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/chat/completions", CHAT), ("/v1/completions", PROMPT), ("/v1/responses", RESPONSE)],
)
async def test_no_body_is_a_failure_of_ours(house: House, path: str, body: dict[str, Any], guarded: bool) -> None:
    """25 bodies (`TOUCHSTONE_STRANGE=1000` for more) with one or two places changed: 200, or 4xx with a code."""
    rng = random.Random(f"{path} {guarded} {TIMES}")
    policy = {"safety": SafetyPolicy(pii="mask", injection="flag")} if guarded else {}
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, **policy)
        assert (await house.ask({"model": "helpdesk", **body}, path)).status == 200
        for _ in range(TIMES):
            wanted = changed(rng, body)
            if rng.random() < 0.5:
                wanted = changed(rng, wanted)
            reply = await house.ask({"model": "helpdesk", **wanted}, path)
            assert reply.status < 500, (wanted, reply.body)
            if reply.status != 200:
                assert reply.code in ("invalid_value", "unsupported", "upstream_rejected", "invalid_json"), wanted
