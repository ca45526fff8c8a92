"""Why a reply ended: in the log and in spans, of whole and streamed replies, of what was cut, blocked and failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deployment.api.house import House
from tests.deployment.promises.api import LONG, give_up_after

from touchstone.deployment.base import SafetyPolicy
from touchstone.deployment.endpoints.flow import finishes
from touchstone.deployment.gateway.api.account import finish_of
from touchstone.deployment.gateway.json_log import JsonLog
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer

Said = list[bytes]


@pytest.fixture
def said(house: House) -> Said:
    """What the gateway's log says, as bytes."""
    lines: Said = []
    house.gateway.door.observer.log = JsonLog(lines.append)
    return lines


def ends(finish: Any) -> Callable[[ChatRequest], FakeReply]:
    """A model whose replies end so."""
    return lambda _asked: FakeReply(text="hello", finish=finish)


async def reasons(house: House, said: Said) -> list[str | None]:
    """The reason of every request, in the order in which they ended."""
    while house.gateway.door.in_flight:
        await asyncio.sleep(0.01)
    log = house.gateway.door.observer.log
    assert log is not None
    log.close()
    found = [orjson.loads(line) for line in b"".join(said).splitlines()]
    return [line.get("finish") for line in found if line["event"] == "request"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("finish", "word"), [("stop", "stop"), ("length", "length"), ("tool", "tool_calls")])
async def test_a_reply_says_why_it_ended(house: House, said: Said, finish: Any, word: str, stream: bool) -> None:
    """In the provider's own word, whole or streamed."""
    async with FakeServer(FakeModel("parrot", reply=ends(finish))) as server:
        await house.deploy("helpdesk", server)
        assert (await house.chat("helpdesk", stream=stream)).status == 200
    assert await reasons(house, said) == [word]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), [("/v1/completions", {"prompt": "hi"}), ("/v1/responses", {"input": "hi"})])
async def test_routes_that_translate_say_it_too(
    house: House, said: Said, path: str, body: dict[str, Any], stream: bool
) -> None:
    """The word is that of the chat reply behind them."""
    async with FakeServer(FakeModel("parrot", reply=ends("length"))) as server:
        await house.deploy("helpdesk", server)
        assert (await house.ask({"model": "helpdesk", "stream": stream, **body}, path)).status == 200
    assert await reasons(house, said) == ["length"]


async def test_what_broke_off_or_failed_ended_by_an_error(house: House, said: Said) -> None:
    """Also where its last words had been said already."""
    faults = [Fault(kind="cut"), Fault(kind="no_finish"), Fault(kind="status"), Fault(kind="status")]
    async with FakeServer(FakeModel("parrot", reply=LONG), faults=faults) as server:
        await house.deploy("helpdesk", server)
        for stream in (True, True, True, False):
            await house.chat("helpdesk", stream=stream)
    assert await reasons(house, said) == ["error"] * 4


async def test_what_a_guard_ended_says_so(house: House, said: Said) -> None:
    """On the way in and on the way out, where a word of the provider's own had come."""
    async with FakeServer(FakeModel("parrot", reply="the frumious answer")) as server:
        await house.deploy("helpdesk", server, safety=SafetyPolicy(blocked=("frumious", "zorblax")))
        await house.chat("helpdesk", "the zorblax")
        await house.chat("helpdesk", "hello")
    assert await reasons(house, said) == ["content_filter"] * 2


async def test_a_kept_reply_says_why_it_had_ended(house: House, said: Said) -> None:
    """Streamed or not, from what was whole or streamed then."""
    async with FakeServer(FakeModel("parrot", reply=ends("length"))) as server:
        await house.deploy("helpdesk", server, cache_s=60)
        for stream in (True, False, True):
            await house.chat("helpdesk", stream=stream)
            await house.rows()
        assert server.requests == 1
    assert await reasons(house, said) == ["length"] * 3


async def test_a_client_that_has_gone_ends_it_for_no_reason_of_the_model(house: House, said: Said) -> None:
    """Nobody knows why it would have ended."""
    async with FakeServer(FakeModel("parrot", reply=LONG, latency_s=5)) as server:
        await house.deploy("helpdesk", server)
        await give_up_after(house, "helpdesk", 0.2)
        await house.rows()
    assert await reasons(house, said) == [None]


@given(st.one_of(st.text(max_size=60), st.integers(), st.booleans(), st.lists(st.text(max_size=3), max_size=2)))
def test_a_reason_is_a_word(made_up: object) -> None:
    """Whatever a provider writes there, no text of its own gets into a log or a span."""
    found = finishes([{"finish_reason": made_up}])
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", word) for word in found)
    assert len(found) == bool(made_up)


def test_each_answer_has_its_own_reason() -> None:
    """In their order; and the error of the whole request stands for all of them."""
    said = finishes([{"finish_reason": "stop"}, {"finish_reason": "length"}])
    assert said == ("stop", "length")
    assert finish_of("done", None, said) == finish_of("client_closed", None, said) == said
    assert finish_of("cut", "key_ended", said) == finish_of("blocked", "safety_unavailable", said) == ("error",)
