"""
F1 to F7: rate limits, no money, failures, refusals and lost replies, from real bytes to the two ledgers.

Where a promise is about minutes, the lane has a clock of its own whose time passes at once.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.bill import requests, sales, spent_usd
from tests.faults.conftest import PRICE, Measure, Write, question
from tests.faults.promises import finished
from tests.faults.provider import Provider, Terms, in_thread
from tests.faults.store import Store
from tests.faults.wire import b64

from touchstone.errors import ModelError, NoReply, ProviderFailed, RequestRejected, Unreachable
from touchstone.evaluation.journal import CellCalls, Journal, cell_calls
from touchstone.evaluation.lane import Lane, LaneClosed, LaneSettings
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.openai_compatible import OpenAICompatible


class Clock:
    """Its time passes when somebody waits, and at once."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        """Seconds since it began."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.waits.append(seconds)
        until = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, until)


class Caller:
    """A journalled model behind the provider, in a store of its own, in the clock's time."""

    def __init__(self, folder: Path, base_url: str, **settings: Any) -> None:
        self.clock = Clock()
        self.store = Store(folder / "own.sqlite")
        self.ledger = Ledger(self.store.path)
        self.purse = Purse(self.ledger, "run")
        concurrency = settings.pop("concurrency", 8)
        self.lane = Lane(
            "account",
            concurrency=concurrency,
            clock=self.clock.now,
            sleep=self.clock.sleep,
            random=random.Random(7),
            settings=LaneSettings(**settings),
        )
        self.model = OpenAICompatible("m", base_url, price=PRICE, first_byte_s=0.3)
        self.journal = Journal(self.model, self.purse, lane=self.lane, sleep=self.clock.sleep)

    async def ask(self, text: str) -> str:
        """The answer to a text."""
        return (await self.journal.complete(question(text, max_tokens=20))).text

    async def fails(self, text: str) -> ModelError:
        """The failure that a text ends with."""
        with pytest.raises(ModelError) as caught:
            await self.ask(text)
        return caught.value


@asynccontextmanager
async def caller(folder: Path, base_url: str, **settings: Any) -> AsyncIterator[Caller]:
    """A caller, closed with the block."""
    made = Caller(folder, base_url, **settings)
    try:
        yield made
        await made.ledger.drain()
    finally:
        await made.journal.close()
        made.ledger.close()


# F1


async def test_f01_the_whole_account_waits_at_least_as_long_as_asked(bill: Path, tmp_path: Path) -> None:
    """One 429 with `Retry-After: 30` holds back every call of the account; it is no failure of any cell."""
    async with (
        Provider(bill, Terms(latency_s=0.05)) as provider,
        caller(tmp_path, provider.base_url, concurrency=1) as made,
    ):
        texts = ["fault:429,retry-after=30*1 say:yes", *(f"say:yes {n}" for n in range(4))]
        assert await asyncio.gather(*map(made.ask, texts)) == ["yes"] * 5
        assert made.clock.time > 30  # plus jitter
        await made.ledger.drain()
        assert [attempt["state"] for attempt in made.store.attempts()] == ["failed"] + ["replied"] * 5
    assert made.lane.state.rate_limited == 1
    assert made.lane.state.retries == 0
    assert (requests(bill), len(sales(bill))) == (6, 5)


@pytest.mark.parametrize("given", ["retry-after-ms=1500", "retry-after=1.5"])
async def test_f01_the_wait_is_read_in_every_spelling(given: str, bill: Path, tmp_path: Path) -> None:
    """Milliseconds, seconds with a fraction."""
    async with Provider(bill) as provider, caller(tmp_path, provider.base_url) as made:
        assert await made.ask(f"fault:429,{given}*1 say:yes") == "yes"
        assert 1.5 <= made.clock.time < 4


