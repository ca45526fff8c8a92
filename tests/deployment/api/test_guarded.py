"""The guard before and behind the model, over HTTP: what is blocked, masked and held back, streamed or not."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from tests.deployment.api.house import House, sold, tokens
from tests.deployment.promises.api import LONG, give_up_after

from touchstone.catalog.base import Price
from touchstone.deployment.base import Budget, SafetyPolicy
from touchstone.deployment.govern.usage_report import usage
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
    """A18: closed by default, under a code of its own; the judge's own rows are no requests of the key's."""
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


# What judging costs ---------------------------------------------------------------------------------------------------

GUARDED = SafetyPolicy(moderation="judge", timeout_s=2)
FREE = Price(input_usd=0.0, output_usd=0.0)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_is_judged_pays_for_it(house: House, stream: bool) -> None:
    """Both ways: the judge's rows bear the request's id and spend its key's budget, and are no requests of the key."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server, safety=GUARDED)
        key = house.key(budget=Budget(usd=1))
        assert (await house.chat("helpdesk", "all is well", stream=stream)).status == 200
        [own] = await house.rows(endpoint="helpdesk")
        judged = await house.rows(endpoint="judge")
        assert [(row["request"], row["purse"], row["status"]) for row in judged] == [
            (own["request"], key.id, "done")
        ] * 2
        assert tokens(judged) == sold(judge)
        assert all(0 < row["usd"] <= row["hold_usd"] for row in judged)
        assert house.spent(key) == (pytest.approx(sum(row["usd"] for row in (own, *judged))), 0)
        [line] = usage(house.engine, ("key",))
        assert (line.requests, line.attempts) == (1, 3)
        assert line.usd == pytest.approx(house.spent(key)[0])


async def test_judging_that_costs_nothing_has_a_zero_row(house: House) -> None:
    """It fits into any budget."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge, price=FREE)
        await house.deploy("helpdesk", server, safety=GUARDED)
        key = house.key(budget=Budget(usd=1))
        assert (await house.chat("helpdesk", "say something wicked")).code == "content_blocked"
        [row] = await house.rows(endpoint="judge")
        assert (row["usd"], row["hold_usd"], row["purse"], row["status"]) == (0.0, 0.0, key.id, "done")
        assert house.spent(key) == (0, 0)


@pytest.mark.parametrize("when_down", ["closed", "open"])
async def test_no_text_is_judged_beyond_the_budget(house: House, when_down: Any) -> None:
    """Nobody is asked, neither judge nor model, also where the policy lets pass what nobody could judge."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge)
        safety = SafetyPolicy(moderation="judge", when_down=when_down)
        await house.deploy("helpdesk", server, price=FREE, safety=safety)
        key = house.key(budget=Budget(usd=1e-5))
        for _ in range(8):  # more than failures that would close the judge for everybody
            reply = await house.chat("helpdesk", "all is well")
            assert (reply.status, reply.code) == (429, "insufficient_quota")
            assert "checking the content" in reply.json["error"]["message"]
            assert int(reply.headers["retry-after"]) > 0
        assert (server.requests, judge.requests) == (0, 0)
        assert house.spent(key) == (0, 0)
        rows = await house.rows()
        assert {(row["endpoint"], row["status"], row["error"], row["usd"], row["shadow"]) for row in rows} == {
            ("helpdesk", "refused", "insufficient_quota", 0.0, False)
        }
        assert len(rows) < 8, "a client in a loop fills no disk"
        assert {(record["action"], record["reason"]) for record in house.safety()} == {
            ("unavailable", "insufficient_quota")
        }
        house.key("bob", budget=Budget(usd=1))
        assert (await house.chat("helpdesk", "all is well", key="bob")).status == 200


