"""Embeddings, pictures and transcripts of a provider, and a stream as it is heard."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.base import Price
from touchstone.errors import ProviderFailed, RequestRejected
from touchstone.models.base import AudioPart, ChatRequest, ImagePart, Message, TextPart
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.workspace.playground_base import Kind
from touchstone.workspace.playground_media import picture_of
from touchstone.workspace.playground_other import PATHS, OtherKind
from touchstone.workspace.playground_stream import Said

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
SOUND = b"RIFF\0\0\0\0WAVEfmt "
REPLIES: dict[Kind, Any] = {
    "embedding": {"data": [{"embedding": [0.5, -1, 2]}], "model": "m", "usage": {"prompt_tokens": 7}},
    "image": {
        "data": [{"b64_json": base64.b64encode(PNG).decode()}],
        "usage": {"input_tokens": 3, "output_tokens": 100},
    },
    "transcription": {"text": "hello there"},
}


@asynccontextmanager
async def provider(replies: dict[Kind, Any], asked: list[Any]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        kind = next(kind for kind, path in PATHS.items() if request.path == f"/v1{path}")
        if kind == "transcription":
            form = await request.post()
            file: Any = form["file"]
            asked.append((form["model"], file.file.read(), file.filename))
        else:
            asked.append(await request.json())
        return web.Response(body=orjson.dumps(replies[kind]), content_type="application/json")

    app = web.Application()
    app.router.add_post("/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def request(*parts: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=(TextPart(text="hi"), *parts)),))


async def complete(kind: Kind, replies: dict[Kind, Any], *parts: Any) -> tuple[Any, list[Any]]:
    asked: list[Any] = []
    async with provider(replies, asked) as base_url:
        model = OtherKind(OpenAICompatible("m", base_url, price=Price(input_usd=1, output_usd=10, source="t")), kind)
        try:
            return model.read(await model.send(request(*parts))), asked
        finally:
            await model.close()


async def test_a_vector_comes_with_its_cost() -> None:
    """Its input tokens are counted and priced; a vector has no output that is billed."""
    found, asked = await complete("embedding", REPLIES)
    assert orjson.loads(found.text) == [0.5, -1, 2]
    assert found.cost_usd == pytest.approx(7e-6)
    assert asked == [{"model": "m", "input": "hi"}]


async def test_a_picture_comes_as_a_data_url() -> None:
    """A picture is told by its bytes, and its tokens are priced as the provider counts them."""
    found, asked = await complete("image", REPLIES)
    (part,) = found.parts
    assert isinstance(part, ImagePart)
    made = picture_of(part.url)
    assert made is not None
    assert made.body == PNG
    assert found.cost_usd == pytest.approx(3e-6 + 1e-3)
    assert asked == [{"model": "m", "prompt": "hi", "n": 1}]


async def test_a_recording_is_sent_as_a_file() -> None:
    """The bytes arrive as they were; what was not counted is estimated and says so."""
    sound = AudioPart(data=base64.b64encode(SOUND).decode(), format="wav")
    found, asked = await complete("transcription", REPLIES, sound)
    assert found.text == "hello there"
    assert found.usage.estimated
    assert asked == [("m", SOUND, "recording.wav")]
    with pytest.raises(RequestRejected, match="send one"):
        await complete("transcription", REPLIES)


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("embedding", {"data": []}),
        ("embedding", {"data": [{"embedding": []}]}),
        ("image", {"data": [{"url": "https://elsewhere.example/a.png"}]}),
        ("image", {"data": [{"b64_json": base64.b64encode(b"<svg/>").decode()}]}),
        ("transcription", []),
    ],
)
async def test_a_reply_that_is_none_of_its_kind_is_a_failure(kind: Kind, reply: Any) -> None:
    """An address instead of a picture, an SVG, no numbers: nothing of it is taken for an answer."""
    sound = (AudioPart(data="", format="wav"),) if kind == "transcription" else ()
    with pytest.raises(ProviderFailed, match="can be read"):
        await complete(kind, {**REPLIES, kind: reply}, *sound)


# Streams --------------------------------------------------------------------------------------------------------------


class Heard:
    def __init__(self) -> None:
        self.text = self.reasoning = ""

    def begin(self) -> None:
        self.text = self.reasoning = ""

    def hear(self, text: str, reasoning: str) -> None:
        self.text += text
        self.reasoning += reasoning


def stream(pieces: Sequence[str], end: str = "\n\n") -> bytes:
    events = [orjson.dumps({"choices": [{"delta": {"content": piece}}]}).decode() for piece in pieces]
    return "".join(f"data: {event}{end}" for event in [*events, "[DONE]"]).encode()


@given(
    st.lists(st.text(st.characters(codec="utf-8")), max_size=5),
    st.lists(st.integers(0, 400)),
    st.sampled_from(["\n\n", "\r\n\r\n"]),
)
def test_a_stream_is_heard_however_it_is_cut(pieces: list[str], cuts: list[int], end: str) -> None:
    """Bytes may be cut anywhere, in the middle of a character too; what is heard is what was said."""
    body = stream(pieces, end)
    heard = Heard()
    said = Said(heard)
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    for start, stop in pairwise(places):
        said.take(body[start:stop])
    assert heard.text == "".join(pieces)
    assert said.done


def test_reasoning_is_heard_apart_and_noise_is_passed_over() -> None:
    """Thoughts, comments and events that are no JSON neither stop nor spoil what is heard."""
    heard = Heard()
    said = Said(heard)
    said.take(b': ping\n\ndata: no json\n\ndata: {"choices": null}\n\n')
    said.take(b'data: {"choices": [{"delta": {"reasoning": "hm", "content": null}}]}\n\n')
    said.take(b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\n')
    assert (heard.reasoning, heard.text, said.done) == ("hm", "yes", False)
