"""What the journal promises: nothing is bought twice, nothing is forgotten, and every call is paid from one purse."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Price, PriceTier
from touchstone.errors import (
    AccessDenied,
    BudgetStop,
    ModelError,
    NoReply,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
    SettingsError,
    StoreError,
    WrongModel,
)
from touchstone.evaluation import tables
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.journal import CellCalls, Journal, cell_calls, worst_case_usd
from touchstone.evaluation.lane import Lane, LaneClosed, LaneSettings
from touchstone.evaluation.ledger import Ledger, canonical, key_of
from touchstone.evaluation.purse import NotStored, Purse, Stopped
from touchstone.evaluation.recovery import balance_of, recover
from touchstone.models.base import ChatModel, ChatRequest, Completion, ImagePart, Message, Reply, TextPart
from touchstone.models.chat_reply import read_reply
from touchstone.models.fake import FakeFailure, FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer
from touchstone.models.openai_compatible import OpenAICompatible

MAX_SENDS = LaneSettings().attempts

PER_CALL = Price(input_usd=0, output_usd=0, per_call_usd=0.25)
"""A call costs exactly what is reserved for it, and the sums are exact."""

PER_TOKEN = Price(input_usd=0, output_usd=1000)
"""A thousandth of a dollar per token of output: far less than what is reserved at a high limit."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


@pytest.fixture
def purse(ledger: Ledger) -> Purse:
    return Purse(ledger, "run")


class Clock:
    """Its time is what it was asked to wait, and passes at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def lane(self, concurrency: int = 64, **fields: Any) -> Lane:
        """A lane of this clock."""
        return Lane(
            "acme",
            concurrency=concurrency,
            clock=self.now,
            sleep=self.sleep,
            random=random.Random(3),
            settings=LaneSettings(**fields),
        )


def patient(model: ChatModel, purse: Purse, clock: Clock | None = None, **more: Any) -> Journal:
    """A journal for which no time passes."""
    clock = clock or Clock()
    return Journal(model, purse, **{"lane": clock.lane(), "sleep": clock.sleep, **more})


def asks(text: object = "hello", **fields: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=str(text)),), **fields)


def request_key(endpoint: str, request: ChatRequest) -> str:
    return key_of(endpoint, canonical(request))


def on_disk(file: Path, query: str) -> list[Any]:
    """What another connection, and so another process, sees: single values where a row has only one."""
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] if len(row) == 1 else row for row in connection.execute(query)]


def states(file: Path) -> list[str]:
    return sorted(on_disk(file, "SELECT state FROM attempt"))


async def fails(journal: Journal, request: ChatRequest) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await journal.complete(request)
    return caught.value


async def is_closed(journal: Journal, request: ChatRequest) -> LaneClosed:
    with pytest.raises(LaneClosed) as caught:
        await journal.complete(request)
    return caught.value


async def settled(purse: Purse) -> Balance:
    """How the run stands once everything is written."""
    await purse.ledger.drain()
    found = balance_of(purse.ledger, purse.run)
    assert found is not None
    return found


def execute(file: Path, command: str) -> None:
    """Change the store behind everybody's back."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(command)
        connection.commit()


class Onlooker:
    """Asks another model, and notes what is on disk at the moment it is asked and at the moment it reads."""

    def __init__(self, model: ChatModel, file: Path) -> None:
        self.model = model
        self.file = file
        self.name, self.endpoint, self.paid, self.price = model.name, model.endpoint, model.paid, model.price
        self.seen: list[tuple[str, list[str], int]] = []

    def _note(self, what: str) -> None:
        self.seen.append((what, states(self.file), len(on_disk(self.file, "SELECT key FROM reply"))))

    async def send(self, request: ChatRequest) -> Reply:
        self._note("send")
        return await self.model.send(request)

    def read(self, reply: Reply) -> Completion:
        self._note("read")
        return self.model.read(reply)

    async def close(self) -> None:
        await self.model.close()


class Unreadable:
    """Asks another model; what comes is no answer for the first `times` readings."""

    def __init__(self, model: ChatModel, times: int, error: ModelError) -> None:
        self.model = model
        self.times = times
        self.error = error
        self.name, self.endpoint, self.paid, self.price = model.name, model.endpoint, model.paid, model.price

    async def send(self, request: ChatRequest) -> Reply:
        return await self.model.send(request)

    def read(self, reply: Reply) -> Completion:
        if self.times > 0:
            self.times -= 1
            raise self.error
        return self.model.read(reply)

    async def close(self) -> None:
        await self.model.close()


class Raw:
    """Answers with these bytes and headers, as `gpt-4o` would; whatever comes on reading is done first."""

    name = "raw"
    endpoint = "raw"
    paid = True

    def __init__(self, body: bytes, price: Price | None = None, headers: dict[str, str] | None = None) -> None:
        self.body = body
        self.price = price
        self.headers = headers or {}
        self.sends = 0
        self.before_sent: Callable[[], object] = lambda: None
        self.before_read: Callable[[], object] = lambda: None

    async def send(self, request: ChatRequest) -> Reply:
        self.sends += 1
        self.before_sent()
        return Reply(body=self.body, latency_s=0.5, headers=self.headers)

    def read(self, reply: Reply) -> Completion:
        self.before_read()
        return read_reply(reply, place=self.name, price=self.price, requested="gpt-4o")

    async def close(self) -> None:
        """Nothing is held open."""


