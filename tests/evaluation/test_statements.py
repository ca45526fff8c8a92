"""What compiled statements promise: rows go in and come out as they were, whatever order the database wants them in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.statements import USAGE_SHRANK, Statement, Statements, outcome_row
from touchstone.models.base import Completion, TextPart, Usage
from touchstone.scoring.base import Reading, Score
from touchstone.storage.database import open_database

metadata = sa.MetaData()
words = sa.Table(
    "word",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("size", sa.Float),
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = open_database(tmp_path / "store.db")
    metadata.create_all(engine)
    tables.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def everything(connection: sa.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql("SELECT id, text, size FROM word ORDER BY id")]


def test_many_rows_are_one_statement(connection: sa.Connection) -> None:
    """Values stand in the order of the names, not of the table."""
    put = Statement(words.insert(), ["size", "id", "text"], connection.dialect)
    put.run(connection, [(0.5, 1, "a"), (None, 2, "b")])

    assert everything(connection) == [(1, "a", 0.5), (2, "b", None)]


def test_parameters_find_their_place_wherever_the_database_wants_them(connection: sa.Connection) -> None:
    """An update asks for its values before its condition, whatever order its rows have."""
    Statement(words.insert(), ["id", "text", "size"], connection.dialect).run(
        connection, [(1, "a", 0.0), (2, "b", 0.0)]
    )
    clause = (
        words.update()
        .where(words.c.id == sa.bindparam("b_id"), words.c.text == sa.bindparam("b_old"))
        .values(text=sa.bindparam("b_new"), size=sa.bindparam("b_size"))
    )
    Statement(clause, ["b_id", "b_old", "b_new", "b_size"], connection.dialect).run(
        connection, [(1, "a", "A", 0.25), (2, "not b", "B", 0.5)]
    )
    assert everything(connection) == [(1, "A", 0.25), (2, "b", 0.0)]


def test_a_query_finds_rows_one_or_all(connection: sa.Connection) -> None:
    """`find_one` sees what this connection has written, and says None where there is nothing."""
    Statement(words.insert(), ["id", "text", "size"], connection.dialect).run(
        connection, [(1, "a", 1.0), (2, "a", 2.0)]
    )
    query = Statement(
        sa.select(words.c.id, words.c.size).where(words.c.text == sa.bindparam("b_text")).order_by(words.c.id),
        ["b_text"],
        connection.dialect,
    )
    assert [tuple(row) for row in query.find(connection, ("a",))] == [(1, 1.0), (2, 2.0)]
    assert tuple(query.find_one(connection, ("a",))) == (1, 1.0)
    assert query.find_one(connection, ("b",)) is None
    assert query.find(connection, ("b",)) == []


def test_on_a_server_rows_go_by_name() -> None:
    """PostgreSQL's parameters are named; every statement of a run compiles for it as well, upserts included."""
    statements = Statements(postgresql.dialect())

    assert "%(b_key)s" in statements.find_reply.text
    assert "FOR UPDATE" in statements.find_budget.text
    for upsert in (statements.put_reply, statements.put_outcome, statements.put_budget):
        assert "ON CONFLICT" in upsert.text
        assert "DO UPDATE SET" in upsert.text
    assert "ON CONFLICT DO NOTHING" in statements.open_budget.text
    assert "coalesce" in statements.settle_attempt.text


class Named:
    """Stands where a connection to a server would, and keeps what it is given."""

    dialect = postgresql.dialect()

    def __init__(self) -> None:
        self.given: list[Any] = []

    def exec_driver_sql(self, text: str, given: Any) -> Any:
        self.given.append(given)
        return self

    def fetchall(self) -> list[tuple[int, ...]]:
        return [(1,)]


def test_named_rows_are_mappings() -> None:
    """One for each row, and one for a query."""
    connection: Any = Named()
    Statement(words.insert(), ["id", "text", "size"], connection.dialect).run(connection, [(1, "a", None)])
    query = Statement(
        sa.select(words.c.id).where(words.c.text == sa.bindparam("b_text")), ["b_text"], connection.dialect
    )
    assert query.find_one(connection, ("a",)) == (1,)
    assert connection.given == [[{"id": 1, "text": "a", "size": None}], {"b_text": "a"}]


