"""Our client against a real local server, healthy and failing in every way that is promised."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from touchstone.catalog.base import Price
from touchstone.errors import (
    AccessDenied,
    ModelError,
    NoReply,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
    SettingsError,
    StreamCut,
    Unreachable,
)
from touchstone.models.base import ChatModel, ChatRequest, Completion, ImagePart, Message, Reply, TextPart
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault, FaultKind
from touchstone.models.fake_server import FakeServer
from touchstone.models.openai_compatible import OpenAICompatible

PRICE = Price(input_usd=1.0, output_usd=2.0)
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


async def answer(server: FakeServer, request: ChatRequest, **parameters: Any) -> Completion:
    """One question to the server, and what its reply says."""
    model = OpenAICompatible("m", server.base_url, **parameters)
    try:
        return model.read(await model.send(request))
    finally:
        await model.close()


@both
async def test_an_answer_over_a_real_socket(stream: bool, ask: ChatRequest) -> None:
    """Text, reasoning, usage, cost and latency arrive; the first token only where the reply is streamed."""
    fake = FakeModel(reply=lambda _: FakeReply(text="It is Paris.", reasoning="France? Paris."))
    async with FakeServer(fake, first_token_s=0.03, token_s=0.01) as server:
        found = await answer(server, ask, stream=stream, price=PRICE)
    assert (found.text, found.reasoning, found.finish, found.served_model) == (
        "It is Paris.",
        "France? Paris.",
        "stop",
        "parrot",
    )
    assert not found.usage.estimated
    assert found.cost_usd == PRICE.cost_usd(server.bill[0].input_tokens, server.bill[0].output_tokens)
    assert found.latency_s is not None
    if stream:
        assert found.first_thought_s is not None
        assert found.first_token_s is not None
        assert 0.03 <= found.first_thought_s < found.first_token_s < found.latency_s
    else:
        assert found.first_token_s is None


@both
async def test_the_bills_agree(stream: bool) -> None:
    """What we count is what the server charges, to the token, over many requests at once (A24)."""
    requests = [ChatRequest(messages=(Message(role="user", content=f"number {n} " * n),)) for n in range(40)]
    async with FakeServer() as server:
        model = OpenAICompatible("m", server.base_url, stream=stream, concurrency=8)
        replies = await asyncio.gather(*[model.send(request) for request in requests])
        found = [model.read(reply).usage for reply in replies]
        await model.close()
    assert sum(usage.input_tokens or 0 for usage in found) == sum(sale.input_tokens for sale in server.bill)
    assert sum(usage.output_tokens or 0 for usage in found) == sum(sale.output_tokens for sale in server.bill)
    assert len(server.bill) == server.requests == 40


async def test_no_more_than_the_allowed_number_are_in_flight_and_waiting_is_no_latency() -> None:
    """`concurrency` bounds the requests at once, and the time in our own queue does not count as the model's."""
    fake = FakeModel(reply="x", latency_s=0.05)
    async with FakeServer(fake) as server:
        model = OpenAICompatible("m", server.base_url, concurrency=2)
        replies = await asyncio.gather(*[model.send(ChatRequest(messages=())) for _ in range(8)])
        await model.close()
    assert fake.most_in_flight == 2
    assert max(reply.latency_s for reply in replies) < 0.15


async def test_waiting_for_a_free_place_does_not_use_up_the_deadlines() -> None:
    """A request that waits behind others in our own queue is not late: nobody was asked to connect yet."""
    async with FakeServer(FakeModel(reply="x", latency_s=0.1)) as server:
        model = OpenAICompatible("m", server.base_url, concurrency=1, connect_s=0.25, total_s=0.3)
        replies = await asyncio.gather(*[model.send(ChatRequest(messages=())) for _ in range(5)])
        await model.close()
    assert len(replies) == 5


async def test_parts_arrive() -> None:
    """An image and a text in one message reach the server as such."""
    fake = FakeModel(reply="ok")
    content = (TextPart(text="what is this?"), ImagePart(url="data:image/png;base64,AAAA"))
    async with FakeServer(fake) as server:
        await answer(server, ChatRequest(messages=(Message(role="user", content=content),), temperature=0.5, seed=3))
    assert fake.calls[0].messages[0].content == content
    assert (fake.calls[0].temperature, fake.calls[0].seed) == (0.5, 3)


