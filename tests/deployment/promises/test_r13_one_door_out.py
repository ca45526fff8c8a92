"""R13: what goes out goes by few doors, and no name or answer leads any of them inside."""

from __future__ import annotations

import ast
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.source import Called, source_of, sources

from touchstone.catalog.outbound import Door, Limits
from touchstone.catalog.source_address import standing
from touchstone.catalog.source_failed import SourceFailed
from touchstone.deployment.govern.alerts import Alarm, Alert
from touchstone.errors import ModelError, SettingsError
from touchstone.models.base import ChatRequest, Message
from touchstone.models.openai_compatible import OpenAICompatible

CLIENTS = {
    "aiohttp.ClientSession", "aiohttp.request", "aiohttp.TCPConnector", "socket.socket", "socket.create_connection",
    "socket.create_server", "asyncio.open_connection", "urllib.request.urlopen", "urllib.request.Request",
    "urllib.request.urlretrieve", "urllib.request.build_opener", "http.client.HTTPConnection",
    "http.client.HTTPSConnection", "qdrant_client.QdrantClient", "smtplib.SMTP", "ftplib.FTP", "websockets.connect",
}  # fmt: skip
LIBRARIES = {"requests", "httpx", "urllib3", "httplib2", "pycurl", "websocket", "websockets", "paramiko", "openai"}
"""Clients of other people's: none of them is imported."""
DOORS = {
    "catalog/outbound.py": "the one door of whatever is read from the internet, and of webhooks",
    "models/chat_line.py": "to the base address of a model, which the user named",
    "models/tuning_service.py": "to the same, for a training there",
    "deployment/compute/health.py": "to a process of ours on 127.0.0.1",
    "deployment/gateway/server.py": "listens",
    "workspace/endpoint_ask.py": "to the gateway of this workspace on 127.0.0.1",
    "retrieval/vectors_qdrant.py": "to the vector store that the user named (extra qdrant)",
}
LISTENS = ("web/",)
"""The pages listen too."""


def goes_out(call: Called) -> bool:
    """Whether a call opens a connection or makes something that does."""
    return call.name in CLIENTS or call.name.endswith((".create_connection", ".open_connection", ".ClientSession"))


def test_r13_only_the_doors_open_connections() -> None:
    """Each with its reason; a further one is looked at by whoever adds it here."""
    found = {
        source.name
        for source in sources(
            "aiohttp", "socket", "urllib", "http.client", "_connection", "qdrant", "smtplib", "ftplib"
        )
        for call in source.calls
        if goes_out(call) and not source.name.startswith(LISTENS)
    }
    assert found == set(DOORS)


def test_r13_no_other_client_is_imported() -> None:
    """Its redirects, proxies and cookies would be nobody's concern."""
    for source in sources(*LIBRARIES):
        assert not {name for name in source.imports if name.partition(".")[0] in LIBRARIES}, source.name


def test_r13_no_door_follows_where_it_is_sent() -> None:
    """Each request of ours says `allow_redirects=False`, and each session takes nothing from the environment."""
    asked = 0
    for source in sources("aiohttp"):
        if source.name not in DOORS and source.name != "models/relay.py":
            continue
        for call in source.calls:
            if call.name.endswith((".session.post", ".session.request", "session.request", "session.get")):
                asked += 1
                follows = call.keyword("allow_redirects")
                assert isinstance(follows, ast.Constant), call.place
                assert follows.value is False, call.place
            if call.name == "aiohttp.ClientSession":
                trusts, jar = call.keyword("trust_env"), call.keyword("cookie_jar")
                assert trusts is None or (isinstance(trusts, ast.Constant) and trusts.value is False), call.place
                assert jar is not None, call.place
                assert "DummyCookieJar" in ast.unparse(jar), call.place
    assert asked >= 4


@pytest.mark.parametrize(
    "text",
    [
        "import aiohttp as a\na.ClientSession()",
        "from aiohttp import ClientSession as S\nS()",
        "import socket\nsocket.create_connection(x)",
        "from urllib.request import urlopen\nurlopen(x)",
        "import urllib.request as u\nu.urlopen(x)",
        "loop.create_connection(x)",
    ],
)
def test_r13_the_lint_sees_what_it_looks_for(text: str) -> None:
    """However it is imported."""
    assert any(goes_out(call) for call in source_of(text).calls)


