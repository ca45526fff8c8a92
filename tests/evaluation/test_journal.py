"""What the journal promises: nothing is bought twice, nothing is forgotten, and the cap holds."""

from __future__ import annotations

import asyncio
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
    StoreError,
)
from touchstone.evaluation.journal import MAX_ATTEMPTS, CallTally, CellCalls, Journal, cell_calls, worst_case_usd
from touchstone.evaluation.ledger import Ledger, request_key
from touchstone.models.base import ChatModel, ChatRequest, Completion, Message, Reply
from touchstone.models.fake import FakeModel, FakeReply

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


class Clock:
    """Passes no time and remembers how long it was asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def asks(text: object = "hello", **fields: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=str(text)),), **fields)


def on_disk(file: Path, query: str) -> list[Any]:
    """The first column of what another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def states(file: Path) -> list[str]:
    return sorted(on_disk(file, "SELECT state FROM attempt"))


async def fails(journal: Journal, request: ChatRequest) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await journal.complete(request)
    return caught.value


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


# Order of the durable steps


async def test_intent_is_on_disk_before_send_and_the_reply_before_it_is_read(ledger: Ledger, file: Path) -> None:
    """A crash leaves no trace of a call or at least its intent, and a reply is never only in memory."""
    model = Onlooker(FakeModel(paid=True), file)
    completion = await Journal(model, ledger).complete(asks())

    assert completion.text == "hello"
    assert model.seen == [("send", ["intent"], 0), ("read", ["intent"], 1)]
    assert states(file) == ["replied"]


async def test_an_intent_holds_what_the_call_may_cost_and_settling_what_it_did(ledger: Ledger, file: Path) -> None:
    """Both stand in the store, for whoever settles a run that was killed."""
    model = FakeModel(reply="one two", price=PER_TOKEN)
    journal = Journal(model, ledger)
    completion = await journal.complete(asks(max_tokens=100))

    assert on_disk(file, "SELECT hold_usd FROM attempt") == [pytest.approx(0.1)]
    assert on_disk(file, "SELECT cost_usd FROM attempt") == [completion.cost_usd]
    assert journal.tally.spent_usd == pytest.approx(completion.cost_usd)
    assert journal.tally.held_usd == 0.0


async def test_free_models_are_asked_without_a_journal(ledger: Ledger, file: Path) -> None:
    """What costs nothing and goes nowhere leaves no intent."""
    journal = Journal(FakeModel(), ledger)
    await journal.complete(asks())

    assert states(file) == []
    assert journal.tally.made == 1


async def test_a_store_that_cannot_be_written_means_nothing_is_sent(ledger: Ledger, file: Path) -> None:
    """No call without its intent on disk."""
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE attempt")
    connection.close()
    model = FakeModel(paid=True)
    with pytest.raises(StoreError):
        await Journal(model, ledger).complete(asks())

    assert model.calls == []


# Never bought twice


async def test_a_committed_reply_is_never_bought_again(file: Path) -> None:
    """A second run, in a new process's store and model, makes no call and reads the very same completions."""
    requests = [asks(number) for number in range(20)]
    found = []
    models = []
    for _ in range(2):
        ledger = Ledger(file)
        models.append(FakeModel(price=PER_CALL))
        journal = Journal(models[-1], ledger)
        found.append([await journal.complete(request) for request in requests])
        ledger.close()

    assert [len(model.calls) for model in models] == [20, 0]
    assert found[0] == found[1]
    assert (journal.tally.made, journal.tally.from_cache, journal.tally.spent_usd) == (0, 20, 0.0)


@pytest.mark.parametrize(
    "other",
    [asks(draw=1), asks(temperature=0.5), asks(max_tokens=7), asks("hello ")],
    ids=["draw", "t", "limit", "text"],
)
async def test_another_draw_or_request_is_another_purchase(ledger: Ledger, other: ChatRequest) -> None:
    """Draws are independent, so the first one's reply does not stand for the second."""
    model = FakeModel(paid=True)
    journal = Journal(model, ledger)
    for request in (asks(), other, asks(), other):
        await journal.complete(request)

    assert model.calls == [asks(), other]


