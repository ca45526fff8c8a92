"""Requests that are passed on to a real local server: bytes as they come, failures in our words, nothing left open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from touchstone.errors import AccessDenied, ContentFiltered, NoReply, ProviderFailed, RateLimited, Unreachable
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer
from touchstone.models.openai_compatible import OpenAICompatible

BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})
STREAM = orjson.dumps({**orjson.loads(BODY), "stream": True, "stream_options": {"include_usage": True}})


@asynccontextmanager
async def model_of(server: FakeServer, **parameters: Any) -> AsyncIterator[OpenAICompatible]:
    """A model that asks the server."""
    model = OpenAICompatible("m", server.base_url, **parameters)
    try:
        yield model
    finally:
        await model.close()


async def test_a_whole_reply_is_passed_on_as_bytes() -> None:
    """The body is what the server wrote, and the bill has one sale."""
    async with FakeServer() as server, model_of(server) as model:
        passed = await model.relay().ask("/chat/completions", BODY)
    found = orjson.loads(passed.body)
    assert found["choices"][0]["message"]["content"] == "hello there"
    assert found["usage"]["prompt_tokens"] == server.bill[0].input_tokens
    assert passed.seconds > 0


async def test_a_stream_arrives_while_it_is_written() -> None:
    """The first piece is there long before the last one."""
    fake = FakeModel(reply=lambda _: FakeReply(text="one two three four five"))
    async with FakeServer(fake, token_s=0.05) as server, model_of(server, stream=True) as model:
        passing = await model.relay().open("/chat/completions", STREAM)
        times, pieces = [], []
        async for piece in passing:
            times.append(time.perf_counter() - passing.sent_at)
            pieces.append(piece)
        await passing.close()
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    assert times[-1] - times[0] > 0.1


async def test_leaving_a_stream_ends_it_upstream() -> None:
    """The server sees the connection close, and counts the sale as incomplete."""
    fake = FakeModel(reply=lambda _: FakeReply(text="word " * 200))
    async with FakeServer(fake, token_s=0.02) as server, model_of(server, stream=True) as model:
        passing = await model.relay().open("/chat/completions", STREAM)
        async for _ in passing:
            break
        await passing.close()
        await passing.close()
        for _ in range(1500):
            if server.bill:
                break
            await asyncio.sleep(0.02)
    assert [sale.complete for sale in server.bill] == [False]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="status", status=429, headers={"Retry-After": "7"}), RateLimited),
        (Fault(kind="status", status=500), ProviderFailed),
        (Fault(kind="status", status=401, code="invalid_api_key"), AccessDenied),
        (Fault(kind="status", status=400, code="content_filter"), ContentFiltered),
        (Fault(kind="garbage"), ProviderFailed),
        (Fault(kind="reset", after_bytes=20), NoReply),
        (Fault(kind="stall", after_bytes=20, seconds=5), NoReply),
        (Fault(kind="silence", seconds=5), NoReply),
    ],
)
async def test_a_failure_says_what_it_means(fault: Fault, error: type[Exception]) -> None:
    """Statuses, broken connections and deadlines are the errors that a comparison meets too."""
    async with FakeServer(faults=[fault]) as server, model_of(server, idle_s=0.2, first_byte_s=0.2) as model:
        with pytest.raises(error) as raised:
            await model.relay().ask("/chat/completions", BODY)
        assert raised.value.__cause__ is None
        if isinstance(raised.value, RateLimited):
            assert raised.value.retry_after_s == 7
        # The next request is served: nothing was left behind.
        assert (await model.relay().ask("/chat/completions", BODY)).body


async def test_nobody_listening_is_unreachable() -> None:
    """Nothing was sent, so another may be asked instead."""
    async with FakeServer() as server:
        address = server.base_url
    model = OpenAICompatible("m", address)
    with pytest.raises(Unreachable):
        await model.relay().ask("/chat/completions", BODY)
    await model.close()


async def test_a_cancellation_stays_one() -> None:
    """Whoever gives up waiting is not told of a deadline."""
    async with FakeServer(faults=[Fault(kind="silence", seconds=5)]) as server, model_of(server) as model:
        task = asyncio.create_task(model.relay().ask("/chat/completions", BODY))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_reply_that_is_too_long_is_ended() -> None:
    """What came until then was passed on, and it is said that it was cut."""
    async with (
        FakeServer(faults=[Fault(kind="huge", size=1 << 20)]) as server,
        model_of(server, stream=True, max_reply_bytes=100_000) as model,
    ):
        passing = await model.relay().open("/chat/completions", STREAM)
        size = sum([len(piece) async for piece in passing])
        await passing.close()
    assert passing.capped
    assert size <= 100_000 + 65_536


async def test_a_form_with_a_file_arrives_as_one() -> None:
    """Recordings are sent as a form with a boundary of its own, and the key goes along."""
    seen: dict[str, Any] = {}

    async def transcribe(request: web.Request) -> web.Response:
        form = await request.post()
        field = form["file"]
        assert isinstance(field, web.FileField)
        seen.update(model=form["model"], file=field.file.read(), key=request.headers.get("Authorization"))
        return web.json_response({"text": "hi"})

    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", transcribe)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    model = OpenAICompatible("m", f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    form = aiohttp.FormData()
    form.add_field("model", "m")
    form.add_field("file", b"RIFF....", filename="a.wav", content_type="audio/wav")
    passed = await model.relay().ask("/audio/transcriptions", form)
    await model.close()
    await runner.cleanup()
    assert orjson.loads(passed.body) == {"text": "hi"}
    assert (seen["model"], seen["file"]) == ("m", b"RIFF....")
