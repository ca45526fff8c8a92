"""OpenAI's own clients, unchanged, against a gateway that is a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.deployment.api.process import Place, Running, serving

from touchstone.deployment.base import Budget, Limits
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer, serve_in_thread

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def answer(asked: ChatRequest) -> str | FakeReply:
    """The parrot; a text that names the tools that came along where there are any."""
    tools = asked.extra.get("tools")
    return f"tools: {tools[0]['function']['name']}" if tools else str(asked.messages[-1].content)


def fault(_number: int, asked: ChatRequest) -> Fault | None:
    """What goes wrong is written in the question."""
    said = str(asked.messages[-1].content)
    kinds = {"break": Fault(kind="cut"), "down": Fault(kind="status"), "wrong": Fault(kind="status", status=400)}
    return kinds.get(said)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Place]]:
    """A gateway in front of a provider, and keys."""
    place = Place(tmp_path_factory.mktemp("openai") / "place")
    with serve_in_thread(FakeServer(FakeModel("parrot", reply=answer), faults=fault)) as server:
        place.deploy("helpdesk", server.base_url)
        place.key("ann")
        place.key("poor", budget=Budget(usd=1e-9))
        place.key("slow", limits=Limits(requests_per_minute=1))
        with serving(place) as found:
            yield found, place


@pytest.fixture
def client(gateway: tuple[Running, Place]) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    running, place = gateway
    with openai.OpenAI(base_url=running.url, api_key=place.secrets["ann"], max_retries=0) as found:
        yield found


def test_chat(client: openai.OpenAI) -> None:
    """A question, its answer and its usage; what the gateway says beside them is in the headers."""
    raw = client.chat.completions.with_raw_response.create(model="helpdesk", messages=MESSAGES)
    reply = raw.parse()
    assert reply.choices[0].message.content == "one two three"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 4
    assert raw.headers["x-touchstone-endpoint"] == "helpdesk"
    assert raw.headers["x-request-id"].startswith("req_")


def test_stream(client: openai.OpenAI) -> None:
    """Pieces add up; the last chunk counts where that was wanted."""
    chunks = list(
        client.chat.completions.create(
            model="helpdesk", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
    assert chunks[-1].usage is not None
    with client.chat.completions.stream(model="helpdesk", messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].message.content == "one two three"


async def test_asynchronous(gateway: tuple[Running, Place]) -> None:
    """Many at a time, plain and streamed."""
    running, place = gateway
    async with openai.AsyncOpenAI(base_url=running.url, api_key=place.secrets["ann"], max_retries=0) as client:

        async def plain(number: int) -> str | None:
            messages: Any = [{"role": "user", "content": f"n{number}"}]
            reply = await client.chat.completions.create(model="helpdesk", messages=messages)
            return reply.choices[0].message.content

        async def streamed(number: int) -> str:
            messages: Any = [{"role": "user", "content": f"n{number}"}]
            stream = await client.chat.completions.create(model="helpdesk", messages=messages, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        said = await asyncio.gather(*(ask(number) for number in range(8) for ask in (plain, streamed)))
        assert said == [f"n{number}" for number in range(8) for _ in range(2)]


def test_tools_pass(client: openai.OpenAI) -> None:
    """A tool that the client names reaches the model."""
    reply = client.chat.completions.create(model="helpdesk", messages=MESSAGES, tools=[TOOL], tool_choice="auto")
    assert reply.choices[0].message.content == "tools: look_up"


def test_completions(client: openai.OpenAI) -> None:
    """The older shape, plain and streamed."""
    assert client.completions.create(model="helpdesk", prompt="one two").choices[0].text == "one two"
    stream = client.completions.create(model="helpdesk", prompt="one two", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == "one two"


def test_responses(client: openai.OpenAI) -> None:
    """The stateless part of them, plain and streamed, with a function."""
    reply = client.responses.create(model="helpdesk", input="one two", instructions="Be brief.")
    assert (reply.output_text, reply.status) == ("one two", "completed")
    tool: Any = {"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": False}
    assert client.responses.create(model="helpdesk", input="x", tools=[tool]).output_text == "tools: look_up"
    with client.responses.stream(model="helpdesk", input="one two") as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert said == stream.get_final_response().output_text == "one two"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="helpdesk", input="x", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"


def test_models(client: openai.OpenAI) -> None:
    """Endpoints are models."""
    assert [model.id for model in client.models.list()] == ["helpdesk"]
    assert client.models.retrieve("helpdesk").owned_by == "touchstone"


def test_errors_are_the_clients_own(client: openai.OpenAI, gateway: tuple[Running, Place]) -> None:
    """Each refusal is raised as the class that people catch, with its code and the request's id."""
    running, place = gateway

    def error(client: openai.OpenAI, kind: type[Exception], code: str, **more: Any) -> None:
        with pytest.raises(kind) as raised:
            client.chat.completions.create(**{"model": "helpdesk", "messages": MESSAGES, **more})
        assert raised.value.code == code  # type: ignore[attr-defined]
        assert raised.value.request_id.startswith("req_")  # type: ignore[attr-defined]

    def other(key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=running.url, api_key=place.secrets.get(key, key), max_retries=0)

    error(client, openai.NotFoundError, "model_not_found", model="nobody")
    error(client, openai.BadRequestError, "invalid_value", messages=[])
    error(client, openai.BadRequestError, "upstream_rejected", messages=[{"role": "user", "content": "wrong"}])
    error(client, openai.InternalServerError, "upstream_failed", messages=[{"role": "user", "content": "down"}])
    error(other("ts-wrong"), openai.AuthenticationError, "invalid_api_key")
    error(other("poor"), openai.RateLimitError, "insufficient_quota")
    slow = other("slow")
    slow.chat.completions.create(model="helpdesk", messages=MESSAGES)
    error(slow, openai.RateLimitError, "requests_per_minute")


