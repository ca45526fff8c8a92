"""Chat completions through the gateway: who is asked, what passes, what headers and errors say."""

from __future__ import annotations

import pytest
from tests.deployment.api.house import QUESTION, House, question, statuses

from touchstone.models.fake_server import FakeServer


async def test_a_question_is_answered_and_metered(house: House) -> None:
    """The reply is the provider's own, headers say who answered, and one row says what it took and cost."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        key = house.key(project="shop")
        reply = await house.chat("helpdesk")
        assert (reply.status, reply.text) == (200, QUESTION)
        assert reply.json["model"] == "parrot"
        assert reply.headers["x-touchstone-endpoint"] == "helpdesk"
        assert reply.headers["x-touchstone-version"] == "1"
        assert reply.headers["x-touchstone-model"] == "parrot"
        [row] = await house.rows()
        [sale] = server.bill
        assert reply.headers["x-request-id"] == row["request"]
        assert (row["key"], row["project"], row["endpoint"], row["version"]) == (key.id, "shop", "helpdesk", 1)
        assert (row["status"], row["kind"], row["model"]) == ("done", "chat", "parrot")
        assert (row["input_tokens"], row["output_tokens"]) == (sale.input_tokens, sale.output_tokens)
        assert row["usd"] == pytest.approx((sale.input_tokens * 2 + sale.output_tokens * 8) / 1e6)
        assert row["hold_usd"] > row["usd"]


async def test_a_stream_comes_as_the_provider_sends_it(house: House) -> None:
    """Its chunks add up to the answer, `[DONE]` ends it, and the chunk that counts comes only where it was wanted."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        plain = await house.chat("helpdesk", stream=True)
        counted = await house.chat("helpdesk", stream=True, stream_options={"include_usage": True})
        assert plain.headers["content-type"].startswith("text/event-stream")
        assert plain.streamed_text == counted.streamed_text == QUESTION
        assert plain.events[-1] == counted.events[-1] == "[DONE]"
        assert [event["usage"]["completion_tokens"] for event in counted.events[:-1] if event.get("usage")] == [9]
        assert not [event for event in plain.events[:-1] if event.get("usage")]
        rows = await house.rows()
        assert [(row["status"], row["streamed"], row["output_tokens"], row["estimated"]) for row in rows] == [
            ("done", True, 9, False)
        ] * 2
        assert all(0 < row["first_token_s"] <= row["seconds"] for row in rows)


async def test_unknown_and_forbidden_endpoints_are_the_same(house: House) -> None:
    """A key learns nothing of endpoints that it may not ask; one that is stopped says so to whoever may."""
    async with FakeServer() as server:
        for name in ("open", "closed"):
            await house.deploy(name, server)
        house.key("bob", endpoints=("open",))
        forbidden, unknown = await house.chat("closed", key="bob"), await house.chat("nobody", key="bob")
        assert (forbidden.status, forbidden.body) == (unknown.status, unknown.body) == (404, unknown.body)
        assert unknown.code == "model_not_found"
        house.registry.set_state("open", "stopped")
        await house.follow()
        assert (await house.chat("open", key="bob")).code == "endpoint_stopped"
        assert server.requests == 0
        assert await house.rows() == []


async def test_what_the_recipe_settled_is_named(house: House) -> None:
    """A temperature does not count where it was measured, and the header says so; tools pass."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        reply = await house.chat("helpdesk", temperature=0.9, seed=1, tools=[tool], user="ann@example.com")
        assert reply.headers["x-touchstone-ignored"] == "seed, temperature"
        sent = server.model.calls[-1]  # type: ignore[union-attr]
        assert sent.extra == {"tools": [tool]}
        assert sent.temperature == 0.0
        await house.deploy("free", server, sampling="client")
        reply = await house.chat("free", temperature=0.9)
        assert "x-touchstone-ignored" not in reply.headers
        assert server.model.calls[-1].temperature == 0.9  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"base_url": "http://evil.example"}, "base_url"),
        ({"extra_headers": {"authorization": "x"}}, "extra_headers"),
        ({"n": 99}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"messages": []}, None),
        ({"messages": [{"role": "king", "content": "x"}]}, None),
    ],
)
async def test_a_request_that_cannot_be_asked_says_why(house: House, fields: dict[str, object], param: str) -> None:
    """The field is named, in our own words; nobody is asked and no row is written."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        reply = await house.chat("helpdesk", **fields)
        assert (reply.status, reply.code, reply.json["error"]["param"]) == (400, "invalid_value", param)
        assert server.requests == 0
        assert await house.rows() == []


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x.png", "https://intern.example/x.png", "file:///etc/passwd", "https://[x"]
)
async def test_images_come_as_data(house: House, url: str) -> None:
    """A20: no request makes anybody fetch an address that it names; pictures in the request itself pass."""
    pixel = "data:image/png;base64,iVBORw0KGgo="
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)

        def body(image: str) -> list[dict[str, object]]:
            parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": image}}]
            return [{"role": "user", "content": parts}]

        assert (await house.chat("helpdesk", messages=body(url))).code == "invalid_value"
        assert server.requests == 0
        assert (await house.chat("helpdesk", messages=body(pixel))).status == 200