async def test_a_stored_reply_is_read_again_to_the_same_completion(ask: ChatRequest) -> None:
    """Reading is pure: the bytes and clocks of a reply are all there is to know (P7)."""
    async with FakeServer() as server:
        model = OpenAICompatible("m", server.base_url, stream=True, price=PRICE)
        reply = await model.send(ask)
        await model.close()
    stored = Reply.model_validate(reply.model_dump())
    assert model.read(stored) == model.read(reply)


FAULTS: list[tuple[Fault, type[ModelError] | str, type[ModelError] | str]] = [
    (Fault(kind="status", status=500), ProviderFailed, ProviderFailed),
    (Fault(kind="status", status=502, body=b"<html>Bad gateway</html>"), ProviderFailed, ProviderFailed),
    (Fault(kind="status", status=529), ProviderFailed, ProviderFailed),
    (Fault(kind="status", status=408), ProviderFailed, ProviderFailed),
    (Fault(kind="status", status=401), AccessDenied, AccessDenied),
    (Fault(kind="status", status=403), AccessDenied, AccessDenied),
    (Fault(kind="status", status=404, body=b""), RequestRejected, RequestRejected),
    (Fault(kind="status", status=413), RequestRejected, RequestRejected),
    (Fault(kind="status", status=422), RequestRejected, RequestRejected),
    (Fault(kind="status", status=402), OutOfCredit, OutOfCredit),
    (Fault(kind="status", status=429), RateLimited, RateLimited),
    (Fault(kind="status", status=429, code="insufficient_quota"), OutOfCredit, OutOfCredit),
    (Fault(kind="status", status=400, code="content_filter"), "filter", "filter"),
    (Fault(kind="status", status=201, body=b'{"choices": [{"finish_reason": "stop"}]}'), "stop", "stop"),
    (Fault(kind="redirect"), RequestRejected, RequestRejected),
    (Fault(kind="html"), ProviderFailed, ProviderFailed),
    (Fault(kind="empty"), ProviderFailed, ProviderFailed),
    (Fault(kind="body", body=b'{"error": {"code": 429, "message": "slow down"}}'), RateLimited, RateLimited),
    (Fault(kind="body", body=b'{"choices": []}'), "None", "None"),
    (Fault(kind="garbage"), ProviderFailed, ProviderFailed),
    (Fault(kind="reset"), NoReply, NoReply),
    (Fault(kind="reset", after_bytes=40), NoReply, NoReply),
    (Fault(kind="close", after_bytes=40), NoReply, NoReply),
    (Fault(kind="silence"), NoReply, NoReply),
    (Fault(kind="stall"), NoReply, NoReply),
    (Fault(kind="stall", after_bytes=40), NoReply, NoReply),
    (Fault(kind="drip", seconds=0.05), NoReply, NoReply),
    (Fault(kind="cut"), NoReply, StreamCut),
    (Fault(kind="no_finish"), ProviderFailed, StreamCut),
    (Fault(kind="no_done"), "stop", "stop"),
    (Fault(kind="no_usage"), "stop", "stop"),
    (Fault(kind="error_event", code="overloaded_error"), ProviderFailed, ProviderFailed),
    (Fault(kind="error_event", code="content_filter"), "filter", "filter"),
    (Fault(kind="huge", size=300_000), "length", "length"),
]


@both
@pytest.mark.parametrize(
    ("fault", "plain", "streamed"), FAULTS, ids=[f"{fault.kind}-{fault.status}-{fault.code}" for fault, _, _ in FAULTS]
)
async def test_a_fault_has_one_outcome(
    fault: Fault,
    plain: type[ModelError] | str,
    streamed: type[ModelError] | str,
    stream: bool,
    ask: ChatRequest,
) -> None:
    """Every promised fault ends as its error, or as a completion with its finish; one request is sent (F1-F17)."""
    expected = streamed if stream else plain
    limits = {"first_byte_s": 0.2, "idle_s": 0.2, "total_s": 0.4, "max_reply_bytes": 100_000}
    async with FakeServer(FakeModel(reply="It is Paris."), faults=[fault]) as server:
        if isinstance(expected, str):
            assert str((await answer(server, ask, stream=stream, **limits)).finish) == expected
        else:
            with pytest.raises(ModelError) as caught:
                await answer(server, ask, stream=stream, **limits)
            assert type(caught.value) is expected
            assert "127.0.0.1" in str(caught.value)
            assert caught.value.maybe_billed == (issubclass(expected, NoReply) or fault.kind == "garbage")
        assert server.requests == 1


