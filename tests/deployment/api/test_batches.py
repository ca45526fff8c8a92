"""Batches: what OpenAI documents of them, charged like live requests, beside live requests, cancelled and expired."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from tests.deployment.api.house import House, question, sold, tokens
from tests.deployment.api.kinds_house import Shop, client, deploy_own, ended, lines, open_kinds, read_lines

from touchstone.deployment.base import Budget, Limits, SafetyPolicy
from touchstone.deployment.govern.batches import BatchLimits
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer

CHAT = "/v1/chat/completions"


class Gate(FakeModel):
    """Answers when it is let; counts how many wait. Questions that do not begin with `holds` pass at once."""

    def __init__(self, holds: str = "") -> None:
        super().__init__()
        self.holds = holds
        self.open = asyncio.Event()
        self.waiting = self.most = 0

    async def send(self, request: ChatRequest) -> Any:
        if not str(request.messages[-1].content).startswith(self.holds):
            return await super().send(request)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        return await super().send(request)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_kinds(tmp_path / "place") as found:
        yield found


async def start(ask: AsyncOpenAI, content: bytes, endpoint: str = CHAT, **more: Any) -> Any:
    """A batch of this input."""
    file = await ask.files.create(file=("in.jsonl", content), purpose="batch")
    return await ask.batches.create(
        input_file_id=file.id,
        endpoint=endpoint,  # type: ignore[arg-type]  # more of them are taken here
        completion_window="24h",
        **more,
    )


async def results(ask: AsyncOpenAI, file: str | None) -> Mapping[str, Any]:
    """The lines of a file of results, by their names; none where there is no file."""
    return {} if file is None else read_lines((await ask.files.content(file)).content)


async def until(done: Any, timeout_s: float = 60.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(timeout_s):
        while not done():
            await asyncio.sleep(0.01)


async def test_a_batch_is_answered_as_openai_documents_it(house: House) -> None:
    """Good answers in one file, refusals in the other, each line once, with the counts and times of its states."""
    async with FakeServer() as server, client(house) as ask:
        await house.deploy("chat", server)
        bodies = [*(question("chat", f"number {place}") for place in range(5)), question("nobody"), {"model": "chat"}]
        made = await start(ask, lines(*bodies), metadata={"run": "one"})
        assert (made.object, made.status, made.metadata) == ("batch", "validating", {"run": "one"})
        done = await ended(ask, made.id)
        output, errors = await results(ask, done.output_file_id), await results(ask, done.error_file_id)
        assert [one.id async for one in ask.batches.list()] == [made.id]
    assert done.status == "completed"
    assert done.request_counts.model_dump() == {"total": 7, "completed": 5, "failed": 2}
    assert made.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    assert done.expires_at == made.created_at + 24 * 3600
    assert list(output) == [f"line-{place}" for place in range(5)]
    for place in range(5):
        line = output[f"line-{place}"]
        assert set(line) == {"id", "custom_id", "response", "error"}
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        assert f"number {place}" in line["response"]["body"]["choices"][0]["message"]["content"]
    assert [line["response"]["status_code"] for line in errors.values()] == [404, 400]
    assert errors["line-5"]["response"]["body"]["error"]["code"] == "model_not_found"


async def test_lines_are_charged_like_live_requests(house: House) -> None:
    """One row for each, in the key's budget, equal to the provider's bill; a row is found by the id in its line."""
    async with FakeServer() as server, client(house) as ask:
        await house.deploy("chat", server)
        key = house.keys.list()[0]
        done = await ended(ask, (await start(ask, lines(*[question("chat", f"n {n}") for n in range(40)]))).id)
        output = await results(ask, done.output_file_id)
        rows = await house.rows()
        assert tokens(rows) == sold(server)
        assert len(server.bill) == len(rows) == 40
        assert {row["request"] for row in rows} == {line["response"]["request_id"] for line in output.values()}
        assert {row["key"] for row in rows} == {key.id}


async def test_a_budget_ends_a_batch_and_is_never_passed(house: House) -> None:
    """What it covers is answered, also where a hold is in the way for a moment; the rest is refused by its code."""
    key = house.key("poor", budget=Budget(usd=0.2))
    async with FakeServer() as server, client(house, "poor") as ask:
        await house.deploy("chat", server)
        wanted = [question("chat", f"n {n}", max_tokens=5_000) for n in range(12)]
        done = await ended(ask, (await start(ask, lines(*wanted))).id)
        errors = await results(ask, done.error_file_id)
        spent, held = house.spent(key)
        # One hold is 0.04 USD and an answer far less: twelve fit only where they do not stand in each other's way.
        assert done.request_counts.completed == 12
        assert not errors
        assert held == pytest.approx(0.0, abs=1e-12)
        assert spent <= 0.2
        more = await ended(ask, (await start(ask, lines(*[question("chat", max_tokens=40_000)] * 1))).id)
        refused = await results(ask, more.error_file_id)
    assert [line["response"]["body"]["error"]["code"] for line in refused.values()] == ["insufficient_quota"]
    assert len(server.bill) == 12


BAD_LINES = {
    "empty": (b"", "empty_file"),
    "no JSON": (b"{\n", "invalid_json"),
    "no object": (b"[]\n", "invalid_value"),
    "another method": (lines(question("chat")).replace(b"POST", b"GET"), "invalid_value"),
    "another address": (lines(question("chat"), url="/v1/embeddings"), "invalid_value"),
    "no body": (b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions"}', "invalid_value"),
    "no name": (b'{"custom_id":"","method":"POST","url":"/v1/chat/completions","body":{}}', "invalid_value"),
    "two of a name": (lines(question("chat")) * 2, "duplicate_custom_id"),
    "a stream": (lines({**question("chat"), "stream": True}), "unsupported"),
    "too deep": (lines({"model": "chat", "messages": []}).replace(b"[]", b"[" * 90 + b"]" * 90), "too_deep"),
    "an extra field": (lines(question("chat")).replace(b'"method"', b'"x":1,"method"'), "invalid_value"),
}


async def test_a_batch_whose_input_has_a_mistake_asks_nobody(house: House) -> None:
    """It fails, and tells the code and the line of each."""
    async with FakeServer() as server, client(house) as ask:
        await house.deploy("chat", server)
        good = lines(question("chat"))
        for name, (content, code) in BAD_LINES.items():
            known = name in ("empty", "two of a name")
            content = content if known else good.replace(b"line-0", b"fine") + content
            failed = await ended(ask, (await start(ask, content)).id)
            assert failed.status == "failed", name
            assert failed.errors is not None
            assert failed.errors.data is not None
            [error] = failed.errors.data
            assert (error.code, error.line) == (code, None if name == "empty" else 2), name
            assert failed.output_file_id is failed.error_file_id is None
    assert server.requests == 0


async def test_an_order_for_a_batch_that_cannot_be_is_refused(house: House) -> None:
    """Another window, route, file or purpose, odd notes: at once, by code."""
    async with client(house) as ask:
        file = await ask.files.create(file=("in.jsonl", b"{}"), purpose="batch")
        other = await ask.files.create(file=("in.jsonl", b"{}"), purpose="user_data")
    wanted: dict[str, Any] = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    for change, code in (
        ({"completion_window": "1h"}, "invalid_value"),
        ({"endpoint": "/v1/files"}, "invalid_value"),
        ({"endpoint": "/v1/audio/transcriptions"}, "invalid_value"),
        ({"endpoint": 7}, "invalid_value"),
        ({"input_file_id": None}, "invalid_value"),
        ({"input_file_id": "file-0"}, "file_not_found"),
        ({"input_file_id": other.id}, "refused"),
        ({"metadata": {"a": 1}}, "invalid_value"),
        ({"metadata": {"a": "b" * 513}}, "invalid_value"),
        ({"priority": "high"}, "unknown_parameter"),
    ):
        assert (await house.ask({**wanted, **change}, "/v1/batches")).code == code, change
    house.key("files-only", scopes=("files",), project="default")
    assert (await house.ask(wanted, "/v1/batches", key="files-only")).code == "missing_scope"


async def test_every_json_kind_may_be_a_batch(house: House, tmp_path: Path) -> None:
    """Embeddings, moderation and reranking too, by a provider or by what runs here."""
    async with Shop().open() as shop, client(house) as ask:
        await house.deploy("shop", shop.base_url)
        await deploy_own(house, "rules", "moderation/rules")
        for path, body in (
            ("/v1/embeddings", {"model": "shop", "input": "a b"}),
            ("/v1/images/generations", {"model": "shop", "prompt": "a lamp"}),
            ("/v1/moderations", {"model": "rules", "input": "my card is 4111 1111 1111 1111"}),
            ("/v1/rerank", {"model": "shop", "query": "q", "documents": ["a"]}),
        ):
            done = await ended(ask, (await start(ask, lines(body, url=path), path)).id)
            output = await results(ask, done.output_file_id)
            assert output["line-0"]["response"]["status_code"] == 200, path
        assert output["line-0"]["response"]["body"]["results"][0]["index"] == 0


async def test_a_guard_looks_at_lines_as_at_live_requests(house: House) -> None:
    """What it blocks is refused in the file of errors, and what it masks is masked."""
    async with FakeServer() as server, client(house) as ask:
        await house.deploy("safe", server, safety=SafetyPolicy(pii="mask", blocked=("lamp",)))
        wanted = lines(question("safe", "write to anna@example.com"), question("safe", "a lamp"))
        done = await ended(ask, (await start(ask, wanted)).id)
        output, errors = await results(ask, done.output_file_id), await results(ask, done.error_file_id)
    assert "[EMAIL]" in output["line-0"]["response"]["body"]["choices"][0]["message"]["content"]
    assert errors["line-1"]["response"]["body"]["error"]["code"] == "content_blocked"
    assert len(server.bill) == 1


async def test_few_lines_are_under_way_at_a_time(house: House) -> None:
    """So many of all batches together."""
    gate = Gate()
    async with FakeServer(gate) as server, client(house) as ask:
        await house.deploy("chat", server)
        for _ in range(2):
            await start(ask, lines(*[question("chat", f"n {n}") for n in range(20)]))
        most = house.api.background.batches.limits.lines_at_once
        await until(lambda: gate.waiting == most)
        await asyncio.sleep(0.1)
        assert gate.most == most
        gate.open.set()
        for batch in [one async for one in ask.batches.list()]:
            assert (await ended(ask, batch.id)).request_counts.completed == 20


async def test_no_line_begins_while_the_gateway_is_busy(tmp_path: Path) -> None:
    """While live requests fill their share of what may be in flight, a batch waits; then it goes on by itself."""
    gate = Gate(holds="live")
    async with FakeServer(gate) as server, open_kinds(tmp_path / "place", in_flight=40) as house, client(house) as ask:
        await house.deploy("chat", server)
        async with asyncio.TaskGroup() as group:
            live = [group.create_task(house.chat("chat", f"live {n}")) for n in range(20)]
            await until(lambda: gate.waiting == 20)
            made = await start(ask, lines(*[question("chat", f"n {n}") for n in range(20)]))
            await ended(ask, made.id, states=("in_progress",))
            await asyncio.sleep(0.3)
            assert server.requests == 20
            gate.open.set()
        assert {(await one).status for one in live} == {200}
        assert (await ended(ask, made.id)).request_counts.completed == 20


async def test_no_line_begins_while_the_disk_is_short_of_room(house: House) -> None:
    """What is answered is kept on it; a batch goes on by itself when there is room again (A21)."""
    files = house.api.background.files
    room = True
    files._may_keep = lambda: room
    async with FakeServer(FakeModel("m")) as server, client(house) as ask:
        await house.deploy("chat", server)
        file = await ask.files.create(file=("in.jsonl", lines(question("chat", "a"))), purpose="batch")
        room = False
        made = await ask.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        await ended(ask, made.id, states=("in_progress",))
        await asyncio.sleep(0.3)
        assert server.requests == 0
        room = True
        assert (await ended(ask, made.id)).request_counts.completed == 1


async def test_limits_of_a_key_slow_a_batch_down_and_fail_no_line(house: House) -> None:
    """Where a live request would be told to come again, a line waits."""
    house.key("slow", limits=Limits(in_flight=2))
    async with FakeServer(token_s=0.0) as server, client(house, "slow") as ask:
        await house.deploy("chat", server)
        done = await ended(ask, (await start(ask, lines(*[question("chat", f"n {n}") for n in range(6)]))).id)
    assert done.request_counts.model_dump() == {"total": 6, "completed": 6, "failed": 0}


async def test_a_key_can_look_at_and_cancel_a_batch_that_holds_all_its_places(house: House) -> None:
    """Only what asks a model takes a place that a key has for models; the walk over the table says which that is."""
    gate = Gate()
    house.key("slow", limits=Limits(in_flight=2))
    async with FakeServer(gate) as server, client(house, "slow") as ask:
        await house.deploy("chat", server)
        made = await start(ask, lines(*[question("chat", f"n {n}") for n in range(4)]))
        await until(lambda: gate.waiting == 2)
        with pytest.raises(openai.RateLimitError, match="as many requests under way as it may: 2"):
            await ask.chat.completions.create(model="chat", messages=[{"role": "user", "content": "live"}])
        assert (await ask.batches.retrieve(made.id)).status == "in_progress"
        assert [batch.id async for batch in ask.batches.list()] == [made.id]
        assert [model.id async for model in ask.models.list()] == ["chat"]
        assert (await ask.files.content(made.input_file_id)).content
        assert (await ask.batches.cancel(made.id)).status == "cancelling"
        gate.open.set()
        assert (await ended(ask, made.id)).status == "cancelled"
    assert {route.path for route in house.gateway.door.routes if route.asks} == {
        "/v1/audio/transcriptions", "/v1/chat/completions", "/v1/completions", "/v1/embeddings",
        "/v1/images/generations", "/v1/moderations", "/v1/rerank", "/v1/responses",
    }  # fmt: skip


async def test_a_provider_that_is_asked_too_often_is_asked_again(house: House) -> None:
    """What was refused for that costs nothing and is asked again; what fails for good is told."""
    faults = [Fault(kind="status", status=429, headers={"Retry-After": "0"}, code="rate_limit_exceeded")] * 3
    async with FakeServer(faults=faults) as server, client(house) as ask:
        await house.deploy("chat", server)
        done = await ended(ask, (await start(ask, lines(question("chat"), question("chat", "again")))).id)
    assert done.request_counts.completed == 2
    assert len(server.bill) == 2


async def test_a_batch_can_be_cancelled(house: House) -> None:
    """What is under way ends and is kept; nothing further is asked; every line is told of, and the counts add up."""
    gate = Gate()
    async with FakeServer(gate) as server, client(house) as ask:
        await house.deploy("chat", server)
        made = await start(ask, lines(*[question("chat", f"n {n}") for n in range(40)]))
        most = house.api.background.batches.limits.lines_at_once
        await until(lambda: gate.waiting == most)
        assert (await ask.batches.cancel(made.id)).status == "cancelling"
        assert (await ask.batches.cancel(made.id)).status == "cancelling"
        with pytest.raises(openai.ConflictError):
            await ask.files.delete(made.input_file_id)
        gate.open.set()
        done = await ended(ask, made.id)
        output, errors = await results(ask, done.output_file_id), await results(ask, done.error_file_id)
        with pytest.raises(openai.ConflictError):
            await ask.batches.cancel(made.id)
        assert (await ask.files.delete(made.input_file_id)).deleted
    assert done.status == "cancelled"
    assert len(output) == len(server.bill) == most
    assert Counter(line["error"]["code"] for line in errors.values()) == {"batch_cancelled": 40 - most}
    assert done.request_counts.model_dump() == {"total": 40, "completed": most, "failed": 40 - most}
    assert set(output) | set(errors) == {f"line-{place}" for place in range(40)}


async def test_what_is_not_answered_in_time_expires(house: House) -> None:
    """Lines that were under way end; the others are told that the window is over."""
    gate = Gate()
    async with FakeServer(gate) as server, client(house) as ask:
        await house.deploy("chat", server)
        batches = house.api.background.batches
        made = await start(ask, lines(*[question("chat", f"n {n}") for n in range(20)]))
        await until(lambda: gate.waiting == batches.limits.lines_at_once)
        batches.clock = lambda: made.expires_at + 1.0
        gate.open.set()
        done = await ended(ask, made.id)
        errors = await results(ask, done.error_file_id)
    assert done.status == "expired"
    assert {line["error"]["code"] for line in errors.values()} == {"batch_expired"}
    assert done.request_counts.completed + len(errors) == 20


async def test_a_key_that_ends_ends_its_batches(house: House) -> None:
    """Revoked, nothing further is asked in its name; replaced and expired, the new key goes on with its money."""
    gate = Gate()
    async with FakeServer(gate) as server, client(house) as ask:
        await house.deploy("chat", server)
        key = house.keys.list()[0]
        house.key("boss")
        made = await start(ask, lines(*[question("chat", f"n {n}") for n in range(30)]))
        await until(lambda: gate.waiting > 0)
        _new, house.secrets["ann"] = house.keys.rotate(key.id, grace_s=0.0, who="test")
        await asyncio.sleep(1.1)
        gate.open.set()
        async with client(house) as renewed:
            assert (await ended(renewed, made.id)).status == "completed"
            rows = await house.rows()
            assert {row["key"] for row in rows} == {key.id, _new.id}
            gate.open.clear()
            last = await start(renewed, lines(*[question("chat", f"m {n}") for n in range(30)]))
            await until(lambda: gate.waiting > 0)
            house.keys.revoke(_new.id, who="test")
            await asyncio.sleep(1.1)
            gate.open.set()
        async with client(house, "boss") as boss:
            failed = await ended(boss, last.id)
            errors = await results(boss, failed.error_file_id)
    assert failed.status == "failed"
    assert {line["error"]["code"] for line in errors.values()} == {"invalid_api_key"}
    assert failed.request_counts.completed + len(errors) == 30


async def test_a_project_has_so_many_unfinished_batches(house: House) -> None:
    """Further ones are refused until one has ended."""
    gate = Gate()
    async with FakeServer(gate) as server, client(house) as ask:
        await house.deploy("chat", server)
        house.api.background.batches.limits = BatchLimits(unfinished=2)
        for _ in range(2):
            last = await start(ask, lines(question("chat")))
        with pytest.raises(openai.RateLimitError):
            await start(ask, lines(question("chat")))
        gate.open.set()
        await ended(ask, last.id)


async def test_an_answer_over_several_lines_stays_one_line(house: House) -> None:
    """A provider may write its JSON as it likes; each line of results is one object."""

    class Pretty(Shop):
        async def _answer(self, request: Any) -> Any:
            from aiohttp import web

            body = orjson.dumps({"model": "m", "results": [], "note": "a\nb"}, option=orjson.OPT_INDENT_2)
            return web.Response(body=body, content_type="application/json")

    async with Pretty().open() as shop, client(house) as ask:
        await house.deploy("shop", shop.base_url)
        body = {"model": "shop", "query": "q", "documents": ["a"]}
        done = await ended(ask, (await start(ask, lines(body, body, url="/v1/rerank"), "/v1/rerank")).id)
        content = (await ask.files.content(done.output_file_id or "")).content
    assert len(content.splitlines()) == 2
