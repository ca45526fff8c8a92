"""The server speaks the protocol: OpenAI's own client understands it, and other processes can reach it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import openai
import pytest

from touchstone.errors import RateLimited
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer, serve_in_thread


def client(server: FakeServer, key: str = "any") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=10)


MESSAGES: Any = [{"role": "system", "content": "be short"}, {"role": "user", "content": "hello you"}]


async def test_the_official_client_gets_a_completion() -> None:
    """Content, finish, usage and the model's name arrive where OpenAI puts them."""
    async with FakeServer(FakeModel("small")) as server, client(server) as official:
        found = await official.chat.completions.create(model="small", messages=MESSAGES, temperature=0, stop=["END"])
        models = await official.models.list()
    assert (found.choices[0].message.content, found.choices[0].finish_reason, found.model) == (
        "hello you",
        "stop",
        "small",
    )
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens > 0
    assert [model.id for model in models.data] == ["fake/small"]
    assert [(sale.input_tokens, sale.complete) for sale in server.bill] == [(found.usage.prompt_tokens, True)]


@pytest.mark.parametrize("count", [True, False])
async def test_the_official_client_gets_a_stream(count: bool) -> None:
    """Word by word, and the usage only when it is asked for."""
    options: Any = {"stream_options": {"include_usage": True}} if count else {}
    async with FakeServer() as server, client(server) as official:
        stream = await official.chat.completions.create(model="m", messages=MESSAGES, stream=True, **options)
        chunks = [chunk async for chunk in stream]
    text = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(text) == "hello you"
    assert len([piece for piece in text if piece]) > 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert sum(chunk.usage is not None for chunk in chunks) == count


async def test_the_official_client_sees_refusals_and_filters() -> None:
    """The outcomes that are no answers look as they do at the provider."""
    replies = {"refusal": FakeReply(text="no", finish="refusal"), "filter": FakeReply(finish="filter")}
    models = {name: FakeModel(name, reply=lambda _, said=reply: said) for name, reply in replies.items()}
    async with FakeServer(models) as server, client(server) as official:
        refused = await official.chat.completions.create(model="refusal", messages=MESSAGES)
        filtered = await official.chat.completions.create(model="filter", messages=MESSAGES)
        with pytest.raises(openai.NotFoundError, match="other"):
            await official.chat.completions.create(model="other", messages=MESSAGES)
    assert (refused.choices[0].message.refusal, refused.choices[0].message.content) == ("no", None)
    assert filtered.choices[0].finish_reason == "content_filter"


async def test_errors_are_those_of_the_protocol() -> None:
    """A failure of the model, a wrong key and a bad request are what the official client expects."""
    limited = FakeModel(reply=lambda _: RateLimited("slow down", retry_after_s=3.0))
    async with FakeServer(limited, key="right") as server:
        async with client(server, "right") as official:
            with pytest.raises(openai.RateLimitError) as caught:
                await official.chat.completions.create(model="m", messages=MESSAGES)
            assert caught.value.response.headers["retry-after"] == "3"
            with pytest.raises(openai.BadRequestError):
                await official.chat.completions.create(model="m", messages="nothing")  # type: ignore[call-overload]
        async with client(server, "wrong") as official:
            with pytest.raises(openai.AuthenticationError):
                await official.chat.completions.create(model="m", messages=MESSAGES)
            with pytest.raises(openai.AuthenticationError):
                await official.models.list()


async def test_faults_follow_the_plan() -> None:
    """A list is for the first requests in order, a function for any of them."""
    third = FakeServer(faults=lambda number, _: Fault(kind="status", status=503) if number == 2 else None)
    listed = FakeServer(faults=[None, None, Fault(kind="status", status=503)])
    for server in (third, listed):
        async with server, client(server) as official:
            for _ in range(2):
                await official.chat.completions.create(model="m", messages=MESSAGES)
            with pytest.raises(openai.InternalServerError):
                await official.chat.completions.create(model="m", messages=MESSAGES)
            await official.chat.completions.create(model="m", messages=MESSAGES)
        assert (server.requests, len(server.bill)) == (4, 3)


async def test_what_was_begun_is_billed() -> None:
    """A reply that broke off stands on the bill as incomplete: the provider charges for it."""
    async with FakeServer(faults=[Fault(kind="reset", after_bytes=10)]) as server, client(server) as official:
        with pytest.raises(openai.APIConnectionError):
            await official.chat.completions.create(model="m", messages=MESSAGES)
    assert [sale.complete for sale in server.bill] == [False]


def test_a_server_in_a_thread_serves_another_process() -> None:
    """Commands in a subprocess can be tested against it, and the bill is read here."""
    fake = FakeModel(reply="from the thread")
    with serve_in_thread(FakeServer(fake)) as server:
        code = (
            "import asyncio, sys\n"
            "from touchstone.models.base import ChatRequest, Message\n"
            "from touchstone.models.openai_compatible import OpenAICompatible\n"
            "async def main():\n"
            "    model = OpenAICompatible('m', sys.argv[1])\n"
            "    print(model.read(await model.send(ChatRequest(messages=(Message(role='user', content='x'),)))).text)\n"
            "    await model.close()\n"
            "asyncio.run(main())\n"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, server.base_url], capture_output=True, text=True, check=True
        )
    assert found.stdout == "from the thread\n"
    assert len(server.bill) == len(fake.calls) == 1
    assert isinstance(fake.calls[0], ChatRequest)


def test_a_port_that_is_taken_is_said_where_the_block_is_entered() -> None:
    """The thread's failure does not get lost."""
    with (
        serve_in_thread(FakeServer()) as first,
        pytest.raises(OSError, match="address"),
        serve_in_thread(FakeServer(port=first.port)),
    ):
        raise AssertionError("the second server must not start")