# Cells


def test_a_cell_is_a_row_of_its_table() -> None:
    """As many values as columns, each under its name; what nobody knows is null."""
    outcome = Outcome(
        case="c",
        candidate="m",
        repeat=2,
        kind="scored",
        completion=Completion(
            parts=(TextPart(text="yes \ud800"),),
            usage=Usage(input_tokens=7, output_tokens=1, estimated=True, shrank=True),
            cost_usd=0.5,
            latency_s=1.5,
            first_token_s=0.25,
            served_model="m-1",
            system_fingerprint="fp_1",
        ),
        reading=Reading(answer="yes", how="whole"),
        scores=(
            Score(scorer="exact", value=1.0, cost_usd=0.125),
            Score(scorer="judge", value=0.5, cost_usd=0.25, reason="half"),
        ),
        error=None,
        retries=3,
        retry_usd=0.75,
        queue_s=0.0625,
        from_cache=True,
    )
    found = dict(zip((column.name for column in tables.outcomes.c), outcome_row(4, 9, outcome, "run"), strict=True))
    body = found.pop("scores")

    assert b'"half"' in body
    assert found == {
        "trial": 4,
        "ordinal": 9,
        "repeat": 2,
        "run": "run",
        "kind": "scored",
        "score": 1.0,
        "answer": "yes",
        "how": "whole",
        "text": "yes \\ud800",
        "input_tokens": 7,
        "output_tokens": 1,
        "estimated": True,
        "cost_usd": 0.5,
        "retry_usd": 0.75,
        "judge_usd": 0.375,
        "latency_s": 1.5,
        "queue_s": 0.0625,
        "first_token_s": 0.25,
        "served_model": "m-1",
        "system_fingerprint": "fp_1",
        "remark": USAGE_SHRANK,
        "error": None,
        "retries": 3,
        "from_cache": True,
    }


def test_a_failed_cell_knows_nothing_but_its_failure() -> None:
    """No score, no cost, no clock is made up; one number alone needs no list of scores."""
    failed = outcome_row(1, 0, Outcome(case="c", candidate="m", kind="error", error="down", retry_usd=None), None)
    names = [column.name for column in tables.outcomes.c]
    found = dict(zip(names, failed, strict=True))

    assert {name for name, value in found.items() if value is not None} == {
        "trial",
        "ordinal",
        "repeat",
        "kind",
        "error",
        "retries",
        "from_cache",
    }
    plain = Outcome(case="c", candidate="m", kind="scored", scores=(Score(scorer="exact", value=0.5),))
    assert dict(zip(names, outcome_row(1, 0, plain, None), strict=True))["scores"] is None


def test_a_cell_that_is_answered_again_replaces_its_row(connection: sa.Connection) -> None:
    """A skipped cell that a later run asks, a failed one that is retried: one row per cell, the last one."""
    put = Statements(connection.dialect).put_outcome
    skipped = Outcome(case="c", candidate="m", kind="skipped_budget")
    scored = Outcome(case="c", candidate="m", kind="scored", scores=(Score(scorer="exact", value=1.0),))
    put.run(connection, [outcome_row(1, 0, skipped, "first"), outcome_row(1, 1, skipped, "first")])
    put.run(connection, [outcome_row(1, 0, scored, "second")])

    found = connection.exec_driver_sql("SELECT ordinal, run, kind, score FROM outcome ORDER BY ordinal").fetchall()
    assert [tuple(row) for row in found] == [(0, "second", "scored", 1.0), (1, "first", "skipped_budget", None)]


def test_an_attempt_is_written_once(connection: sa.Connection) -> None:
    """Two intents of one number would be one bill for two calls."""
    put = Statements(connection.dialect).put_attempt
    row = (1, "run", "key", "e", "answer", False, b"{}", 0.5, "intent", None, None, None, "now", None, None, None)
    put.run(connection, [row])
    with pytest.raises((sa.exc.IntegrityError, sqlite3.IntegrityError)):
        put.run(connection, [row])
