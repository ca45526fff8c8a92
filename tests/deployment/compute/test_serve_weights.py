"""Our own server of weights: a real process, asked over a socket, that answers as a trial does."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.deployment.compute.standin import QUICK, ask_now, processes_in, until

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.models.base import ChatRequest, Message
from touchstone.models.starter.model import StarterModel

SETTINGS = ComputeSettings(kind="starter", options={"size": "s"})
QUESTIONS = (
    {"messages": [{"role": "user", "content": "Where is my parcel?"}], "max_tokens": 24},
    {"messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "我的包裹在哪里？"}]},
    {"messages": [{"role": "user", "content": "Tell me a story"}], "temperature": 0.9, "top_p": 0.8, "seed": 5,
     "max_tokens": 30},
    {"messages": [{"role": "user", "content": "What is 7 plus 8?"}], "stop": ["1", "7"], "max_tokens": 20},
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def supervisor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Supervisor]:
    """One process for this file."""
    place = tmp_path_factory.mktemp("compute")
    made = Supervisor(place, rules=QUICK.model_copy(update={"most_misses": 20}))
    await made.start("starter", 1, SETTINGS, place)
    yield made
    await made.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def exchange(
    port: int, body: bytes | None, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """One request, byte for byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        told = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
        connection.request("GET" if body is None else "POST", path, body=body, headers=told)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


async def port_of(supervisor: Supervisor) -> int:
    return int((await supervisor.address("starter", 1)).split(":")[2].split("/")[0])


async def asked(supervisor: Supervisor, body: dict[str, Any], **headers: str) -> tuple[int, Any]:
    written = json.dumps({"model": "s", **body}).encode()
    status, read, _ = await asyncio.to_thread(exchange, await port_of(supervisor), written, **headers)
    return status, json.loads(read)


def events(read: bytes) -> list[Any]:
    parts = [part.removeprefix("data: ") for part in read.decode().split("\n\n") if part]
    return [part if part == "[DONE]" else json.loads(part) for part in parts]


async def measured(body: dict[str, Any]) -> tuple[str, int | None, int | None]:
    """What a trial gets for the same request."""
    model = StarterModel("s")
    try:
        messages = tuple(Message(**one) for one in body["messages"])
        rest = {key: value for key, value in body.items() if key != "messages"}
        found = model.read(await model.send(ChatRequest(messages=messages, **rest)))
    finally:
        await model.close()
    return found.text, found.usage.input_tokens, found.usage.output_tokens


async def test_it_answers_as_a_trial_does_streamed_or_not(supervisor: Supervisor) -> None:
    """Text, usage and finish; drawn with the same seed, ended by the same stop text."""
    for question in QUESTIONS:
        text, read_tokens, written_tokens = await measured(question)
        status, plain = await asked(supervisor, question)
        assert status == 200, plain
        assert plain["choices"][0]["message"]["content"] == text
        assert plain["usage"]["prompt_tokens"] == read_tokens
        assert plain["usage"]["completion_tokens"] == written_tokens

        body = json.dumps(
            {"model": "s", "stream": True, "stream_options": {"include_usage": True}, **question}
        ).encode()
        status, read, headers = await asyncio.to_thread(exchange, await port_of(supervisor), body)
        told = events(read)
        assert (status, headers["Content-Type"]) == (200, "text/event-stream")
        assert told[-1] == "[DONE]"
        assert told[-2]["usage"] == {key: plain["usage"][key] for key in told[-2]["usage"]}
        deltas = [one["choices"][0] for one in told[:-2]]
        assert "".join(one["delta"].get("content", "") for one in deltas) == text
        assert deltas[-1]["finish_reason"] == plain["choices"][0]["finish_reason"]
        assert len({one["id"] for one in told[:-1]}) == 1


