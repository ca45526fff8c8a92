"""What the ledger promises: bytes in are bytes out, in order, in blocks, and nobody's file is harmed."""

from __future__ import annotations

import asyncio
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case, CaseSummary
from touchstone.errors import StoreError
from touchstone.evaluation import ledger as ledger_module
from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome, Recipe
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger, Served, StoredReply, canonical, key_of
from touchstone.evaluation.noun_json import from_json, safe_text, to_json
from touchstone.evaluation.recordings import Recording, Recordings
from touchstone.evaluation.recovery import balance_of, open_budget, recover, unread
from touchstone.models.base import ChatRequest, Completion, Message, Reply, TextPart, Usage
from touchstone.scoring.base import Reading, Score
from touchstone.storage.lock import EngineLock

any_text = st.text(st.characters(), max_size=40)
"""Every text Python can hold: NUL, lone surrogates, control and direction marks among them."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One store for the examples of a property; each takes names of its own."""
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


def summary(digest: str) -> CaseSummary:
    return CaseSummary(counts={"test": 1}, labels={}, tags={}, groups=0, digest=digest, described="by hand")


def asks(text: str = "hello", **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **fields)


def request_key(endpoint: str, request: ChatRequest) -> str:
    return key_of(endpoint, canonical(request))


def on_disk(file: Path, query: str) -> list[tuple[object, ...]]:
    """What another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# Calls


async def test_an_intent_is_on_disk_when_intend_returns(ledger: Ledger, file: Path) -> None:
    """Another process sees whose it is, whom it was for, what it may cost, and what was asked to the last byte."""
    attempt, balance = await ledger.intend("run", "key", "acme|small", "answer", canonical(asks("hi")), 0.5, retry=True)

    [row] = on_disk(file, "SELECT id, run, key, endpoint, purpose, retry, state, hold_usd, cost_usd FROM attempt")
    assert row == (attempt, "run", "key", "acme|small", "answer", 1, "intent", 0.5, None)
    [(body,)] = on_disk(file, "SELECT request FROM attempt")
    assert body == canonical(asks("hi"))
    assert balance == Balance("run", held_usd=0.5, made=1, retries=1)


async def test_a_hold_and_its_intent_are_one(ledger: Ledger, file: Path) -> None:
    """What the cap does not cover is not on disk either, and has no number."""
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO budget VALUES ('run', 1.0, 0, 0, 0, 0, 0, 0)")
    connection.close()
    first, _ = await ledger.intend("run", "a", "e", "answer", b"{}", 0.75)
    second, balance = await ledger.intend("run", "b", "e", "answer", b"{}", 0.5)
    third, _ = await ledger.intend("run", "c", "e", "answer", b"{}", 0.25)

    assert second is None
    assert balance == Balance("run", cap_usd=1.0, held_usd=0.75, made=1)
    assert on_disk(file, "SELECT id, key FROM attempt ORDER BY id") == [(first, "a"), (third, "c")]
    assert on_disk(file, "SELECT held_usd, made FROM budget") == [(1.0, 2)]


async def test_attempts_lie_in_the_order_of_sending(ledger: Ledger, file: Path) -> None:
    """Also those of one group commit; two ledgers on one store never give the same number."""
    other = Ledger(file)
    for one in (ledger, other):
        await asyncio.gather(*(one.intend("r", f"{number:02}", "e", "answer", b"", None) for number in range(50)))
    other.close()

    rows = on_disk(file, "SELECT key FROM attempt ORDER BY rowid")
    assert len(rows) == 100
    for start in (0, 50):
        assert [key for (key,) in rows[start : start + 50]] == [f"{number:02}" for number in range(50)]


async def test_settling_says_how_an_attempt_ended(ledger: Ledger, file: Path) -> None:
    """State, cost, error, what was received and who answered: of this attempt, and of no other."""
    first, _ = await ledger.intend("run", "key", "e", "answer", b"{}", None)
    second, _ = await ledger.intend("run", "key", "e", "judge", b"{}", 0.25)
    assert second is not None
    balance = await ledger.settle(
        second,
        "run",
        state="in_doubt",
        released_usd=0.25,
        cost_usd=0.25,
        error="lost \ud800 on the way",
        received=b"\x00half",
        served=Served("m-1 \ud800", "fp_1", "eu"),
    )

    assert balance == Balance("run", spent_usd=0.25, made=2, in_doubt=1)
    assert dict(on_disk(file, "SELECT id, state FROM attempt")) == {first: "intent", second: "in_doubt"}
    assert on_disk(
        file,
        "SELECT cost_usd, error, received, served_model, system_fingerprint, region FROM attempt "
        "WHERE state = 'in_doubt'",
    ) == [(0.25, "lost \\ud800 on the way", b"\x00half", "m-1 \\ud800", "fp_1", "eu")]


async def test_of_what_was_no_answer_the_first_mebibyte_is_kept(ledger: Ledger, file: Path) -> None:
    """Before it is settled or after, and settling does not lose what was kept before."""
    for key, before in (("a", True), ("b", False)):
        attempt, _ = await ledger.intend("run", key, "e", "answer", b"{}", None)
        assert attempt is not None
        if before:
            await ledger.keep_unread(attempt, b"x" * (3 << 20))
            await ledger.settle(attempt, "run", state="failed")
        else:
            await ledger.settle(attempt, "run", state="failed", received=b"x" * (3 << 20))
            await ledger.keep_unread(attempt, b"later")

    assert on_disk(file, "SELECT received FROM attempt") == [(b"x" * (1 << 20),)] * 2


async def test_a_cost_replaces_what_was_booked_before(ledger: Ledger) -> None:
    """Booked at its worst case after a crash, read later: the difference comes back."""
    attempt, _ = await ledger.intend("run", "key", "e", "answer", b"{}", 1.0)
    assert attempt is not None
    await ledger.settle(attempt, "run", state="unread", released_usd=1.0, cost_usd=1.0)
    balance = await ledger.settle(attempt, "run", state="replied", cost_usd=0.25, correction_usd=1.0)

    assert balance == Balance("run", spent_usd=0.25, made=1)


async def test_who_gives_up_before_sending_takes_no_money_with_it(ledger: Ledger, file: Path) -> None:
    """However late in the commit it is cancelled: nothing stays held, and what was not sent is no call."""
    for turns in range(6):
        task = asyncio.create_task(ledger.intend("run", f"{turns}", "e", "answer", b"{}", 1.0, retry=True))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await ledger.drain()

    assert on_disk(file, "SELECT held_usd, spent_usd, made, retries FROM budget") in ([], [(0.0, 0.0, 0, 0)])
    assert {state for (state,) in on_disk(file, "SELECT state FROM attempt")} <= {"failed"}


@given(
    body=st.binary(max_size=200),
    latency_s=st.floats(0, 100),
    times=st.lists(st.tuples(st.integers(0, 999), st.floats(0, 9)), max_size=3).map(tuple),
    status=st.sampled_from([200, 400]),
)
@settings(max_examples=40, deadline=None)
def test_a_reply_comes_back_byte_for_byte(
    shared: Ledger,
    body: bytes,
    latency_s: float,
    times: tuple[tuple[int, float], ...],
    status: int,
) -> None:
    """Bytes, clocks and the few headers, with who bought it."""
    key = uuid4().hex
    reply = Reply(body=body, latency_s=latency_s, chunk_times_s=times, status=status, headers={"x-request-id": "1"})
    asyncio.run(shared.keep_reply(key, reply, 7, "run"))
    assert shared.reply(key) == StoredReply(reply, attempt=7, run="run")
    assert shared.reply(f"not {key}") is None


async def test_a_reply_whose_bytes_were_altered_is_not_used(ledger: Ledger, file: Path) -> None:
    """One flipped byte in the store and the reply counts as absent."""
    await ledger.keep_reply("key", Reply(body=b'{"answer": "yes"}', latency_s=1.0), 1, "run")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE reply SET body = ?", (b'{"answer": "no!"}',))
    connection.close()

    assert ledger.reply("key") is None


async def test_a_dropped_reply_is_gone(ledger: Ledger) -> None:
    """Its neighbours stay."""
    for key in ("a", "b"):
        await ledger.keep_reply(key, Reply(body=b"x", latency_s=0.0), 1, "run")
    await ledger.drop_reply("a")

    assert ledger.reply("a") is None
    assert ledger.reply("b") is not None


@given(first=any_text, second=any_text)
def test_request_key_is_the_identity_of_a_request(first: str, second: str) -> None:
    """Equal requests of one endpoint have equal keys, different ones different keys, whatever the text holds."""
    assert request_key("e", asks(first)) == request_key("e", asks(first))
    assert (request_key("e", asks(first)) == request_key("e", asks(second))) == (first == second)
    keys = [request_key("e", asks(extra={text: 1})) for text in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@pytest.mark.parametrize(
    "change",
    [
        {"draw": 1},
        {"temperature": 0.0},
        {"max_tokens": 5},
        {"seed": 3},
        {"stop": ("x",)},
        {"extra": {"top_k": 1}},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_everything_that_changes_a_request_changes_its_key(change: dict[str, object]) -> None:
    """The draw too, which is never sent; and the endpoint."""
    assert request_key("e", asks(**change)) != request_key("e", asks())
    assert request_key("f", asks()) != request_key("e", asks())


def test_the_keys_of_stored_replies_do_not_change() -> None:
    """Written down once: with other keys, everything that was ever bought would be bought again."""
    request = asks("Hé", temperature=0.0, max_tokens=5, stop=("x",), extra={"b": 1, "a": None}, draw=2)

    assert (
        canonical(request)
        == (
            '{"draw":2,"extra":{"a":null,"b":1},"max_tokens":5,"messages":[{"content":"Hé","role":"user"}],"stop":["x"],'
            '"temperature":0.0}'
        ).encode()
    )
    assert request_key("acme|small", request) == "5e2c12b9ff261553afbfe72d8ca75dcb354f3d6580a32bab3b2093cd5ffb6f9d"
    assert (
        request_key("acme|small", asks("\ud800")) == "feea0f083cc1c11b6e1575a8175b7d7bb5da7c6aa195fa4e9af22b0293955438"
    )


def test_the_order_of_keys_in_a_mapping_is_no_difference() -> None:
    """`extra` written in another order is the same request."""
    one = asks(extra={"a": 1, "b": 2})
    other = asks(extra={"b": 2, "a": 1})
    assert request_key("e", one) == request_key("e", other)


# Cells


def an_outcome(repeat: int = 0, text: str = "yes") -> Outcome:
    return Outcome(
        case="c",
        candidate="m",
        repeat=repeat,
        kind="scored",
        completion=Completion(
            parts=(TextPart(text=text),),
            usage=Usage(input_tokens=7, output_tokens=1),
            cost_usd=0.5,
            latency_s=1.5,
            served_model="m-1",
        ),
        reading=Reading(answer=text, how="whole"),
        scores=(
            Score(scorer="exact", value=1.0),
            Score(scorer="judge", value=0.5, cost_usd=0.25, reason="\ud800 half"),
        ),
        retries=2,
        retry_usd=0.125,
        from_cache=True,
    )


def cell(ledger: Ledger, trial: int, ordinal: int, repeat: int = 0) -> dict[str, Any] | None:
    found = Comparisons(ledger).cells_at(trial, [ordinal])
    return next((dict(one) for one in found if one["repeat"] == repeat), None)


@given(text=any_text)
@settings(max_examples=40, deadline=None)
def test_a_cell_comes_back_with_its_text(shared: Ledger, text: str) -> None:
    """NUL and all; lone surrogates, which no file may hold, as visible escapes."""
    trial = int(uuid4().hex[:12], 16)

    async def keep() -> None:
        await shared.keep_outcome(trial, 0, an_outcome(text=text))
        await shared.drain()

    asyncio.run(keep())
    found = cell(shared, trial, 0)
    assert found is not None
    assert found["text"] == safe_text(text)
    assert found["answer"] == safe_text(text)


async def test_a_cell_keeps_every_number(ledger: Ledger) -> None:
    """Score of the first scorer, all scores, usage, money, clocks, retries, and which comparison asked for it."""
    await ledger.keep_outcome(1, 4, an_outcome(repeat=1).model_copy(update={"queue_s": 0.75}), "run")
    await ledger.drain()
    found = cell(ledger, 1, 4, 1)
    assert found is not None
    numbers = {
        "run": "run",
        "kind": "scored",
        "score": 1.0,
        "input_tokens": 7,
        "output_tokens": 1,
        "cost_usd": 0.5,
        "retry_usd": 0.125,
        "judge_usd": 0.25,
        "latency_s": 1.5,
        "queue_s": 0.75,
        "first_token_s": None,
        "served_model": "m-1",
        "retries": 2,
        "from_cache": True,
        "how": "whole",
    }
    assert {name: found[name] for name in numbers} == numbers
    assert b"half" in found["scores"]
    assert cell(ledger, 1, 4, 0) is None


async def test_a_cell_that_is_answered_later_replaces_what_it_was(ledger: Ledger) -> None:
    """A run that goes on, or tries failures again, has one row per cell: the last."""
    failed = Outcome(case="c", candidate="m", kind="error", error="down")
    for outcome in (failed, an_outcome()):
        await ledger.keep_outcome(1, 0, outcome, "run")
    await ledger.drain()
    found = cell(ledger, 1, 0)

    assert found is not None
    assert (found["kind"], found["error"]) == ("scored", None)


async def test_writing_waits_when_the_disk_is_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast outcomes come, no more than a fixed number waits in memory."""
    monkeypatch.setattr(ledger_module, "_LONGEST_BACKLOG", 20)
    longest = 0
    for ordinal in range(300):
        await ledger.keep_outcome(1, ordinal, an_outcome())
        longest = max(longest, ledger._commits.backlog)
    await ledger.drain()

    assert longest <= 20
    assert len(Comparisons(ledger).columns(1, ("ordinal",))["ordinal"]) == 300


