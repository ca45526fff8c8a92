"""What bringing an older store up to date promises: a copy is kept, and nothing that was measured or paid is lost."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import sqlalchemy as sa

from touchstone.data.base import Case
from touchstone.errors import StoreError
from touchstone.evaluation.base import Recipe
from touchstone.evaluation.cells import Cells
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.journal import CellCalls, Journal, cell_calls
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.migrations import SCHEMA
from touchstone.evaluation.purse import Purse
from touchstone.evaluation.recordings import Recording, Recordings
from touchstone.evaluation.recovery import recover, unread
from touchstone.models.base import ChatRequest, Message, Reply
from touchstone.models.fake import FakeModel

VERSION_1 = """
CREATE TABLE schema_version (name VARCHAR NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name));
CREATE TABLE dataset (digest VARCHAR(64) NOT NULL, PRIMARY KEY (digest));
CREATE TABLE dataset_case (
    dataset VARCHAR(64) NOT NULL, split VARCHAR(5) NOT NULL, ordinal INTEGER NOT NULL, case_id VARCHAR NOT NULL,
    group_name VARCHAR, tags VARCHAR NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (dataset, split, ordinal)
) WITHOUT ROWID;
CREATE TABLE reply (
    "key" VARCHAR(64) NOT NULL, body BLOB NOT NULL, digest VARCHAR(64) NOT NULL, meta BLOB NOT NULL,
    stored_at VARCHAR NOT NULL, PRIMARY KEY ("key")
);
CREATE TABLE attempt (
    id VARCHAR(32) NOT NULL, "key" VARCHAR(64) NOT NULL, endpoint VARCHAR NOT NULL, purpose VARCHAR NOT NULL,
    request BLOB NOT NULL, hold_usd FLOAT, state VARCHAR NOT NULL, cost_usd FLOAT, error VARCHAR, received BLOB,
    sent_at VARCHAR NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX ix_attempt_key ON attempt ("key");
CREATE TABLE recording (
    file VARCHAR(64) NOT NULL, model VARCHAR NOT NULL, case_id VARCHAR NOT NULL, draw INTEGER NOT NULL,
    payload BLOB NOT NULL, PRIMARY KEY (file, model, case_id, draw)
) WITHOUT ROWID;
CREATE TABLE recording_file (file VARCHAR(64) NOT NULL, models BLOB NOT NULL, PRIMARY KEY (file));
CREATE TABLE comparison (
    id VARCHAR(32) NOT NULL, created VARCHAR NOT NULL, task VARCHAR NOT NULL, fingerprint VARCHAR(64) NOT NULL,
    dataset VARCHAR(64) NOT NULL, spec BLOB NOT NULL, state VARCHAR NOT NULL, calls BLOB, verdict VARCHAR,
    chosen VARCHAR, judge BLOB, PRIMARY KEY (id)
);
CREATE TABLE trial (
    id INTEGER NOT NULL, comparison VARCHAR(32) NOT NULL, position INTEGER NOT NULL, name VARCHAR NOT NULL,
    recipe BLOB NOT NULL, settings BLOB NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX ix_trial_comparison ON trial (comparison);
CREATE TABLE outcome (
    trial INTEGER NOT NULL, ordinal INTEGER NOT NULL, repeat INTEGER NOT NULL, kind VARCHAR NOT NULL, score FLOAT,
    answer VARCHAR, how VARCHAR, text VARCHAR, scores BLOB, input_tokens INTEGER, output_tokens INTEGER,
    estimated BOOLEAN, cost_usd FLOAT, retry_usd FLOAT, judge_usd FLOAT, latency_s FLOAT, first_token_s FLOAT,
    served_model VARCHAR, error VARCHAR, retries INTEGER NOT NULL, from_cache BOOLEAN NOT NULL,
    PRIMARY KEY (trial, ordinal, repeat)
) WITHOUT ROWID;
INSERT INTO schema_version VALUES ('ledger', 1);
"""
"""The tables as version 1 made them."""

RECIPE = Recipe(model="fake/parrot", strategy="prompt", seed=7)

CALLS = {"made": 3, "from_cache": 1, "retries": 1, "spent_usd": 0.5, "in_doubt": 1}


def asks(text: str = "hello") -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), temperature=0.0, max_tokens=9)


def key_of_version_1(endpoint: str, request: ChatRequest) -> str:
    """How version 1 named a stored reply, written down again here."""
    body = orjson.dumps(request.model_dump(exclude_none=True), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(endpoint.encode() + b"\0" + body).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of version 1: two comparisons with three trials, cells, a recording, a stored reply and its attempts."""
    file = tmp_path / "touchstone.sqlite"
    model = FakeModel(paid=True)
    key = key_of_version_1(model.endpoint, asks())
    reply = Reply(body=b'{"choices": [{"message": {"content": "kept"}, "finish_reason": "stop"}]}', latency_s=1.5)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(VERSION_1)
        add = connection.executemany
        add("INSERT INTO dataset VALUES (?)", [("d",)])
        case = Case(id="a", input="x", target="y").model_dump_json().encode()
        add("INSERT INTO dataset_case VALUES (?, ?, ?, ?, ?, ?, ?)", [("d", "test", 0, "a", "g", "t", case)])
        add(
            "INSERT INTO reply VALUES (?, ?, ?, ?, ?)",
            [
                (
                    key,
                    reply.body,
                    hashlib.sha256(reply.body).hexdigest(),
                    reply.model_dump_json(exclude={"body"}).encode(),
                    "2026-01-01T00:00:00",
                )
            ],
        )
        add(
            "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("ff", key, "e", "answer", b"{}", 0.5, "replied", 0.25, None, None, "2026-01-01T00:00:02"),
                ("00", "k2", "e", "judge", b"{}", None, "in_doubt", None, "lost", b"half", "2026-01-01T00:00:03"),
                ("aa", key, "e", "answer", b"{}", 0.5, "failed", 0.0, "503", None, "2026-01-01T00:00:01"),
                ("bb", "k3", "e", "answer", b"{}", 0.5, "intent", None, None, None, "2026-01-01T00:00:04"),
            ],
        )
        add("INSERT INTO recording VALUES (?, ?, ?, ?, ?)", [("f", "m", "a", 0, b'{"output":"said"}')])
        add("INSERT INTO recording_file VALUES (?, ?)", [("f", b'{"m":1}')])
        add(
            "INSERT INTO comparison VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("one", "2026-01-01", "t", "f1", "d", b'{"a":1}', "finished", orjson.dumps(CALLS), "tie", "m", None),
                ("two", "2026-01-02", "t", "f2", "d", b'{"a":2}', "running", None, None, None, b'{"model":"j"}'),
            ],
        )
        recipe = RECIPE.model_dump_json().encode()
        add(
            "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?)",
            [
                (3, "one", 1, "second", recipe, b'{"n":2}'),
                (4, "one", 0, "first", recipe, b'{"n":1}'),
                (9, "two", 0, "first", recipe, b"{}"),
            ],
        )
        scored = ("scored", 0.75, "y", "whole", "y", None, 7, 1, 0, 0.25, 0.125, None, 1.5, None, "m-1", None, 2, 0)
        failed = ("error", *[None] * 15, 0, 0)
        add(
            f"INSERT INTO outcome VALUES ({', '.join('?' * 21)})",
            [(4, 0, 0, *scored), (3, 0, 0, *failed), (9, 0, 1, *scored)],
        )
        connection.commit()
    return file


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    tables = [name for (name,) in rows(file, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sorted(rows(file, f"SELECT * FROM {table}"), key=repr) for table in tables}


def test_a_copy_of_the_store_as_it_was_is_kept(file: Path) -> None:
    """Complete, beside it, and only when something is changed: opening again makes no second one."""
    before = contents(file)
    for _ in range(2):
        Ledger(file).close()

    [copy] = file.parent.glob("*.bak")
    assert copy.name == "touchstone.ledger-v1.bak"
    assert contents(copy) == before
    assert rows(file, "SELECT version FROM schema_version WHERE name = 'ledger'") == [(2,)]


def test_an_older_store_gets_the_tables_of_a_new_one(ledger: Ledger, tmp_path: Path) -> None:
    """Table by table, column by column, index by index: nothing depends on where a store came from."""
    new = Ledger(tmp_path / "new.sqlite")
    old_tables, new_tables = sa.inspect(ledger.engine), sa.inspect(new.engine)

    assert sorted(old_tables.get_table_names()) == sorted(new_tables.get_table_names())
    for table in new_tables.get_table_names():
        described = [
            {
                column["name"]: (str(column["type"]), column["nullable"], column["primary_key"])
                for column in inspector.get_columns(table)
            }
            for inspector in (old_tables, new_tables)
        ]
        assert described[0] == described[1], table
        indices = [
            sorted(
                (index["name"], tuple(index["column_names"]), index["unique"]) for index in inspector.get_indexes(table)
            )
            for inspector in (old_tables, new_tables)
        ]
        assert indices[0] == indices[1], table
    new.close()


def test_comparisons_are_there_with_everything_that_was_said_of_them(ledger: Ledger) -> None:
    """What they were asked, how they ended, what was decided; they are gone on with by nobody."""
    comparisons = Comparisons(ledger)
    assert [found["id"] for found in comparisons.all()] == ["two", "one"]
    one = comparisons.find("one")
    assert one is not None
    assert (one["task"], one["fingerprint"], one["state"], one["verdict"]) == ("t", "f1", "finished", "tie")
    assert orjson.loads(one["spec"]) == {"a": 1}
    assert orjson.loads(one["calls"]) == CALLS
    assert (one["run_key"], one["ending"], one["race"]) == (None, None, None)
    assert orjson.loads((comparisons.find("two") or {})["judge"]) == {"model": "j"}
    assert comparisons.to_go_on_with("f1") is None


def test_trials_take_part_as_they_did(ledger: Ledger) -> None:
    """Under their names and numbers, in the order of the task file, with their recipes and settings."""
    found = Comparisons(ledger).entries("one")

    assert [(entry["name"], entry["trial"], entry["rest"]) for entry in found] == [
        ("first", 4, None),
        ("second", 3, None),
    ]
    assert [orjson.loads(entry["settings"])["n"] for entry in found] == [1, 2]
    assert all(Recipe.model_validate_json(entry["recipe"]) == RECIPE for entry in found)
    assert [entry["trial"] for entry in Comparisons(ledger).entries("two")] == [9]


def test_a_new_trial_never_gets_the_number_of_an_old_one(ledger: Ledger) -> None:
    """Or it would have its cells."""
    assert Comparisons(ledger).trial("digest", RECIPE) not in (3, 4, 9)


def test_cells_are_the_numbers_they_were(ledger: Ledger) -> None:
    """Scores, cost, clocks; what version 1 did not know is unknown."""
    comparisons = Comparisons(ledger)
    cells = Cells.load(comparisons, 4, planned_cases=2, repeats=1, rest="skipped_cancel", run="one")

    np.testing.assert_array_equal(cells.strict(), [0.75, np.nan])
    assert (cells.cost_usd[0], cells.retry_usd[0], cells.latency_s[0], cells.retries[0]) == (0.25, 0.125, 1.5, 2)
    assert np.isnan(cells.queue_s[0])
    assert (cells.counts().scored, cells.counts().skipped_cancel) == (1, 1)
    [found] = [cell for cell in comparisons.cells_at(9, [0]) if cell["repeat"] == 1]
    assert (found["kind"], found["text"], found["served_model"], found["run"]) == ("scored", "y", "m-1", None)
    comparisons.pack(3)
    assert Cells.load(comparisons, 3, planned_cases=1, repeats=1).counts().error == 1


def test_cases_and_recordings_are_there(ledger: Ledger) -> None:
    """Nothing need be read from the user's files again."""
    assert list(ledger.datasets.cases("d", "test")) == [(0, Case(id="a", input="x", target="y"))]
    assert Recordings(ledger, "f").find("m", "a") == Recording(output="said")


async def test_an_old_reply_is_found_and_nothing_is_bought_again(ledger: Ledger) -> None:
    """Under the same key; it counts as bought by another run, and costs this one nothing."""
    model = FakeModel(paid=True)
    purse, calls = Purse(ledger, cap_usd=None), CellCalls()
    cell_calls.set(calls)
    journal = Journal(model, purse)
    assert (await journal.complete(asks())).text == "kept"
    assert (await journal.complete(asks("new"))).text == "new"

    assert model.calls == [asks("new")]
    assert (calls.made, calls.from_cache) == (1, 1)
    stored = ledger.reply(key_of_version_1(model.endpoint, asks()))
    assert stored is not None
    assert (stored.attempt, stored.run) == (None, None)


def test_attempts_are_there_in_the_order_of_sending(ledger: Ledger, file: Path) -> None:
    """With what they cost and what had come; nobody's run pays for them."""
    found = rows(file, "SELECT key, purpose, state, hold_usd, cost_usd, error, received, run FROM attempt ORDER BY id")

    assert [
        (purpose, state, hold, cost, error, received) for _, purpose, state, hold, cost, error, received, _ in found
    ] == [
        ("answer", "failed", 0.5, 0.0, "503", None),
        ("answer", "replied", 0.5, 0.25, None, None),
        ("judge", "in_doubt", None, None, "lost", b"half"),
        ("answer", "intent", 0.5, None, None, None),
    ]
    assert {run for *_, run in found} == {None}
    assert rows(file, "SELECT * FROM budget") == []


async def test_what_an_older_version_left_open_is_in_doubt(ledger: Ledger, file: Path) -> None:
    """Its worst case is shown; new attempts get numbers of their own."""
    assert recover(ledger) == 1
    assert dict(unread(ledger)) == {}
    assert rows(file, "SELECT state, cost_usd FROM attempt WHERE key = 'k3'") == [("in_doubt", 0.5)]
    attempt, _ = await ledger.intend("run", "k4", "e", "answer", b"{}", None)
    assert attempt is not None
    assert attempt > 4


def test_a_store_that_is_only_looked_at_is_not_brought_up(file: Path) -> None:
    """It says what to run instead, and nothing is written or copied."""
    before = contents(file)
    with pytest.raises(StoreError, match="older version"):
        Ledger(file, read_only=True)
    assert contents(file) == before
    assert not list(file.parent.glob("*.bak"))


def test_a_step_that_fails_leaves_the_store_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table and row; the copy is kept as well, and the next opening begins anew."""
    before = contents(file)
    step = SCHEMA.migrations[2]

    def half(connection: sa.Connection) -> None:
        step(connection)
        raise OSError("the plug was pulled")

    monkeypatch.setattr(
        "touchstone.evaluation.ledger.SCHEMA", SCHEMA.__class__("ledger", 2, SCHEMA.metadata, {2: half})
    )
    with pytest.raises(OSError, match="plug"):
        Ledger(file)
    assert contents(file) == before
    monkeypatch.undo()
    Ledger(file).close()
    assert len(list(file.parent.glob("*.bak"))) == 2
