"""Embeddings, images, recordings, moderation and reranking reach a provider as they are meant, and are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from touchstone.deployment.base import Asked, Kind, Usage
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.make import upstream_of
from touchstone.deployment.endpoints.passed_on import File
from touchstone.deployment.endpoints.provider import WholeProvider
from touchstone.errors import ProviderFailed, RequestRejected
from touchstone.evaluation.base import Recipe
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.strategies.chat import PromptCandidate


class Server:
    """A provider that answers every path with what it is told to, and keeps what it was asked."""

    def __init__(self, reply: Mapping[str, Any] | bytes, content_type: str = "application/json") -> None:
        self.reply = reply if isinstance(reply, bytes) else orjson.dumps(reply)
        self.content_type = content_type
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def _answer(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            body = orjson.loads(await request.read())
        else:
            form = await request.post()
            body = {
                name: value.file.read() if isinstance(value, web.FileField) else value for name, value in form.items()
            }
        self.asked.append((request.path, body))
        return web.Response(body=self.reply, content_type=self.content_type)

    @asynccontextmanager
    async def upstream(self) -> AsyncIterator[WholeProvider]:
        app = web.Application()
        app.router.add_post("/v1/{kind:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        model = OpenAICompatible("m-large", f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        candidate = PromptCandidate(
            "c", Recipe(model="m", strategy="prompt"), ServingCaller(model),
            system="", template=None, folders={"": Path()}, fields={},
        )  # fmt: skip
        found = upstream_of(
            candidate, None, sampling="client", most_output_tokens=64, image_hosts=(), whole_provider=True
        )
        assert isinstance(found, WholeProvider)
        yield found
        await found.close()
        await runner.cleanup()


def asked(kind: Kind, stream: bool = False, **body: Any) -> Asked:
    """A request of this kind, with what clients send beside it."""
    return Asked(kind, {"model": "endpoint", "user": "anna", **body}, stream, "req-1")


CASES: list[tuple[Kind, str, dict[str, Any], dict[str, Any], Usage]] = [
    (
        "embedding", "/v1/embeddings", {"input": ["a", "b"], "dimensions": 8},
        {"data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}, Usage(5, 0),
    ),
    ("moderation", "/v1/moderations", {"input": "hi"}, {"results": []}, Usage(1, 0, estimated=True)),
    (
        "rerank", "/v1/rerank", {"query": "q", "documents": ["a", "b"], "top_n": 1},
        {"results": [], "usage": {"total_tokens": 9}}, Usage(9, 0),
    ),
    (
        "rerank", "/v1/rerank", {"query": "q", "documents": ["a"]},
        {"results": [], "meta": {"tokens": {"input_tokens": 4, "output_tokens": 1}}}, Usage(4, 1),
    ),
    (
        "image", "/v1/images/generations", {"prompt": "a lamp", "n": 2, "size": "1024x1024"},
        {"data": [], "usage": {"input_tokens": 3, "output_tokens": 2000}}, Usage(3, 2000),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "body", "reply", "usage"), CASES)
async def test_a_request_arrives_and_is_counted(
    kind: Kind, path: str, body: dict[str, Any], reply: dict[str, Any], usage: Usage
) -> None:
    """On its path, under the provider's name of the model, without what is about the client."""
    server = Server({"model": "m-large-2", **reply})
    async with server.upstream() as upstream:
        ready = await upstream.prepare(asked(kind, **body))
        answered = await upstream.answer(ready)
    assert server.asked == [(path, {"model": "m-large", **body})]
    assert answered.usage == usage
    assert answered.model == "m-large-2"
    assert ready.input_tokens >= (usage.input_tokens or 0)


async def test_a_recording_is_sent_as_a_form() -> None:
    """And a transcript that is plain text comes back as plain text, whatever the provider calls it."""
    for content_type, told in (("application/json", "application/json"), ("text/html", "text/plain")):
        body = b'{"text": "hello"}' if content_type == "application/json" else b"hello"
        server = Server(body, content_type)
        async with server.upstream() as upstream:
            ready = await upstream.prepare(
                asked("transcription", file=File("a.wav", b"RIFF" * 100, "audio/wav"), language="en")
            )
            answered = await upstream.answer(ready)
        assert server.asked == [
            ("/v1/audio/transcriptions", {"model": "m-large", "file": b"RIFF" * 100, "language": "en"})
        ]
        assert (answered.body, answered.content_type) == (body, told)
        assert answered.usage.estimated


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("embedding", {}, "input is missing"),
        ("embedding", {"input": "a", "api_base": "http://evil"}, "api_base"),
        ("image", {"prompt": "a", "n": 99}, "n is 99"),
        ("rerank", {"query": "q", "documents": []}, "documents is missing"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anybody_is(kind: Kind, body: dict[str, Any], words: str) -> None:
    """The provider hears nothing of it."""
    server = Server({})
    async with server.upstream() as upstream:
        with pytest.raises(RequestRejected, match=words):
            await upstream.prepare(asked(kind, **body))
        with pytest.raises(RequestRejected, match="not streamed"):
            await upstream.prepare(asked("moderation", True, input="hi"))
    assert server.asked == []


async def test_a_reply_that_is_none_is_a_failure() -> None:
    """A page of a proxy is not passed on as an embedding."""
    server = Server(b"<html>")
    async with server.upstream() as upstream:
        with pytest.raises(ProviderFailed):
            await upstream.answer(await upstream.prepare(asked("embedding", input="a")))


async def test_chat_goes_by_the_recipe_of_the_same_model() -> None:
    """One endpoint answers both."""
    server = Server({"choices": [], "model": "m-large", "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    async with server.upstream() as upstream:
        await upstream.answer(await upstream.prepare(asked("chat", messages=[{"role": "user", "content": "hi"}])))
    assert server.asked[0][0] == "/v1/chat/completions"
    assert server.asked[0][1]["model"] == "m-large"