async def test_another_endpoint_is_another_purchase(ledger: Ledger) -> None:
    """Two models never share a reply."""
    models = [FakeModel("a", paid=True), FakeModel("b", paid=True)]
    for model in models:
        await Journal(model, ledger).complete(asks())

    assert [len(model.calls) for model in models] == [1, 1]


@pytest.mark.parametrize("journals", [1, 3])
async def test_identical_requests_at_once_buy_one_reply(ledger: Ledger, journals: int) -> None:
    """Also when several candidates of a run ask the same endpoint the same."""
    model = FakeModel(paid=True, latency_s=0.01)
    tally = CallTally()
    askers = [Journal(model, ledger, tally) for _ in range(journals)]
    found = await asyncio.gather(*(asker.complete(asks()) for asker in askers for _ in range(10)))

    assert len(model.calls) == 1
    assert len({completion.text for completion in found}) == 1
    assert (tally.made, tally.from_cache) == (1, 10 * journals - 1)
    assert tally.turns == {}


async def test_a_reply_whose_stored_bytes_were_altered_is_bought_again(ledger: Ledger, file: Path) -> None:
    """A tampered store costs a call and never a wrong answer."""
    model = FakeModel(paid=True)
    journal = Journal(model, ledger)
    await journal.complete(asks())
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE reply SET body = CAST(replace(CAST(body AS TEXT), 'hello', 'hullo') AS BLOB)")
    connection.close()

    assert (await journal.complete(asks())).text == "hello"
    assert len(model.calls) == 2


async def test_a_reply_that_is_no_answer_is_not_kept(ledger: Ledger, file: Path) -> None:
    """It is bought anew, in this run by the retry and in the next one too, and the answer is then kept."""
    model = FakeModel(paid=True)
    clock = Clock()
    broken = Unreadable(model, 1, ProviderFailed("the reply is no reply"))
    journal = Journal(broken, ledger, sleep=clock.sleep)
    assert (await journal.complete(asks())).text == "hello"
    assert len(model.calls) == 2
    assert states(file) == ["failed", "replied"]

    broken.times, broken.error = 1, RequestRejected("not like this")
    await fails(journal, asks("other"))
    assert len(on_disk(file, "SELECT key FROM reply")) == 1
    assert (await journal.complete(asks("other"))).text == "other"


async def test_an_unread_reply_of_a_killed_run_that_is_no_answer_is_bought_anew(ledger: Ledger) -> None:
    """Else its failure would be replayed for ever; an offline run reports it and leaves it alone."""
    model = FakeModel(paid=True)
    key = request_key(model.endpoint, asks())
    await ledger.keep_reply(key, Reply(body=b"<html>sign in</html>", latency_s=1.0))

    await fails(Journal(model, ledger, offline=True), asks())
    assert ledger.reply(key) is not None
    journal = Journal(model, ledger)
    assert (await journal.complete(asks())).text == "hello"
    assert (await journal.complete(asks())).text == "hello"
    assert len(model.calls) == 1


async def test_what_came_and_was_no_answer_is_kept_for_people(ledger: Ledger, file: Path) -> None:
    """The bytes of a reply nobody could read, and of one that broke off, up to a MiB; the cache has neither."""
    query = "SELECT received FROM attempt ORDER BY sent_at, rowid"
    broken = Unreadable(FakeModel(paid=True), 1, RequestRejected("not like this"))
    await fails(Journal(broken, ledger), asks())
    assert b"hello" in on_disk(file, query)[0]

    lost = NoReply("broke off")
    lost.received = b"x" * (3 << 20)
    await fails(Journal(FakeModel("cut", paid=True, reply=lambda _request: lost), ledger, sleep=Clock().sleep), asks())
    assert on_disk(file, query)[1:] == [b"x" * (1 << 20)] * 2
    assert on_disk(file, "SELECT key FROM reply") == []


async def test_an_unread_reply_of_a_killed_run_goes_to_its_attempt(ledger: Ledger, file: Path) -> None:
    """Its bytes, perhaps paid for, are still there after the reply was bought anew; the new attempt has none."""
    model = FakeModel(paid=True)
    key = request_key(model.endpoint, asks())
    await ledger.intend(key, model.endpoint, "answer", asks(), None)
    await ledger.keep_reply(key, Reply(body=b"<html>sign in</html>", latency_s=1.0))
    await Journal(model, ledger).complete(asks())

    assert on_disk(file, "SELECT received FROM attempt WHERE state = 'intent'") == [b"<html>sign in</html>"]
    assert on_disk(file, "SELECT received FROM attempt WHERE state = 'replied'") == [None]