async def test_a_store_that_cannot_be_written_says_so(ledger: Ledger, file: Path) -> None:
    """`StoreError` for queued cells and for calls alike, without the user's text in it."""
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE outcome")
    connection.close()
    await ledger.keep_outcome(1, 0, an_outcome(text="a secret"))
    with pytest.raises(StoreError, match="cannot be read or written") as caught:
        await ledger.drain()
    assert "a secret" not in str(caught.value)
    with pytest.raises(StoreError, match="cannot be read or written"):
        await ledger.intend("run", "key", "e", "answer", b"a secret", None)
    with pytest.raises(StoreError, match="cannot be read or written"):
        await ledger.keep_reply("key", Reply(body=b"", latency_s=0), 1, "run")


async def test_a_store_that_another_process_holds_says_so(ledger: Ledger, file: Path) -> None:
    """Every way of writing ends in `StoreError`, in the database's words and without the user's text."""
    ledger.close()
    sa.event.listen(ledger.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    comparisons = Comparisons(ledger)
    writes: list[Callable[[], object]] = [
        lambda: ledger.datasets.add(summary("d"), [Case(id="a secret", input="a secret")]),
        lambda: comparisons.go_on("c", {"a": "secret"}),
        lambda: comparisons.trial("a secret", Recipe(model="a secret", strategy="s")),
        lambda: comparisons.enter("c", 0, 1, "a secret", {"a": "secret"}),
        lambda: comparisons.finish(
            "c", state="stopped", ending="cancel", judge={"a": "secret"}, rest={}, closed={0: "a secret"}
        ),
        lambda: comparisons.keep_verdict("c", "winner", "a secret"),
        lambda: comparisons.keep_race("c", {"a": "secret"}),
        lambda: comparisons.pack(1),
        lambda: comparisons.drop_packed([1]),
        lambda: open_budget(ledger, "run", 1.0),
        lambda: recover(ledger),
    ]
    try:
        for write in writes:
            with pytest.raises(StoreError, match="database is locked") as caught:
                write()
            told = "".join(traceback.format_exception(caught.value, limit=0))
            assert "secret" not in told
    finally:
        other.close()


def test_a_store_that_cannot_be_read_says_so(ledger: Ledger, file: Path) -> None:
    """A table that went away while it was open is the store's failure."""
    with sqlite3.connect(file) as connection:
        for table in tables.metadata.tables:
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    comparisons = Comparisons(ledger)
    reads: list[Callable[[], object]] = [
        comparisons.all,
        lambda: comparisons.find("latest"),
        lambda: comparisons.to_go_on_with("k"),
        lambda: comparisons.unfinished("t", "p"),
        lambda: comparisons.entries("c"),
        lambda: comparisons.find_trial("d"),
        lambda: comparisons.cells_at(1, [0]),
        lambda: comparisons.columns(1, ("kind",)),
        lambda: comparisons.texts(1, 1),
        lambda: comparisons.numbers(1),
        lambda: balance_of(ledger, "run"),
        lambda: unread(ledger),
        lambda: ledger.datasets.has_groups("d", "test"),
        lambda: ledger.datasets.cases_at("d", "test", [0]),
        lambda: list(ledger.datasets.cases("d", "test")),
        lambda: ledger.datasets.case_count("d", "test"),
        lambda: ledger.datasets.case_column("d", "test", "case_id"),
        lambda: ledger.reply("k"),
    ]
    for read in reads:
        with pytest.raises(StoreError, match="no such table"):
            read()


def test_an_engine_that_was_replaced_writes_nothing_any_more(ledger: Ledger, file: Path) -> None:
    """Whatever is to be written: each transaction looks whether its number still holds."""
    comparisons = Comparisons(ledger)
    started = {"task": "t", "fingerprint": "f", "run_key": "k", "parts": {}, "dataset": "d", "spec": {}}
    ended: dict[str, Any] = {"state": "finished", "ending": None, "judge": None, "rest": {0: "planned"}, "closed": {}}
    recipe = Recipe(model="m", strategy="prompt")
    writes: list[Callable[[], object]] = [
        lambda: comparisons.start(identity="c", **started),
        lambda: comparisons.go_on("c", {}),
        lambda: comparisons.keep_race("c", {"steps": []}),
        lambda: comparisons.keep_verdict("c", "clear", "a"),
        lambda: comparisons.trial("digest", recipe),
        lambda: comparisons.enter("c", 0, 1, "a", {}),
        lambda: comparisons.pack(1),
        lambda: comparisons.drop_packed([1]),
        lambda: comparisons.finish("c", **ended),
        lambda: ledger.datasets.add(summary("d"), [Case(id="a")]),
        lambda: ledger.datasets.keep_check("files", summary("d")),
        lambda: Recordings(ledger, "f").add([("m", "a", Recording(output="x"))]),
        lambda: open_budget(ledger, "run", 1.0),
        lambda: recover(ledger),
        lambda: asyncio.run(ledger.intend("run", "key", "e", "answer", b"{}", 1.0)),
    ]
    with EngineLock(ledger.engine) as lock:
        ledger.fence = lock.number
    with closing(sqlite3.connect(file)) as connection:
        before = list(connection.iterdump())
        for write in writes:
            with pytest.raises(StoreError, match="taken over"):
                write()
        assert list(connection.iterdump()) == before


def test_every_transaction_of_an_engine_is_opened_in_one_place() -> None:
    """
    Who writes past `Ledger.writing` and the group commit writes past the fence.

    The gateway has tables and a lock of its own, so its writes are opened in a place of their own; people and sessions
    have a file of their own, and the playground tables that no engine writes.
    """
    package = Path(ledger_module.__file__).parent.parent
    begun = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8").count("engine.begin()")
        for room in package.iterdir()
        if room.is_dir() and room.name != "storage"
        for path in room.rglob("*.py")
    }
    assert {path: times for path, times in begun.items() if times} == {
        "evaluation/ledger.py": 1,
        "deployment/govern/state.py": 1,
        "web/sessions.py": 3,
        "workspace/people.py": 1,
        "workspace/playground_store.py": 1,
    }


