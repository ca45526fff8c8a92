"""A20: an image's URL that names an internal address: nobody fetches it, neither we nor the provider for us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from tests.deployment.api.house import House
from tests.deployment.api.kinds_house import client, ended, lines, open_kinds, read_lines
from tests.deployment.promises.test_r13_one_door_out import inside

from touchstone.models.fake_server import FakeServer

PIXEL = "data:image/png;base64,iVBORw0KGgo="
ADDRESSES = [
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://localhost:8080/x.png",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://10.0.0.1/x.png",
    "//127.0.0.1/x.png",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "gopher://127.0.0.1:6379/_INFO",
    "data:text/html,<script>",
    "DATA:image/png;base64,iVBORw0KGgo=",
    " data:image/png;base64,iVBORw0KGgo=",
    "",
]


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_kinds(tmp_path / "place") as found:
        yield found


def parts(address: str) -> list[dict[str, Any]]:
    """Every way in which a part of a message names an image, and other things that a server may fetch."""
    return [
        {"type": "image_url", "image_url": {"url": address}},
        {"type": "image_url", "image_url": address},
        {"type": "image_url", "image_url": {"url": address, "detail": "low"}},
        {"type": "video_url", "video_url": {"url": address}},
        {"type": "audio_url", "audio_url": {"url": address}},
        {"type": "input_image", "image_url": address},
        {"type": "file", "file": {"file_data": address, "filename": "x"}},
        {"type": "text", "text": "x", "image_url": {"url": address}},
    ]


async def test_a20_no_address_is_fetched_by_anybody(house: House) -> None:
    """By chat, streamed or not, and by responses: refused before anybody is asked, and nothing inside is reached."""
    async with inside() as (address, reached), FakeServer() as server:
        await house.deploy("helpdesk", server)
        for url in (*ADDRESSES, f"{address}/x.png"):
            for part in parts(url):
                turns = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
                for stream in (False, True):
                    reply = await house.chat("helpdesk", messages=turns, stream=stream)
                    assert (reply.status, reply.code) == (400, "invalid_value"), (url, part)
            items = [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]
            reply = await house.ask({"model": "helpdesk", "input": items}, "/v1/responses")
            assert reply.status == 400, url
        assert reached == []
        assert server.requests == 0
        assert await house.rows() == []


async def test_a20_pictures_in_the_request_pass(house: House) -> None:
    """So the refusals above are about the address and nothing else."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        turns = [{"role": "user", "content": [parts(PIXEL)[0], {"type": "text", "text": "What is this?"}]}]
        assert (await house.chat("helpdesk", messages=turns)).status == 200
        assert server.requests == 1


async def test_a20_an_earlier_turn_names_no_address_either(house: House) -> None:
    """Whoever it is said by: providers read all turns."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server)
        for role in ("system", "user", "assistant", "tool"):
            turn = {"role": role, "content": [parts(ADDRESSES[0])[0]], "tool_call_id": "c"}
            reply = await house.chat("helpdesk", messages=[turn, {"role": "user", "content": "x"}])
            assert reply.status == 400
        assert server.requests == 0


FROM: tuple[tuple[str, int], ...] = (
    ("https://cdn.example/x.png", 200),
    ("https://CDN.example/x.png", 200),
    ("http://cdn.example/x.png", 400),
    ("https://cdn.example:8443/x.png", 400),
    ("https://cdn.example@127.0.0.1/x.png", 400),
    ("https://user@cdn.example/x.png", 400),
    ("https://cdn.example.evil.example/x.png", 400),
    ("https://evil.example/?cdn.example", 400),
    ("https://evil.example#cdn.example", 400),
    ("https://evil.example\\@cdn.example/x.png", 400),
    ("https://169.254.169.254/x.png", 400),
)


async def test_a20_only_hosts_that_the_policy_names(house: House) -> None:
    """By https, on the usual port, with no credential; nobody of ours looks the name up, the provider fetches it."""
    async with FakeServer() as server:
        await house.deploy("helpdesk", server, image_hosts=("cdn.example",))
        for url, status in FROM:
            before = server.requests
            turns = [{"role": "user", "content": [parts(url)[0], {"type": "text", "text": "What is this?"}]}]
            assert (await house.chat("helpdesk", messages=turns)).status == status, url
            assert server.requests - before == (1 if status == 200 else 0), url


async def test_a20_nor_in_the_line_of_a_batch(house: House) -> None:
    """A line takes the way of a live request."""
    async with inside() as (address, reached), FakeServer() as server:
        await house.deploy("helpdesk", server)
        body = {
            "model": "helpdesk",
            "messages": [{"role": "user", "content": [parts(f"{address}/x.png")[0]]}],
        }
        async with client(house) as ask:
            file = await ask.files.create(file=("in.jsonl", lines(body)), purpose="batch")
            made = await ask.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            done = await ended(ask, made.id)
            refused = read_lines((await ask.files.content(done.error_file_id or "")).content)
        assert refused["line-0"]["response"]["status_code"] == 400
        assert reached == []
        assert server.requests == 0