def test_a_broken_stream_is_an_error_and_no_short_answer(client: openai.OpenAI) -> None:
    """The client raises in the middle of its loop."""
    messages: Any = [{"role": "user", "content": "break"}]
    stream = client.chat.completions.create(model="helpdesk", messages=messages, stream=True)
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert raised.value.code == "upstream_cut"


# The client for Node --------------------------------------------------------------------------------------------------

SCRIPT = """
import OpenAI from 'openai';
const client = new OpenAI({ baseURL: process.env.URL_OF_GATEWAY, apiKey: process.env.KEY_OF_GATEWAY, maxRetries: 0 });
const messages = [{ role: 'user', content: 'one two three' }];
const said = {};
const plain = await client.chat.completions.create({ model: 'helpdesk', messages });
said.plain = plain.choices[0].message.content;
said.streamed = '';
for await (const chunk of await client.chat.completions.create({ model: 'helpdesk', messages, stream: true }))
  said.streamed += chunk.choices[0]?.delta?.content ?? '';
said.response = (await client.responses.create({ model: 'helpdesk', input: 'one two' })).output_text;
try {
  await client.chat.completions.create({ model: 'nobody', messages });
} catch (error) {
  said.error = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package `openai` in it; skips where nobody asked for it, for it comes from a registry."""
    if os.environ.get("TOUCHSTONE_NPM") != "1":
        pytest.skip("set TOUCHSTONE_NPM=1 to try OpenAI's client for Node, which npm fetches")
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm is not on the path")
    folder = tmp_path_factory.mktemp("node")
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=15000"]
    try:
        done = subprocess.run(
            [npm, "install", *flags, "openai@6"], cwd=folder, capture_output=True, text=True, timeout=90, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm does not answer")
    if done.returncode:
        pytest.skip(f"npm cannot install openai: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "ask.mjs").write_text(SCRIPT)
    return folder


def test_the_client_for_node(node_folder: Path, gateway: tuple[Running, Place]) -> None:
    """Chat, a stream, a response and an error, by OpenAI's package for TypeScript."""
    running, place = gateway
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "ask.mjs"],
        cwd=node_folder,
        env={"PATH": "/usr/bin:/bin", "URL_OF_GATEWAY": running.url, "KEY_OF_GATEWAY": place.secrets["ann"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "plain": "one two three",
        "streamed": "one two three",
        "response": "one two",
        "error": ["NotFoundError", 404, "model_not_found"],
    }