async def test_offline_asks_nobody(ledger: Ledger) -> None:
    """Stored replies are used; for others the error says why there is none."""
    model = FakeModel(paid=True)
    await Journal(model, ledger).complete(asks())
    journal = Journal(model, ledger, offline=True)

    assert (await journal.complete(asks())).text == "hello"
    assert "offline" in str(await fails(journal, asks("new")))
    assert len(model.calls) == 1


# Retries


@pytest.mark.parametrize(
    ("error", "sends"),
    [
        ("rate_limited", MAX_ATTEMPTS),
        ("provider_failed", MAX_ATTEMPTS),
        ("unreachable", MAX_ATTEMPTS),
        ("no_reply", 2),
        ("stream_cut", 2),
        ("request_rejected", 1),
        ("access_denied", 1),
        ("out_of_credit", 1),
    ],
)
async def test_only_what_may_succeed_later_is_sent_again(ledger: Ledger, file: Path, error: str, sends: int) -> None:
    """At most four sends of a request, one resend where the first may have been billed, none where it is hopeless."""
    model = FakeModel(paid=True, fail={"error": error, "times": None})
    clock = Clock()
    journal = Journal(model, ledger, sleep=clock.sleep)
    await fails(journal, asks())

    assert len(model.calls) == sends
    assert journal.tally.retries == sends - 1
    assert len(clock.waits) >= sends - 1
    assert all(0 <= wait <= 60 for wait in clock.waits)
    doubtful = error in ("no_reply", "stream_cut")
    assert states(file) == ["in_doubt" if doubtful else "failed"] * sends
    assert journal.tally.in_doubt == (sends if doubtful else 0)


@pytest.mark.parametrize(("error", "times"), [("provider_failed", 3), ("rate_limited", 3), ("no_reply", 1)])
async def test_an_answer_after_failures_is_an_answer(ledger: Ledger, error: str, times: int) -> None:
    """The cell knows how often it was retried; the store knows the reply."""
    model = FakeModel(paid=True, fail={"error": error, "times": times})
    calls = CellCalls()
    token = cell_calls.set(calls)
    try:
        completion = await Journal(model, ledger, sleep=Clock().sleep).complete(asks())
    finally:
        cell_calls.reset(token)

    assert completion.text == "hello"
    assert (calls.retries, calls.made, calls.from_cache) == (times, times + 1, 0)
    assert calls.in_doubt == (error == "no_reply")


async def test_retry_after_is_waited_for_by_everybody(ledger: Ledger) -> None:
    """A rate limit is the account's: another request waits as well, and at least as long as was asked."""
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": 1, "retry_after_s": 30.0})
    model.fail = model.fail and model.fail.model_copy(update={"every": 1})
    clock = Clock()
    journal = Journal(model, ledger, sleep=clock.sleep)
    await journal.complete(asks("first"))
    assert clock.waits
    assert min(clock.waits) >= 29
    model.fail = None
    clock.waits.clear()
    await journal.complete(asks("second"))

    [wait] = clock.waits
    assert 29 <= wait <= 32
    assert journal.tally.retries == 1


async def test_a_failing_provider_delays_only_the_call_that_failed(ledger: Ledger) -> None:
    """A 503 says nothing about the next request."""
    model = FakeModel(paid=True, fail={"error": "provider_failed", "times": 1, "retry_after_s": 30.0})
    clock = Clock()
    journal = Journal(model, ledger, sleep=clock.sleep)
    await journal.complete(asks("first"))
    model.fail = None
    waited = len(clock.waits)
    await journal.complete(asks("second"))

    assert max(clock.waits) >= 30
    assert len(clock.waits) == waited


async def test_a_provider_that_asks_for_minutes_is_not_waited_for(ledger: Ledger) -> None:
    """The cell fails at once and says so, instead of holding up its worker."""
    model = FakeModel(paid=True, fail={"error": "rate_limited", "times": None, "retry_after_s": 3600.0})
    clock = Clock()
    error = await fails(Journal(model, ledger, sleep=clock.sleep), asks())

    assert isinstance(error, RateLimited)
    assert len(model.calls) == 1
    assert clock.waits == []


