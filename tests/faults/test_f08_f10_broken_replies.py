"""F8 to F10: replies that come slowly, break off, or are something else, received from real bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.bill import requests, sales
from tests.faults.conftest import Asking, question
from tests.faults.provider import Provider
from tests.faults.wire import b64

from touchstone.errors import ModelError, NoReply, ProviderFailed, RateLimited, StreamCut, Unreachable
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.resolve import make_model

both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


# F8


async def test_f08_no_connection_in_time_is_unreachable_and_nothing_was_sent() -> None:
    """A host that never takes the connection runs into the connect deadline, and nothing is in doubt."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # fill the queue of connections that nobody accepts
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            await asyncio.sleep(0.05)
            model = OpenAICompatible("m", f"http://127.0.0.1:{listener.getsockname()[1]}/v1", connect_s=0.1)
            with pytest.raises(Unreachable) as caught:
                await model.send(question("say:yes"))
            await model.close()
        finally:
            for one in waiting:
                one.close()
    assert not caught.value.maybe_billed


@both
@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        ("fault:hang", "first_byte_s"),
        ("fault:stall,after=0", "first_byte_s"),
        ("fault:stall,after=60", "idle_s"),
        ("fault:drip,s=0.05", "total_s"),
        ("fault:raw,s=30,b64=" + b64(b"HTTP/1.1 200 OK\r\nContent-"), "first_byte_s"),
    ],
)
async def test_f08_each_deadline_ends_its_own_kind_of_waiting(
    stream: bool, text: str, deadline: str, bill: Path
) -> None:
    """
    First byte, idle and total: one short deadline ends the call although the others are long; it is in doubt.

    The first byte is the answer's own: servers send headers at once and then think.
    """
    async with Provider(bill) as provider, Asking(provider, stream=stream, **{deadline: 0.2}) as ask:
        with pytest.raises(NoReply, match="no complete reply") as caught:
            async with asyncio.timeout(30):
                await ask(text)
    assert caught.value.maybe_billed
    assert len(sales(bill)) == 1


@both
async def test_f08_a_slow_reply_that_keeps_moving_is_waited_for(stream: bool, bill: Path) -> None:
    """The idle deadline starts anew with every byte."""
    async with Provider(bill) as provider, Asking(provider, stream=stream, idle_s=0.2, first_byte_s=0.2) as ask:
        assert (await ask("fault:drip,s=0.002 say:yes")).text == "yes"


def test_f08_the_deadlines_are_as_promised_and_settable_from_a_task_file() -> None:
    """10 s to connect, 120 s to the first byte, 60 s between bytes, and a total; each a parameter of its own."""
    names = ("connect_s", "first_byte_s", "idle_s", "total_s")
    given = {"base_url": "http://127.0.0.1:9/v1", "served_name": "m"}
    usual = make_model("openai-compatible", parameters=given)
    assert [getattr(usual, name) for name in names] == [10.0, 120.0, 60.0, 600.0]
    own = make_model("openai-compatible", parameters={**given, **dict.fromkeys(names, 1.5)})
    assert [getattr(own, name) for name in names] == [1.5] * 4


# F9


@pytest.mark.parametrize(
    "text",
    [
        "fault:cut,at=0.01",
        "fault:cut,at=0.5",
        "fault:cut,at=0.99",
        "fault:close,after=40",
        "fault:reset,after=40",
        "fault:reset",
        "fault:close",
    ],
)
async def test_f09_a_reply_cut_in_its_json_is_never_repaired(text: str, bill: Path) -> None:
    """Cut by HTTP's own rules or against them: the call is in doubt, and what came is kept for people."""
    async with Provider(bill) as provider, Asking(provider) as ask:
        with pytest.raises(NoReply) as caught:
            await ask(f"{text} say:yes")
    assert caught.value.maybe_billed
    assert caught.value.retryable
    assert caught.value.received == b"" or caught.value.received.startswith(b"{")
    assert (b"{" in caught.value.received) == ("=" in text)
    assert sales(bill)[0].usd > 0


async def test_f09_every_cut_of_a_reply_is_noticed(bill: Path) -> None:
    """Wherever the bytes end before the last brace, nothing is read out of them."""
    async with Provider(bill) as provider, Asking(provider) as ask:
        whole = (await ask.send("say:yes")).body
        reply = await ask.send("say:yes")
        for end in range(1, len(whole)):
            with pytest.raises(NoReply):
                ask.model.read(reply.model_copy(update={"body": whole[:end]}))
        assert ask.model.read(reply.model_copy(update={"body": whole + b"\n"})).text == "yes"


async def test_f09_what_came_before_the_break_is_kept_up_to_the_cap(bill: Path) -> None:
    """Received bytes hang on the error, no more of them than a reply may have."""
    async with Provider(bill) as provider, Asking(provider, max_reply_bytes=50, stream=True) as ask:
        completion = await ask("fault:stall,after=5000 say:" + "long_" * 200)
        assert completion.finish == "length"
    async with Provider(bill) as provider, Asking(provider, idle_s=0.2) as ask:
        with pytest.raises(NoReply) as caught:
            await ask("fault:stall,after=70 say:yes")
    assert len(caught.value.received) == 70