async def test_a_stream_comes_piece_by_piece(supervisor: Supervisor) -> None:
    """Pieces are sent while the rest is being written."""
    body = {"messages": [{"role": "user", "content": "Tell me a story"}], "max_tokens": 40, "stream": True}
    status, read, _ = await asyncio.to_thread(
        exchange, await port_of(supervisor), json.dumps({"model": "s", **body}).encode()
    )
    assert status == 200
    assert sum(1 for one in events(read)[:-1] if one["choices"][0]["delta"].get("content")) >= 5


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"model": "other"}, 404, "model_not_found"),
        ({"tools": [{"type": "function"}]}, 400, "does not know 'tools'"),
        ({"n": 2}, 400, "does not know 'n'"),
        ({"logprobs": True}, 400, "does not know 'logprobs'"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "knows no tools"),
        ({"messages": [{"role": "user", "content": "word " * 4_000}]}, 400, "shorten"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}, 400,
         "text only"),
        ({"messages": 5}, 400, "no chat request"),
    ],
)  # fmt: skip
async def test_what_it_cannot_do_is_refused(
    changes: dict[str, Any], status: int, said: str, supervisor: Supervisor
) -> None:
    """In OpenAI's shape; streamed too, because nothing was sent yet."""
    question = {"messages": [{"role": "user", "content": "x"}], **changes}
    for stream in (False, True):
        found, body = await asked(supervisor, {**question, "stream": stream})
        assert found == status
        assert said in json.dumps(body["error"])


async def test_needless_fields_change_nothing(supervisor: Supervisor) -> None:
    """Clients write defaults out."""
    body = {**QUESTIONS[0], "n": 1, "tools": [], "logprobs": False, "presence_penalty": 0, "user": "u-1"}
    assert (await asked(supervisor, body))[0] == 200


async def test_web_pages_are_refused(supervisor: Supervisor) -> None:
    """By origin, by another host's name, and by bodies that a page may send without being asked about it."""
    port, body = await port_of(supervisor), json.dumps({"model": "s", **QUESTIONS[0]}).encode()
    assert exchange(port, body, Origin="http://127.0.0.1:3000")[0] == 403
    assert exchange(port, body, Host="rebound.example")[0] == 403
    assert exchange(port, body, Content_Type="text/plain")[0] == 415
    assert exchange(port, None, "/health", Host="rebound.example")[0] == 403
    assert exchange(port, b'{"model": "s"', Content_Type="application/json")[0] == 400


async def test_it_says_what_it_serves(supervisor: Supervisor) -> None:
    """With the length of its context."""
    found = ask_now(f"{await supervisor.address('starter', 1)}/models")
    assert found["data"][0]["id"] == "s"
    assert found["data"][0]["max_model_len"] == 768


async def test_a_client_that_leaves_stops_the_writing(supervisor: Supervisor) -> None:
    """The next one does not wait until an answer to nobody is written."""
    port = await port_of(supervisor)
    body = json.dumps({"model": "s", "stream": True, "temperature": 5.0, "max_tokens": 700,
                       "messages": [{"role": "user", "content": "x"}]}).encode()  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await reader.readuntil(b'"content":')
    writer.close()
    pid = supervisor.states()[0].pid
    assert (await asked(supervisor, {**QUESTIONS[0], "max_tokens": 1}))[0] == 200
    assert supervisor.states()[0].pid == pid


async def test_no_process_of_it_may_open_a_connection_and_write_files(supervisor: Supervisor) -> None:
    """The one that reads weights is confined; both have a limit of memory and no key."""
    await supervisor.address("starter", 1)
    pid = supervisor.states()[0].pid
    assert pid is not None
    workers = [one for one in processes_in(pid) if b"weights_worker" in Path(f"/proc/{one}/cmdline").read_bytes()]
    assert len(workers) == 1
    limits = Path(f"/proc/{workers[0]}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max file size")).split()[3] == str(2**20)
    assert "unlimited" not in next(line for line in limits if line.startswith("Max data size")).split()[3]


async def test_a_killed_writer_is_healed(supervisor: Supervisor) -> None:
    """The server ends with the process behind it, and both are started again."""
    await supervisor.address("starter", 1)
    before = supervisor.states()[0]
    assert before.pid is not None
    workers = [
        one for one in processes_in(before.pid) if b"weights_worker" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    await until(lambda: supervisor.states()[0].restarts == before.restarts + 1)
    assert (await asked(supervisor, QUESTIONS[0]))[0] == 200
    assert any("ended with status -9" in line for line in supervisor.logs("starter", 1))


async def test_memory_is_reckoned_above_what_it_takes(supervisor: Supervisor) -> None:
    """And not far above it."""
    from touchstone.deployment.compute.machine import tree_bytes
    from touchstone.deployment.compute.starter import StarterCompute

    await supervisor.address("starter", 1)
    pid = supervisor.states()[0].pid
    assert pid is not None
    need_gib, taken = StarterCompute().memory_gib(SETTINGS, Path()), tree_bytes(pid)
    assert need_gib is not None
    assert taken is not None
    assert 0.4 * need_gib < taken / 2**30 < need_gib
