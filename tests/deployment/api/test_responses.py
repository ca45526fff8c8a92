"""Responses: the part of them that needs no memory, as chat and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.deployment.api.house import QUESTION, House

from touchstone.deployment.gateway.api.responses_events import ResponseEvents
from touchstone.deployment.gateway.api.responses_read import chat_body
from touchstone.deployment.gateway.base import GatewayError
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer

PATH = "/v1/responses"


async def test_an_input_is_a_question(house: House) -> None:
    """The reply is a response object that keeps nothing, with the usage under its names there."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        body = {"model": "helpdesk", "input": QUESTION, "instructions": "Be brief.", "max_output_tokens": 60}
        reply = (await house.ask(body, PATH)).json
        assert (reply["object"], reply["status"], reply["store"], reply["model"]) == (
            "response", "completed", False, "parrot",
        )  # fmt: skip
        [item] = reply["output"]
        assert item["content"] == [{"type": "output_text", "text": QUESTION, "annotations": [], "logprobs": []}]
        sent = server.model.calls[0]  # type: ignore[union-attr]
        assert [message.role for message in sent.messages] == ["system", "user"]
        assert sent.max_tokens == 60
        [row] = await house.rows()
        assert (row["kind"], row["input_tokens"]) == ("response", reply["usage"]["input_tokens"])


async def test_an_answer_that_was_cut_short_is_incomplete(house: House) -> None:
    """Chat's `length` is the response's `max_output_tokens`."""
    async with FakeServer(FakeModel("parrot", reply=lambda _asked: FakeReply(text="so", finish="length"))) as server:
        await house.deploy("helpdesk", server)
        reply = (await house.ask({"model": "helpdesk", "input": "x"}, PATH)).json
        assert (reply["status"], reply["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


async def test_a_stream_has_its_own_events(house: House) -> None:
    """They are numbered, their pieces add up to the text of the last one, and no `[DONE]` follows."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        events = (await house.ask({"model": "helpdesk", "input": QUESTION, "stream": True}, PATH)).events
        kinds = [event["type"] for event in events]
        assert kinds[:4] == [
            "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        ]  # fmt: skip
        assert kinds[-4:] == [
            "response.output_text.done", "response.content_part.done", "response.output_item.done",
            "response.completed",
        ]  # fmt: skip
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        whole = events[-1]["response"]
        assert said == whole["output"][0]["content"][0]["text"] == QUESTION
        assert whole["usage"]["output_tokens"] == 9


def test_calls_of_functions_come_as_items() -> None:
    """Their arguments arrive piece by piece, beside what is said."""
    events = ResponseEvents({}, "req_1")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + orjson.dumps({"model": "m", "created": 5, "choices": [choice]}) + b"\n\n"

    def call(index: int, text: str, **more: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"arguments": text, **more}, "id": f"c{index}"}]}

    raw = events.piece(chunk({"role": "assistant", "content": "Let me see."}))
    raw += events.piece(chunk(call(0, "", name="look")) + chunk(call(0, '{"a":')) + chunk(call(0, "1}")))
    raw += events.piece(chunk(call(1, "{}", name="find")) + chunk({}, "tool_calls"))
    raw += events.end()
    found = [orjson.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: ")]
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output[1:]] == [
        ("c0", "look", '{"a":1}'),
        ("c1", "find", "{}"),
    ]
    added = [event["item"]["id"] for event in found if event["type"] == "response.output_item.added"]
    assert added == [item["id"] for item in output]
    deltas = [event["delta"] for event in found if event["type"] == "response.function_call_arguments.delta"]
    assert deltas == ['{"a":', "1}", "{}"]


def test_a_conversation_becomes_turns() -> None:
    """Messages, pictures, calls and what they gave; reasoning of before is its maker's and goes nowhere."""
    picture = "data:image/png;base64,AA=="
    found = chat_body(
        {
            "model": "m",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "What is this?"},
                                             {"type": "input_image", "image_url": picture, "detail": "low"}]},
                {"type": "reasoning", "summary": [], "encrypted_content": "x"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A dot."}]},
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call", "call_id": "d", "name": "find", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "black"},
                {"role": "user", "content": "And now?"},
            ],
            "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}],
            "tool_choice": {"type": "function", "name": "look"},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
            "reasoning": {"effort": "low"},
        }
    )  # fmt: skip
    assert [turn["role"] for turn in found["messages"]] == ["user", "assistant", "tool", "user"]
    assert found["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": picture, "detail": "low"}}
    assert [call["id"] for call in found["messages"][1]["tool_calls"]] == ["c", "d"]
    assert found["tools"][0]["function"] == {"name": "look", "parameters": {"type": "object"}, "strict": True}
    assert found["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert found["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert found["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"conversation": "c"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": [7]}, "input"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"made_up": 1}, "made_up"),
    ],
)
def test_what_needs_a_memory_or_a_tool_of_ours_is_refused(fields: dict[str, Any], param: str) -> None:
    """By name; nothing is passed over in silence."""
    with pytest.raises(GatewayError) as refused:
        chat_body({"model": "m", "input": "x", **fields})
    assert refused.value.param == param
    assert refused.value.code in ("unsupported", "invalid_value")