def test_every_fault_of_the_server_is_tried() -> None:
    """A new kind of fault without a test above fails here."""
    assert {fault.kind for fault, _, _ in FAULTS} == set(FaultKind.__args__)


async def test_what_the_provider_asks_to_wait_is_carried(ask: ChatRequest) -> None:
    """`Retry-After` reaches the one place that retries (F1)."""
    async with FakeServer(faults=[Fault(kind="status", status=429, headers={"Retry-After": "3"})]) as server:
        with pytest.raises(RateLimited) as caught:
            await answer(server, ask)
    assert caught.value.retry_after_s == 3.0


async def test_what_came_before_a_break_is_kept_for_people(ask: ChatRequest) -> None:
    """The bytes of a lost reply hang on its error, and are no answer (F9)."""
    async with FakeServer(faults=[Fault(kind="reset", after_bytes=25)]) as server:
        with pytest.raises(NoReply) as caught:
            await answer(server, ask)
    assert len(caught.value.received) == 25


async def test_a_break_after_the_end_of_a_stream_does_not_matter(ask: ChatRequest) -> None:
    """What follows [DONE] is no part of the answer, not even a reset or an endless connection."""
    for kind in ("reset", "stall"):
        async with FakeServer(FakeModel(reply="Paris"), faults=[Fault(kind=kind, after_bytes=100_000)]) as server:
            before = time.perf_counter()
            found = await answer(server, ask, stream=True, idle_s=30.0)
        assert found.text == "Paris"
        assert (found.latency_s or 0) < 0.5
        assert time.perf_counter() - before < 10


async def test_a_slow_stream_that_keeps_moving_is_waited_for(ask: ChatRequest) -> None:
    """The idle deadline counts from the last byte, not from the first."""
    async with FakeServer(FakeModel(reply="one two three four five"), token_s=0.1) as server:
        found = await answer(server, ask, stream=True, first_byte_s=0.2, idle_s=0.2)
    assert found.text == "one two three four five"
    assert (found.latency_s or 0) > 0.3


@pytest.mark.parametrize("hint", [None, "ollama serve"])
async def test_nobody_listening_is_unreachable_and_says_what_to_start(hint: str | None, ask: ChatRequest) -> None:
    """Nothing was sent, so nothing is in doubt; a local preset names the command (F6)."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = held.getsockname()[1]
        model = OpenAICompatible("m", f"http://127.0.0.1:{port}/v1", start_hint=hint)
        with pytest.raises(Unreachable) as caught:
            await model.send(ask)
        await model.close()
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert (hint or "base_url") in str(caught.value)
    assert not caught.value.maybe_billed


async def test_an_unknown_host_is_unreachable(ask: ChatRequest) -> None:
    """A name that does not resolve is not a lost reply."""
    model = OpenAICompatible("m", "http://no-such-host.invalid/v1", connect_s=5.0)
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid"):
        await model.send(ask)
    await model.close()


async def test_a_connection_that_is_not_accepted_in_time_is_unreachable(ask: ChatRequest) -> None:
    """A listener that never takes the connection runs into the connect deadline, with nothing sent."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # fill the queue of connections nobody accepts
                one.setblocking(False)
                one.connect_ex(address)
            await asyncio.sleep(0.05)
            model = OpenAICompatible("m", f"http://127.0.0.1:{address[1]}/v1", connect_s=0.2)
            with pytest.raises(Unreachable, match=r"0\.2 s"):
                await model.send(ask)
            await model.close()
        finally:
            for one in waiting:
                one.close()


async def test_a_cancelled_call_is_cancelled(ask: ChatRequest) -> None:
    """Stopping a run stops its calls; cancelling is not turned into an error of the model."""
    async with FakeServer(faults=[Fault(kind="stall")]) as server:
        model = OpenAICompatible("m", server.base_url)
        task = asyncio.create_task(model.send(ask))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await model.close()


