"""Many calls over one line: what happens to one of them is no concern of the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from touchstone.errors import ModelError, NoReply, Unreachable
from touchstone.models.base import ChatRequest, Message, Reply
from touchstone.models.chat_line import Line, Terms
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer
from touchstone.models.openai_compatible import OpenAICompatible

both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'
STREAMED = BODY[:-1] + b', "stream": true}'


@asynccontextmanager
async def line_to(base_url: str, *, stream: bool = False, **limits: float) -> AsyncIterator[Line]:
    """A line to a server; long deadlines but for those that are given."""
    terms = Terms(
        base_url=base_url,
        place="m",
        stream=stream,
        connect_s=limits.get("connect_s", 30.0),
        first_byte_s=limits.get("first_byte_s", 30.0),
        idle_s=limits.get("idle_s", 30.0),
        total_s=limits.get("total_s", 60.0),
        max_reply_bytes=1_000_000,
        concurrency=64,
        start_hint=None,
    )
    line = Line(terms, None, {})
    try:
        yield line
    finally:
        await line.close()


@both
async def test_late_calls_do_not_disturb_the_others(stream: bool) -> None:
    """Of 60 calls at once those that the server lets wait are in doubt, and all others are answered."""
    plan = {0: Fault(kind="silence"), 1: Fault(kind="stall", after_bytes=30), 2: Fault(kind="reset", after_bytes=30)}
    async with FakeServer(FakeModel(reply="x" * 30), faults=lambda number, _: plan.get(number % 6)) as server:
        model = OpenAICompatible("m", server.base_url, stream=stream, first_byte_s=2.0, idle_s=2.0)
        request = ChatRequest(messages=(Message(role="user", content="hello"),))
        found = await asyncio.gather(*[model.send(request) for _ in range(60)], return_exceptions=True)
        await model.close()
    assert Counter(type(one) for one in found) == {Reply: 30, NoReply: 30}
    assert {model.read(one).text for one in found if isinstance(one, Reply)} == {"x" * 30}
    said = Counter(str(one).partition(" after")[0] for one in found if isinstance(one, NoReply))
    assert sorted(said.values()) == [10, 20]


async def test_a_line_keeps_nothing_of_its_calls() -> None:
    """When all have ended, answered, late, broken or cancelled, neither the line nor the loop knows of them."""
    expected = [Reply, NoReply, NoReply, asyncio.CancelledError, Reply]
    plan = [None, Fault(kind="silence"), Fault(kind="reset"), Fault(kind="silence"), None]
    async with FakeServer(faults=plan) as server, line_to(server.base_url, first_byte_s=0.5) as line:
        tasks = []
        for number in range(len(plan)):  # one after the other, so that each meets its own fault
            tasks.append(asyncio.create_task(line.ask(BODY, 5)))
            async with asyncio.timeout(30):
                while server.requests <= number:
                    await asyncio.sleep(0.001)
        tasks[3].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == expected
        assert (line.calls, line.deadlines.idle) == ({}, True)
        assert [line.free.locked(), *[task.cancelling() for task in tasks]] == [False, 0, 0, 0, 1, 0]


async def test_a_call_lost_on_a_kept_connection_is_in_doubt() -> None:
    """A connection that stood before counts as sent at once: what it loses may have been billed (F7)."""
    plan = [None, Fault(kind="close"), None, Fault(kind="silence")]
    async with FakeServer(faults=plan) as server, line_to(server.base_url, first_byte_s=0.2) as line:
        for _ in range(2):
            assert (await line.ask(BODY, 5)).status == 200
            with pytest.raises(NoReply) as caught:
                await line.ask(BODY, 5)
            assert caught.value.maybe_billed
        assert server.requests == 4


async def test_the_latency_of_a_new_connection_starts_when_it_stands() -> None:
    """Finding and connecting to the server is no part of the model's time, and is not sent yet."""

    async def slow_to_connect(*given: object) -> object:
        seen.extend(call.sent for call in line.calls.values())
        await asyncio.sleep(0.3)
        found = await connect(*given)
        stood.append(time.perf_counter())
        return found

    seen: list[bool] = []
    stood: list[float] = []
    async with FakeServer(FakeModel(reply="x")) as server, line_to(server.base_url) as line:
        connector = line.session.connector
        assert connector is not None
        connect = connector._create_connection  # type: ignore[attr-defined]
        connector._create_connection = slow_to_connect  # type: ignore[attr-defined]
        reply = await line.ask(BODY, 5)
        assert seen == [False]
        assert reply.latency_s <= time.perf_counter() - stood[0]


