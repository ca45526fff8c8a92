"""What the ledger promises: bytes in are bytes out, in order, in blocks, and nobody's file is harmed."""

from __future__ import annotations

import asyncio
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case, CaseSummary
from touchstone.errors import StoreError
from touchstone.evaluation import ledger as ledger_module
from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome, Recipe
from touchstone.evaluation.ledger import Ledger, request_key
from touchstone.evaluation.noun_json import from_json, safe_text, to_json
from touchstone.models.base import AudioPart, ChatRequest, Completion, ImagePart, Message, Reply, TextPart, Usage
from touchstone.scoring.base import Reading, Score

any_text = st.text(st.characters(), max_size=40)
"""Every text Python can hold: NUL, lone surrogates, control and direction marks among them."""


turns = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=any_text
    | st.lists(
        st.builds(TextPart, text=any_text) | st.builds(ImagePart, url=any_text) | st.builds(AudioPart, data=any_text),
        max_size=3,
    ).map(tuple),
)


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


def on_disk(file: Path, query: str) -> list[tuple[object, ...]]:
    """What another connection, and so another process, sees."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# Cases


@given(
    st.lists(
        st.builds(
            Case,
            id=any_text,
            input=any_text | st.none(),
            messages=st.none() | st.lists(turns, max_size=2).map(tuple),
            target=any_text | st.none(),
            split=st.sampled_from(["train", "dev", "test"]),
            group=any_text | st.none(),
            tags=st.lists(any_text.map(lambda tag: tag.replace("\n", " ")), max_size=2).map(tuple),
            fields=st.dictionaries(any_text, any_text, max_size=2),
            row=st.integers(1, 9) | st.none(),
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_cases_come_back_as_they_were(shared: Ledger, cases: list[Case]) -> None:
    """Per split, in order, to the last character: NUL and lone surrogates survive."""
    name = uuid4().hex
    shared.add_dataset(summary(name), iter(cases))
    for split in ("train", "dev", "test"):
        wanted = [case for case in cases if case.split == split]
        assert list(shared.cases(name, split)) == list(enumerate(wanted))
        assert shared.case_count(name, split) == len(wanted)


@given(count=st.integers(0, 12), start=st.integers(0, 13), stop=st.integers(0, 14) | st.none(), block=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_any_stretch_of_cases_is_read_whatever_the_block(
    shared: Ledger, count: int, start: int, stop: int | None, block: int
) -> None:
    """`cases(start, stop)` is the slice of all cases, however many are read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "_BLOCK", block)
        name = uuid4().hex
        shared.add_dataset(summary(name), (Case(id=f"c{number}") for number in range(count)))
        found = [ordinal for ordinal, _ in shared.cases(name, "test", start=start, stop=stop)]
        assert found == list(range(count))[start:stop]


def test_cases_are_read_in_blocks(ledger: Ledger) -> None:
    """The first of 2,500 cases costs one query of 1,000 rows; all of them three queries."""
    ledger.add_dataset(summary("d"), (Case(id=f"c{number}") for number in range(2_500)))
    queries: list[object] = []
    sa.event.listen(
        ledger.engine, "before_cursor_execute", lambda _c, _cu, _sql, parameters, _x, _m: queries.append(parameters)
    )
    stream = ledger.cases("d", "test")
    next(stream)
    assert len(queries) == 1
    assert sum(1 for _ in stream) == 2_499
    assert len(queries) == 3


def test_a_dataset_is_kept_once(ledger: Ledger) -> None:
    """The same digest again does not even look at the cases."""
    ledger.add_dataset(summary("d"), [Case(id="a"), Case(id="b")])

    def never() -> Iterator[Case]:
        raise AssertionError("the cases were read again")
        yield

    ledger.add_dataset(summary("d"), never())
    assert ledger.case_column("d", "test", "case_id") == ["a", "b"]


def test_two_processes_may_keep_the_same_dataset_at_once(file: Path) -> None:
    """Who comes second finds the cases there, and that is fine."""
    first, second = Ledger(file), Ledger(file)
    case = Case(id="a", input="x")

    def while_the_other_writes() -> Iterator[Case]:
        second.add_dataset(summary("same"), iter([case]))
        yield case

    first.add_dataset(summary("same"), while_the_other_writes())
    assert [found for _, found in first.cases("same", "test")] == [case]
    first.close()
    second.close()


def test_a_dataset_that_fails_half_way_is_not_kept(ledger: Ledger) -> None:
    """An unreadable row in the middle leaves nothing that could pass for the dataset."""

    def broken() -> Iterator[Case]:
        yield from (Case(id=f"c{number}") for number in range(1_500))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        ledger.add_dataset(summary("d"), broken())
    assert ledger.case_count("d", "test") == 0
    ledger.add_dataset(summary("d"), [Case(id="a", group="g")])
    assert ledger.case_at("d", "test", 0) == Case(id="a", group="g")