async def test_a_closed_model_may_be_closed_again_and_used_again(ask: ChatRequest) -> None:
    """Closing twice is allowed, and the next question opens a new connection."""
    async with FakeServer(FakeModel(reply="x")) as server:
        model = OpenAICompatible("m", server.base_url)
        await model.close()
        for _ in range(2):
            assert model.read(await model.send(ask)).text == "x"
            await model.close()
            await model.close()


def test_a_model_serves_one_loop_after_another(ask: ChatRequest) -> None:
    """A command that runs two loops, one after the other, uses the same model in both."""
    model = OpenAICompatible("m", "http://127.0.0.1:1/v1")

    async def once() -> str:
        async with FakeServer(FakeModel(reply="x")) as server:
            model.base_url = server.base_url
            text = model.read(await model.send(ask)).text
            await model.close()
            return text

    assert [asyncio.run(once()), asyncio.run(once())] == ["x", "x"]


# Keys

CANARY = "sk-canary/0123456789+abcdef"


def everything_said(model: OpenAICompatible, error: BaseException | None = None, *nouns: Any) -> str:
    """All that a person or a log may get to see of a model, an error and its nouns."""
    said = [repr(model), str(vars(model)), str(vars(model._key)), repr(model._line), model.endpoint, model.name]
    said += [repr(noun) for noun in nouns]
    if error is not None:
        said += [str(error), repr(error), str(vars(error)), *traceback.format_exception(error)]
    return "\n".join(said)


