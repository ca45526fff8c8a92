"""What the provider of bytes itself promises: the tests of faults are worth what it is worth."""

from __future__ import annotations

import asyncio
import http.client
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.faults.bill import being_answered, requests, sales, sales_by_digest, spent_usd, wait_until_quiet
from tests.faults.conftest import Asking
from tests.faults.provider import Provider, Terms, in_own_process, in_thread
from tests.faults.wire import FAULTS, Fault, b64, faults_of

from touchstone.errors import ModelError


def post(url: str, text: str, **fields: Any) -> tuple[int, bytes]:
    """Status and body of one request by a client that is none of ours."""
    host = url.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields})
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_healthy_reply_is_billed_as_it_says(bill: Path) -> None:
    """Usage in the reply, tokens on the bill and their price agree exactly; the same request gets the same reply."""
    with in_own_process(bill, "--input-usd", "3", "--output-usd", "5") as url:
        first, second = (json.loads(post(url, "say:Paris is it?")[1]) for _ in range(2))
    assert first["choices"] == second["choices"]
    assert first["choices"][0]["message"]["content"] == "Paris"
    found = sales(bill)
    assert [sale.whole for sale in found] == [True, True]
    assert (found[0].input_tokens, found[0].output_tokens) == (
        first["usage"]["prompt_tokens"],
        first["usage"]["completion_tokens"],
    )
    assert spent_usd(bill) == 2 * (found[0].input_tokens * 3 + found[0].output_tokens * 5) / 1e6
    assert [len(of_one) for of_one in sales_by_digest(bill).values()] == [2]


def test_a_refused_request_is_counted_and_not_sold(bill: Path) -> None:
    """What is no chat request, what a fault refuses and a wrong key cost nothing."""
    with in_thread(bill, Terms(key="right")) as provider:
        assert post(provider.base_url, "say:yes")[0] == 401
    with in_thread(bill) as provider:
        assert post(provider.base_url, "fault:503")[0] == 503
        assert post(provider.base_url, "say:yes", messages="none")[0] == 400
    assert requests(bill) == 3
    assert sales(bill) == []


def test_the_output_limit_is_kept(bill: Path) -> None:
    """No reply has more tokens than it may, so that worst cases can be worked out."""
    with in_thread(bill) as provider:
        _status, body = post(provider.base_url, "say:" + "x" * 1000, max_tokens=7)
    assert json.loads(body)["choices"][0]["finish_reason"] == "length"
    assert sales(bill)[0].output_tokens == 7


def test_a_seed_draws_the_same_faults_in_any_order(bill: Path, tmp_path: Path) -> None:
    """Which requests fail depends on their bytes and how often they came, never on time or order."""
    texts = [f"question {n}" for n in range(60)]
    terms = Terms(seed=7, mix={"503": 0.3, "429,retry-after=1": 0.3})
    found = []
    for order in (texts, texts[::-1]):
        with in_thread(tmp_path / f"{len(found)}.jsonl", terms) as provider:
            found.append({text: [post(provider.base_url, text)[0] for _ in range(2)] for text in order})
    assert found[0] == found[1]
    statuses = [status for pair in found[0].values() for status in pair]
    assert {200, 429, 503} == set(statuses)
    assert 0.2 < statuses.count(503) / len(statuses) < 0.4


def test_a_script_runs_out() -> None:
    """`a*2;b*1;c`: twice a, once b, then c for ever; without a last one nothing goes wrong any more."""
    assert [next(faults_of("a*2;b*1;c", n)).name for n in range(1, 6)] == ["a", "a", "b", "c", "c"]
    assert next(faults_of("a,x=1*1", 2), None) is None
    assert next(faults_of("a,x=1,y=b=c", 1)) == Fault("a", {"x": "1", "y": "b=c"})


async def test_a_bill_outlives_its_clients_and_its_provider(bill: Path) -> None:
    """A client that goes away is billed all the same; a provider that comes back goes on with its numbers."""
    async with Provider(bill, Terms(latency_s=0.05)) as provider:
        reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "say:yes"}]}).encode()
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.transport.abort()
        while not sales(bill):
            await asyncio.sleep(0.002)
        await asyncio.to_thread(wait_until_quiet, bill)
    async with Provider(bill) as provider, Asking(provider) as ask:
        await ask("say:yes")
    assert [sale.number for sale in sales(bill)] == [1, 2]
    assert being_answered(bill) == 0
    assert reader is not None


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_every_fault_can_be_had(name: str, stream: bool, bill: Path) -> None:
    """None of them breaks the provider: the next request is answered."""
    given = {
        "choices": "are=empty",
        "content": "is=null",
        "usage": "is=cumulative",
        "raw": "b64=" + b64(b"?"),
        "header": "b64=" + b64(b"x: y"),
        "text": "b64=" + b64(b"text"),
        "huge": "mb=1",
        "bomb": "mb=1",
    }
    async with Provider(bill) as provider:
        async with Asking(provider, stream=stream, first_byte_s=0.1, idle_s=0.1, total_s=1.0) as ask:
            with suppress(ModelError):
                await ask(f"fault:{name},{given[name]}" if name in given else f"fault:{name}")
        async with Asking(provider) as ask:
            assert (await ask("say:well")).text == "well"