def body(text: str | None = "hello", finish: str = "stop", **more: Any) -> bytes:
    """A reply in OpenAI's protocol, of 10 tokens in and 20 out."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    return orjson.dumps({"choices": [choice], "usage": usage, "model": "gpt-4o-2024-08-06", **more})


# Order of the durable steps


async def test_intent_is_on_disk_before_send_and_the_reply_before_it_is_read(purse: Purse, file: Path) -> None:
    """A crash leaves no trace of a call or at least its intent, and a reply is never only in memory."""
    model = Onlooker(FakeModel(paid=True), file)
    completion = await Journal(model, purse).complete(asks())
    await purse.ledger.drain()

    assert completion.text == "hello"
    assert model.seen == [("send", ["intent"], 0), ("read", ["intent"], 1)]
    assert states(file) == ["replied"]


async def test_an_intent_holds_what_the_call_may_cost_and_settling_what_it_did(purse: Purse, file: Path) -> None:
    """Both stand in the store, for whoever settles a run that was killed."""
    model = FakeModel(reply="one two", price=PER_TOKEN)
    completion = await Journal(model, purse).complete(asks(max_tokens=100))

    assert await settled(purse) == Balance("run", spent_usd=completion.cost_usd or 0.0, made=1)
    assert on_disk(file, "SELECT hold_usd, cost_usd FROM attempt") == [(pytest.approx(0.1), completion.cost_usd)]
    assert purse.spent_usd == completion.cost_usd


async def test_an_attempt_says_whom_it_asked_for_whom_and_what(purse: Purse, file: Path) -> None:
    """The run, the endpoint, whether an answer or a judge's verdict was wanted, and the request to the last byte."""
    model = FakeModel(paid=True)
    for purpose in ("answer", "judge"):
        await Journal(model, purse, purpose=purpose).complete(asks(purpose, max_tokens=7))

    assert on_disk(file, "SELECT run, endpoint, purpose, key, request FROM attempt ORDER BY id") == [
        ("run", model.endpoint, purpose, request_key(model.endpoint, request), canonical(request))
        for purpose in ("answer", "judge")
        for request in (asks(purpose, max_tokens=7),)
    ]


async def test_an_attempt_says_who_answered_and_where(purse: Purse, file: Path) -> None:
    """The name that was echoed, the build's fingerprint and the region: a change of any is seen afterwards (F18)."""
    columns = "SELECT served_model, system_fingerprint, region FROM attempt ORDER BY id"
    await Journal(Raw(body(system_fingerprint="fp_7"), headers={"x-ms-region": "Sweden"}), purse).complete(asks())
    await Journal(Raw(body(model=None)), purse).complete(asks("else"))
    await purse.ledger.drain()

    assert on_disk(file, columns) == [("gpt-4o-2024-08-06", "fp_7", "Sweden"), (None, None, None)]


async def test_models_of_this_process_are_asked_without_a_journal(purse: Purse, file: Path) -> None:
    """What costs nothing and goes nowhere leaves no intent; and it heeds a stop."""
    journal = Journal(FakeModel(), purse)
    await journal.complete(asks())

    assert states(file) == []
    purse.stop()
    with pytest.raises(Stopped):
        await journal.complete(asks())


async def test_a_local_server_that_costs_nothing_is_journalled(ledger: Ledger, file: Path) -> None:
    """Its answers took time and are reused like any other; what they cost is known: nothing."""
    found = []
    async with FakeServer(FakeModel()) as server:
        for _ in range(2):
            purse = Purse(ledger)
            model = OpenAICompatible("m", server.base_url, price=Price(input_usd=0, output_usd=0))
            found.append(await Journal(model, purse).complete(asks()))
            await model.close()
            assert purse.spent_usd == 0.0
        assert server.requests == 1
    await ledger.drain()

    assert found[0] == found[1]
    assert states(file) == ["replied"]


async def test_a_store_that_cannot_be_written_means_nothing_is_sent(purse: Purse, file: Path) -> None:
    """No call without its intent on disk."""
    execute(file, "DROP TABLE attempt")
    model = FakeModel(paid=True)
    with pytest.raises(StoreError):
        await Journal(model, purse).complete(asks())

    assert model.calls == []


async def test_a_reply_that_cannot_be_stored_ends_the_asking(purse: Purse, file: Path) -> None:
    """It is an error of the store and of no cell, and nothing further is sent."""
    execute(file, "DROP TABLE reply")
    execute(file, "CREATE TABLE reply (key, attempt, run, body, digest, meta, stored_at NOT NULL CHECK (0))")
    model = FakeModel(paid=True)
    for text in ("one", "two"):
        with pytest.raises(StoreError):
            await Journal(model, purse).complete(asks(text))

    assert len(model.calls) == 1


# Never bought twice


async def test_a_committed_reply_is_never_bought_again(file: Path) -> None:
    """A second run, in a new process's store and model, makes no call and reads the very same completions."""
    requests = [asks(number) for number in range(20)]
    found = []
    models = []
    purses = []
    tallies = []
    for _ in range(2):
        tallies.append(CellCalls())
        cell_calls.set(tallies[-1])
        ledger = Ledger(file)
        models.append(FakeModel(price=PER_CALL))
        purses.append(Purse(ledger))
        journal = Journal(models[-1], purses[-1])
        found.append([await journal.complete(request) for request in requests])
        await ledger.drain()
        ledger.close()

    assert [len(model.calls) for model in models] == [20, 0]
    assert found[0] == found[1]
    assert [(tally.made, tally.from_cache) for tally in tallies] == [(20, 0), (0, 20)]
    assert [purse.spent_usd for purse in purses] == [5.0, 0.0]