@both
async def test_the_key_reaches_the_server_and_nothing_else(
    stream: bool, ask: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good reply that echoes the key is stored and read without it (R12)."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    fake = FakeModel(reply=lambda _: FakeReply(text=f"fine {'' if stream else CANARY}", served_model=CANARY))
    async with FakeServer(fake, key=CANARY) as server:
        model = OpenAICompatible("m", server.base_url, key_env="CANARY_KEY", stream=stream)
        reply = await model.send(ask)
        completion = model.read(reply)
        said = everything_said(model, None, reply, completion)
        await model.close()
    assert completion.text.startswith("fine")
    assert CANARY not in said
    assert CANARY.encode() not in reply.body


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=401, message=f"wrong key {CANARY}"),
        Fault(kind="status", status=500, message=f"Authorization: Bearer {CANARY}"),
        Fault(kind="status", status=400, body=CANARY.encode()),
        Fault(kind="status", status=429, body=CANARY.replace("/", "\\/").encode()),
        Fault(kind="status", status=400, body=CANARY.replace("+", "\\u002B").encode()),
        Fault(kind="status", status=400, body=b'{"error": "' + CANARY.replace("s", "\\u0073").encode() + b'"}'),
        Fault(kind="html", body=f"<p>{CANARY}</p>".encode()),
        Fault(kind="body", body=b'{"error": {"message": "' + CANARY.encode() + b'"}}'),
        Fault(kind="error_event", message=CANARY),
        Fault(kind="garbage", body=CANARY.encode() + b"\r\n\r\n"),
        Fault(kind="garbage", body=b" " + b"x" * 185 + CANARY.encode() + b"\r\n\r\n"),
        Fault(kind="status", status=400, body=b"x" * 190 + CANARY.encode()),
        Fault(kind="redirect", location=f"http://127.0.0.1:9/{CANARY}"),
        Fault(kind="reset", after_bytes=9),
        Fault(kind="silence"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_no_error_holds_the_key(fault: Fault, ask: ChatRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a server echoes, the key stands in no error, traceback or attribute (R12)."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    async with FakeServer(faults=[fault], key=CANARY) as server:
        model = OpenAICompatible("m", server.base_url, key_env="CANARY_KEY", first_byte_s=0.2)
        with pytest.raises(ModelError) as caught:
            model.read(await model.send(ask))
        said = everything_said(model, caught.value)
        await model.close()
    assert CANARY not in said
    assert "sk-canary" not in said
    assert caught.value.__cause__ is None


async def test_a_redirect_is_not_followed(ask: ChatRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key belongs to the host it was meant for, so no other host is asked (R12)."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    async with FakeServer() as elsewhere:
        fault = Fault(kind="redirect", location=f"{elsewhere.base_url}/chat/completions")
        async with FakeServer(faults=[fault]) as server:
            with pytest.raises(RequestRejected, match="moved"):
                await answer(server, ask, key_env="CANARY_KEY")
        assert elsewhere.requests == 0


async def test_the_key_is_read_at_the_first_send(ask: ChatRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a model needs no key; asking it does, and a missing one is said before anything is sent."""
    async with FakeServer(FakeModel(reply="x"), key=CANARY) as server:
        model = OpenAICompatible("m", server.base_url, key_env="CANARY_KEY", key_header="api-key")
        with pytest.raises(AccessDenied, match="CANARY_KEY"):
            await model.send(ask)
        with pytest.raises(SettingsError, match="CANARY_KEY"):
            model.check()
        assert server.requests == 0
        monkeypatch.setenv("CANARY_KEY", f" {CANARY}\n")
        model.check()
        assert model.read(await model.send(ask)).text == "x"
        await model.close()


@pytest.mark.parametrize("key", ["sk two words", "sk-日本", "sk-\x07bell", "sk-a\r\nX-Evil: 1"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pasted line break or a second header never reaches the wire."""
    monkeypatch.setenv("CANARY_KEY", key)
    with pytest.raises(SettingsError, match="CANARY_KEY") as caught:
        OpenAICompatible("m", "https://api.example.com/v1", key_env="CANARY_KEY").check()
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [
        ("https://api.example.com/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://192.168.0.4/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://api.example.com/v1", False),
        ("http://8.8.8.8/v1", False),
    ],
)
async def test_a_key_travels_unencrypted_only_nearby(
    base_url: str, allowed: bool, ask: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over plain http a key goes to this machine or a private network; elsewhere nothing is sent."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    model = OpenAICompatible("m", base_url, key_env="CANARY_KEY", key_required=False)
    if allowed:
        model.check()
    else:
        with pytest.raises(AccessDenied, match="unencrypted"):
            await model.send(ask)


async def test_a_proxy_is_used_for_the_world(ask: ChatRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTP_PROXY` is honoured for far addresses: the request for a host nobody has arrives at the proxy."""
    async with FakeServer(FakeModel(reply="by proxy")) as server:
        monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1"))
        model = OpenAICompatible("m", "http://far.example.invalid/v1")
        assert model.read(await model.send(ask)).text == "by proxy"
        await model.close()


async def test_no_proxy_is_used_for_this_machine(ask: ChatRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local server is asked directly, whatever proxy the office has."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with FakeServer(FakeModel(reply="direct")) as server:
        assert (await answer(server, ask)).text == "direct"


# Construction


@pytest.mark.parametrize(
    "build",
    [
        lambda: OpenAICompatible("", "https://host/v1"),
        lambda: OpenAICompatible("m", "host/v1"),
        lambda: OpenAICompatible("m", "https://me:pass@host/v1"),
        lambda: OpenAICompatible("m", "https://host/v1", idle_s=0),
        lambda: OpenAICompatible("m", "https://host/v1", concurrency=-1),
        lambda: OpenAICompatible("m", "https://host/v1", total_s=float("nan")),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_built(build: Callable[[], OpenAICompatible]) -> None:
    """A bad address or number is the user's to change, before any run."""
    with pytest.raises(SettingsError):
        build()


def test_the_endpoint_names_what_decides_a_reply() -> None:
    """Adapter and version, address, served name and way of transfer; two of them never share stored replies (F25)."""
    found = OpenAICompatible("m", "https://host/v1/", stream=True)
    assert found.endpoint == "openai-compatible/1|https://host/v1|m|stream"
    assert found.endpoint != OpenAICompatible("m", "https://host/v1").endpoint
    assert isinstance(found, ChatModel)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/v1", "http://10.0.0.1:1/v1", "https://host/v1"])
@pytest.mark.parametrize("price", [None, PRICE, Price(input_usd=0, output_usd=0)], ids=["unknown", "paid", "free"])
def test_whatever_it_costs_it_goes_through_the_journal(base_url: str, price: Price | None) -> None:
    """Answers of a free server on this machine cost time: a run that is killed must not ask for them again."""
    assert OpenAICompatible("m", base_url, price=price).paid