# Calls


async def test_an_intent_is_on_disk_when_intend_returns(ledger: Ledger, file: Path) -> None:
    """Another process sees whom it was for, what it may cost and what was asked."""
    attempt = await ledger.intend("key", "acme|small", "answer", asks("hi"), 0.5)

    [row] = on_disk(file, "SELECT id, key, endpoint, purpose, state, hold_usd, cost_usd FROM attempt")
    assert row == (attempt, "key", "acme|small", "answer", "intent", 0.5, None)
    [(body,)] = on_disk(file, "SELECT request FROM attempt")
    assert isinstance(body, bytes)
    assert from_json(ChatRequest, body) == asks("hi")


async def test_settling_says_how_an_attempt_ended(ledger: Ledger, file: Path) -> None:
    """State, cost and error of this attempt, and of no other."""
    first = await ledger.intend("key", "e", "answer", asks(), None)
    second = await ledger.intend("key", "e", "judge", asks(), None)
    await ledger.settle(second, state="in_doubt", cost_usd=0.25, error="lost \ud800 on the way")

    assert dict(on_disk(file, "SELECT id, state FROM attempt")) == {first: "intent", second: "in_doubt"}
    assert on_disk(file, "SELECT cost_usd, error FROM attempt WHERE state = 'in_doubt'") == [
        (0.25, "lost \\ud800 on the way")
    ]


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
    """Bytes, clocks and the few headers."""
    key = uuid4().hex
    reply = Reply(body=body, latency_s=latency_s, chunk_times_s=times, status=status, headers={"x-request-id": "1"})
    asyncio.run(shared.keep_reply(key, reply))
    assert shared.reply(key) == reply
    assert shared.reply(f"not {key}") is None


async def test_a_reply_whose_bytes_were_altered_is_not_used(ledger: Ledger, file: Path) -> None:
    """One flipped byte in the store and the reply counts as absent."""
    await ledger.keep_reply("key", Reply(body=b'{"answer": "yes"}', latency_s=1.0))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE reply SET body = ?", (b'{"answer": "no!"}',))
    connection.close()

    assert ledger.reply("key") is None


async def test_a_dropped_reply_is_gone(ledger: Ledger) -> None:
    """Its neighbours stay."""
    for key in ("a", "b"):
        await ledger.keep_reply(key, Reply(body=b"x", latency_s=0.0))
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


def test_the_order_of_keys_in_a_mapping_is_no_difference() -> None:
    """`extra` written in another order is the same request."""
    one = asks(extra={"a": 1, "b": 2})
    other = asks(extra={"b": 2, "a": 1})
    assert request_key("e", one) == request_key("e", other)


# Outcomes and comparisons


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


@given(text=any_text)
@settings(max_examples=40, deadline=None)
def test_a_cell_comes_back_with_its_text(shared: Ledger, text: str) -> None:
    """NUL and all; lone surrogates, which no file may hold, as visible escapes."""
    trial = shared.add_trial("c", 0, "m", Recipe(model="m", strategy="prompt"), {})

    async def keep() -> None:
        await shared.keep_outcome(trial, 0, an_outcome(text=text))
        await shared.drain()

    asyncio.run(keep())
    cell = shared.cell(trial, 0)
    assert cell is not None
    assert cell["text"] == safe_text(text)
    assert cell["answer"] == safe_text(text)


async def test_a_cell_keeps_every_number(ledger: Ledger) -> None:
    """Score of the first scorer, all scores, usage, money, clocks, retries."""
    await ledger.keep_outcome(1, 4, an_outcome(repeat=1))
    await ledger.drain()
    cell = ledger.cell(1, 4, 1)
    assert cell is not None
    numbers = {
        "kind": "scored",
        "score": 1.0,
        "input_tokens": 7,
        "output_tokens": 1,
        "cost_usd": 0.5,
        "retry_usd": 0.125,
        "judge_usd": 0.25,
        "latency_s": 1.5,
        "first_token_s": None,
        "served_model": "m-1",
        "retries": 2,
        "from_cache": True,
        "how": "whole",
    }
    assert {name: cell[name] for name in numbers} == numbers
    assert b"half" in cell["scores"]
    assert ledger.cell(1, 4, 0) is None


