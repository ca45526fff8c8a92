"""R12: a provider's key goes to its own host and nowhere else, and no client has a say in where."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from tests.deployment.api.house import PRICE, House, open_house, question
from tests.deployment.promises.test_r13_one_door_out import inside
from tests.source import sources

from touchstone.errors import SettingsError
from touchstone.models.resolve import make_model
from touchstone.workspace.deploy import Order, deploy_model

KEY = "sk-canary/7Yd+0pQ=w1"


class Provider:
    """Writes down what it is sent, and answers what a test wants."""

    def __init__(self) -> None:
        self.heads: list[Mapping[str, str]] = []
        self.bodies: list[Any] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.json_response(chat("fine"))
        self.base_url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Provider]:
        """Listen while the block lasts."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._heard)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _heard(self, request: web.Request) -> web.StreamResponse:
        self.heads.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(orjson.loads(await request.read() or b"null"))
        return self.answer()


def chat(text: str) -> dict[str, Any]:
    """A whole chat reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "parrot",
        "choices": [choice],
        "usage": usage,
    }


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider().open() as found:
        yield found


@pytest_asyncio.fixture
async def house(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway in front of a provider that wants a key."""
    monkeypatch.setenv("MY_PROVIDER_KEY", KEY)
    async with open_house(tmp_path / "place") as found:
        parameters = {"base_url": provider.base_url, "served_name": "parrot", "key_env": "MY_PROVIDER_KEY"}
        order = Order(name="helpdesk", price=PRICE)
        await asyncio.to_thread(
            deploy_model, found.workspace, "openai-compatible", order, who="test", parameters=parameters
        )
        await found.follow()
        yield found


HEADERS = {
    "openai_organization": "org-mine",
    "openai_project": "proj-mine",
    "openai_beta": "assistants=v2",
    "x_forwarded_for": "10.0.0.1",
    "x_forwarded_host": "evil.example",
    "x_base_url": "http://evil.example/v1",
    "x_stainless_raw_response": "true",
    "cookie": "session=1",
    "proxy_authorization": "Basic x",
    "x_portkey_api_key": "sk-other",
}


async def test_r12_nothing_of_a_clients_headers_reaches_the_provider(house: House, provider: Provider) -> None:
    """It is asked with its own key, and with no organisation, address, cookie or credential of the client's."""
    assert (await house.chat("helpdesk", headers=HEADERS)).status == 200
    [head] = provider.heads
    assert head["authorization"] == f"Bearer {KEY}"
    for name, value in HEADERS.items():
        assert name.replace("_", "-") not in head
        assert value not in head.values()
    assert house.secrets["ann"] not in str(head)