@pytest.mark.parametrize(
    "other",
    [asks(draw=1), asks(temperature=0.5), asks(max_tokens=7), asks("hello ")],
    ids=["draw", "t", "limit", "text"],
)
async def test_another_draw_or_request_is_another_purchase(purse: Purse, other: ChatRequest) -> None:
    """Draws are independent, so the first one's reply does not stand for the second."""
    model = FakeModel(paid=True)
    journal = Journal(model, purse)
    for request in (asks(), other, asks(), other):
        await journal.complete(request)

    assert model.calls == [asks(), other]


async def test_another_endpoint_is_another_purchase(purse: Purse) -> None:
    """Two models never share a reply."""
    models = [FakeModel("a", paid=True), FakeModel("b", paid=True)]
    for model in models:
        await Journal(model, purse).complete(asks())

    assert [len(model.calls) for model in models] == [1, 1]


@pytest.mark.parametrize("journals", [1, 3])
async def test_identical_requests_at_once_buy_one_reply(purse: Purse, journals: int) -> None:
    """Also when several candidates of a run ask the same endpoint the same."""
    model = FakeModel(price=PER_CALL, latency_s=0.01)
    askers = [Journal(model, purse) for _ in range(journals)]
    found = await asyncio.gather(*(asker.complete(asks()) for asker in askers for _ in range(10)))

    assert len(model.calls) == 1
    assert len({completion.text for completion in found}) == 1
    assert await settled(purse) == Balance("run", spent_usd=0.25, made=1)
    assert purse.turns == {}


async def test_who_waits_for_the_same_reply_buys_it_when_the_first_fails(purse: Purse) -> None:
    """One after the other, and a waiter that gives up leaves its turn to the next."""
    model = FakeModel(paid=True, latency_s=0.01, fail={"error": "request_rejected", "times": 1})
    journal = Journal(model, purse)
    tasks = [asyncio.create_task(journal.complete(asks())) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in found] == [RequestRejected, asyncio.CancelledError, Completion, Completion]
    assert len(model.calls) == 2
    assert purse.turns == {}


async def test_a_cell_knows_whether_its_run_had_asked_before(ledger: Ledger) -> None:
    """A reply that this run had bought was made by it; another run's is from the cache."""
    model = FakeModel(paid=True)
    seen = []
    for run in ("one", "one", "two"):
        calls = CellCalls()
        token = cell_calls.set(calls)
        await Journal(model, Purse(ledger, run)).complete(asks())
        cell_calls.reset(token)
        seen.append((calls.made, calls.from_cache))

    assert seen == [(1, 0), (1, 0), (0, 1)]
    assert len(model.calls) == 1


async def test_a_reply_whose_stored_bytes_were_altered_is_bought_again(purse: Purse, file: Path) -> None:
    """A tampered store costs a call and never a wrong answer."""
    model = FakeModel(paid=True)
    journal = Journal(model, purse)
    await journal.complete(asks())
    await purse.ledger.drain()
    execute(file, "UPDATE reply SET body = CAST(replace(CAST(body AS TEXT), 'hello', 'hullo') AS BLOB)")

    assert (await journal.complete(asks())).text == "hello"
    assert len(model.calls) == 2


async def test_a_reply_that_is_no_answer_is_not_kept(purse: Purse, file: Path) -> None:
    """It is bought anew, in this run by the retry and in the next one too, and the answer is then kept."""
    model = FakeModel(paid=True)
    broken = Unreadable(model, 1, ProviderFailed("the reply is no reply"))
    journal = patient(broken, purse)
    assert (await journal.complete(asks())).text == "hello"
    await purse.ledger.drain()
    assert len(model.calls) == 2
    assert states(file) == ["failed", "replied"]

    broken.times, broken.error = 1, RequestRejected("not like this")
    await fails(journal, asks("other"))
    assert len(on_disk(file, "SELECT key FROM reply")) == 1
    assert (await journal.complete(asks("other"))).text == "other"


@pytest.mark.parametrize(
    ("finish", "kept"), [("stop", False), ("eos", False), ("length", True), ("content_filter", True), ("refusal", True)]
)
async def test_an_empty_answer_that_nothing_explains_is_not_reused(
    ledger: Ledger, file: Path, finish: str, kept: bool
) -> None:
    """Another run asks again (F11), the one that paid for it does not (P1); what a finish explains is reused."""
    model = Raw(body(" \n", finish), PER_TOKEN)
    for _ in range(2):
        purse = Purse(ledger)
        for _ in range(2):
            completion = await Journal(model, purse).complete(asks())
            assert not completion.text.strip()
            await ledger.drain()

    assert model.sends == (1 if kept else 2)
    assert len(on_disk(file, "SELECT key FROM reply")) == 1
    assert (
        on_disk(file, "SELECT state, cost_usd, received FROM attempt")
        == [("replied", 0.02, None if kept else model.body)] * model.sends
    )


async def test_an_unread_reply_of_a_killed_run_that_is_no_answer_is_bought_anew(purse: Purse) -> None:
    """Else its failure would be replayed for ever; an offline run reports it and leaves it alone."""
    model = FakeModel(paid=True)
    key = request_key(model.endpoint, asks())
    await purse.ledger.keep_reply(key, Reply(body=b"<html>sign in</html>", latency_s=1.0), 1, "killed")

    await fails(Journal(model, purse, offline=True), asks())
    assert purse.ledger.reply(key) is not None
    model.fail = FakeFailure(error="request_rejected")
    await fails(Journal(model, purse), asks())
    assert purse.ledger.reply(key) is None
    journal = Journal(model, purse)
    assert (await journal.complete(asks())).text == "hello"
    assert (await journal.complete(asks())).text == "hello"
    assert len(model.calls) == 2


