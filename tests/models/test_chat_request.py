"""What is sent: OpenAI's body, with nothing that was not asked for."""

from __future__ import annotations

import orjson
import pytest

from touchstone.errors import RequestRejected
from touchstone.models.base import AudioPart, ChatRequest, ImagePart, Message, TextPart
from touchstone.models.chat_request import request_body


def test_unset_fields_are_not_sent() -> None:
    """A provider that refuses unknown fields gets the model and the messages alone; the draw is never sent."""
    request = ChatRequest(messages=(Message(role="user", content="hi"),), draw=3)
    body, text_bytes = request_body(request, "m")
    assert orjson.loads(body) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert text_bytes == 2


def test_everything_that_was_set_is_sent() -> None:
    """Each field of the request arrives under the protocol's name."""
    request = ChatRequest(
        messages=(Message(role="system", content="be short"), Message(role="user", content="hi")),
        temperature=0.0,
        top_p=0.5,
        max_tokens=7,
        seed=1,
        stop=("END",),
        response_format={"type": "json_object"},
        extra={"reasoning_effort": "low"},
    )
    body, _ = request_body(request, "m", stream=True, max_tokens_field="max_completion_tokens")
    found = orjson.loads(body)
    assert found.pop("messages") == [{"role": "system", "content": "be short"}, {"role": "user", "content": "hi"}]
    assert found == {
        "model": "m",
        "temperature": 0.0,
        "top_p": 0.5,
        "max_completion_tokens": 7,
        "seed": 1,
        "stop": ["END"],
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
    }


def test_stream_options_are_left_out_where_they_are_not_understood() -> None:
    """Mistral answers 422 to `stream_options`, so its preset does not send them."""
    body, _ = request_body(ChatRequest(messages=()), "m", stream=True, stream_usage=False)
    assert orjson.loads(body) == {"model": "m", "messages": [], "stream": True}


def test_parts_become_content_parts() -> None:
    """Text, image and audio parts are written as OpenAI writes them; only text counts for the estimate of tokens."""
    content = (
        TextPart(text="看"),
        ImagePart(url="data:image/png;base64,AAAA"),
        AudioPart(data="QUJD", format="mp3"),
    )
    body, text_bytes = request_body(ChatRequest(messages=(Message(role="user", content=content),)), "m")
    assert orjson.loads(body)["messages"][0]["content"] == [
        {"type": "text", "text": "看"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
    ]
    assert text_bytes == 3


@pytest.mark.parametrize("field", ["model", "messages", "stream", "stream_options"])
def test_extra_may_not_change_who_is_asked_what(field: str) -> None:
    """An extra field that is ours to set is refused by name, before anything is sent."""
    with pytest.raises(RequestRejected, match=field):
        request_body(ChatRequest(messages=(), extra={field: "x"}), "m")


def test_what_is_no_json_is_refused() -> None:
    """A value that JSON cannot hold is an error of this request, not a crash."""
    with pytest.raises(RequestRejected, match="JSON"):
        request_body(ChatRequest(messages=(), extra={"x": object()}), "m")