INSIDE = {
    "this machine": "127.0.0.1",
    "this machine, by another number": "127.255.0.9",
    "any address of this machine": "0.0.0.0",
    "this network": "0.1.2.3",
    "a private network": "10.0.0.1",
    "another": "172.16.9.9",
    "and another": "192.168.1.1",
    "shared by a carrier (CGNAT)": "100.64.0.1",
    "clouds' secrets": "169.254.169.254",
    "protocol assignments": "192.0.0.8",
    "documentation": "192.0.2.7",
    "6to4 relays": "192.88.99.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.251",
    "reserved": "240.0.0.1",
    "everybody": "255.255.255.255",
    "none, in IPv6": "::",
    "this machine, in IPv6": "::1",
    "mapped": "::ffff:127.0.0.1",
    "mapped, of the internet": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local": "64:ff9b:1::1",
    "6to4": "2002:7f00:1::1",
    "Teredo": "2001:0:7f00:1::1",
    "unique local": "fd00:ec2::254",
    "site-local": "fec0::1",
    "link-local": "fe80::1",
    "link-local with its interface": "fe80::1%eth0",
    "multicast, in IPv6": "ff02::1",
    "documentation, in IPv6": "2001:db8::1",
}


@pytest.mark.parametrize("address", INSIDE.values(), ids=INSIDE.keys())
async def test_r13_a_public_name_never_leads_inside(address: str) -> None:
    """Every class of address that is not the open internet, also as the second of two answers."""
    assert standing(address) != "public"
    for answers in ([address], ["8.8.8.8", address]):

        async def resolve(_host: str, _port: int, answers: Sequence[str] = tuple(answers)) -> Sequence[str]:
            return answers

        door = Door(resolve=resolve, limits=Limits(connect_s=1, idle_s=1, total_s=2))
        with pytest.raises(SourceFailed, match="no public address"):
            await door.ask("https://models.example/list.json")


@asynccontextmanager
async def inside() -> AsyncIterator[tuple[str, list[str]]]:
    """Something of ours on this machine that no request may reach, and what reached it."""
    reached: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(f"{request.method} {request.path} {sorted(request.headers)}")
        return web.json_response({"secret": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", reached
    finally:
        await runner.cleanup()


@asynccontextmanager
async def sending_on(target: str, status: int) -> AsyncIterator[str]:
    """A provider that sends whoever asks elsewhere; its base address."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": f"{target}/latest/meta-data"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_r13_a_provider_that_sends_us_elsewhere_is_not_followed(status: int) -> None:
    """Neither by the model nor by the webhook; nothing arrives inside."""
    alert = Alert(1, 1, 50, 0.5, 1.0, "2026-01-01T00:00:00.000+00:00")
    async with inside() as (address, reached), sending_on(address, status) as base_url:
        model = OpenAICompatible("parrot", base_url=base_url)
        with pytest.raises(ModelError):
            await model.send(ChatRequest(messages=(Message(role="user", content="Hello"),)))
        await model.close()
        alarm = Alarm(f"{base_url}/hook")
        alarm(alert)
        await alarm.close()
        assert reached == []


NEVER = ("169.254.169.254", "0.0.0.0", "224.0.0.1", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[::]")


@pytest.mark.parametrize("host", NEVER)
async def test_r13_a_model_is_never_asked_where_no_model_is(host: str) -> None:
    """A task file of somebody else's names clouds' secrets, or no address at all, as its model's: nothing is sent."""
    model = OpenAICompatible("parrot", base_url=f"http://{host}:9/v1")
    with pytest.raises(ModelError, match="no model"):
        await model.send(ChatRequest(messages=(Message(role="user", content="Hello"),)))
    await model.close()


async def test_r13_nor_by_a_name_that_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the name resolves to is what is looked at."""

    def lookup(_host: object, port: int, *_more: object, **_named: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    model = OpenAICompatible("parrot", base_url="http://metadata:9/v1")
    with pytest.raises(ModelError, match="no model"):
        await model.send(ChatRequest(messages=(Message(role="user", content="Hello"),)))
    await model.close()


@pytest.mark.parametrize("address", ["http://models.example/hook", "https://user:word@models.example/hook", "ftp://x"])
def test_r13_a_webhook_goes_by_the_door(address: str) -> None:
    """Its address is one that the door would open to, or the gateway does not start with it."""
    try:
        Alarm(address)
    except SettingsError:
        return
    assert address.startswith("http://models.example"), "only its name is left to be looked at, when it is asked"
