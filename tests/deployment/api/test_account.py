"""A hold has one end, whatever goes wrong between its beginning and the reply."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from tests.deployment.api.house import House, tokens

from touchstone.deployment.base import Asked, Budget
from touchstone.deployment.endpoints.serving import Target
from touchstone.deployment.gateway.api.account import Account
from touchstone.deployment.gateway.api.base import Chosen, Request
from touchstone.deployment.gateway.api.chat import ChatForm
from touchstone.deployment.gateway.base import Incoming
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer


@asynccontextmanager
async def opened(house: House) -> Any:
    """An account whose money is held, of a key with a budget."""
    async with FakeServer() as server:
        endpoint = await house.deploy("helpdesk", server)
        key = house.key(budget=Budget(usd=1))
        incoming = Incoming(
            "POST", "/v1/chat/completions", values={}, query=b"", headers={}, request="req_1", address="",
            received_at=0.0, reader=None, limits=DoorLimits(), key=key,  # type: ignore[arg-type]  # nobody reads it
        )  # fmt: skip
        body = {"model": "helpdesk", "messages": [{"role": "user", "content": "x"}]}
        request = Request(incoming, ChatForm(), body, body, False, None)
        version = endpoint.versions[0]
        lease = house.api.serving.upstream(Target(endpoint, version))
        upstream = await lease.__aenter__()
        account = Account(request, Chosen(endpoint, version, 0), upstream, lease, house.api.meter)
        await account.open(await upstream.prepare(Asked("chat", body, False, "req_1")))
        yield account, key


async def test_what_was_not_settled_is_booked_when_it_is_left(house: House) -> None:
    """A mistake of ours between hold and reply costs the hold, and leaves no money held."""
    async with opened(house) as (account, key):
        await account.close()
        await account.close()
        [row] = await house.rows()
        assert (row["status"], row["error"]) == ("failed", "internal_error")
        assert house.spent(key) == (pytest.approx(row["hold_usd"]), 0)


async def test_it_is_settled_once(house: House) -> None:
    """The first end counts."""
    from touchstone.deployment.base import Usage

    async with opened(house) as (account, key):
        account.settle("done", Usage(1_000, 1_000))
        account.settle("failed", Usage(5, 5))
        await account.close()
        [row] = await house.rows()
        assert (row["status"], row["input_tokens"]) == ("done", 1_000)
        assert house.spent(key)[0] == pytest.approx(0.01)


@pytest.mark.parametrize("choices", [[], [{}], [{"message": 7}], [7], {"a": 1}])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses"])
async def test_a_reply_of_another_shape_is_the_providers_failure(house: House, path: str, choices: Any) -> None:
    """Where it must be translated it cannot be passed on; it was sold all the same."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    reply = orjson.dumps({"object": "chat.completion", "choices": choices, "usage": usage})
    async with FakeServer(faults=[Fault(kind="body", body=reply)]) as server:
        await house.deploy("helpdesk", server)
        found = await house.ask({"model": "helpdesk", "prompt" if "comp" in path else "input": "x"}, path)
        rows = await house.rows()
        if found.status != 200:
            assert (found.status, found.code) == (502, "upstream_failed")
            assert rows[0]["status"] == "failed"
        assert tokens(rows) == (7, 3)