# F10

LOGIN = b"<html><head><title>Sign in</title></head><body><script>steal()</script>\x1b[2J\xe2\x80\xaeevil</body></html>"


@both
@pytest.mark.parametrize(
    ("text", "expected", "retryable"),
    [
        ("fault:body,free=1,b64=" + b64(LOGIN), ProviderFailed, True),
        ("fault:body,free=1,type=application/json,b64=" + b64(LOGIN), ProviderFailed, True),
        ("fault:body,free=1,type=text/plain,b64=" + b64(b"upstream timed out"), ProviderFailed, True),
        ("fault:body,free=1,b64=", ProviderFailed, True),
        ("fault:body,free=1,type=application/json,b64=" + b64(b"null"), ProviderFailed, True),
        ("fault:body,free=1,type=application/json,b64=" + b64(b'"yes"'), ProviderFailed, True),
        ("fault:body,free=1,type=application/json,b64=" + b64(b'[{"choices": []}]'), ProviderFailed, True),
        ("fault:body,free=1,type=application/json,b64=" + b64(b'{"object": "list", "data": []}'), ProviderFailed, True),
        ("fault:error,code=429", RateLimited, True),
        ("fault:error,code=rate_limit_exceeded", RateLimited, True),
        ("fault:error,code=server_error", ProviderFailed, True),
        ("fault:error,code=overloaded_error", ProviderFailed, True),
    ],
)
async def test_f10_a_page_nothing_or_an_error_object_is_no_empty_answer(
    stream: bool, text: str, expected: type[ModelError], retryable: bool, bill: Path
) -> None:
    """Status 200 says nothing: the inner error decides, and what is no completion is a failure that shows itself."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        with pytest.raises(expected) as caught:
            await ask(text)
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable
    assert not caught.value.maybe_billed
    assert str(caught.value).isprintable()
    assert (requests(bill), sales(bill)) == (1, [])


@pytest.mark.parametrize(
    ("code", "status", "stops"),
    [
        ("invalid_api_key", 401, True),
        ("insufficient_quota", 429, True),
        ("model_not_found", 404, True),
        ("context_length_exceeded", 400, False),
    ],
)
async def test_f10_an_error_object_in_a_200_means_what_it_means_with_its_status(
    code: str, status: int, stops: bool, bill: Path
) -> None:
    """The same class, whether the provider sets the status or hides it in the body."""
    found = []
    async with Provider(bill) as provider, Asking(provider) as ask:
        for text in (f"fault:error,code={code}", f"fault:{status},code={code}"):
            with pytest.raises(ModelError) as caught:
                await ask(text)
            found.append(caught.value)
    assert type(found[0]) is type(found[1])
    assert [(error.stops_lane, error.retryable, error.maybe_billed) for error in found] == [(stops, False, False)] * 2


def _two_answers(text: str) -> Callable[[Asking], object]:
    async def run(ask: Asking) -> list[str]:
        first = (await ask(text)).text
        await asyncio.sleep(0.1)
        return [first, *[(await ask(f"say:answer-{n}")).text for n in range(3)]]

    return run


@both
@pytest.mark.parametrize("pause", ["0", "0.03"])
async def test_f10_a_reply_that_nobody_asked_for_answers_no_other_question(
    stream: bool, pause: str, bill: Path
) -> None:
    """What comes on a connection that waits unused is thrown away with it, however well it is formed."""
    async with Provider(bill) as provider, Asking(provider, stream=stream, concurrency=1) as ask:
        found = await _two_answers(f"fault:extra,s={pause} say:first")(ask)  # type: ignore[misc]
    assert found == ["first", "answer-0", "answer-1", "answer-2"]


@both
@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: y\r\n" * 10_000 + b"\r\n",
        b"\x00" * 4096,
    ],
    ids=["other-protocol", "bad-length", "bad-chunk", "long-header", "many-headers", "zeros"],
)
async def test_f10_what_is_no_http_after_the_request_was_sent_may_be_billed(
    stream: bool, raw: bytes, bill: Path
) -> None:
    """Nobody knows what was sold by whatever answered so, and the error fits on a line."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        with pytest.raises(ModelError) as caught:
            await ask("fault:raw,b64=" + b64(raw))
    assert isinstance(caught.value, ProviderFailed | NoReply)
    assert not isinstance(caught.value, StreamCut)
    assert caught.value.maybe_billed
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


async def test_f10_a_header_of_any_bytes_can_be_stored(bill: Path) -> None:
    """A request id that is no UTF-8 is kept as escapes, because the store holds texts."""
    async with Provider(bill) as provider, Asking(provider) as ask:
        reply = await ask.send("say:yes fault:header,b64=" + b64(b"x-request-id: \xff\xed\xa0\x80id"))
    assert reply.headers["x-request-id"] == "\\xff\\xed\\xa0\\x80id"
    assert b"id" in reply.model_dump_json(exclude={"body"}).encode()