async def test_missing_numbers_are_nan_in_columns_and_never_zero(ledger: Ledger) -> None:
    """A failed cell has no score, cost or latency."""
    await ledger.keep_outcome(1, 0, Outcome(case="a", candidate="m", kind="error", error="it failed"))
    await ledger.keep_outcome(1, 1, an_outcome())
    await ledger.drain()
    found = ledger.cell_columns(1, ("ordinal", "kind", "score", "cost_usd", "estimated"))

    assert found["kind"].tolist() == ["error", "scored"]
    assert np.isnan(found["score"]).tolist() == [True, False]
    assert np.isnan(found["cost_usd"]).tolist() == [True, False]
    assert found["estimated"].tolist()[1] == 0.0
    assert all(len(values) == 0 for values in ledger.cell_columns(9, ("ordinal", "kind")).values())


async def test_writing_waits_when_the_disk_is_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast outcomes come, no more than a fixed number waits in memory."""
    monkeypatch.setattr(ledger_module, "_LONGEST_BACKLOG", 20)
    longest = 0
    for ordinal in range(300):
        await ledger.keep_outcome(1, ordinal, an_outcome())
        longest = max(longest, ledger._commits.backlog)
    await ledger.drain()

    assert longest <= 20
    assert len(ledger.cell_columns(1, ("ordinal",))["ordinal"]) == 300


async def test_a_store_that_cannot_be_written_says_so(ledger: Ledger) -> None:
    """`StoreError` for queued cells and for calls alike, without the user's text in it."""
    for _ in range(2):
        await ledger.keep_outcome(1, 0, an_outcome(text="a secret"))
    with pytest.raises(StoreError, match="cannot be read or written") as caught:
        await ledger.drain()
    assert "a secret" not in str(caught.value)
    with pytest.raises(StoreError, match="cannot be read or written"):
        await ledger.intend("key", "e", "answer", asks(), None)
    with pytest.raises(StoreError, match="cannot be read or written"):
        await ledger.keep_reply("key", Reply(body=b"", latency_s=0))


async def test_a_store_that_another_process_holds_says_so(ledger: Ledger, file: Path) -> None:
    """Every way of writing ends in `StoreError`, in the database's words and without the user's text."""
    ledger.close()
    sa.event.listen(ledger.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writes: list[Callable[[], object]] = [
        lambda: ledger.add_dataset(summary("d"), [Case(id="a secret", input="a secret")]),
        lambda: ledger.start_comparison(task="a secret", fingerprint="f", dataset="d", spec={"a": "secret"}),
        lambda: ledger.add_trial("c", 0, "a secret", Recipe(model="m", strategy="s"), {}),
        lambda: ledger.finish_comparison("c", state="stopped", calls={}, judge={"a": "secret"}),
        lambda: ledger.keep_verdict("c", "winner", "a secret"),
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
        for table in ("comparison", "trial", "outcome", "dataset", "dataset_case", "reply"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    reads: list[Callable[[], object]] = [
        ledger.comparisons,
        lambda: ledger.comparison("latest"),
        lambda: ledger.trials("c"),
        lambda: ledger.cell(1, 0),
        lambda: ledger.cell_columns(1, ("kind",)),
        lambda: list(ledger.cases("d", "test")),
        lambda: ledger.case_count("d", "test"),
        lambda: ledger.case_column("d", "test", "case_id"),
        lambda: ledger.reply("k"),
    ]
    for read in reads:
        with pytest.raises(StoreError, match="no such table"):
            read()


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


def test_comparisons_are_listed_newest_first_and_the_latest_is_a_finished_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is still going on is not the latest."""
    clock = iter(f"2026-01-0{day}" for day in range(1, 10))
    monkeypatch.setattr(ledger_module, "_now", lambda: next(clock))
    made = [
        ledger.start_comparison(task="t", fingerprint="f", dataset="d", spec={"number": number}) for number in range(3)
    ]
    assert ledger.comparison("latest") is None
    for identity in made[:2]:
        ledger.finish_comparison(identity, state="finished", calls={"made": 1}, judge=None)

    latest = ledger.comparison("latest")
    assert latest is not None
    assert latest["id"] == made[1]
    assert [row["id"] for row in ledger.comparisons()] == made[::-1]
    first = ledger.comparison(made[0])
    assert first is not None
    assert (first["state"], first["spec"], first["judge"]) == ("finished", b'{"number":0}', None)
    assert ledger.comparison("nobody") is None


def test_trials_come_in_the_order_of_the_task_file(ledger: Ledger) -> None:
    """Whatever the order in which they were opened."""
    recipe = Recipe(model="m", strategy="prompt")
    numbers = [ledger.add_trial("c", position, f"m{position}", recipe, {"a": 1}) for position in (2, 0, 1)]

    assert len(set(numbers)) == 3
    assert [row["name"] for row in ledger.trials("c")] == ["m0", "m1", "m2"]
    assert Recipe.model_validate_json(ledger.trials("c")[0]["recipe"]) == recipe


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
    with pytest.raises(StoreError, match="left as it is"):
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
