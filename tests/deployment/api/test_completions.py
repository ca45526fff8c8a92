"""Completions: a prompt without turns is a question, and its answer a text."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deployment.api.house import QUESTION, House

from touchstone.models.fake_server import FakeServer

PATH = "/v1/completions"


async def test_a_prompt_is_a_question(house: House) -> None:
    """The provider is asked for a chat completion; the reply has the older shape, and the row its own kind."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        reply = await house.ask({"model": "helpdesk", "prompt": [QUESTION], "max_tokens": 50}, PATH)
        assert reply.json["object"] == "text_completion"
        assert reply.json["id"] == f"cmpl-{reply.headers['x-request-id']}"
        assert [choice["text"] for choice in reply.json["choices"]] == [QUESTION]
        assert reply.json["choices"][0]["finish_reason"] == "stop"
        assert server.model.calls[0].max_tokens == 50  # type: ignore[union-attr]
        [row] = await house.rows()
        assert (row["kind"], row["output_tokens"]) == ("completion", reply.json["usage"]["completion_tokens"])


async def test_a_stream_of_text(house: House) -> None:
    """Pieces add up to the text, the finish reason comes last, then the count where it was wanted, then the mark."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        body = {"model": "helpdesk", "prompt": QUESTION, "stream": True, "stream_options": {"include_usage": True}}
        *chunks, counted, end = (await house.ask(body, PATH)).events
        assert end == "[DONE]"
        assert counted["usage"]["completion_tokens"] == 9
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == QUESTION
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "stop"
        assert {chunk["object"] for chunk in chunks} == {"text_completion"}


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"prompt": ["one", "two"]}, "unsupported", "prompt"),
        ({"prompt": [1, 2]}, "invalid_value", "prompt"),
        ({"prompt": None}, "invalid_value", "prompt"),
        ({"echo": True}, "unsupported", "echo"),
        ({"best_of": 3}, "unsupported", "best_of"),
        ({"suffix": "end"}, "unsupported", "suffix"),
        ({"messages": []}, "invalid_value", "messages"),
    ],
)
async def test_what_is_not_offered_is_said(house: House, fields: dict[str, Any], code: str, param: str) -> None:
    """By name, before anybody is asked."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        reply = await house.ask({"model": "helpdesk", "prompt": "hello", **fields}, PATH)
        assert (reply.status, reply.code, reply.json["error"]["param"]) == (400, code, param)
        assert server.requests == 0