async def test_replies_that_say_nothing_are_forgotten_by_other_runs_and_by_those_that_retry(
    file: Path, ledger: Ledger
) -> None:
    """Kept with their attempts; the run that bought them keeps to them, and nothing is bought twice in a sitting."""
    model = FakeModel(paid=True)

    async def told(run: str, **how: Any) -> list[bool]:
        journal = Journal(model, Purse(ledger, run), **how)
        found = []
        for _cell in range(2):
            await journal.complete(asks())
            found.append(await journal.forget([asks()]))
        if any(found):
            await journal.complete(asks())
        return found

    assert await told("one") == [False, False]
    assert await told("one") == [False, False]
    assert await told("one", offline=True, retry_failed=True) == [False, False]
    assert len(model.calls) == 1
    assert await told("one", retry_failed=True) == [True, True]
    assert len(model.calls) == 2
    assert await told("two") == [True, True]
    assert len(model.calls) == 3
    await ledger.drain()
    rows = on_disk(file, "SELECT run, retry, received IS NULL FROM attempt ORDER BY id")
    assert rows == [("one", 0, 0), ("one", 1, 0), ("two", 1, 1)]


async def test_a_reply_that_two_cells_forget_is_bought_anew_once(ledger: Ledger) -> None:
    """Whoever comes second waits for what the first one buys."""
    model = FakeModel(paid=True)
    await Journal(model, Purse(ledger, "one")).complete(asks())
    journal = Journal(model, Purse(ledger, "two"))

    async def cell() -> None:
        await journal.complete(asks())
        assert await journal.forget([asks()])
        await journal.complete(asks())

    await asyncio.gather(*(cell() for _ in range(8)))
    assert len(model.calls) == 2
    assert not await Journal(model, Purse(ledger, "two")).forget([asks()])


async def killed(file: Path, model: ChatModel, stored: bytes) -> None:
    """A run that died after it had stored the reply to `asks()` and before it had read it."""
    ledger = Ledger(file)
    key = request_key(model.endpoint, asks())
    attempt, _ = await ledger.intend("run", key, model.endpoint, "answer", canonical(asks()), 4.0)
    assert attempt is not None
    await ledger.keep_reply(key, Reply(body=stored, latency_s=1.0), attempt, "run")
    ledger.close()


async def opened(ledger: Ledger) -> Purse:
    """The purse of the same run, in the next session."""
    assert recover(ledger) == 0
    purse = Purse(ledger, "run", cap_usd=10.0)
    purse.open()
    return purse


async def test_an_unread_reply_of_a_killed_run_is_read_and_not_bought(file: Path, ledger: Ledger) -> None:
    """It costs its worst case until then, and what it really cost afterwards; who answered is noted as ever."""
    model = Raw(body(), PER_TOKEN)
    await killed(file, model, body())
    purse = await opened(ledger)
    assert purse.spent_usd == 4.0
    assert (await Journal(model, purse).complete(asks())).text == "hello"

    assert model.sends == 0
    assert await settled(purse) == Balance("run", cap_usd=10.0, spent_usd=pytest.approx(0.02), made=1)
    assert on_disk(file, "SELECT state, cost_usd, served_model FROM attempt") == [
        ("replied", 0.02, "gpt-4o-2024-08-06")
    ]


@pytest.mark.parametrize(
    ("stored", "state", "cost_usd"),
    [
        (b"<html>sign in</html>", "failed", 0.0),
        (body(model="llama-3-8b"), "failed", 0.02),
        (body()[:40], "in_doubt", 4.0),
    ],
    ids=["page", "stranger", "half"],
)
async def test_an_unread_reply_that_is_no_answer_costs_what_such_a_failure_costs(
    file: Path, ledger: Ledger, stored: bytes, state: str, cost_usd: float
) -> None:
    """Its bytes, perhaps paid for, stay with the attempt that brought them; the new one has its own."""
    model = Raw(body(), PER_TOKEN)
    await killed(file, model, stored)
    purse = await opened(ledger)
    assert (await Journal(model, purse).complete(asks(max_tokens=100))).text == "hello"
    assert (await Journal(model, purse).complete(asks())).text == "hello"

    assert await settled(purse) == Balance(
        "run", cap_usd=10.0, spent_usd=pytest.approx(cost_usd + 0.04), made=3, in_doubt=state == "in_doubt"
    )
    found = on_disk(file, "SELECT state, cost_usd, received FROM attempt WHERE hold_usd = 4.0")
    assert found == [(state, cost_usd, stored)]
    assert on_disk(file, "SELECT received FROM attempt WHERE state = 'replied'") == [None] * 2


async def test_what_came_and_was_no_answer_is_kept_for_people(purse: Purse, file: Path) -> None:
    """The bytes of a reply nobody could read, and of one that broke off, up to a MiB; the cache has neither."""
    query = "SELECT received FROM attempt ORDER BY id"
    broken = Unreadable(FakeModel(paid=True), 1, RequestRejected("not like this"))
    await fails(Journal(broken, purse), asks())
    assert b"hello" in on_disk(file, query)[0]

    lost = NoReply("broke off")
    lost.received = b"x" * (3 << 20)
    await fails(patient(FakeModel("cut", paid=True, reply=lambda _request: lost), purse), asks())
    assert on_disk(file, query)[1:] == [b"x" * (1 << 20)] * 2
    assert on_disk(file, "SELECT key FROM reply") == []