def test_a_full_disk_at_opening_says_so(file: Path) -> None:
    """Where the tables have no room, the ledger is not opened."""

    def fill(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    sa.event.listen(sa.Engine, "connect", fill)
    try:
        with pytest.raises(StoreError, match="disk is full"):
            Ledger(file)
    finally:
        sa.event.remove(sa.Engine, "connect", fill)


# The file


def test_a_ledger_of_a_newer_touchstone_is_refused(file: Path) -> None:
    """Both versions are named and nothing is changed."""
    Ledger(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE schema_version SET version = 99 WHERE name = 'ledger'")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="version 99, this Touchstone knows"):
        Ledger(file)

    assert file.read_bytes() == before


def test_a_file_that_is_no_ledger_is_refused(file: Path) -> None:
    """It is left as it is."""
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="is damaged"):
        Ledger(file)

    assert file.read_bytes() == b"not a database" * 100


def test_every_table_of_the_ledger_is_there_after_opening(ledger: Ledger) -> None:
    """And a second opening of the same file is no change."""
    assert set(tables.metadata.tables) <= set(sa.inspect(ledger.engine).get_table_names())


@given(text=any_text)
def test_safe_text_is_utf8_and_leaves_sound_text_alone(text: str) -> None:
    """The result can always be written; what could be written before stays as it was."""
    found = safe_text(text)
    found.encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\\ud" in found
    else:
        assert found == text


@given(text=any_text)
def test_a_noun_survives_its_json(text: str) -> None:
    """`from_json` undoes `to_json` for every text."""
    odd = asks(text, extra={text: [text, None, 2**70]})
    assert from_json(ChatRequest, to_json(odd)) == odd
    assert from_json(ChatRequest, to_json(asks(text), exclude_defaults=True)) == asks(text)