@pytest.mark.parametrize(("error", "kind"), [("access_denied", AccessDenied), ("out_of_credit", OutOfCredit)])
async def test_a_hopeless_account_is_asked_once(ledger: Ledger, error: str, kind: type[ModelError]) -> None:
    """After the first refusal every further request fails alike without being sent, and without piling up frames."""
    model = FakeModel(paid=True, fail={"error": error, "times": None})
    journal = Journal(model, ledger, sleep=Clock().sleep)
    found = [await fails(journal, asks(number)) for number in range(50)]

    assert {type(failure) for failure in found} == {kind}
    assert len(model.calls) == 1
    assert journal.tally.retries == 0
    assert len(traceback.extract_tb(found[-1].__traceback__)) < 15


async def test_a_request_that_waited_is_not_sent_to_a_lane_that_stopped_meanwhile(ledger: Ledger) -> None:
    """The refusal of one ends the waiting of all."""

    def reply(request: ChatRequest) -> str | ModelError:
        return RateLimited("later", retry_after_s=5.0) if "slow" in str(request.messages) else AccessDenied("no")

    model = FakeModel(paid=True, reply=reply)
    gate = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await gate.wait()

    journal = Journal(model, ledger, sleep=sleep)
    waiting = asyncio.create_task(fails(journal, asks("slow")))
    while len(model.calls) < 1:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    journal._pause_until = 0.0  # the other request does not wait
    await fails(journal, asks("quick"))
    gate.set()

    assert isinstance(await waiting, AccessDenied)
    assert len(model.calls) == 2


# Money


async def test_a_cap_holds_against_64_workers(ledger: Ledger) -> None:
    """At no instant is more spent and reserved than the cap, and all of the cap is used."""
    tally = CallTally(cap_usd=10.0)
    most = 0.0

    def reply(_request: ChatRequest) -> str:
        nonlocal most
        most = max(most, tally.spent_usd + tally.held_usd)
        return "ok"

    model = FakeModel(reply=reply, price=PER_CALL, latency_s=0.001)
    journal = Journal(model, ledger, tally)
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
    assert (tally.spent_usd, tally.held_usd) == (10.0, 0.0)


async def test_reservations_that_turn_out_cheap_stop_nobody(ledger: Ledger) -> None:
    """Worst cases in flight are waited for; the cap ends a run only when it is really used up."""
    model = FakeModel(reply="four", price=PER_TOKEN, latency_s=0.001)
    tally = CallTally(cap_usd=3.0)
    journal = Journal(model, ledger, tally)
    async with asyncio.timeout(30):
        await asyncio.gather(*(journal.complete(asks(number, max_tokens=1000)) for number in range(64)))

    assert len(model.calls) == 64
    assert model.most_in_flight <= 3
    assert tally.spent_usd == pytest.approx(0.064)
    assert not tally.stopped


async def test_after_the_stop_nothing_that_costs_is_sent(ledger: Ledger) -> None:
    """Not even a cheaper request that would still fit, or the short cases alone would be measured."""
    model = FakeModel(reply="ok", price=PER_TOKEN)
    journal = Journal(model, ledger, CallTally(cap_usd=0.1))
    await journal.complete(asks("stored", max_tokens=50))
    with pytest.raises(BudgetStop, match="--max-usd"):
        await journal.complete(asks("long", max_tokens=500))
    with pytest.raises(BudgetStop):
        await journal.complete(asks("short", max_tokens=1))

    assert len(model.calls) == 1
    assert (await journal.complete(asks("stored", max_tokens=50))).text == "ok"
    free = FakeModel("free", price=Price(input_usd=0, output_usd=0))
    assert (await Journal(free, ledger, journal.tally).complete(asks())).text == "hello"


