"""The guard before and behind the model, over HTTP: what is blocked, masked and held back, streamed or not."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from tests.deployment.api.house import House, sold, tokens
from tests.deployment.promises.api import LONG, give_up_after

from touchstone.deployment.base import SafetyPolicy
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer

MAIL = "Write to ann.smith@example.com today"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "tell me of the zorblax"}]}),
        ("/v1/completions", {"prompt": "tell me of the zorblax"}),
        ("/v1/responses", {"input": "tell me of the zorblax"}),
        ("/v1/responses", {"input": "hello", "instructions": "you know the zorblax"}),
    ],
)
async def test_a_blocked_word_reaches_nobody(house: House, path: str, body: dict[str, Any], stream: bool) -> None:
    """By whatever route and field it comes; the row says so and costs nothing, the record names the rule."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(blocked=("zorblax",)))
        reply = await house.ask({"model": "helpdesk", "stream": stream, **body}, path)
        assert (reply.status, reply.code) == (400, "content_blocked")
        assert reply.json["error"]["type"] == "content_filter"
        assert server.requests == 0
        [row] = await house.rows()
        assert (row["status"], row["usd"], row["error"]) == ("blocked", 0.0, "content_blocked")
        [record] = house.safety()
        assert (record["action"], record["way"], record["request"]) == ("blocked", "in", row["request"])
        assert b"zorblax" not in record["findings"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_comes_out_is_held_back_until_it_was_looked_at(house: House, stream: bool) -> None:
    """A word that stands at the end of an answer ends it before its beginning is shown; it was sold all the same."""
    async with FakeServer(FakeModel("parrot", reply=LONG + " zorblax")) as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(blocked=("zorblax",)))
        reply = await house.chat("helpdesk", stream=stream)
        assert (reply.status, reply.code) == (400, "content_blocked")
        assert b"word0" not in reply.body
        rows = await house.rows()
        assert [row["status"] for row in rows] == ["blocked"]
        assert tokens(rows) == sold(server)
        assert rows[0]["usd"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_personal_data_is_masked_on_both_ways(house: House, stream: bool) -> None:
    """The provider never sees the address, nor does the client where the model makes one up."""
    async with FakeServer(FakeModel("parrot", reply=lambda asked: f"{_said(asked)} and bob@example.org")) as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(pii="mask"))
        reply = await house.chat("helpdesk", MAIL, stream=stream)
        assert reply.status == 200
        text = reply.streamed_text if stream else reply.text
        assert text == "Write to [EMAIL] today and [EMAIL]"
        assert not stream or reply.events[-1] == "[DONE]"
        assert _said(server.model.calls[0]) == "Write to [EMAIL] today"  # type: ignore[union-attr]
        assert sorted(record["action"] for record in house.safety()) == ["masked", "masked"]


async def test_what_is_kept_is_masked_too(house: House) -> None:
    """The cache, the content log and the copies for scoring hold what passed, not what came."""
    from touchstone.deployment.govern.tables import cached_replies, content

    async with FakeServer(FakeModel("parrot", reply=lambda asked: f"{_said(asked)} or bob@example.org")) as server:
        await house.deploy("helpdesk", server)
        await house.deploy("helpdesk", server, percent=0, cache_s=60, keep_content_days=1,
                           safety=SafetyPolicy(pii="mask"))  # fmt: skip
        house.registry.shadow("helpdesk", 2)
        await house.follow()
        await house.chat("helpdesk", MAIL)
        await house.rows()
        kept = [row["body"] for row in house.table(cached_replies)]
        kept += [row[name] for row in house.table(content) for name in ("asked", "answered")]
        kept += [orjson.dumps(pair) for pair in house.shadowed()]
        assert len(kept) == 4
        assert b"example." not in b"".join(kept)
        assert b"".join(kept).count(b"[EMAIL]") >= 6


async def test_a_judge_that_is_down_lets_nothing_pass(house: House) -> None:
    """A18: closed by default, under a code of its own; the judge's own rows touch nobody's budget."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server, safety=SafetyPolicy(moderation="judge", timeout_s=2))
        assert (await house.chat("helpdesk", "all is well")).status == 200
        assert (await house.chat("helpdesk", "say something wicked")).code == "content_blocked"
        judge.model = FakeModel("judge", reply="I would say it is fine")
        reply = await house.chat("helpdesk", "all is well again")
        assert (reply.status, reply.code) == (503, "safety_unavailable")
        assert server.requests == 1
        asked = await house.rows(endpoint="judge")
        assert asked
        assert all(row["shadow"] and row["purse"] is None for row in asked)


async def test_leaving_while_a_stream_is_held_back(house: House) -> None:
    """The row is written and the provider is told, although nothing was sent yet."""
    async with FakeServer(FakeModel("parrot", reply=LONG), token_s=0.05) as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(blocked=("zorblax",)))
        await give_up_after(house, "helpdesk", 0.4, stream=True)
        [row] = await house.rows()
        assert (row["status"], row["estimated"]) == ("client_closed", True)
        for _ in range(1500):
            if server.bill:
                break
            await asyncio.sleep(0.02)
        assert not server.bill[0].complete


async def test_numbers_of_tokens_pass_no_guard(house: House) -> None:
    """What nobody can read nobody can check, and the client is told to send something else."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(blocked=("zorblax",)))
        reply = await house.ask({"model": "helpdesk", "prompt": [1, 2, 3]}, "/v1/completions")
        assert (reply.status, reply.code) == (400, "invalid_value")
        assert server.requests == 0


async def test_who_fails_over_passes_both_guards(house: House) -> None:
    """The first endpoint's rules hold for its requests whoever answers them, and so do the second one's."""
    async with FakeServer(FakeModel("spare", reply="the frumious answer")) as server:
        await house.deploy("spare", server, safety=SafetyPolicy(blocked=("zorblax",)))
        await house.deploy("helpdesk", "http://127.0.0.1:9/v1", fail_over=("spare",),
                           safety=SafetyPolicy(blocked=("frumious",)))  # fmt: skip
        assert (await house.chat("helpdesk", "the zorblax")).code == "content_blocked"
        assert server.requests == 0
        assert (await house.chat("helpdesk", "hello")).code == "content_blocked"
        assert server.requests == 1


def _said(asked: ChatRequest) -> str:
    return str(asked.messages[-1].content)


def _verdict(asked: ChatRequest) -> str:
    return '{"flagged": true}' if "wicked" in _said(asked) else '{"flagged": false}'