@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
async def test_no_turn_names_an_address(house: House, role: str) -> None:
    """Not by another kind of part, and not in an earlier turn either: some servers fetch what these name."""
    address = "http://169.254.169.254/latest/meta-data"
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        for kind in ("image_url", "video_url", "audio_url", "file", ["image_url"], None):
            part = {"type": kind, "file": {"file_data": address}}
            part |= {name: {"url": address} for name in ("image_url", "video_url", "audio_url")}
            turn = {"role": role, "content": [part], "tool_call_id": "c"}
            reply = await house.chat("helpdesk", messages=[turn, {"role": "user", "content": "What is this?"}])
            assert (reply.status, reply.code) == (400, "invalid_value"), kind
            assert server.requests == 0, kind


async def test_shares_of_versions_are_kept(house: House) -> None:
    """A canary answers its share; the version that answered stands in header and row."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        await house.deploy("helpdesk", server, percent=50)
        seen = [(await house.chat("helpdesk")).headers["x-touchstone-version"] for _ in range(20)]
        assert {"1", "2"} == set(seen)
        assert [str(row["version"]) for row in await house.rows()] == seen


async def test_a_conversation_passes_with_its_turns(house: House) -> None:
    """Earlier turns, calls of tools and what they gave reach the provider as they came."""
    turns = [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]  # fmt: skip
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        assert (await house.ask({"model": "helpdesk", "messages": turns})).status == 200
        assert [message.role for message in server.model.calls[-1].messages] == ["user", "assistant", "tool"]  # type: ignore[union-attr]


async def test_a_price_that_nobody_knows_keeps_budgets_away(house: House) -> None:
    """A key with a budget may not ask what has no price; one without may, and its row says that nobody knows."""
    from touchstone.deployment.base import Budget

    async with FakeServer() as server:
        await house.deploy("helpdesk", server, price=None)
        house.key("rich", budget=Budget(usd=100))
        assert (await house.chat("helpdesk", key="rich")).code == "price_unknown"
        assert (await house.chat("helpdesk")).status == 200
        assert statuses(await house.rows()) == {"refused": 1, "done": 1}
        assert [row["usd"] for row in await house.rows(status="done")] == [None]


async def test_models_are_those_that_a_key_may_ask(house: House) -> None:
    """`/v1/models` names running endpoints, and no others."""
    async with FakeServer() as server:
        for name in ("a", "b", "c"):
            await house.deploy(name, server)
        house.registry.set_state("c", "stopped")
        await house.follow()
        house.key("bob", endpoints=("b", "c"))
        async with house.session.get(house.gateway.address + "/v1/models", headers=house.head("bob")) as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["b"]


async def test_a_wrong_field_is_not_said_back_as_it_came(house: House) -> None:
    """R14: a message names the field and quotes no prompt."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        reply = await house.ask({**question("helpdesk", "a secret of mine"), "what": 1})
        assert b"secret" not in reply.body
        assert reply.json["error"]["type"] == "invalid_request_error"
        for path, more in (("/v1/chat/completions", {}), ("/v1/completions", {"prompt": "x"}), ("/v1/responses", {})):
            long = await house.ask({**question("helpdesk"), "x" * 100_000: 1, **more}, path)
            assert long.code == "invalid_value"
            assert len(long.body) < 2_000