async def test_a_call_in_doubt_is_booked_at_its_worst_case(ledger: Ledger, file: Path) -> None:
    """Both sends of a request whose replies were lost; a failure that costs nothing is booked as nothing."""
    model = FakeModel(price=PER_TOKEN, fail={"error": "no_reply", "times": None})
    journal = Journal(model, ledger, sleep=Clock().sleep)
    assert isinstance(await fails(journal, asks(max_tokens=100)), NoReply)
    assert journal.tally.spent_usd == pytest.approx(0.2)
    assert on_disk(file, "SELECT cost_usd FROM attempt") == [pytest.approx(0.1)] * 2

    refused = FakeModel("other", price=PER_TOKEN, fail={"error": "request_rejected", "times": None})
    tally = CallTally()
    await fails(Journal(refused, ledger, tally), asks())
    assert (tally.spent_usd, tally.held_usd) == (0.0, 0.0)


async def test_a_cancelled_call_is_booked_at_its_worst_case(ledger: Ledger, file: Path) -> None:
    """It was sent, so it may be billed; the store shows it as an intent without a reply."""
    model = FakeModel(price=PER_CALL, latency_s=60.0)
    journal = Journal(model, ledger)
    task = asyncio.create_task(journal.complete(asks()))
    while not model.calls:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (journal.tally.spent_usd, journal.tally.held_usd) == (0.25, 0.0)
    assert states(file) == ["intent"]
    assert journal.tally.turns == {}


async def test_who_waits_for_room_under_the_cap_may_give_up(ledger: Ledger) -> None:
    """A cancelled waiter takes no money with it."""
    tally = CallTally(cap_usd=1.0)
    await tally.reserve(1.0)
    waiting = asyncio.create_task(tally.reserve(0.5))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    tally.settle(1.0, 0.25)
    async with asyncio.timeout(5):
        await tally.reserve(0.75)

    assert (tally.spent_usd, tally.held_usd) == (0.25, 0.75)


async def test_calls_of_unknown_cost_are_counted(ledger: Ledger) -> None:
    """No price, no sum: the run can say that it does not know what it cost."""
    journal = Journal(FakeModel(paid=True), ledger)
    await journal.complete(asks())

    assert (journal.tally.unpriced, journal.tally.spent_usd) == (1, 0.0)


@given(
    cap=st.integers(0, 40),
    calls=st.lists(st.tuples(st.integers(0, 16), st.floats(0, 1)), max_size=30),
    workers=st.integers(1, 64),
)
@settings(max_examples=150, deadline=None)
def test_spent_and_held_never_pass_the_cap(cap: int, calls: list[tuple[int, float]], workers: int) -> None:
    """Whatever calls reserve and then really cost, in whatever number they run at once, and all of them end."""
    tally = CallTally(cap_usd=cap / 8)

    async def call(hold: float, share: float, room: asyncio.Semaphore) -> None:
        async with room:
            try:
                await tally.reserve(hold)
            except BudgetStop:
                return
            assert tally.spent_usd + tally.held_usd <= cap / 8
            await asyncio.sleep(0)
            tally.settle(hold, hold * round(8 * share) / 8)
            assert tally.spent_usd + tally.held_usd <= cap / 8

    async def all_calls() -> None:
        room = asyncio.Semaphore(workers)
        async with asyncio.timeout(10):
            await asyncio.gather(*(call(hold / 8, share, room) for hold, share in calls))

    asyncio.run(all_calls())
    assert tally.held_usd == 0.0
    assert tally.stopped or len([hold for hold, _ in calls if hold / 8 > cap / 8]) == 0


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
    worst = worst_case_usd(price, request)
    cost = price.cost_usd(int(sent_bytes * input_share), int((limit or 4096) * output_share))

    assert worst is not None
    assert cost is not None
    assert cost <= worst * (1 + 1e-12)


def test_without_a_price_there_is_no_worst_case() -> None:
    """Unknown is unknown; it is not nothing."""
    assert worst_case_usd(None, asks()) is None


async def test_a_fake_reply_in_full_is_journalled_like_any_other(ledger: Ledger) -> None:
    """Usage, clocks and finish come back from the store as they were measured."""
    answer = FakeReply(text="x", input_tokens=100, output_tokens=20, latency_s=2.0, first_token_s=0.5, finish="length")
    model = FakeModel(reply=lambda _request: answer, paid=True, wait=False)
    journal = Journal(model, ledger)
    first = await journal.complete(asks())
    again = await journal.complete(asks())

    assert first == again
    assert (first.usage.output_tokens, first.latency_s, first.first_token_s, first.finish) == (20, 2.0, 0.5, "length")