WHOM: tuple[dict[str, Any], ...] = (
    {"base_url": "http://evil.example/v1"},
    {"api_base": "http://evil.example/v1"},
    {"api_key": "sk-other"},
    {"key_env": "HOME"},
    {"organization": "org-mine"},
    {"project": "proj-mine"},
    {"extra_headers": {"authorization": "x"}},
    {"headers": {"authorization": "x"}},
    {"custom_llm_provider": "x"},
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"])
async def test_r12_no_field_names_whom_is_asked(house: House, provider: Provider, path: str) -> None:
    """Such a field is refused by its name; the provider hears nothing."""
    wanted = {"/v1/completions": {"prompt": "x"}, "/v1/chat/completions": question("helpdesk")}.get(
        path, {"input": "x"}
    )
    for fields in WHOM:
        reply = await house.ask({"model": "helpdesk", **wanted, **fields}, path)
        assert reply.status == 400, fields
        assert provider.heads == [], fields


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_r12_the_key_does_not_travel_with_a_redirect(house: House, provider: Provider, status: int) -> None:
    """A provider that sends us elsewhere is a failure, and nothing arrives there."""
    async with inside() as (address, reached):
        provider.answer = lambda: web.Response(status=status, headers={"location": f"{address}/v1/chat/completions"})
        assert (await house.chat("helpdesk")).status in (400, 502)
        assert reached == []


def echoes() -> list[str]:
    """The key as a server may give it back."""
    return [KEY, f"Bearer {KEY}", KEY.replace("/", "\\/"), base64.b64encode(KEY.encode()).decode()]


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("stream", [False, True])
async def test_r12_no_reply_gives_the_key_to_a_client(
    house: House, provider: Provider, status: int, stream: bool
) -> None:
    """In an answer, an error or a header: it is taken out of the first, and of errors nothing is passed on."""
    heard = 0
    for echo in echoes():
        provider.answer = echoing(echo, status, stream)
        reply = await house.chat("helpdesk", stream=stream)
        told = reply.body + str(sorted(reply.headers.items())).encode()
        for spelling in (KEY, KEY.replace("/", "\\/"), base64.b64encode(KEY.encode()).decode()):
            assert spelling.encode() not in told, echo
        assert len(provider.heads) > heard, "the provider was asked"
        heard = len(provider.heads)
    assert KEY not in str(await house.rows())


def echoing(echo: str, status: int, stream: bool) -> Callable[[], web.StreamResponse]:
    """A provider's answer with the key in it."""

    def answer() -> web.StreamResponse:
        head = {"x-request-id": KEY, "openai-organization": KEY, "x-echo": KEY}
        if status != 200:
            return web.json_response(
                {"error": {"message": f"wrong key {echo}", "code": echo}}, status=status, headers=head
            )
        if not stream:
            return web.json_response(chat(f"your key is {echo}"), headers=head)
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "parrot"}
        events = [
            {**chunk, "choices": [{"index": 0, "delta": {"content": f"your key is {echo}"}, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        text = "".join(f"data: {orjson.dumps(event).decode()}\n\n" for event in events) + "data: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream", headers=head)

    return answer


async def test_r12_a_key_over_two_pieces_of_a_reply_is_still_taken_out(house: House, provider: Provider) -> None:
    """A whole reply is looked at as a whole, however it came over the wire."""
    body = orjson.dumps(chat(f"your key is {KEY}"))
    cut = body.index(KEY.encode()) + 7

    def answer() -> web.StreamResponse:
        return web.Response(body=_pieces(body[:cut], body[cut:]), content_type="application/json")

    provider.answer = answer
    reply = await house.chat("helpdesk")
    assert reply.status == 200
    assert KEY.encode() not in reply.body


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("base_url", "key_env"),
    [
        ("https://evil.example/v1", "OPENAI_API_KEY"),
        ("http://api.openai.com/v1", "OPENAI_API_KEY"),
        ("https://api.openai.com:8443/v1", "OPENAI_API_KEY"),
        ("https://api.openai.com.evil.example/v1", "OPENAI_API_KEY"),
        ("https://evil.example/v1?x=https://api.openai.com", "OPENAI_API_KEY"),
        ("https://api.openai.com@evil.example/v1", "OPENAI_API_KEY"),
    ],
)
def test_r12_a_key_belongs_to_scheme_host_and_port(
    base_url: str, key_env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task file or an order that names a known key for another place is refused when it is read."""
    monkeypatch.setenv(key_env, KEY)
    with pytest.raises(SettingsError) as caught:
        make_model("openai-compatible", parameters={"base_url": base_url, "served_name": "parrot", "key_env": key_env})
    assert KEY not in str(caught.value)


def test_r12_there_is_no_way_to_give_a_key_but_the_environment() -> None:
    """No flag, field or parameter of ours takes the key itself; one that did would be stored and shown."""
    for source in sources("api_key", "apikey"):
        if source.name.startswith(("models/", "cli/", "workspace/", "deployment/")):
            for call in source.calls:
                assert call.keyword("api_key") is None, call.place
            assert "--api-key" not in source.text, source.name