async def test_offline_asks_nobody(purse: Purse) -> None:
    """Stored replies are used; for others the error says why there is none, and their cells stay open."""
    model = FakeModel(paid=True)
    await Journal(model, purse).complete(asks())
    journal = Journal(model, purse, offline=True)

    assert (await journal.complete(asks())).text == "hello"
    with pytest.raises(NotStored, match="offline"):
        await journal.complete(asks("new"))
    assert len(model.calls) == 1


# Retries


@pytest.mark.parametrize(
    ("error", "sends"),
    [
        ("provider_failed", MAX_SENDS),
        ("unreachable", MAX_SENDS),
        ("no_reply", 2),
        ("stream_cut", 2),
        ("request_rejected", 1),
        ("access_denied", 1),
        ("out_of_credit", 1),
    ],
)
async def test_only_what_may_succeed_later_is_sent_again(purse: Purse, file: Path, error: str, sends: int) -> None:
    """At most four sends of a request, one resend where the first may have been billed, none where it is hopeless."""
    model = FakeModel(paid=True, fail={"error": error, "times": None})
    clock = Clock()
    await fails(patient(model, purse, clock), asks())

    assert len(model.calls) == sends
    assert all(0 <= wait <= 60 for wait in clock.waits)
    doubtful = error in ("no_reply", "stream_cut")
    assert states(file) == ["in_doubt" if doubtful else "failed"] * sends
    assert on_disk(file, "SELECT retry FROM attempt ORDER BY id") == [0] + [1] * (sends - 1)
    found = await settled(purse)
    assert (found.made, found.retries, found.in_doubt) == (sends, sends - 1, sends if doubtful else 0)


async def test_a_rate_limit_is_waited_for_and_is_no_failure(purse: Purse) -> None:
    """However often it comes: a provider that is asked too quickly does not cost a cell (F1)."""
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": 9})
    clock = Clock()
    assert (await patient(model, purse, clock).complete(asks())).text == "hello"

    assert len(model.calls) == 10
    assert len(clock.waits) >= 9
    assert (await settled(purse)).retries == 9


async def test_rate_limits_use_up_none_of_the_sends_of_a_failing_provider(purse: Purse) -> None:
    """Three failures are tried again, after however many pauses."""
    ends: list[ModelError | str] = [*[RateLimited("later")] * 5, *[ProviderFailed("down")] * 3, "ok"]
    model = FakeModel(paid=True, reply=lambda _request: ends.pop(0))
    assert (await patient(model, purse).complete(asks())).text == "ok"
    assert len(model.calls) == 9


@pytest.mark.parametrize(("error", "times"), [("provider_failed", 3), ("rate_limited", 3), ("no_reply", 1)])
async def test_an_answer_after_failures_is_an_answer(purse: Purse, error: str, times: int) -> None:
    """The cell knows how often it was retried and what lost replies may cost; the store knows the reply."""
    model = FakeModel(price=PER_CALL, fail={"error": error, "times": times})
    calls = CellCalls()
    token = cell_calls.set(calls)
    try:
        completion = await patient(model, purse).complete(asks())
    finally:
        cell_calls.reset(token)

    assert completion.text == "hello"
    assert (calls.retries, calls.made, calls.from_cache) == (times, times + 1, 0)
    assert calls.retry_usd == (0.25 if error == "no_reply" else 0.0)


async def test_a_cell_of_two_questions_retries_the_one_that_failed(purse: Purse, file: Path) -> None:
    """The second question's first send repeats nothing, whatever became of the first."""
    model = FakeModel(paid=True, fail={"error": "provider_failed", "times": 2})
    journal = patient(model, purse)
    calls = CellCalls()
    token = cell_calls.set(calls)
    try:
        await journal.complete(asks("first"))
        model.fail = None
        await journal.complete(asks("second"))
    finally:
        cell_calls.reset(token)

    assert on_disk(file, "SELECT retry FROM attempt ORDER BY id") == [0, 1, 1, 0]
    assert (calls.retries, calls.made, (await settled(purse)).retries) == (2, 4, 2)


async def test_retry_after_is_waited_for_by_everybody(purse: Purse) -> None:
    """A rate limit is the account's: another candidate's request waits as well, at least as long as was asked."""
    clock = Clock()
    lane = clock.lane()
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": 1, "retry_after_s": 30.0})
    other = FakeModel("other", paid=True)
    began: list[float] = []
    other.reply = lambda _request: began.append(clock.time) or "ok"  # type: ignore[func-returns-value]
    first = asyncio.create_task(patient(model, purse, clock, lane=lane).complete(asks()))
    while not model.calls:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    second = asyncio.create_task(patient(other, purse, clock, lane=lane).complete(asks()))
    await asyncio.gather(first, second)

    assert lane.state.rate_limited == 1
    assert began[0] >= 30


async def test_waiting_in_our_own_limiter_belongs_to_the_cell(purse: Purse) -> None:
    """It is no latency of the provider, and is told apart."""
    clock = Clock()
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": 1, "retry_after_s": 30.0})
    calls = CellCalls()
    token = cell_calls.set(calls)
    completion = await patient(model, purse, clock).complete(asks())
    cell_calls.reset(token)

    assert calls.queue_s >= 30
    assert completion.latency_s == 0.0