async def test_an_answer_whose_check_is_not_paid_for_does_not_pass(house: House) -> None:
    """It was sold, so it is booked; what came stays here."""
    async with (
        FakeServer(FakeModel("parrot", reply=LONG)) as server,
        FakeServer(FakeModel("j", reply=_verdict)) as judge,
    ):
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server, safety=SafetyPolicy(moderation="judge", ways=("out",)))
        key = house.key(budget=Budget(usd=0.012))  # covers the answer's hold, and not the judge's beside it
        for stream in (False, True):
            reply = await house.chat("helpdesk", stream=stream)
            assert (reply.status, reply.code) == (429, "insufficient_quota")
            assert b"word0" not in reply.body
        rows = await house.rows(endpoint="helpdesk")
        assert {(row["status"], row["error"]) for row in rows} == {("blocked", "insufficient_quota")}
        assert tokens(rows) == sold(server)
        assert judge.requests == 0
        assert house.spent(key) == (pytest.approx(sum(row["usd"] for row in rows)), 0)


async def test_a_judge_of_unknown_price_is_not_asked_for_a_budget(house: House) -> None:
    """Unknown is not free; whom the policy asks is not told to the client, and a key without a budget goes on."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge, price=None)
        await house.deploy("helpdesk", server, safety=GUARDED)
        house.key("bob", budget=Budget(usd=1))
        reply = await house.chat("helpdesk", "all is well", key="bob")
        assert (reply.status, reply.code, judge.requests) == (403, "price_unknown", 0)
        assert "judge" not in reply.json["error"]["message"]
        assert (await house.chat("helpdesk", "all is well")).status == 200


async def test_many_that_are_judged_at_once_pass_no_cap(house: House) -> None:
    """A2: forty requests whose checks cost more than their answers; what is spent and held never passes the budget."""
    async with (
        FakeServer() as server,
        FakeServer(FakeModel("judge", reply='{"flagged": false}', latency_s=0.02)) as judge,
    ):
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server, price=FREE, safety=GUARDED)
        key = house.key(budget=Budget(usd=0.05))
        replies = await asyncio.gather(*(house.chat("helpdesk", f"question {number}") for number in range(40)))
        codes = {reply.status for reply in replies}
        rows = await house.rows(endpoint="judge")
        spent, held = house.spent(key)
        assert codes == {200, 429}
        assert held == 0
        assert spent == pytest.approx(sum(row["usd"] for row in rows))
        assert 0 < spent <= 0.05
        assert tokens(rows) == sold(judge)


async def test_a_judge_that_is_too_slow_costs_what_was_held(house: House) -> None:
    """It was asked, and nobody knows how far it came."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict, latency_s=5)) as judge:
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server, safety=SafetyPolicy(moderation="judge", timeout_s=0.2))
        key = house.key(budget=Budget(usd=1))
        assert (await house.chat("helpdesk")).code == "safety_unavailable"
        [row] = await house.rows(endpoint="judge")
        assert (row["status"], row["error"]) == ("cut", "upstream_no_reply")
        assert house.spent(key) == (pytest.approx(row["hold_usd"]), 0)


async def test_checks_of_a_copy_touch_no_budget(house: House) -> None:
    """A shadow version's answer is checked too before it is kept, as part of the copy."""
    async with FakeServer() as server, FakeServer(FakeModel("judge", reply=_verdict)) as judge:
        await house.deploy("judge", judge)
        await house.deploy("helpdesk", server)
        await house.deploy("helpdesk", server, percent=0, safety=SafetyPolicy(moderation="judge", ways=("out",)))
        house.registry.shadow("helpdesk", 2)
        await house.follow()
        key = house.key(budget=Budget(usd=1))
        assert (await house.chat("helpdesk", "all is well")).status == 200
        rows = await house.rows()
        judged = [row for row in rows if row["endpoint"] == "judge"]
        assert [row["purse"] for row in judged] == [key.id, None]
        assert house.spent(key)[0] == pytest.approx(sum(row["usd"] for row in rows if row["purse"] == key.id))