def test_f01_a_long_wait_parks_the_account_and_the_run_goes_on_with_the_others(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """More than two minutes are not waited for: its cells stay open, the others finish, and the time is told."""
    refusing = Terms(at=dict.fromkeys(range(1, 100), "429,retry-after=600"))
    with in_thread(bill, refusing) as provider, in_thread(tmp_path / "other.jsonl") as other:
        path = write_task(provider.base_url, [f"say:yes {n}" for n in range(8)])
        with path.open("a") as task:
            task.write(
                f"  - {{model: openai-compatible, name: two, base_url: '{other.base_url}', served_name: m,\n"
                "     price: {input_usd: 1, output_usd: 2}, max_tokens: 50}\n"
            )
        told: list[str] = []
        found = compare(told)
    one, two = found["candidates"]
    assert two["outcomes"]["scored"] == 8
    assert one["outcomes"]["scored"] == 0
    assert one["outcomes"]["error"] == 0
    assert one["outcomes"]["unasked"] == 8
    said = [*told, *found["warnings"]]
    assert any("one" in line and " s:" in line for line in said), said
    assert spent_usd(bill) == 0


# F2


async def test_f02_without_a_word_the_account_backs_off_with_jitter_and_fewer_at_once(
    bill: Path, tmp_path: Path
) -> None:
    """Waits are random up to a second that doubles up to a minute; the concurrency falls to 0.8 of what it was."""
    async with Provider(bill) as provider, caller(tmp_path, provider.base_url, concurrency=10) as made:
        assert await made.ask("fault:429*1 say:yes") == "yes"
        assert 0 < made.clock.time <= 1
        assert made.lane.state.concurrency == 8
        began = made.clock.time
        assert await made.ask("fault:429*6 say:yes again") == "yes"
        assert made.clock.time - began <= 1 + 2 + 4 + 8 + 16 + 32
        # Within the cooldown of 15 s it falls only once.
        assert made.lane.state.concurrency >= 5
    assert made.store.attempts("again")[-1]["state"] == "replied"
    assert len(sales(bill)) == 2


# F3


@pytest.mark.parametrize(
    "fault",
    ["429,code=insufficient_quota", "402", "400,code=Arrearage", "403,code=billing_not_active"],
)
def test_f03_no_money_stops_the_account_at_once_and_cells_stay_planned(
    fault: str, bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Nobody is asked again, no cell is an error, and the result says that the account needs credit."""
    with in_thread(bill, Terms(at={5: fault})) as provider:
        write_task(provider.base_url, [f"say:yes {n}" for n in range(20)], task="limits: {concurrency: 1}\n")
        found = compare()
    assert requests(bill) == 5
    outcomes = found["candidates"][0]["outcomes"]
    assert (outcomes["scored"], outcomes["error"], outcomes["unasked"]) == (4, 0, 16)
    assert found["calls"]["retries"] == 0
    assert any("credit" in warning for warning in found["warnings"]), found["warnings"]
    assert found["spent_usd"] == pytest.approx(spent_usd(bill))


# F4


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
async def test_f04_a_failing_request_is_sent_four_times_at_most(status: int, bill: Path, tmp_path: Path) -> None:
    """Then its cell has an error; nothing of it was sold or is in doubt."""
    async with Provider(bill) as provider, caller(tmp_path, provider.base_url) as made:
        error = await made.fails(f"fault:{status}")
        assert [attempt["state"] for attempt in made.store.attempts()] == ["failed"] * 4
        assert [bool(attempt["retry"]) for attempt in made.store.attempts()] == [False, True, True, True]
    assert isinstance(error, ProviderFailed)
    assert (requests(bill), sales(bill)) == (4, [])


async def test_f04_a_provider_that_fails_much_is_spared(bill: Path, tmp_path: Path) -> None:
    """Forty requests that all fail at first: a tenth of the sends are repeated together, the rest one by one."""
    async with (
        Provider(bill, Terms(latency_s=0.01)) as provider,
        caller(tmp_path, provider.base_url, concurrency=20) as made,
    ):
        assert await asyncio.gather(*(made.ask(f"fault:503*1 say:yes {n}") for n in range(40))) == ["yes"] * 40
        assert provider.most_in_flight == 20
        assert provider.most_repeated_in_flight <= 5
    assert requests(bill) == 80
    assert made.lane.state.breaker == "closed"


# F5

TOO_LONG = b'{"error": {"message": "the maximum context length is 8192 tokens"}}'


@pytest.mark.parametrize("fault", ["401,code=invalid_api_key", "403,code=permission_error", "404,code=model_not_found"])
def test_f05_denied_access_stops_the_endpoint_after_the_first(
    fault: str, bill: Path, write_task: Write, compare: Measure
) -> None:
    """One request, not one error per row; the cells stay open and the reason is told."""
    with in_thread(bill, Terms(at=dict.fromkeys(range(1, 100), fault))) as provider:
        write_task(provider.base_url, [f"say:yes {n}" for n in range(20)], task="limits: {concurrency: 1}\n")
        found = compare()
    assert requests(bill) == 1
    outcomes = found["candidates"][0]["outcomes"]
    assert (outcomes["error"], outcomes["unasked"]) == (0, 20)
    assert any(fault[:3] in warning for warning in found["warnings"]), found["warnings"]


@pytest.mark.parametrize("fault", ["400", "413", "422", "400,code=context_length_exceeded", f"403,b64={b64(TOO_LONG)}"])
def test_f05_a_request_that_cannot_succeed_is_an_error_of_its_cell(
    fault: str, bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """No retry and no stop: the other cells are answered."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, [f"fault:{fault}", "say:yes 1", "say:yes 2"])
        found = compare()
    assert requests(bill) == 3
    assert [cell["kind"] for cell in Store.of(tmp_path).cells()] == ["error", "scored", "scored"]
    assert found["calls"]["retries"] == 0
    finished(Store.of(tmp_path), bill, cap_usd=None, kills=0, in_flight=16)


# F6


async def test_f06_nobody_listening_is_retried_and_never_in_doubt(bill: Path, tmp_path: Path) -> None:
    """Nothing was sent, so nothing can be billed; after five in a row the breaker holds the others back."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = held.getsockname()[1]
        async with caller(tmp_path, f"http://127.0.0.1:{port}/v1") as made:
            found = await asyncio.gather(*(made.ask(f"say:yes {n}") for n in range(6)), return_exceptions=True)
            assert all(isinstance(one, Unreachable | LaneClosed) for one in found)
            attempts = made.store.attempts()
            assert {attempt["state"] for attempt in attempts} == {"failed"}
            assert {attempt["cost_usd"] for attempt in attempts} == {0.0}
            assert len(attempts) <= 6 + 5
    assert all(f"127.0.0.1:{port}" in str(one) for one in found if isinstance(one, Unreachable))


async def test_f06_a_server_that_comes_back_is_found_again(bill: Path, tmp_path: Path) -> None:
    """A restart between two requests costs a wait and no cell."""
    async with Provider(bill) as provider:
        port = provider.port
        async with caller(tmp_path, provider.base_url) as made:
            assert await made.ask("say:yes") == "yes"
    async with caller(tmp_path, f"http://127.0.0.1:{port}/v1") as made:
        asked = asyncio.create_task(made.ask("say:yes again"))
        while not made.clock.waits:
            await asyncio.sleep(0.001)
        async with Provider(bill, port=port):
            assert await asked == "yes"
        assert "in_doubt" not in {attempt["state"] for attempt in made.store.attempts()}


async def test_f06_the_error_names_the_host_and_never_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people read of a failed connection has the address in it and nothing secret."""
    monkeypatch.setenv("CANARY_KEY", "sk-canary-4711")
    model = OpenAICompatible("m", "https://no-such-host.invalid/v1", key_env="CANARY_KEY", connect_s=2.0)
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid") as caught:
        await model.send(question("say:yes"))
    await model.close()
    assert "canary" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


# F7


@pytest.mark.parametrize("resends", [0, 1, 2, 3])
@pytest.mark.parametrize("fault", ["reset", "reset,after=20", "close", "cut", "hang"])
async def test_f07_a_lost_reply_is_in_doubt_and_resent_as_often_as_allowed(
    fault: str, resends: int, bill: Path, tmp_path: Path
) -> None:
    """Each send is charged at its worst case, which covers the bill; what came is kept."""
    async with Provider(bill) as provider, caller(tmp_path, provider.base_url, resends=resends) as made:
        error = await made.fails(f"fault:{fault}")
        attempts = made.store.attempts()
    assert isinstance(error, NoReply)
    assert error.maybe_billed
    assert [attempt["state"] for attempt in attempts] == ["in_doubt"] * (1 + resends)
    assert all(attempt["cost_usd"] == attempt["hold_usd"] > 0 for attempt in attempts)
    assert sum(attempt["cost_usd"] for attempt in attempts) >= spent_usd(bill)
    assert len(sales(bill)) == 1 + resends
    if fault in ("reset,after=20", "cut"):
        assert all(attempt["received"].startswith(b"{") for attempt in attempts)


def test_f07_what_may_be_billed_twice_is_told(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """A lost reply whose resend succeeds: an answer, two sales, both in the books and in the result."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["fault:reset*1 say:yes", "say:yes 2", "fault:reset*2 say:yes 3"])
        found = compare()
    cells = Store.of(tmp_path).cells()
    assert [cell["kind"] for cell in cells] == ["scored", "scored", "in_doubt"]
    assert any("possibly billed twice: 3" in warning for warning in found["warnings"])
    assert len(sales(bill)) == 5
    assert found["spent_usd"] >= spent_usd(bill)
    assert found["candidates"][0]["cost"]["run_usd"] == pytest.approx(found["spent_usd"])
    assert [cell["retries"] for cell in cells] == [1, 0, 1]
    finished(Store.of(tmp_path), bill, cap_usd=None, kills=0, in_flight=16)


async def test_f07_content_is_never_a_reason_to_ask_again(bill: Path, tmp_path: Path) -> None:
    """Whatever was answered, it was answered: one request each (V15)."""
    texts = ["fault:refusal", "fault:filtered", "fault:blocked", "fault:choices,are=empty", "say:wrong", "fault:400"]
    async with Provider(bill) as provider, caller(tmp_path, provider.base_url) as made:
        calls = CellCalls()
        cell_calls.set(calls)
        for text in texts:
            try:
                await made.ask(text)
            except RequestRejected:
                assert text == "fault:400"
    assert requests(bill) == len(texts)
    assert calls.retries == 0