async def test_a_failing_provider_delays_only_the_call_that_failed(purse: Purse) -> None:
    """A 503 says nothing about the next request."""
    model = FakeModel(paid=True, fail={"error": "provider_failed", "times": 1, "retry_after_s": 30.0})
    clock = Clock()
    journal = patient(model, purse, clock)
    await journal.complete(asks("first"))
    model.fail = None
    waited = len(clock.waits)
    await journal.complete(asks("second"))

    assert max(clock.waits) >= 30
    assert len(clock.waits) == waited


async def test_a_provider_that_asks_for_minutes_is_not_waited_for(purse: Purse) -> None:
    """The account is parked and says for how long; the cell stays open, and holds up no worker."""
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": None, "retry_after_s": 3600.0})
    clock = Clock()
    found = await is_closed(patient(model, purse, clock), asks())

    assert found.kind == "parked"
    assert found.seconds is not None
    assert found.seconds >= 3600
    assert len(model.calls) == 1
    assert clock.waits == []


async def test_without_an_end_of_rate_limits_the_account_is_parked(purse: Purse) -> None:
    """After twenty pauses in a row without one answer; nothing stays held."""
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": None})
    assert (await is_closed(patient(model, purse), asks())).kind == "parked"

    assert len(model.calls) == 20
    assert (await settled(purse)).held_usd == 0.0


@pytest.mark.parametrize(("error", "kind"), [("access_denied", AccessDenied), ("out_of_credit", OutOfCredit)])
async def test_a_hopeless_account_is_asked_once(purse: Purse, error: str, kind: type[ModelError]) -> None:
    """The first refusal is told as it is; after it nothing is sent, and no frames pile up."""
    model = FakeModel(paid=True, fail={"error": error, "times": None})
    journal = patient(model, purse)
    assert isinstance(await fails(journal, asks("first")), kind)
    found = [await is_closed(journal, asks(number)) for number in range(50)]

    assert {closed.seconds for closed in found} == {None}
    assert {closed.kind for closed in found} == {"denied" if error == "access_denied" else "credit"}
    assert len(model.calls) == 1
    assert (await settled(purse)).retries == 0
    assert len(traceback.extract_tb(found[-1].__traceback__)) < 15


@pytest.mark.parametrize(("error", "others"), [("access_denied", 1), ("out_of_credit", 0)])
async def test_an_empty_account_stops_all_its_models_and_a_refused_key_one(
    purse: Purse, error: str, others: int
) -> None:
    """What has no money has none for any model; a 403 is often about one model alone."""
    lane = Clock().lane()
    refused = FakeModel("refused", paid=True, fail={"error": error, "times": None})
    other = FakeModel("other", paid=True)
    await fails(patient(refused, purse, lane=lane), asks())
    found = await asyncio.gather(patient(other, purse, lane=lane).complete(asks()), return_exceptions=True)

    assert len(other.calls) == others
    assert isinstance(found[0], Completion if others else LaneClosed)


async def test_a_request_that_waited_is_not_sent_to_an_account_that_stopped_meanwhile(purse: Purse) -> None:
    """The refusal of one ends the waiting of all, and none of them holds money."""
    model = FakeModel(price=PER_CALL, latency_s=0.01, fail={"error": "access_denied", "times": None})
    journal = Journal(model, purse, lane=Lane("acme", concurrency=1))
    found = await asyncio.gather(*(journal.complete(asks(number)) for number in range(5)), return_exceptions=True)

    assert [type(one) for one in found] == [AccessDenied] + [LaneClosed] * 4
    assert len(model.calls) == 1
    assert (await settled(purse)).held_usd == 0.0


async def test_a_run_that_was_told_to_stop_sends_nothing_more(purse: Purse) -> None:
    """Not even a retry; what is in the store is still read."""
    model = FakeModel(paid=True)
    journal = patient(model, purse)
    await journal.complete(asks("stored"))
    model.fail = None
    purse.stop()
    with pytest.raises(Stopped):
        await journal.complete(asks("new"))

    assert (await journal.complete(asks("stored"))).text == "stored"
    assert len(model.calls) == 1
    assert journal.lane.state.in_flight == 0


# Money


async def test_a_cap_holds_against_64_workers(ledger: Ledger) -> None:
    """At no instant is more spent and reserved than the cap, and all of the cap is used."""
    purse = Purse(ledger, cap_usd=10.0)
    most = 0.0

    def reply(_request: ChatRequest) -> str:
        nonlocal most
        most = max(most, purse.balance.spent_usd + purse.balance.held_usd)
        return "ok"

    model = FakeModel(reply=reply, price=PER_CALL, latency_s=0.001)
    journal = Journal(model, purse)
    workers = asyncio.Semaphore(64)

    async def ask(number: int) -> str:
        async with workers:
            try:
                return (await journal.complete(asks(number))).text
            except BudgetStop:
                return "skipped"

    found = await asyncio.gather(*(ask(number) for number in range(200)))
    assert (found.count("ok"), found.count("skipped")) == (40, 160)
    assert len(model.calls) == 40
    assert most <= 10.0
    assert await settled(purse) == Balance(purse.run, cap_usd=10.0, spent_usd=10.0, made=40)


