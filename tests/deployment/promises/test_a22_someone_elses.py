"""A22, R9: an id is no capability; whoever knows somebody else's finds nothing, by every route that names one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.deployment.api.house import House
from tests.deployment.api.kinds_house import client, ended, lines, open_kinds

from touchstone.deployment.govern.files import Tenant
from touchstone.models.fake_server import FakeServer

OTHERS = ("other-project", "other-owner", "no-owner", "other-project-same-owner")


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Ann's project with an owner; and keys of others, each with every right that ann has."""
    async with FakeServer() as server, open_kinds(tmp_path / "place") as found:
        await found.deploy("chat", server)
        found.key("ann", project="red", owner="ann")
        found.key("ann-again", project="red", owner="ann")
        found.key("other-project", project="blue", owner="bob")
        found.key("other-owner", project="red", owner="bob")
        found.key("no-owner", project="red")
        found.key("other-project-same-owner", project="blue", owner="ann")
        yield found


async def things(house: House) -> dict[str, str]:
    """What ann has, by the name that paths give it."""
    async with client(house, "ann") as ask:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
        file = await ask.files.create(file=("in.jsonl", lines(body)), purpose="batch")
        batch = await ask.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        await ended(ask, batch.id)
    return {"file": file.id, "batch": batch.id, "model": "chat"}


async def test_a22_every_route_that_names_a_thing_hides_it_from_everybody_else(house: House) -> None:
    """Walked over the route table: what is another's is answered exactly as what never was, and stays as it is."""
    ids = await things(house)
    walked = set()
    for route in house.api.routes:
        for name in set(route.names) & {"file", "batch"}:
            path = route.path.replace("{" + name + "}", ids[name])
            absent = route.path.replace("{" + name + "}", ids[name][:-4] + "0000")
            for who in OTHERS:
                said = []
                for place in (path, absent):
                    async with house.session.request(
                        route.method, house.gateway.address + place, headers=house.head(who)
                    ) as reply:
                        said.append((reply.status, await reply.read()))
                assert said[0] == said[1], (route.path, who)
                assert said[0][0] == 404, (route.path, who)
                walked.add((route.method, route.path))
    assert walked == {
        ("GET", "/v1/files/{file}"), ("GET", "/v1/files/{file}/content"), ("DELETE", "/v1/files/{file}"),
        ("GET", "/v1/batches/{batch}"), ("POST", "/v1/batches/{batch}/cancel"),
    }  # fmt: skip
    async with client(house, "ann") as ask:
        assert (await ask.files.retrieve(ids["file"])).id == ids["file"]
        assert (await ask.batches.retrieve(ids["batch"])).status == "completed"


async def test_a22_lists_and_cursors_and_inputs_hide_it_too(house: House) -> None:
    """Neither listed, nor a place to begin a list at, nor the input of a batch; keys of the same owner see it all."""
    ids = await things(house)
    for who in OTHERS:
        async with client(house, who) as ask:
            assert [one async for one in ask.files.list()] == []
            assert [one async for one in ask.batches.list()] == []
        for path in (f"/v1/files?after={ids['file']}", f"/v1/batches?after={ids['batch']}"):
            async with house.session.get(house.gateway.address + path, headers=house.head(who)) as reply:
                assert reply.status == 404
        wanted = {"input_file_id": ids["file"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        assert (await house.ask(wanted, "/v1/batches", key=who)).code == "file_not_found"
    async with client(house, "ann-again") as ask:
        assert {one.id async for one in ask.files.list()} >= {ids["file"]}
        assert [one.id async for one in ask.batches.list()] == [ids["batch"]]


async def test_a22_what_a_batch_leaves_is_its_owners(house: House) -> None:
    """The files of results belong to whom the batch belongs to, and to nobody else."""
    ids = await things(house)
    background = house.api.background
    batch = await asyncio.to_thread(background.batches.find, Tenant("red", "ann"), ids["batch"])
    assert batch.output_file is not None
    for who in OTHERS:
        place = house.gateway.address + f"/v1/files/{batch.output_file}/content"
        async with house.session.get(place, headers=house.head(who)) as reply:
            assert reply.status == 404
    async with client(house, "ann") as ask:
        assert b"line-0" in (await ask.files.content(batch.output_file)).content


@pytest.mark.parametrize("scopes", [("infer",), ("metrics",), ("admin",)])
async def test_a22_a_key_without_the_scope_is_told_nothing(house: House, scopes: tuple[str, ...]) -> None:
    """A key that may not keep files is refused before anything is looked up, in the same project of the same owner."""
    ids = await things(house)
    house.key("narrow", project="red", owner="ann", scopes=scopes)
    for name in ("file", "batch"):
        plural = {"file": "files", "batch": "batches"}[name]
        for path in (f"/v1/{plural}", f"/v1/{plural}/{ids[name]}"):
            async with house.session.get(house.gateway.address + path, headers=house.head("narrow")) as reply:
                assert reply.status == 403


async def test_a22_an_endpoint_that_a_key_may_not_ask_is_absent_by_every_route(house: House) -> None:
    """By its name, in a body, and in the lines of a batch: the same answer as for a name that nobody serves."""
    house.key("narrow", endpoints=("another",))
    said = []
    for model in ("chat", "none"):
        async with house.session.get(
            house.gateway.address + f"/v1/models/{model}", headers=house.head("narrow")
        ) as reply:
            said.append((reply.status, await reply.read()))
        for route in house.api.routes:
            if route.method == "POST" and route.access == "infer" and route.media == "json":
                body = {"model": model, "messages": [{"role": "user", "content": "x"}], "input": "x", "prompt": "x"}
                found = await house.ask(body, route.path, key="narrow")
                said.append((found.status, found.body))
    half = len(said) // 2
    assert said[:half] == said[half:]
    assert half >= 6
    assert {status for status, _body in said} == {404}
    async with client(house, "narrow") as ask:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
        file = await ask.files.create(file=("in.jsonl", lines(body)), purpose="batch")
        batch = await ask.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        done = await ended(ask, batch.id)
        content = (await ask.files.content(done.error_file_id or "")).content
    assert b"model_not_found" in content