async def test_a_connect_deadline_means_that_nothing_was_sent() -> None:
    """While there is no connection the deadline is the connection's, and the error says that nothing went out."""

    async def never(*_: object) -> object:
        return await asyncio.get_running_loop().create_future()

    async with FakeServer() as server, line_to(server.base_url, connect_s=0.1) as line:
        connector = line.session.connector
        assert connector is not None
        connector._create_connection = never  # type: ignore[attr-defined]
        with pytest.raises(Unreachable, match=r"0\.1 s") as caught:
            await line.ask(BODY, 5)
        assert not caught.value.maybe_billed
        assert server.requests == 0


async def until_received(line: Line, task: asyncio.Task[Reply], wanted: bytes) -> None:
    """Return when a call that then hangs has received something."""
    async with asyncio.timeout(30):
        while task not in line.calls or wanted not in b"".join(line.calls[task].received):
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)  # so that it waits again


@both
async def test_a_caller_that_cancels_a_call_just_when_it_is_late_is_heard(stream: bool) -> None:
    """The run is being stopped: no error of the model and, after [DONE], no reply either."""
    fault = Fault(kind="stall", after_bytes=100_000 if stream else 30)
    async with FakeServer(faults=[fault]) as server, line_to(server.base_url, stream=stream) as line:
        task = asyncio.create_task(line.ask(STREAMED if stream else BODY, 5))
        await until_received(line, task, b"[DONE]" if stream else b"{")
        line.calls[task].deadline.pass_by()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


async def test_the_end_of_a_stream_that_hangs_after_its_last_event_is_not_waited_for_long() -> None:
    """After [DONE] the deadline of the end of the transfer stops the call, and its reply is whole."""
    fault = Fault(kind="stall", after_bytes=100_000)
    async with (
        FakeServer(FakeModel(reply="x"), faults=[fault]) as server,
        line_to(server.base_url, stream=True) as line,
    ):
        task = asyncio.create_task(line.ask(STREAMED, 5))
        await until_received(line, task, b"[DONE]")
        line.calls[task].deadline.pass_by()
        reply = await task
        assert b"[DONE]" in reply.body
        assert task.cancelling() == 0


@pytest.mark.parametrize("length", [True, False], ids=["length", "chunked"])
async def test_the_bytes_of_a_reply_in_pieces_are_all_there(length: bool) -> None:
    """However a body is cut into pieces on its way, and however its end is told, nothing of it is lost."""
    pieces = [b'{"choices": [', b"{}", b"]}", b" " * 5]
    head = b"Content-Length: %d" % sum(map(len, pieces)) if length else b"Transfer-Encoding: chunked"
    parts = pieces if length else [*[b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces], b"0\r\n\r\n"]

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        for part in [b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n\r\n", *parts]:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()
    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with line_to(f"http://127.0.0.1:{port}/v1") as line:
            assert (await line.ask(BODY, 5)).body == b"".join(pieces)
        await gone.wait()


async def test_a_reply_at_the_limit_of_bytes_is_whole_and_one_above_it_is_cut() -> None:
    """The cap counts received bytes, also when all of them came at once (F26)."""
    async with FakeServer(FakeModel(reply="x" * 100)) as server:
        model = OpenAICompatible("m", server.base_url)
        request = ChatRequest(messages=(Message(role="user", content="hello"),))
        size = len((await model.send(request)).body)
        for limit in (size, size - 1):
            capped = OpenAICompatible("m", server.base_url, max_reply_bytes=limit)
            reply = await capped.send(request)
            assert (len(reply.body), reply.capped) == (limit, limit < size)
            await capped.close()
        await model.close()


async def test_no_call_is_asked_of_a_closed_line() -> None:
    """Whoever holds on to a closed line is told; nothing is sent and nothing hangs."""
    async with FakeServer() as server, line_to(server.base_url) as line:
        await line.close()
        with pytest.raises((ModelError, RuntimeError)):
            await line.ask(BODY, 5)
        assert (server.requests, line.calls) == (0, {})