async def test_reservations_that_turn_out_cheap_stop_nobody(ledger: Ledger) -> None:
    """Worst cases in flight are waited for; the cap ends a run only when it is really used up."""
    model = FakeModel(reply="four", price=PER_TOKEN, latency_s=0.001)
    purse = Purse(ledger, cap_usd=3.0)
    journal = Journal(model, purse)
    async with asyncio.timeout(60):
        await asyncio.gather(*(journal.complete(asks(number, max_tokens=1000)) for number in range(64)))

    assert len(model.calls) == 64
    assert model.most_in_flight <= 3
    assert (await settled(purse)).spent_usd == pytest.approx(0.064)
    assert purse.exhausted is None


async def test_after_the_stop_nothing_that_costs_is_sent(ledger: Ledger) -> None:
    """Not even a cheaper request that would still fit, or the short cases alone would be measured."""
    model = FakeModel(reply="ok", price=PER_TOKEN)
    purse = Purse(ledger, cap_usd=0.1)
    journal = Journal(model, purse)
    await journal.complete(asks("stored", max_tokens=50))
    with pytest.raises(BudgetStop, match="--max-usd"):
        await journal.complete(asks("long", max_tokens=500))
    with pytest.raises(BudgetStop):
        await journal.complete(asks("short", max_tokens=1))

    assert len(model.calls) == 1
    assert (await journal.complete(asks("stored", max_tokens=50))).text == "ok"
    free = FakeModel("free", price=Price(input_usd=0, output_usd=0))
    assert (await Journal(free, purse).complete(asks())).text == "hello"


async def test_the_cap_says_nothing_of_the_provider(ledger: Ledger) -> None:
    """A call that the cap refused gives its slot back, and nobody takes it for a failure."""
    purse = Purse(ledger, cap_usd=0.1)
    journal = Journal(FakeModel(price=PER_CALL), purse, lane=Lane("acme", concurrency=1))
    for _ in range(3):
        with pytest.raises(BudgetStop):
            await journal.complete(asks())

    assert (journal.lane.state.in_flight, journal.lane.state.breaker) == (0, "closed")


def test_a_cap_that_could_not_hold_is_refused_before_anything_is_sent(ledger: Ledger) -> None:
    """A price nobody knows cannot be held; without a cap, for a free model, or asking nobody, it need not be."""
    with pytest.raises(SettingsError, match=r"price of fake/parrot is unknown, .* \$2.5"):
        Journal(FakeModel(paid=True), Purse(ledger, cap_usd=2.5))
    Journal(FakeModel(paid=True), Purse(ledger))
    Journal(FakeModel(paid=True), Purse(ledger, cap_usd=2.5), offline=True)
    Journal(FakeModel(paid=False), Purse(ledger, cap_usd=2.5))


async def test_a_call_in_doubt_is_booked_at_its_worst_case(ledger: Ledger, file: Path) -> None:
    """Both sends of a request whose replies were lost; a failure that costs nothing is booked as nothing."""
    purse = Purse(ledger)
    model = FakeModel(price=PER_TOKEN, fail={"error": "no_reply", "times": None})
    assert isinstance(await fails(patient(model, purse), asks(max_tokens=100)), NoReply)
    assert await settled(purse) == Balance(purse.run, spent_usd=pytest.approx(0.2), made=2, retries=1, in_doubt=2)
    assert on_disk(file, "SELECT cost_usd FROM attempt") == [pytest.approx(0.1)] * 2

    refused = FakeModel("other", price=PER_TOKEN, fail={"error": "request_rejected", "times": None})
    other = Purse(ledger)
    await fails(Journal(refused, other), asks())
    assert await settled(other) == Balance(other.run, made=1)


async def test_another_model_than_was_asked_for_is_paid_and_is_no_answer(purse: Purse, file: Path) -> None:
    """A stranger's reply costs what it says, is not asked for again, and is not kept as an answer (F18)."""
    model = Raw(body(model="llama-3-8b"), PER_TOKEN)
    calls = CellCalls()
    token = cell_calls.set(calls)
    error = await fails(patient(model, purse), asks())
    cell_calls.reset(token)

    assert isinstance(error, WrongModel)
    assert model.sends == 1
    assert await settled(purse) == Balance("run", spent_usd=0.02, made=1)
    assert calls.retry_usd == 0.02
    assert on_disk(file, "SELECT state, cost_usd, received FROM attempt") == [("failed", 0.02, model.body)]
    assert on_disk(file, "SELECT key FROM reply") == []


async def test_a_stranger_of_unknown_price_makes_the_sum_unknown(purse: Purse) -> None:
    """It costs something, and nobody knows what."""
    await fails(Journal(Raw(body(model="llama-3-8b")), purse), asks())
    assert purse.spent_usd is None
    assert (await settled(purse)).unpriced == 1


async def test_a_cancelled_call_is_booked_at_its_worst_case(purse: Purse, file: Path) -> None:
    """It was sent, so it may be billed; it is in doubt, holds nothing and blocks nobody."""
    model = FakeModel(price=PER_CALL, latency_s=60.0)
    journal = Journal(model, purse)
    task = asyncio.create_task(journal.complete(asks()))
    while not model.calls:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await settled(purse) == Balance("run", spent_usd=0.25, made=1, in_doubt=1)
    assert states(file) == ["in_doubt"]
    assert purse.turns == {}
    assert (purse.in_flight, journal.lane.state.in_flight) == (0, 0)


def cancel_soon(task_of: list[asyncio.Task[Completion]]) -> None:
    """Cancels the call at the next place where it waits."""
    asyncio.get_running_loop().call_soon(task_of[0].cancel)


async def test_a_call_that_was_cancelled_as_its_reply_came_is_read_later(purse: Purse, file: Path) -> None:
    """The reply is stored, so nothing is in doubt and nothing is bought again; read, it costs what it cost."""
    model = Raw(body(), PER_TOKEN)
    tasks: list[asyncio.Task[Completion]] = []
    model.before_sent = lambda: cancel_soon(tasks)
    journal = Journal(model, purse)
    tasks.append(asyncio.create_task(journal.complete(asks(max_tokens=100))))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await settled(purse) == Balance("run", spent_usd=0.1, made=1)
    assert states(file) == ["unread"]

    assert (await journal.complete(asks(max_tokens=100))).text == "hello"
    assert model.sends == 1
    assert await settled(purse) == Balance("run", spent_usd=pytest.approx(0.02), made=1)
    assert states(file) == ["replied"]


@pytest.mark.parametrize(
    ("came", "state", "cost_usd"),
    [
        (b"<html>sign in</html>", "failed", 0.0),
        (body()[:40], "in_doubt", 0.1),
    ],
    ids=["page", "half"],
)
async def test_who_is_cancelled_while_a_failure_is_written_down_keeps_no_money(
    purse: Purse, file: Path, came: bytes, state: str, cost_usd: float
) -> None:
    """The attempt ends as it would have, and nothing stays held."""
    model = Raw(came, PER_TOKEN)
    tasks: list[asyncio.Task[Completion]] = []
    model.before_read = lambda: cancel_soon(tasks)
    tasks.append(asyncio.create_task(Journal(model, purse).complete(asks(max_tokens=100))))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]

    assert await settled(purse) == Balance("run", spent_usd=cost_usd, made=1, in_doubt=state == "in_doubt")
    assert on_disk(file, "SELECT state, received FROM attempt") == [(state, came)]
    assert on_disk(file, "SELECT key FROM reply") == []
    assert purse.in_flight == 0


async def test_calls_of_unknown_cost_are_counted(purse: Purse) -> None:
    """No price, no sum: the run can say that it does not know what it cost."""
    await Journal(FakeModel(paid=True), purse).complete(asks())
    found = await settled(purse)

    assert (found.unpriced, found.spent_usd) == (1, 0.0)
    assert purse.spent_usd is None


prices = st.builds(
    Price,
    input_usd=st.floats(0, 100),
    output_usd=st.floats(0, 100),
    per_call_usd=st.floats(0, 1),
    tiers=st.lists(
        st.builds(
            PriceTier, above_input_tokens=st.integers(0, 300), input_usd=st.floats(0, 100), output_usd=st.floats(0, 100)
        ),
        max_size=2,
    ).map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens))),
)


@given(
    price=prices,
    text=st.text(st.characters(), max_size=60),
    schema=st.none() | st.just({"type": "json_schema", "schema": {"title": "x" * 50}}),
    limit=st.none() | st.integers(1, 10_000),
    input_share=st.floats(0, 1),
    output_share=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_no_call_costs_more_than_its_worst_case(
    price: Price, text: str, schema: dict[str, Any] | None, limit: int | None, input_share: float, output_share: float
) -> None:
    """Up to one token per byte of all that is sent and up to the output's limit, at every tier."""
    request = asks(text, max_tokens=limit, response_format=schema)
    sent_bytes = len(text.encode("utf-8", "surrogatepass")) + (len(str(schema)) - 10 if schema else 0)
    worst = worst_case_usd(price, len(canonical(request)), limit)
    cost = price.cost_usd(int(sent_bytes * input_share), int((limit or 4096) * output_share))

    assert worst is not None
    assert cost is not None
    assert cost <= worst * (1 + 1e-12)


@pytest.mark.parametrize("size", [1, 3_000_000])
async def test_a_picture_is_held_by_what_its_model_takes_for_one(ledger: Ledger, size: int) -> None:
    """Neither megabytes nor some bytes of a file say what is billed; a cap that covers the picture is enough."""
    part = ImagePart(url="data:image/png;base64," + "A" * size)
    request = ChatRequest(messages=(Message(role="user", content=(TextPart(text="what is it?"), part)),), max_tokens=10)
    model = FakeModel("claude-small", price=Price(input_usd=10.0, output_usd=0.0))
    purse = Purse(ledger, cap_usd=0.0535)  # 5,120 tokens and the words
    purse.open("run")
    await Journal(model, purse).complete(request)
    with ledger.engine.connect() as connection:
        [held] = connection.execute(sa.select(tables.attempts.c.hold_usd)).scalars()
    assert 5_120e-5 < held < 0.0535

    short = Purse(ledger, cap_usd=0.0512)
    short.open("other run")
    with pytest.raises(BudgetStop):
        await Journal(FakeModel("claude-other", price=model.price), short).complete(request)


def test_without_a_price_there_is_no_worst_case() -> None:
    """Unknown is unknown; it is not nothing."""
    assert worst_case_usd(None, 100, 5) is None


async def test_a_fake_reply_in_full_is_journalled_like_any_other(purse: Purse) -> None:
    """Usage, clocks and finish come back from the store as they were measured."""
    answer = FakeReply(text="x", input_tokens=100, output_tokens=20, latency_s=2.0, first_token_s=0.5, finish="length")
    model = FakeModel(reply=lambda _request: answer, paid=True, wait=False)
    journal = Journal(model, purse)
    first = await journal.complete(asks())
    again = await journal.complete(asks())

    assert first == again
    assert (first.usage.output_tokens, first.latency_s, first.first_token_s, first.finish) == (20, 2.0, 0.5, "length")
